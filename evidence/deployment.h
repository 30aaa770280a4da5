/*
 * deployment.h: deployment.conf, the root-owned, world-readable file from which derivctl and derivd-card take the
 * facts that they must not take from derivd (ENROLLMENT, keys and trust).
 */
#ifndef DERIVD_EVIDENCE_DEPLOYMENT_H
#define DERIVD_EVIDENCE_DEPLOYMENT_H

#include "evidence/intent.h"

#define PINS_MAX 4

struct deployment {
	uint8_t id[DEPLOYMENT_ID_LEN];
	uint8_t kiosk[KIOSK_ID_LEN];
	uint8_t delivery_public[ED25519_PUBLIC_LEN];
	uint8_t receipt_public[ED25519_PUBLIC_LEN];
	char *host;   /* host name or address of the gateway, as the phone reaches it */
	uint16_t port;
	size_t n_pins;
	uint8_t pins[PINS_MAX][SHA256_LEN]; /* SHA-256 of the gateway's SubjectPublicKeyInfo */
	char *import_certificate;           /* PEM; NULL when there is none */
};

/* Reads the file (conf.h). It and its directory must belong to root, or outside of /etc and /usr to the caller, and
 * nobody else may write them; drop-ins are refused. ERR_CONFIG, ERR_NOTFOUND. */
MUST_CHECK struct err *deployment_load(const char *path, struct deployment **ret_deployment);
void deployment_free(struct deployment *d);
DEFINE_AUTO(deployment, struct deployment *, deployment_free);
/* The text of the file, for derivd-ca init. */
struct buf *deployment_write(const struct deployment *d);

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
