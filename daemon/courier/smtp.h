/* smtp.h: one mail, with libcurl. */
#ifndef DERIVD_DAEMON_COURIER_SMTP_H
#define DERIVD_DAEMON_COURIER_SMTP_H

#include "daemon/courier/settings.h"

#define SMTP_MS 30000

/* All lent. id: the same mail has the same, so that who gets it twice sees that. text: UTF-8, lines end with "\n". */
struct mail {
	size_t n_to;
	const char *const *to; /* plain addresses */
	const char *subject;   /* ASCII */
	const char *text;
	const char *id;
};

/*
 * ERR_NOTICE: not now (no connection, no TLS, 4yz); ERR_NOTICE_REFUSED: the server refuses it for good (5yz).
 */
MUST_CHECK struct err *smtp_send(const struct smtp_rules *rules, const struct mail *mail);
/* The mail's bytes: for smtp_send and tests. The caller frees. */
struct buf *smtp_write(const struct smtp_rules *rules, const struct mail *mail);

#endif
