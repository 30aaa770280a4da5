/*
 * setup.c: derivctl setup: from installed packages to a kiosk that works. Root answers a few questions, or gives options; then each
 * part is made by the program whose it is, and doctor looks at the whole.
 */
#include "client/ctl/setup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "client/ctl/program.h"
#include "proto/control.pb-c.h"

#define SERVE_TRIES 300
#define SERVE_NAP_MS 100

/* --- answers --- */

const char *setup_value(const struct setup *s, enum setup_key key)
{
	return s->answers[key].n ? s->answers[key].values[0] : NULL;
}

struct err *setup_add(struct setup_answer *a, const char *value)
{
	if (a->n == SETUP_VALUES_MAX)
		return err_new(&SETUP_ERR_ANSWER, _("these are more than %d"), SETUP_VALUES_MAX);
	a->values[a->n++] = xstrdup(value);
	return NULL;
}

void setup_answer_clear(struct setup_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->values[i]);
	*a = (struct setup_answer){ 0 };
}

static struct err *add_part(struct setup_answer *a, const char *from, size_t len)
{
	while (len && isspace((unsigned char)*from)) {
		from++;
		len--;
	}
	while (len && isspace((unsigned char)from[len - 1]))
		len--;
	AUTO_MEM char *value = bytes_strdup(BYTES(from, len));
	return len ? setup_add(a, value) : NULL;
}

struct err *setup_parse(const char *line, struct setup_answer *ret_answer)
{
	struct setup_answer a = { .given = true };
	struct err *e = NULL;

	for (const char *p = line; !e; p++) {
		size_t len = strcspn(p, ",");
		e = add_part(&a, p, len);
		p += len;
		if (!*p)
			break;
	}
	if (e) {
		setup_answer_clear(&a);
		return e;
	}
	if (a.n == 1 && (strcmp(a.values[0], "none") == 0 || strcmp(a.values[0], _("none")) == 0)) {
		setup_answer_clear(&a);
		a.given = true;
	}
	*ret_answer = a;
	return NULL;
}

/* --- before and after --- */

static struct err *check_programs(const struct setup *s)
{
	static const char *const names[] = { "derivd", "derivd-ca", "derivd-card", "derivd-courier",
		"derivd-gateway" };

	if (geteuid() != 0)
		return err_errno(EPERM, _("only root may: setup makes the CA and starts services"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!program_is_there(names[i]))
			return err_new(&ERR_CONFIG,
				"%s is not installed: apt install derivd derivd-gateway", names[i]);
	return s->ctl->json && !s->defaults
		       ? ctl_usage(_("--json asks no questions: add --defaults"))
		       : NULL;
}

/* Each service finds the others a moment after it has started. */
static void wait_until_it_serves(struct setup *s)
{
	const struct timespec nap = { .tv_nsec = SERVE_NAP_MS * 1000000L };

	for (int i = 0; i < SERVE_TRIES; i++) {
		Control__Status ask = CONTROL__STATUS__INIT;
		AUTO_MSG Control__StatusReply *reply = NULL;
		AUTO(err)
		struct err *e = ctl_call(s->ctl, MSG_STATUS, &ask, MSG_STATUS_REPLY, &reply);

		if (!e && reply->ca_reachable && reply->gateway_connected)
			return;
		if (e) {
			peer_free(s->ctl->control);
			s->ctl->control = NULL;
		}
		(void)nanosleep(&nap, NULL);
	}
}

static struct err *verify(struct setup *s)
{
	char *words[] = { (char *)(uintptr_t) "doctor", (char *)(uintptr_t) "--no-card", NULL };

