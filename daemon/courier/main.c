/*
 * main.c: derivd-courier in its two roles, each a service of its own: it fetches what derivd-ca asks for, without judgement
 * on what it brings; or it tells people what derivd says has happened. No key, no store. One process a connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/proc.h"
#include "daemon/courier/fetch.h"
#include "daemon/courier/notice.h"
#include "daemon/courier/settings.h"
#include "proto/courier.pb-c.h"
#include "proto/kind.h"
#include "proto/worker.h"

/* More than a fetch may take (FETCH_MS_MAX). */
#define DEADLINE_S 75

/* More than a mail (SMTP_MS) and a hook (hook-timeout) may take. */
#define NOTICE_DEADLINE_S 120

static struct err *run_fetch(struct worker *w, const void *request)
{
	const Courier__Fetch *q = request;
	const struct settings *s = w->state;
	AUTO(fetched) struct fetched *fetched = NULL;
	Courier__Fetched m = COURIER__FETCHED__INIT;
	const struct fetch f = { .url = q->url,
		.max_bytes = q->max_bytes,
		.timeout_ms = q->timeout_ms,
		.accept = q->accept };

	TRY(fetch_get(&s->fetch, &f, &fetched));
	m.body = pb_lend(buf_bytes(fetched->body));
	m.content_type = fetched->content_type;
	m.status = fetched->status;
	log_debug("%s: %zu bytes", q->url, buf_len(fetched->body));
	return worker_reply(w, MSG_COURIER_FETCHED, &m);
}

static const struct worker_op ops[] = {
	{ MSG_COURIER_FETCH, run_fetch },
	{ 0, NULL },
};

/* --- the second role --- */

struct teller {
	struct settings *settings;
	struct deployment *deployment;
};

static struct err *run_notice(struct worker *w, const void *request)
{
	const struct teller *t = w->state;
	AUTO(notice) struct notice *n = NULL;
	AUTO(err) struct err *trouble = NULL;
	Courier__Noticed m = COURIER__NOTICED__INIT;

	TRY(notice_open(request, t->deployment, t->settings->contact, &n));
	TRY(notice_send(t->settings, n, &m, &trouble));
	AUTO_MSG Common__Error *wire = trouble ? kind_to_wire(trouble) : NULL;
	m.trouble = wire;
	return worker_reply(w, MSG_NOTICE_SENT, &m);
}

static struct err *run_channels(struct worker *w, const void *request UNUSED)
{
	const struct teller *t = w->state;
	const struct settings *s = t->settings;
	Courier__ChannelsReply m = COURIER__CHANNELS_REPLY__INIT;
	bool hook = s->hook.words[0];
	AUTO_MEM char *text = xasprintf("%s%s%s%s", s->smtp.url ? "mail by " : "",
		s->smtp.url ? s->smtp.url : "", s->smtp.url && hook ? ", and " : "",
		hook ? s->hook.words[0] : "");

	m.holders = s->smtp.url || hook;
	m.operators = (s->smtp.url && s->smtp.n_operators) || hook;
	m.text = m.holders ? text : (char *)(uintptr_t)"none";
	return worker_reply(w, MSG_NOTICE_CHANNELS_REPLY, &m);
}

static const struct worker_op notice_ops[] = {
	{ MSG_NOTICE_SEND, run_notice },
	{ MSG_NOTICE_CHANNELS, run_channels },
	{ 0, NULL },
};

static struct err *load_teller(struct teller *t)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	TRY(settings_load(SETTINGS_NOTICES, &t->settings));
	return deployment_load(path, &t->deployment);
}

static struct err *serve_notices(void)
{
	struct teller t = { NULL };
	int fd;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &fd));
	struct err *e = load_teller(&t);
	if (e) {
		e = worker_refuse(fd, LINK_NOTICE, "derivd-courier", e);
	} else {
		fetch_start();
		e = worker_run(
			fd, LINK_NOTICE, "derivd-courier", notice_ops, NOTICE_DEADLINE_S, &t);
	}
	settings_free(t.settings);
	deployment_free(t.deployment);
	return e;
}

/* --- the first --- */

static struct err *serve(void)
{
	AUTO(settings) struct settings *s = NULL;
	int fd;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &fd));
	struct err *e = settings_load(SETTINGS_FETCH, &s);
	if (e)
		return worker_refuse(fd, LINK_COURIER, "derivd-courier", e);
	fetch_start();
	return worker_run(fd, LINK_COURIER, "derivd-courier", ops, DEADLINE_S, s);
}

static int check(void)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO(err) struct err *e = settings_load(SETTINGS_CHECK, &s);

	if (!e) {
		puts("courier.conf is good");
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "derivd-courier: %s\n", err_get_text(e));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	bool notices = argc == 2 && strcmp(argv[1], "notices") == 0;

	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check();
	if (argc != 1 && !notices) {
		fputs("usage: derivd-courier [check | notices]\nSee derivd-courier(8).\n", stderr);
		return EXIT_FAILURE;
	}
	proc_start("derivd-courier");
	struct err *e = notices ? serve_notices() : serve();
	if (!e)
		return EXIT_SUCCESS;
	log_error(e, "derivd-courier");
	return EXIT_FAILURE;
}
