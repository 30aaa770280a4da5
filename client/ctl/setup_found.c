/* setup_found.c: what is there already. */
#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"
#include "proto/deployment.h"

static bool is_there(char *take_path)
{
	AUTO_MEM char *path = take_path;

	return access(path, F_OK) == 0;
}

/* Does a line begin with this word? Each file's own program reads it; this only tells "nothing yet" from "somebody's work". */
static const char *find_word(const char *text, const char *word)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \t\n");
		size_t len = strlen(word);
		if (strncmp(line, word, len) == 0 && strchr(" \t=\"", line[len]))
			return line + len;
	}
	return NULL;
}

/* What stands behind it, without blanks and quotes. NULL: it is not there. The caller frees. */
static char *find_in_file(const char *path, const char *word)
{
	AUTO(buf) struct buf *content = NULL;
	AUTO(err) struct err *e = io_read_file(path, CONF_FILE_MAX, &content);
	const char *value = e ? NULL : find_word(buf_str(content), word);

	if (!value)
		return NULL;
	value += strspn(value, " \t=\"'");
	return bytes_strdup(BYTES(value, strcspn(value, "\"'\n")));
}

static char *find_in_dir(const char *dir, const char *word)
{
	DIR *d = opendir(dir);
	char *found = NULL;

	for (const struct dirent *entry = d ? readdir(d) : NULL; entry && !found;
		entry = readdir(d)) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, entry->d_name);
		found = text_ends(path, ".conf") ? find_in_file(path, word) : NULL;
	}
	if (d)
		(void)closedir(d);
	return found;
}

/* Drop-ins count more than the file. */
static char *find_in_config(const char *file, const char *word)
{
	AUTO_MEM char *path = proc_config_path(file);
	AUTO_MEM char *dir = xasprintf("%s.d", path);
	char *found = find_in_dir(dir, word);

	return found ? found : find_in_file(path, word);
}

bool setup_config_has(const char *file, const char *word)
{
	AUTO_MEM char *found = find_in_config(file, word);

	return found != NULL;
}

/* As derivd-gateway reads it. */
static char *gateway_certificate(void)
{
	AUTO_MEM char *named = find_in_config("gateway.conf", "certificate");

	if (named && *named == '/')
		return take(named);
	return proc_config_path(named ? named : "gateway.pem");
}

bool setup_has_members(const char *role)
{
	AUTO_MEM char *key = xasprintf("%s-group", role);
	AUTO_MEM char *name = xasprintf("derivd-%s", role);

	/* Another group has the role. */
	if (setup_config_has("derivd.conf", key))
		return true;
	const struct group *g = getgrnam(name);
	return g && g->gr_mem[0];
}

char *setup_state_path(const struct setup *s, const char *name)
{
	return s->ctl->tree ? xasprintf("%s/lib/derivd-ca/%s", s->ctl->tree, name)
			    : proc_state_path("ca", name);
}

static struct err *look_at_deployment(struct setup_found *f)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;

	TRY(deployment_load(path, &d));
	f->host = xstrdup(d->host);
	(void)snprintf(f->port, sizeof(f->port), "%u", d->port);
	return NULL;
}

struct err *setup_look(struct setup *s)
{
	struct setup_found *f = &s->found;

	f->ca = is_there(proc_config_path("deployment.conf"));
	f->pem = gateway_certificate();
	f->gateway = access(f->pem, F_OK) == 0;
	f->anchors = setup_config_has("ca.conf", "anchor");
	f->notices = setup_config_has("courier.conf", "smtp") ||
		     setup_config_has("courier.conf", "hook");
	f->ceremony = is_there(setup_state_path(s, "ceremony"));
	return f->ca ? look_at_deployment(f) : NULL;
}

static void show(bool is_there, const char *what)
{
	(void)printf("  %-10s %s\n", is_there ? _("there") : _("not yet"), what);
}

void setup_show_found(const struct setup *s)
{
	const struct setup_found *f = &s->found;

	(void)printf(_("What there is:\n"));
	show(f->ca, _("the CA, and deployment.conf"));
	if (f->ca)
		(void)printf(_("             phones reach it at %s, port %s\n"), f->host, f->port);
	show(f->gateway, _("the gateway's key"));
	show(f->anchors, _("whose cards are believed (ca.conf)"));
	show(f->notices, _("notices by mail (courier.conf)"));
	if (s->ctl->tree)
		return;
	show(setup_has_members("operator"), _("operators: they lead enrollments"));
	show(setup_has_members("officer"), _("officers: they revoke"));
	show(setup_has_members("auditor"), _("auditors: they read what was done"));
}
