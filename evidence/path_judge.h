/* path_judge.h: what path.c (which candidates there are) and path_judge.c (what OpenSSL says of one) share. */
#ifndef DERIVD_EVIDENCE_PATH_JUDGE_H
#define DERIVD_EVIDENCE_PATH_JUDGE_H

#include "evidence/path.h"

#define PATH_PROOFS_MAX 16

struct path {
	STACK_OF(X509) *certs;
	STACK_OF(ASN1_OBJECT) *policies; /* the user-constrained set; NULL: empty */
	size_t n_proofs;
	uint8_t proofs[PATH_PROOFS_MAX][SHA256_LEN];
};

/* From what may go away by itself to what is hopeless: a candidate's fault is its worst, the answer's is the best
 * candidate's. */
enum fault {
	FAULT_NONE,
	FAULT_UNKNOWN,
	FAULT_POLICY,
	FAULT_NOT_YET,
	FAULT_EXPIRED,
	FAULT_REVOKED,
	FAULT_PATH,
};

struct verdict {
	enum fault fault;
	char *text;
};
/* Keeps the worse of the two. take_text: of the new one. */
void verdict_add(struct verdict *v, enum fault fault, char *take_text);

/*
 * Judges one candidate: leaf first, anchor last, n from 2. helpers: certificates that may have signed CRLs. missing: gets
 * those for whose revocation there is no CRL. *ret_path only when the verdict is FAULT_NONE.
 */
void path_judge(const struct path_params *params, X509 *const *certs, size_t n,
	STACK_OF(X509) *helpers, STACK_OF(X509_CRL) *crls, STACK_OF(X509) *missing,
	struct verdict *ret_verdict, struct path **ret_path);

/* In path.c. */
bool path_stack_has(STACK_OF(X509) *stack, X509 *cert);
void path_stack_add(STACK_OF(X509) *stack, X509 *cert);

#endif
