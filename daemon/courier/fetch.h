/*
 * fetch.h: one HTTP GET, with libcurl. Only http and https, only what the allow-list admits, also after a redirection;
 * bounded in size while it streams and in time; no cookies, no credentials, no proxy of the environment.
 */
#ifndef DERIVD_DAEMON_COURIER_FETCH_H
#define DERIVD_DAEMON_COURIER_FETCH_H

#include "base/buf.h"

#define FETCH_BYTES_MAX (8 * 1024 * 1024)
#define FETCH_MS_MAX 60000
#define FETCH_REDIRECTS_MAX 3
#define FETCH_ALLOW_MAX 64

struct fetch_rules {
	const char *allow[FETCH_ALLOW_MAX + 1]; /* globs over URLs, NULL-ended */
	const char *proxy;                      /* NULL: none */
};

struct fetch {
	const char *url;
	size_t max_bytes;
	uint32_t timeout_ms;
	const char *accept; /* media types, or NULL */
};

/* A complete answer of a server, whatever its status. */
struct fetched {
	struct buf *body;
	uint32_t status;
	char *content_type; /* printable, at most 128 bytes; "" when there is none */
};
void fetched_free(struct fetched *f);
DEFINE_AUTO(fetched, struct fetched *, fetched_free);

/* Call once, before the first fetch. Aborts when libcurl cannot start. */
void fetch_start(void);
/*
 * ERR_FORMAT: not a URL, or a number out of range. ERR_POLICY: the rules do not admit the URL, one that it redirects to, or
 * the address that one leads to. ERR_LIMIT: larger than max_bytes. ERR_TIMEOUT. ERR_COURIER: the rest, as the network has it.
 */
MUST_CHECK struct err *fetch_get(
	const struct fetch_rules *rules, const struct fetch *f, struct fetched **ret_fetched);

#endif
