/* restore_machine.c: see restore_machine.h. Each program's own check knows best which files its configuration names. */
#include "client/ctl/restore_machine.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
#include "client/ctl/program.h"
#include "client/ctl/setup.h"
#include "proto/deployment.h"

static void add(struct buf *list, const char *text)
{
	buf_addf(list, "  %s\n", text);
}

/* Host certificates, PKCS#11 modules, commands: what lies elsewhere than in the directory that came back. */
static struct err *look_at_files(const struct ctl *c, struct buf *list)
{
	static const char *const programs[] = { "derivd-card", "derivd-courier", "derivd-gateway" };
	static const char *const check[] = { "check", NULL };
	struct ctl quiet = *c;

	quiet.json = true;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct err *e = program_run(&quiet, programs[i], check);
		if (e && !err_is(e, &CTL_ERR_PROGRAM))
			return e;
		if (e)
			add(list, err_get_text(e));
		err_free(e);
	}
	return NULL;
}

static void look_at_people(struct buf *list)
{
	const struct group *group = getgrnam("derivd-operator");

	if (!group || !group->gr_mem[0])
		add(list, _("nobody is in the group derivd-operator: usermod -aG derivd-operator "
			    "USER; so for derivd-officer and derivd-auditor"));
}

static void look_at_readers(struct buf *list)
{
	if (access("/lib/systemd/system/pcscd.socket", F_OK) != 0)
		add(list, _("there is no PC/SC service for card readers: apt install pcscd"));
}

static struct err *look_at_port(struct buf *list)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;

	TRY(deployment_load(path, &d));
	AUTO_MEM char *port = xasprintf("%u", (unsigned int)d->port);
	if (strcmp(port, SETUP_PORT_DEFAULT) == 0 || access(SETUP_PORT_DROP_IN, F_OK) == 0)
		return NULL;
	AUTO_MEM char *text = xasprintf(_("phones come to port %u, and no drop-in gives it to "
					  "derivd-gateway.socket: ListenStream= in %s"),
		(unsigned int)d->port, SETUP_PORT_DROP_IN);
	add(list, text);
	return NULL;
}

struct err *restore_machine_say(const struct ctl *c)
{
	AUTO(buf) struct buf *list = buf_new();

	TRY(look_at_files(c, list));
	/* A tree has no machine to itself. */
	if (!c->tree) {
		look_at_people(list);
		look_at_readers(list);
		TRY(look_at_port(list));
	}
	if (buf_len(list))
		(void)printf(
			_("Not in the backup, and missing on this machine:\n%s"), buf_str(list));
	(void)printf(_("Never in a backup: drop-ins of systemd and journald, credentials that "
		       "systemd hands over, the keys of the CA's root and of the key history.\n"));
	return NULL;
}
