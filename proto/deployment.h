/*
 * deployment.h: deployment.conf, the root-owned, world-readable file from which derivctl and derivd-card take the
 * facts that they must not take from derivd (ENROLLMENT, keys and trust).
 */
#ifndef DERIVD_PROTO_DEPLOYMENT_H
#define DERIVD_PROTO_DEPLOYMENT_H

#include "base/buf.h"
#include "proto/sig.h"

#define DEPLOYMENT_ID_LEN 16
#define KIOSK_ID_LEN 16
#define PINS_MAX 4

struct deployment {
	uint8_t id[DEPLOYMENT_ID_LEN];
	uint8_t kiosk[KIOSK_ID_LEN];
	uint8_t delivery_public[ED25519_PUBLIC_LEN];
	uint8_t receipt_public[ED25519_PUBLIC_LEN];
	char *host;   /* host name or address of the gateway, as the phone reaches it */
	uint16_t port;
	uint64_t pins_epoch; /* raised by each change of the pins; 0: never changed */
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

#endif
