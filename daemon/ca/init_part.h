/* init_part.h: what the files of init share; nobody else includes it. */
#ifndef DERIVD_DAEMON_CA_INIT_PART_H
#define DERIVD_DAEMON_CA_INIT_PART_H

#include <openssl/x509.h>

#include "daemon/ca/init.h"

/* All that is made, before anything is written. */
struct ceremony {
	const struct init *options;
	int64_t now_ms, ca_ends_ms;
	EVP_PKEY *root_key, *ca_key, *delivery_key, *receipt_key, *import_key, *history_key;
	struct buf *root, *ca, *import, *history; /* certificates in DER */
	size_t n_escrow;
	struct buf *escrow[ESCROW_MAX]; /* in DER */
	struct deployment *deployment;
};

/* Keys and certificates. */
MUST_CHECK struct err *init_make_keys(struct ceremony *c);
/* Certificates of officers and of derivd-history, tried out by sealing to them. */
MUST_CHECK struct err *init_read_recipients(struct ceremony *c);
/* Host, port and pins. */
MUST_CHECK struct err *init_read_gateway(struct ceremony *c);
/* The first CRLs of both CAs, into public/; the issuing CA's through the log that is open. */
struct ledger;
MUST_CHECK struct err *init_publish(struct ceremony *c, struct ledger *ledger);
/* ca.conf with the shipped profiles if there is none, and the drop-in that names escrow and history. */
MUST_CHECK struct err *init_write_config(const struct ceremony *c, bool *ret_kept);

/*
 * An init that was killed is taken up again by the next one: what it had made is removed, since nobody has used it, or, when
 * only the last step was missing and the address is the same, that is done (*ret_resumed). Where there is a deployment.conf
 * nothing is touched.
 */
MUST_CHECK struct err *init_resume(const struct init *options, bool *ret_resumed);
/* Makes a directory of the state directory ("." itself) root's alone, if it is there. ERR_CONFIG: it is none, or a link. */
MUST_CHECK struct err *init_own(const char *name);
/* From here on something is written. */
MUST_CHECK struct err *init_begin(void);
/* All is written but deployment.conf, which is given. */
MUST_CHECK struct err *init_end(struct bytes deployment);

/* Certificate in PEM. */
struct buf *init_pem(struct bytes der);

#endif
