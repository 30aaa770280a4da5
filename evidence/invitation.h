/* invitation.h: what the QR code holds. PROTOCOL.intent section 11. */
#ifndef DERIVD_EVIDENCE_INVITATION_H
#define DERIVD_EVIDENCE_INVITATION_H

#include "proto/deployment.h"

/*
 * The content of the QR code: "derivd:1?h=HOST:PORT&d=DEPLOYMENT&s=SEED&k=DELIVERYHASH&p=PIN[&p=PIN]", binary values in
 * base64url. seed: the invitation key's 32-byte seed: a secret. ERR_FORMAT from parsing.
 */
#define INVITATION_URI_MAX 1024
struct invitation_uri {
	char *host;
	uint16_t port;
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t seed[32];
	uint8_t delivery_hash[SHA256_LEN];
	size_t n_pins;
	uint8_t pins[PINS_MAX][SHA256_LEN];
};
/* Both ends wipe the seed with the object. */
MUST_CHECK struct err *invitation_uri_parse(const char *uri, struct invitation_uri **ret_uri);
/* The caller wipes and frees the text. */
char *invitation_uri_text(const struct invitation_uri *u);
void invitation_uri_free(struct invitation_uri *u);
DEFINE_AUTO(invitation_uri, struct invitation_uri *, invitation_uri_free);

#endif
