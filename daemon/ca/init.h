/* init.h: making a CA: keys, certificates, the log, deployment.conf, ca.conf. */
#ifndef DERIVD_DAEMON_CA_INIT_H
#define DERIVD_DAEMON_CA_INIT_H

#include <sys/types.h>

#include "proto/deployment.h"
#include "evidence/receipt.h"

struct init {
	const char *organization;
	const char *algorithm; /* of root and issuing CA: "p256" or "p384" */
	const char *days;      /* that the issuing CA is good for; NULL: ten years */
	const char *host;
	const char *port;
	const char *
		url; /* where public/ is served on the web, without a slash at the end; NULL: nowhere */
	size_t n_pins;
	const char *pins
		[PINS_MAX]; /* 64 hexadecimal digits, or a file with the gateway's certificate or public key */
	size_t n_escrow;
	const char *escrow[ESCROW_MAX]; /* files with certificates */
	const char
		*history; /* a file with derivd-history's certificate; NULL: its key is made here */
	bool has_owner;
	uid_t uid; /* who owns the state afterwards */
	gid_t gid;
};

/*
 * Refuses (ERR_CONFIG) when any part is there already (but what a killed init left, which it clears away), without an escrow certificate, or with a value that cannot be.
 * *ret_report: what was made and what to do now, for the terminal; the caller frees.
 */
MUST_CHECK struct err *init_run(const struct init *options, char **ret_report);
/* 64 hexadecimal digits, or the hash of the key in a file (a certificate or a public key). ERR_CONFIG. */
MUST_CHECK struct err *init_read_pin(const char *text, uint8_t ret_pin[static SHA256_LEN]);

#endif
