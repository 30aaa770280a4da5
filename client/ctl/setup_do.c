/*
 * setup_do.c: the steps. Configuration comes before the CA and the CA before the services: nothing starts before there is a
 * deployment.conf, so a setup that ends in the middle leaves a machine on which nothing runs half-configured. A signal waits for
 * the end of the step that it meets.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/program.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

#define WORDS_MAX 40

struct err *setup_run(const struct setup *s, const char *name, const char *const words[])
{
	struct ctl quiet = *s->ctl;

	/* Programs say on standard output what they say to those who run them by hand. */
	quiet.json = true;
	return program_run(&quiet, name, words);
}

/* Of a user of --user, or the packages'; NULL: nobody. The caller frees. */
static char *owner_of(const struct setup *s, const char *program)
{
	size_t len = strlen(program);

	for (size_t i = 0; i < s->users.n; i++)
		if (text_starts(s->users.values[i], program) && s->users.values[i][len] == '=')
			return xstrdup(s->users.values[i] + len + 1);
	return s->ctl->tree ? NULL : xasprintf("%s:%s", program, program);
}

/* --- accounts, after make install --- */

static bool needs_accounts(const struct setup *s)
{
	return !s->ctl->tree && (!getpwnam("derivd-ca") || !getpwnam("derivd-gateway"));
}

static struct err *make_accounts(struct setup *s)
{
	const char *const none[] = { NULL };
	const char *const create[] = { "--create", NULL };

	TRY(setup_run(s, "systemd-sysusers", none));
	TRY(setup_run(s, "systemd-tmpfiles", create));
	if (needs_accounts(s))
		return err_new(&ERR_CONFIG,
			"systemd-sysusers has not made the users of derivd: is its "
			"sysusers.d/derivd.conf installed where systemd looks?");
	return NULL;
}

/* --- the gateway's key --- */

static bool needs_gateway(const struct setup *s)
{
	return !s->found.ca && !s->found.gateway;
}

static struct err *make_gateway(struct setup *s)
{
	AUTO_MEM char *dir = proc_config_path(".");
	AUTO_MEM char *usual = proc_config_path("gateway.pem");
	/* Root's alone: systemd reads it and hands it over. Without systemd it is the service's. */
	AUTO_MEM char *owner = s->ctl->tree ? owner_of(s, "derivd-gateway") : NULL;
	const char *const words[] = { "init", dir, owner ? "--owner" : NULL, owner, NULL };

	if (strcmp(s->found.pem, usual) != 0)
		return err_new(&ERR_CONFIG,
			"gateway.conf names %s, which is not there: derivd-gateway init makes it",
			s->found.pem);
	return setup_run(s, "derivd-gateway", words);
}

/* --- whose cards --- */

static bool needs_anchors(const struct setup *s)
{
	return s->anchors != NULL;
}

static struct err *make_anchors(struct setup *s)
{
	const struct setup_answer *policies = &s->answers[SETUP_POLICIES];
	AUTO_MEM char *dir = proc_config_path("ca.conf.d");
	AUTO_MEM char *path = proc_config_path("ca.conf.d/10-setup.conf");
	AUTO(buf)
	struct buf *text = anchors_section(
		s->anchors, policies->values, policies->n, s->answers[SETUP_OTHERS].n > 0);

	TRY(io_mkdirs(dir, 0755));
	TRY(anchors_write(s->anchors));
	return io_write_file(path, buf_bytes(text), 0644);
}

/* --- the CA --- */

static bool is_escrow_new(const struct setup *s)
{
	const char *value = setup_value(s, SETUP_ESCROW);

	return value && strcmp(value, SETUP_NEW) == 0;
}

static bool needs_notices(const struct setup *s)
{
	return s->answers[SETUP_SMTP].n > 0;
}

static bool needs_ca(const struct setup *s)
{
	return !s->found.ca;
}

static struct err *make_ca(struct setup *s)
{
	const struct setup_answer *escrow = &s->answers[SETUP_ESCROW];
	AUTO_MEM char *owner = owner_of(s, "derivd-ca");
	AUTO_MEM char *made = xasprintf("%s/escrow.pem", setup_value(s, SETUP_KEYS));
	const char *words[WORDS_MAX + 1] = { "init", "--organization",
		setup_value(s, SETUP_ORGANIZATION), "--host", setup_value(s, SETUP_HOST), "--port",
		setup_value(s, SETUP_PORT), "--pin", s->found.pem };
	size_t n = 9;

