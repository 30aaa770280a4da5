/*
 * main.c: derivd-courier: fetches what derivd-ca asks for, and nothing else: no key, no store, no judgement on what it
 * brings. One process a connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/courier/fetch.h"
#include "proto/courier.pb-c.h"
#include "proto/kind.h"
#include "proto/worker.h"

/* More than a fetch may take (FETCH_MS_MAX). */
#define DEADLINE_S 75

struct courier {
	cfg_t *cfg; /* owns what rules lends */
	struct fetch_rules rules;
};

/* libconfuse wants defaults that are not constant. */
static char any_url[] = "{\"http://*\", \"https://*\"}";
static cfg_opt_t options[] = {
	CFG_STR_LIST("allow", any_url, CFGF_NONE),
	CFG_STR("proxy", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static struct err *read_config(struct courier *c)
{
	AUTO_MEM char *path = proc_config_path("courier.conf");

	TRY(conf_load(path, true, options, &c->cfg));
	unsigned int n = cfg_size(c->cfg, "allow");
	if (n > FETCH_ALLOW_MAX)
		return err_new(
			&ERR_CONFIG, "%s: allow: more than %d values", path, FETCH_ALLOW_MAX);
	for (unsigned int i = 0; i < n; i++)
		c->rules.allow[i] = cfg_getnstr(c->cfg, "allow", i);
	const char *proxy = cfg_getstr(c->cfg, "proxy");
	c->rules.proxy = proxy && *proxy ? proxy : NULL;
	return NULL;
}

static struct err *run_fetch(struct worker *w, const void *request)
{
	const Courier__Fetch *q = request;
	const struct courier *c = w->state;
	AUTO(fetched) struct fetched *fetched = NULL;
	Courier__Fetched m = COURIER__FETCHED__INIT;
	const struct fetch f = { .url = q->url,
		.max_bytes = q->max_bytes,
		.timeout_ms = q->timeout_ms,
		.accept = q->accept };

	TRY(fetch_get(&c->rules, &f, &fetched));
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

static struct err *serve(struct courier *c)
{
	int fd;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &fd));
	struct err *e = read_config(c);
	if (e)
		return worker_refuse(fd, LINK_COURIER, "derivd-courier", e);
	fetch_start();
	return worker_run(fd, LINK_COURIER, "derivd-courier", ops, DEADLINE_S, c);
}

static int check(struct courier *c)
{
	AUTO(err) struct err *e = read_config(c);

	if (e)
		fprintf(stderr, "derivd-courier: %s\n", err_get_text(e));
	conf_free(c->cfg);
	return e ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct courier c = { 0 };

	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check(&c);
	if (argc != 1) {
		fputs("usage: derivd-courier [check]\nSee derivd-courier(8).\n", stderr);
		return EXIT_FAILURE;
	}
	proc_start("derivd-courier");
	struct err *e = serve(&c);
	conf_free(c.cfg);
	if (!e)
		return EXIT_SUCCESS;
	log_error(e, "derivd-courier");
	return EXIT_FAILURE;
}
