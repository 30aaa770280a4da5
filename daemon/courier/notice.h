/*
 * notice.h: what holders and operators are told. derivd says what happened, in numbers and names of tables; the words are
 * here, and the address is the receipt's, which derivd-ca signed: a compromised derivd can have nothing written of its own,
 * and to nobody else.
 */
#ifndef DERIVD_DAEMON_COURIER_NOTICE_H
#define DERIVD_DAEMON_COURIER_NOTICE_H

#include "daemon/courier/settings.h"
#include "evidence/receipt.h"
#include "proto/courier.pb-c.h"
#include "proto/deployment.h"

struct notice {
	const Courier__Notice *said;
	const struct deployment *deployment;
	const char *contact;
	struct receipt *receipt; /* NULL: to operators */
	char *device;            /* hexadecimal, or NULL */
	char *id;                /* hexadecimal */
};
void notice_free(struct notice *n);
DEFINE_AUTO(notice, struct notice *, notice_free);

/* Checks the receipt. said, deployment and contact are lent. ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *notice_open(const Courier__Notice *said, const struct deployment *deployment,
	const char *contact, struct notice **ret_notice);
/* "issued", "expiring", "revoked", "device-revoked", "trouble". */
const char *notice_kind_name(const struct notice *n);
const char *notice_subject(const struct notice *n);
/* The mail's text and the hook's JSON; the caller frees. */
char *notice_text(const struct notice *n);
char *notice_json(const struct notice *n);
/* The holder's address as the card has it, or NULL. */
const char *notice_mail(const struct notice *n);

/* Tells, by each channel that is owed. An error: nothing has been sent. */
MUST_CHECK struct err *notice_send(
	const struct settings *s, const struct notice *n, Courier__Noticed *ret_noticed, struct err **ret_trouble);

#endif