	for (size_t i = 0; i < escrow->n && n + 6 < WORDS_MAX; i++) {
		words[n++] = "--escrow";
		words[n++] = is_escrow_new(s) ? made : escrow->values[i];
	}
	if (s->answers[SETUP_URL].n) {
		words[n++] = "--url";
		words[n++] = setup_value(s, SETUP_URL);
	}
	if (owner) {
		words[n++] = "--owner";
		words[n] = owner;
	}
	return setup_run(s, "derivd-ca", words);
}

/* --- does derivd-ca agree? --- */

static bool always(const struct setup *s UNUSED)
{
	return true;
}

static struct err *check_ca(struct setup *s)
{
	const char *const check[] = { "check", NULL };
	struct err *e = setup_run(s, "derivd-ca", check);

	if (!e || s->ctl->json)
		return e;
	err_free(e);
	/* Once more, to be read. */
	return program_run(s->ctl, "derivd-ca", check);
}

/* --- all of them --- */

static const struct step {
	const char *name; /* stable, for --json */
	const char *what;
	bool (*is_needed)(const struct setup *s);
	struct err *(*run)(struct setup *s);
	bool is_look; /* changes nothing */
} steps[] = {
	{ "accounts", N_("users and groups of the services"), needs_accounts, make_accounts,
		false },
	{ "gateway", N_("the gateway's key"), needs_gateway, make_gateway, false },
	{ "anchors", N_("whose cards are believed, into ca.conf.d"), needs_anchors, make_anchors,
		false },
	{ "notices", N_("notices by mail, into courier.conf.d"), needs_notices, setup_write_notices,
		false },
	{ "port", N_("the port of the gateway's socket"), setup_needs_port, setup_write_port,
		false },
	{ "escrow", N_("a key and a certificate for escrow"), is_escrow_new, setup_make_escrow,
		false },
	{ "ca", N_("the CA: its keys, its log, deployment.conf"), needs_ca, make_ca, false },
	{ "keys", N_("keys that leave, into their directory"), setup_needs_putting_away,
		setup_put_away, false },
	{ "check", N_("derivd-ca reads what it is given"), always, check_ca, true },
	{ "roles", N_("who may do what"), setup_needs_roles, setup_give_roles, false },
	{ "services", N_("the services, now and whenever this machine starts"),
		setup_needs_services, setup_start_services, false },
};

static void say(const struct setup *s, const struct step *step, const char *how, const char *shown)
{
	if (s->ctl->json) {
		AUTO(json) json_t *j = json_pack("{s:s, s:s}", "step", step->name, "result", how);

		json_print(j);
	} else {
		(void)printf("%-8s %s\n", shown, _(step->what));
	}
	(void)fflush(stdout);
}

static bool was_stopped(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		       sigismember(&pending, SIGHUP) == 1);
}

static struct err *run_steps(struct setup *s, bool *ret_did)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		const struct step *step = &steps[i];

		if (!step->is_needed(s))
			continue;
		*ret_did = *ret_did || !step->is_look;
		if (s->dry_run) {
			if (!step->is_look)
				say(s, step, "would", _("would do"));
			continue;
		}
		if (was_stopped())
			return err_new(
				&CTL_ERR_CANCELLED, _("stopped between two steps. What is done is "
						      "good; derivctl setup goes on from here"));
		TRY(err_wrap(step->run(s), "%s", step->name));
		say(s, step, "done", _("done"));
	}
	return NULL;
}

bool setup_is_needed(const struct setup *s)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (!steps[i].is_look && steps[i].is_needed(s))
			return true;
	return false;
}

struct err *setup_do(struct setup *s, bool *ret_did)
{
	const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP };
	sigset_t wait, before;

	(void)sigemptyset(&wait);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)sigaddset(&wait, numbers[i]);
	/* Programs that are run have it from us. */
	(void)sigprocmask(SIG_BLOCK, &wait, &before);
	mode_t mask = umask(022);
	*ret_did = false;
	struct err *e = run_steps(s, ret_did);
	(void)umask(mask);
	if (!s->dry_run && e == NULL && was_stopped())
		e = err_new(&CTL_ERR_CANCELLED,
			_("stopped; all was done but the look at it: derivctl doctor"));
	/* A signal that waited has been heard. */
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)signal(numbers[i], SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)signal(numbers[i], SIG_DFL);
	return e;
}
