/*
 * basis.h: what a judgement on a card rests on: until when, what ca.conf said of the anchor, and the files of CRLs that were
 * looked at, by their digests. It is a function of the certificates, the configuration, these files and the time; so as long
 * as none of them has changed, judging again could only give the same, and the signatures need not be verified once more.
 * Verify keeps it in the log, for the processes that make and certify later.
 */
#ifndef DERIVD_DAEMON_CA_BASIS_H
#define DERIVD_DAEMON_CA_BASIS_H

#include "base/buf.h"
#include "proto/sig.h"

#define BASIS_MAX 10

/* The numbers are in the log and never change. */
enum basis_kind {
	BASIS_FILE = 0,   /* of ca.conf */
	BASIS_URL = 1,    /* a CRL that was fetched */
	BASIS_ANCHOR = 2, /* anchor.digest */
};
/* The one name of the source of kind BASIS_ANCHOR. */
#define BASIS_ANCHOR_NAME "anchor"

struct basis_source {
	char *name;
	enum basis_kind kind;
	uint8_t digest[SHA256_LEN]; /* of the file; zeros: there was none */
};

struct basis {
	int64_t until_ms; /* the first end of a certificate or CRL; 0: this is no basis */
	size_t n;
	struct basis_source v[BASIS_MAX];
};

/* One that holds for ever and rests on nothing. */
struct basis *basis_new(void);
void basis_free(struct basis *b);
DEFINE_AUTO(basis, struct basis *, basis_free);

/* Adds a source; when there are too many, or the same name with another digest, it is a basis no longer. */
void basis_add(struct basis *b, const char *name, enum basis_kind kind,
	const uint8_t digest[static SHA256_LEN]);
/* It holds until then at most. */
void basis_end(struct basis *b, int64_t until_ms);
/* Adds all that another rests on. */
void basis_merge(struct basis *b, const struct basis *other);
const struct basis_source *basis_find(const struct basis *b, const char *name);

struct buf *basis_encode(const struct basis *b);
/* ERR_FORMAT. */
MUST_CHECK struct err *basis_decode(struct bytes bytes, struct basis **ret_basis);

#endif