	if (s->ctl->tree && !s->ctl->json)
		(void)printf(_("\nNext:  derivd-spawn %s\n"), s->ctl->tree);
	if (s->ctl->tree || access("/run/systemd/system", F_OK) != 0)
		return NULL;
	wait_until_it_serves(s);
	if (!s->ctl->json)
		(void)printf(_("\nWhat derivctl doctor says of it:\n"));
	return cmd_doctor(s->ctl, 2, words);
}

static void say_keys(const struct setup *s)
{
	(void)printf(_("  Take away the keys in %s: whoever has them can make another CA, "
		       "or read mail.\n"),
		setup_value(s, SETUP_KEYS));
	(void)printf(_("  They have no passphrase. Put one on each before it is kept:  "
		       "openssl pkey -aes256 -in KEY -out FILE\n"));
}

/* The next setup does not know where this one has put them. */
static void say_keys_of_a_part(const struct setup *s)
{
	const char *dir = setup_value(s, SETUP_KEYS);
	AUTO_MEM char *root = xasprintf("%s/root.key", dir ? dir : "");
	AUTO_MEM char *escrow = xasprintf("%s/escrow.key", dir ? dir : "");

	if (dir && !s->ctl->json && (access(root, F_OK) == 0 || access(escrow, F_OK) == 0))
		say_keys(s);
}

static void say_what_is_left(const struct setup *s)
{
	const char *url = setup_value(s, SETUP_URL);
	AUTO_MEM char *public = s->ctl->tree ? xasprintf("%s/lib/derivd-ca/public", s->ctl->tree)
					     : xstrdup("/var/lib/derivd-ca/public");

	(void)printf(_("\nLeft for you:\n"));
	if (setup_value(s, SETUP_KEYS))
		say_keys(s);
	if (url)
		(void)printf(_("  Have your web server show %s as %s.\n"), public, url);
	if (s->answers[SETUP_OPERATORS].n)
		(void)printf(_("  Operators log in again, and then:  derivctl provision\n"));
	(void)printf(_("  Make a backup:  derivctl backup DIR\n"));
}

static struct err *carry_out(struct setup *s)
{
	bool did;

	if (!s->ctl->json)
		(void)printf("\n");
	struct err *e = setup_do(s, &did);
	if (e)
		say_keys_of_a_part(s);
	TRY(e);
	if (!did && !s->ctl->json)
		(void)printf(_("All is there: nothing is to be done.\n"));
	if (s->dry_run)
		return NULL;
	if (did && !s->ctl->json)
		say_what_is_left(s);
	return verify(s);
}

/*
 * One at a time, and the programs that a killed one has left running count: they have the descriptor from it. So its successor
 * finds what they made, and nothing half.
 */
static struct err *be_alone(const struct setup *s)
{
	AUTO_MEM char *dir = proc_runtime_path(".");
	AUTO_MEM char *path = proc_runtime_path("setup.lock");

	if (s->dry_run)
		return NULL;
	TRY(io_mkdirs(dir, 0755));
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return NULL;
	if (!s->ctl->json)
		(void)printf(_("Another setup is at work here: waiting for its end.\n"));
	TRY(ctl_written());
	return flock(fd, LOCK_EX) == 0 ? NULL : err_errno(errno, "%s", path);
}

static struct err *run(struct setup *s, const struct option_list options[static SETUP_ANSWERS])
{
	TRY(check_programs(s));
	TRY(be_alone(s));
	TRY(setup_look(s));
	if (!s->ctl->json) {
		if (!s->defaults)
			(void)printf(_("This sets derivd up on this machine. Enter takes what "
				       "stands in brackets. Nothing is written\n"
				       "before the last question, and Ctrl-C leaves.\n\n"));
		setup_show_found(s);
	}
	TRY(setup_answer_all(s, options));
	if (!s->ctl->json)
		setup_show_answers(s);
	if (!s->defaults && !s->dry_run && setup_is_needed(s))
		TRY(setup_confirm());
	return carry_out(s);
}

struct err *cmd_setup(struct ctl *c, int argc, char **argv)
{
	struct setup s = { .ctl = c };
	struct option_list lists[SETUP_ANSWERS] = { 0 };
	struct option_row rows[SETUP_ANSWERS + 5] = {
		{ "defaults", OPTION_FLAG, &s.defaults },
		{ "insist", OPTION_FLAG, &s.insist },
		{ "dry-run", OPTION_FLAG, &s.dry_run },
		{ "user", OPTION_LIST, &s.users },
	};

	for (int key = 0; key < SETUP_ANSWERS; key++)
		rows[4 + key] = (struct option_row){ setup_option((enum setup_key)key), OPTION_LIST,
			&lists[key] };
	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	struct err *e = run(&s, lists);
	for (int key = 0; key < SETUP_ANSWERS; key++)
		setup_answer_clear(&s.answers[key]);
	anchors_free(s.anchors);
	free(s.found.host);
	free(s.found.pem);
	return e;
}
