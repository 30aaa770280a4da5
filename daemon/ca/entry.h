/*
 * entry.h: what the log's rows mean. Reading functions set *ret to NULL when there is no such row; the caller frees what
 * it gets. Writing functions are called inside a transaction and set *ret_exists, writing nothing, when a unique column
 * (request id; intent and purpose; serial; item id; device and number) is taken. Errors: those of ledger.h.
 */
#ifndef DERIVD_DAEMON_CA_ENTRY_H
#define DERIVD_DAEMON_CA_ENTRY_H

#include <sys/types.h>

#include "daemon/ca/ledger.h"
#include "evidence/item.h"
#include "evidence/receipt.h"

/* derivd's audit head that came with a request. */
struct entry_audit {
	uint64_t sequence;
	uint8_t hash[SHA256_LEN];
};

struct entry_receipt {
	uint64_t row; /* reading only */
	uint8_t intent_hash[SHA256_LEN];
	uint8_t request_id[REQUEST_ID_LEN];
	uint8_t device_id[SHA256_LEN];
	uint8_t holder_id[SHA256_LEN];
	uint8_t evidence[SHA256_LEN]; /* of the packed message, its piece 0 */
	struct buf *body;
	struct buf *signature;
	struct buf *basis; /* basis.h: what was found of the card, and until when it holds */
};
void entry_receipt_free(struct entry_receipt *r);
DEFINE_AUTO(entry_receipt, struct entry_receipt *, entry_receipt_free);
MUST_CHECK struct err *entry_receipt_put(
	struct ledger_tx *tx, const struct entry_receipt *r, bool *ret_exists);
MUST_CHECK struct err *entry_receipt_by_request(struct ledger *l,
	const uint8_t request_id[static REQUEST_ID_LEN], struct entry_receipt **ret);
MUST_CHECK struct err *entry_receipt_by_intent(
	struct ledger *l, const uint8_t intent_hash[static SHA256_LEN], struct entry_receipt **ret);
/* The newest of the device. */
MUST_CHECK struct err *entry_receipt_by_device(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], struct entry_receipt **ret);

/* A key that was made here. Copies are pieces of the row, here by their digests. */
enum { PIECE_DEVICE_COPY = 0, PIECE_HISTORY_COPY = 1, PIECE_ESCROW_COPIES = 2 };
struct entry_made {
	uint64_t row; /* reading only */
	uint8_t intent_hash[SHA256_LEN];
	Common__Purpose purpose;
	uint8_t device_id[SHA256_LEN];
	uint8_t key_hash[SHA256_LEN];
	struct buf *body; /* of the ticket */
	struct buf *signature;
	uint8_t device_copy[SHA256_LEN];
	bool has_history_copy;
	uint8_t history_copy[SHA256_LEN];
	size_t n_escrow;
	uint8_t escrow_copies[ESCROW_MAX][SHA256_LEN];
	struct entry_audit audit;
};
void entry_made_free(struct entry_made *m);
DEFINE_AUTO(entry_made, struct entry_made *, entry_made_free);
MUST_CHECK struct err *entry_made_put(
	struct ledger_tx *tx, const struct entry_made *m, bool *ret_exists);
MUST_CHECK struct err *entry_made_get(struct ledger *l,
	const uint8_t intent_hash[static SHA256_LEN], Common__Purpose purpose,
	struct entry_made **ret);
/* By the device and the digest of its copy. */
MUST_CHECK struct err *entry_made_by_copy(struct ledger *l,
	const uint8_t device_id[static SHA256_LEN], const uint8_t device_copy[static SHA256_LEN],
	struct entry_made **ret);
/* Removes the device's copies of all keys made for the device. */
MUST_CHECK struct err *entry_made_purge(
	struct ledger_tx *tx, const uint8_t device_id[static SHA256_LEN]);

#define ENTRY_SERIAL_LEN 20
struct entry_certificate {
	uint8_t serial[ENTRY_SERIAL_LEN];
	uint8_t intent_hash[SHA256_LEN];
	Common__Purpose purpose;
	uint8_t device_id[SHA256_LEN];
	uint8_t holder_id[SHA256_LEN];
	uint8_t issuer[SHA256_LEN]; /* key id */
	uint8_t key_hash[SHA256_LEN];
	int64_t not_after_ms;
	struct buf *der;
	struct entry_audit audit;
	bool revoked; /* reading only */
	int64_t revoked_ms;
};
void entry_certificate_free(struct entry_certificate *c);
DEFINE_AUTO(entry_certificate, struct entry_certificate *, entry_certificate_free);
MUST_CHECK struct err *entry_certificate_put(
	struct ledger_tx *tx, const struct entry_certificate *c, bool *ret_exists);
MUST_CHECK struct err *entry_certificate_get(struct ledger *l,
	const uint8_t intent_hash[static SHA256_LEN], Common__Purpose purpose,
	struct entry_certificate **ret);
MUST_CHECK struct err *entry_certificate_by_serial(struct ledger *l,
	const uint8_t serial[static ENTRY_SERIAL_LEN], struct entry_certificate **ret);

/* *ret_exists: it was revoked before. */
MUST_CHECK struct err *entry_revoke(struct ledger_tx *tx,
	const uint8_t serial[static ENTRY_SERIAL_LEN], uint32_t reason,
	const struct entry_audit *audit, bool *ret_exists);
