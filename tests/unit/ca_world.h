/*
 * ca_world.h: a whole deployment of derivd-ca in a temporary directory, with a card issuer, cards, devices and a clock of its
 * own, for tests that run its operations directly. Every step is valid, so that a test can break one at a time.
 */
#ifndef DERIVD_TESTS_UNIT_CA_WORLD_H
#define DERIVD_TESTS_UNIT_CA_WORLD_H

#include "daemon/ca/op.h"
#include "evidence/bundle.h"

/* The clock that everything in the test sees; real and boot time go together. */
extern int64_t world_now_ms;
#define WORLD_START_MS INT64_C(1795000000123)
/* Where that clock starts when a world is made; another value goes well with processes that live in real time. */
extern int64_t world_start_ms;
#define WORLD_DAY_MS INT64_C(86400000)

/* What a card's certificate has; zero is a good PIV authentication certificate. */
struct world_card_options {
	const char *policy;    /* NULL: id-fpki-common-authentication */
	const char *eku;       /* NULL: clientAuth; "" none */
	const char *key_usage; /* NULL: digitalSignature */
	const char *san;       /* NULL: upn, mail and urn:uuid; openssl's syntax */
	const char *subject;   /* CN; NULL: Ann Example */
	const char *crl_url;   /* NULL: none */
	const char *curve;     /* NULL: P-256 */
	unsigned int rsa_bits; /* 0: EC */
	EVP_PKEY *key;         /* NULL: a new one */
	bool is_ca;
	bool expired;
	X509 *issuer; /* with its key; NULL: the card issuer */
	EVP_PKEY *issuer_key;
};

struct world_card {
	EVP_PKEY *key;
	X509 *cert;
	struct buf *der;
};

struct world_device {
	EVP_PKEY *identity, *sealing;
	EVP_PKEY *keys[4]; /* by purpose - 1: authentication, signing, -, - */
	struct buf *identity_spki, *sealing_der;
	X509 *sealing_cert;
	uint8_t id[SHA256_LEN];
};

struct world {
	char *dir;
	struct state *s;
	EVP_PKEY *root_key, *ca_key; /* of the cards */
	X509 *root, *ca;
	EVP_PKEY *officer_key;
	X509 *officer;
	long crl_number;
	uint16_t next_id;
	struct world_card *card;
	struct world_device *device;
	struct entry_audit audit;
};

/* The directory that worlds are made in; NULL: in memory where that can be had. */
extern const char *world_parent;
/* extra: lines that come after the world's own in ca.conf's drop-in; NULL: the shipped profiles and one anchor "test". */
struct world *world_new(const char *extra);
void world_free(struct world *w);
DEFINE_AUTO(world, struct world *, world_free);
/* Another process on the same log: the caller frees with state_free. */
struct state *world_open(void);
/* Writes a file below the world's directory. */
void world_write(const struct world *w, const char *name, struct bytes content);
char *world_path(const struct world *w, const char *name);
/* Publishes the card issuer's CRL (revoked: a certificate or NULL) and the root's, valid for so long from now. */
void world_crls(struct world *w, const X509 *revoked, int64_t validity_ms);
/* A CRL in DER of any issuer. */
struct buf *world_make_crl(
	X509 *issuer, EVP_PKEY *key, const X509 *revoked, long number, int64_t validity_ms);

/* The card issuer's certificate has one more extension, in place of one of that kind; it is written, and the state opened anew. */
void world_limit_issuer(struct world *w, int nid, const char *value);

struct world_card *world_new_card(struct world *w, const struct world_card_options *options);
void world_card_free(struct world_card *c);
DEFINE_AUTO(world_card, struct world_card *, world_card_free);
struct world_device *world_new_device(void);
void world_device_free(struct world_device *d);
DEFINE_AUTO(world_device, struct world_device *, world_device_free);

/* One request on its way through the steps; certificates and device may be exchanged before a step. */
struct world_run {
	struct world *w;
	struct world_card *card;     /* lent */
	struct world_device *device; /* lent */
	Common__Operation operation;
	uint8_t request_id[REQUEST_ID_LEN];
	size_t n_certs;
	ProtobufCBinaryData certs[CARD_CERTS_MAX]; /* lent; the card's one by default */
	size_t n_purposes;
	Common__Purpose purposes[4];
	const char *serial;
	Common__Signed *predecessor; /* lent */
	struct card_reasons reasons;

	Ca__Assessment *assessment;
	struct offer *offer;
	EVP_PKEY *invitation;
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	uint8_t r_d[R_LEN], r_k[R_LEN];
	struct buf *pkcs10[4];
	struct buf *statement, *invitation_signature, *identity_signature;
	Common__Statement wire_statement;
	Ca__Nonce *nonce;
	struct buf *intent, *card_signature;
	Common__Evidence evidence; /* lends from all of the above */
	ProtobufCBinaryData evidence_certs[CARD_CERTS_MAX];
	Ca__Verified *verified;
	Ca__Made *made;
};
struct world_run *world_run_new(struct world *w);
void world_run_free(struct world_run *r);
DEFINE_AUTO(world_run, struct world_run *, world_run_free);

MUST_CHECK struct err *world_assess(struct world_run *r);
/* The device makes its keys and signs its statement. */
void world_state(struct world_run *r);
MUST_CHECK struct err *world_prepare(struct world_run *r);
/* The card signs; evidence is filled in. */
void world_sign(struct world_run *r);
/* The card signs whatever stands in r->intent. */
void world_card_sign(struct world_run *r);
MUST_CHECK struct err *world_verify(struct world_run *r);
/* All of these, asserting that each succeeds. */
void world_enroll(struct world_run *r);
/* A new run that has a receipt. */
struct world_run *world_enrolled(struct world *w);
/* Rows that the log's chain has. */
uint64_t world_rows(struct world *w);

MUST_CHECK struct err *world_make(struct world_run *r, Common__Purpose purpose);
/* Device-made keys: with the statement's request; server-made: with the ticket of r->made. */
MUST_CHECK struct err *world_certify(
	struct world_run *r, Common__Purpose purpose, Ca__Certified **ret);
MUST_CHECK struct err *world_item(struct world *w, const uint8_t device_id[static SHA256_LEN],
	uint8_t id, uint64_t number, Ca__ItemKind kind, Common__Purpose purpose,
	struct bytes payload, Ca__SignedItem **ret);
MUST_CHECK struct err *world_revoke_device(
	struct world *w, const uint8_t device_id[static SHA256_LEN], Ca__Revoked **ret);
Common__AuditHead *world_audit(struct world *w, Common__AuditHead *head);

#endif
