/*
 * state.h: all that a device has to remember beside keys and certificates, in one file. Keys and certificates lie in files
 * named by their hashes and are never changed; the state says which of them count. So one rename is the moment at which
 * a step has happened, whatever was written before it.
 */
#ifndef DERIVD_DEVICE_STATE_H
#define DERIVD_DEVICE_STATE_H

#include "proto/deployment.h"
#include "evidence/item.h"
#include "evidence/offer.h"
#include "evidence/payload.h"
#include "evidence/pinset.h"
#include "evidence/statement.h"

/* Keys and certificates of a device, with its history of decryption keys. */
#define STATE_SLOTS_MAX 128
/* Acknowledgements that are kept, to be given again for the same item: more than the server may have on the way. */
#define STATE_ACKS_MAX 16
#define STATE_FILE_MAX (1024 * 1024)

enum stage {
	STAGE_PENDING = 1, /* an enrollment has begun */
	STAGE_ENROLLED = 2,
	STAGE_REMOVED = 3,
};

/* A key, its certificate, or both. */
struct slot {
	Common__Purpose purpose;
	Common__Origin origin;
	uint8_t key_hash[SHA256_LEN]; /* of the SubjectPublicKeyInfo */
	bool has_key;
	bool has_certificate;
	uint8_t certificate[SHA256_LEN]; /* of the DER */
	uint8_t request_id[REQUEST_ID_LEN]; /* of a key that was made here; else zeros */
	int64_t since_ms; /* when it last changed */
};

/* A statement that is being made, or waits to be answered; enrollment or issue. Buffers may be empty. */
struct attempt {
	Common__Operation operation;
	struct buf *seed;  /* of the invitation, until the statement is signed */
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	struct buf *begin; /* signature of Begin */
	uint8_t request_id[REQUEST_ID_LEN];
	uint8_t predecessor[SHA256_LEN];
	int64_t expires_ms; /* the offer's */
	size_t n_purposes;
	uint8_t purposes[OFFER_PURPOSES_MAX]; /* that were offered */
	struct buf *statement;
	struct buf *invitation_signature;
	struct buf *identity_signature;
	uint8_t r_d[R_LEN];
	bool revealed;
	uint8_t r_k[R_LEN]; /* the first that came: no other is ever taken */
	bool accepted; /* the statement need not be sent again */
};

struct kept_ack {
	uint64_t number;
	uint8_t item_digest[SHA256_LEN];
	struct buf *acknowledgement;
	struct buf *signature;
};

struct kept_app {
	char *name;
	char *type;
	uint8_t text[SHA256_LEN];
};

struct state {
	enum stage stage;
	char *host;
	uint16_t port;
	uint64_t pins_epoch; /* of the newest pin set that came; 0: the pins of the QR code */
	size_t n_pins;
	uint8_t pins[PINS_MAX][SHA256_LEN];
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t delivery_hash[SHA256_LEN];
	uint8_t identity_key[SHA256_LEN];         /* the device id */
	uint8_t identity_certificate[SHA256_LEN]; /* for TLS */
	uint8_t sealing_key[SHA256_LEN];
	uint8_t sealing_certificate[SHA256_LEN];
	char *platform;
	char *holder; /* the name in the enrollment's offer */
	bool has_holder_id;
	uint8_t holder_id[SHA256_LEN];
	bool has_receipt;
	uint8_t receipt[SHA256_LEN]; /* hash of the enrollment's receipt, once a certificate has proved it */
	uint64_t last_number;
	struct attempt *attempt; /* or NULL */
	size_t n_slots;
	struct slot slots[STATE_SLOTS_MAX];
	size_t n_chain;
	uint8_t chain[ITEM_CHAIN_MAX][SHA256_LEN]; /* issuer first */
	size_t n_apps;
	struct kept_app apps[PAYLOAD_APPS_MAX];
	size_t n_acks;
	struct kept_ack acks[STATE_ACKS_MAX]; /* oldest first */
};

struct state *state_new(void);
void state_free(struct state *s);
DEFINE_AUTO(state, struct state *, state_free);
struct attempt *attempt_new(void);
void attempt_free(struct attempt *a);
/* Ends the state's attempt. */
void state_drop_attempt(struct state *s);

struct buf *state_encode(const struct state *s);
/* ERR_HOME_DAMAGED. */
MUST_CHECK struct err *state_decode(struct bytes b, struct state **ret_state);

/* The slot of a key, or NULL. */
struct slot *state_find_key(struct state *s, const uint8_t key_hash[static SHA256_LEN]);
/* A new slot; ERR_LIMIT when all are taken. */
MUST_CHECK struct err *state_add_slot(struct state *s, const struct slot *slot);
void state_remove_slot(struct state *s, struct slot *slot);
/* Has everything come that was offered to the last enrollment? True when nothing is in progress. */
bool state_is_complete(const struct state *s);
/* Usable: key and certificate are there. */
bool slot_is_whole(const struct slot *slot);
void state_clear_apps(struct state *s);
/* In place of those that it has. */
void state_set_pins(struct state *s, const struct pinset *p);
/* "authentication", ...; "none" for 0. */
const char *purpose_name(Common__Purpose purpose);
/* ERR_FORMAT names those that exist. */
MUST_CHECK struct err *purpose_parse(const char *name, Common__Purpose *ret_purpose);

#endif