MUST_CHECK struct err *entry_revoke_device(struct ledger_tx *tx,
	const uint8_t device_id[static SHA256_LEN], uint32_t reason,
	const struct entry_audit *audit, bool *ret_exists);
/* Revokes all certificates of the device that are not yet; *ret_n: how many. */
MUST_CHECK struct err *entry_revoke_all(struct ledger_tx *tx,
	const uint8_t device_id[static SHA256_LEN], uint32_t reason,
	const struct entry_audit *audit, uint32_t *ret_n);
/* *ret_ms is 0 when the certificate is not revoked. */
MUST_CHECK struct err *entry_revoked(
	struct ledger *l, const uint8_t serial[static ENTRY_SERIAL_LEN], int64_t *ret_ms);
/* A certificate of that issuer that the log had lost; one that is there already stays. */
MUST_CHECK struct err *entry_found_put(struct ledger_tx *tx,
	const uint8_t serial[static ENTRY_SERIAL_LEN], const uint8_t issuer[static SHA256_LEN],
	int64_t not_after_ms, struct bytes der);
/* *ret_ms is 0 when the device is not revoked. */
MUST_CHECK struct err *entry_device_revoked(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], int64_t *ret_ms);

struct entry_item {
	uint64_t row; /* reading only */
	uint8_t item_id[ITEM_ID_LEN];
	uint8_t device_id[SHA256_LEN];
	uint64_t number;
	uint8_t request[SHA256_LEN]; /* what was asked for: the same again gets the same answer */
	struct buf *body;
	struct buf *signature;
	uint8_t payload[SHA256_LEN]; /* its piece 0, if derivd-ca filled it in */
};
void entry_item_free(struct entry_item *i);
DEFINE_AUTO(entry_item, struct entry_item *, entry_item_free);
MUST_CHECK struct err *entry_item_put(
	struct ledger_tx *tx, const struct entry_item *i, bool *ret_exists);
MUST_CHECK struct err *entry_item_get(
	struct ledger *l, const uint8_t item_id[static ITEM_ID_LEN], struct entry_item **ret);
/* The highest number of the device, 0 when it had no item. */
MUST_CHECK struct err *entry_item_newest(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], uint64_t *ret_number);

/* An issuing CA of ours and the certificate above it (itself for a root). */
MUST_CHECK struct err *entry_issuer_put(
	struct ledger_tx *tx, struct bytes certificate, struct bytes parent);
/* *ret_certificate is NULL when that issuer is none of ours. */
MUST_CHECK struct err *entry_issuer_get(struct ledger *l, const uint8_t key_id[static SHA256_LEN],
	struct buf **ret_certificate, struct buf **ret_parent);
MUST_CHECK struct err *entry_profile_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], struct bytes body);
/* *ret_body is NULL when no profile of that digest was ever offered. */
MUST_CHECK struct err *entry_profile_get(
	struct ledger *l, const uint8_t digest[static SHA256_LEN], struct buf **ret_body);

/* How a configuration (effect.h) came into force. The numbers are in the log. */
enum entry_how {
	HOW_FIRST = 1, /* the first one that was used */
	HOW_ROOT = 2,  /* no officers were asked for then */
	HOW_OFFICERS = 3,
	HOW_ALONE = 4, /* root said so alone, where officers were asked for */
};
#define ENTRY_REASON_MAX 512
struct entry_approved {
	uint64_t row;    /* reading only */
	int64_t time_ms; /* reading only */
	uint8_t digest[SHA256_LEN];
	enum entry_how how;
	uint32_t officers; /* how many have to approve the next one */
	uid_t uid;         /* who made it complete */
	char reason[ENTRY_REASON_MAX + 1];
};
MUST_CHECK struct err *entry_approved_put(struct ledger_tx *tx, const struct entry_approved *a);
/* The one in force; its row is 0 when there is none. */
MUST_CHECK struct err *entry_approved_newest(struct ledger *l, struct entry_approved *ret_approved);
/* Is it the one of that digest? Cheap: each request asks. */
MUST_CHECK struct err *entry_in_force(
	struct ledger *l, const uint8_t digest[static SHA256_LEN], bool *ret_is);
MUST_CHECK struct err *entry_configuration_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], struct bytes body);
/* *ret_body is NULL when none of that digest was ever approved by anybody. */
MUST_CHECK struct err *entry_configuration_get(
	struct ledger *l, const uint8_t digest[static SHA256_LEN], struct buf **ret_body);
MUST_CHECK struct err *entry_vote_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], uint64_t base, uid_t uid);
/* How many have approved it since base was in force and since anybody approved another one; is uid among them? */
MUST_CHECK struct err *entry_votes(struct ledger *l, const uint8_t digest[static SHA256_LEN],
	uint64_t base, uid_t uid, uint32_t *ret_n, bool *ret_own);

struct entry_crl {
	uint64_t row; /* reading only */
	uint8_t issuer[SHA256_LEN];
	uint64_t number;
	int64_t this_update_ms;
	int64_t next_update_ms;
	uint8_t digest[SHA256_LEN]; /* its piece 0, of the newest one only */
};
MUST_CHECK struct err *entry_crl_put(
	struct ledger_tx *tx, const struct entry_crl *crl, bool *ret_exists);
/* The newest of that issuer; all zeros when there is none. */
MUST_CHECK struct err *entry_crl_newest(
	struct ledger *l, const uint8_t issuer[static SHA256_LEN], struct entry_crl *ret_crl);

#endif
