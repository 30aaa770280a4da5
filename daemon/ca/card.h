/* card.h: the certificates that a card presents: which one's key may sign, and the facts that they give. */
#ifndef DERIVD_DAEMON_CA_CARD_H
#define DERIVD_DAEMON_CA_CARD_H

#include "daemon/ca/basis.h"
#include "daemon/ca/eligible.h"
#include "proto/common.pb-c.h"

/* Certificates that were judged: the one whose key signs, then those that added facts. */
struct card {
	const struct anchor *anchor;
	size_t n;
	X509 *certs[CARD_CERTS_MAX];
	uint8_t hashes[CARD_CERTS_MAX][SHA256_LEN];
	struct facts *facts;
	struct basis *basis; /* what the judgement rests on */
	size_t n_proofs;
	uint8_t proofs[PROOFS_MAX][SHA256_LEN];
};
void card_free(struct card *c);
DEFINE_AUTO(card, struct card *, card_free);

/* Why certificates were refused, one reason each, for the operator's screen. */
#define CARD_REASONS_MAX 16
struct card_reasons {
	size_t n;
	struct {
		const struct err_kind *kind;
		char *subject;
		char *text;
	} v[CARD_REASONS_MAX];
};
void card_reasons_clear(struct card_reasons *r);

/*
 * Assess: the first of the certificates whose key may sign, and the others that may add facts. serial: the card's own id.
 * When none may sign: the error of the most telling refusal, and reasons for each.
 */
MUST_CHECK struct err *card_choose(struct state *s, const ProtobufCBinaryData *ders, size_t n,
	const char *serial, int64_t now_ms, struct card_reasons *reasons, struct card **ret_card);
/* Prepare and verify: exactly these, the first one signs, each of the others adds facts. Errors as card_choose's, and
 * ERR_EVIDENCE_BAD when one of the others must not add facts or adds none. */
MUST_CHECK struct err *card_judge(struct state *s, const ProtobufCBinaryData *ders, size_t n,
	int64_t now_ms, struct card **ret_card);
/* Make and certify: is a certificate of the card, the signer or another, still valid and not revoked? The errors of
 * revocation_path. */
MUST_CHECK struct err *card_recheck(
	struct state *s, struct bytes der, bool is_signer, int64_t now_ms);

#endif
