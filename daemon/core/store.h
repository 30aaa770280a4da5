/*
 * store.h: what derivd keeps. Rows go in and out whole, and what has to be one step of the machine is one call here
 * (lease a batch, post a job, take a number), so that another database can stand behind it. store_sqlite.c is the
 * embedded one: WAL, synchronous FULL.
 *
 * A turn is one transaction; inside it each event is marked, and kept or undone alone. All functions return ERR_STORE,
 * or ERR_STORE_FULL when the disk has no room, besides what is said. After either the turn may be gone as a whole:
 * store_commit then says so.
 */
#ifndef DERIVD_CORE_STORE_H
#define DERIVD_CORE_STORE_H

#include "base/buf.h"
#include "base/def.h"
#include "base/err.h"
#include "daemon/core/state.h"
#include "proto/sig.h"

#define ID_LEN 16
/* The most rows of one page. */
#define STORE_PAGE_MAX 100
/* SealedCopies of one credential: device, history and escrow. */
#define STORE_SEALED_MAX 10

struct store;

/*
 * Opens or makes the database, and brings an older schema up to date, after a verified backup beside it
 * ("PATH.schema-N"). ERR_STORE_NEWER for a newer one.
 */
MUST_CHECK struct err *store_open(const char *path, struct store **ret_store);
/* Opens a database that is there, and leaves its schema as it is: for backups. ERR_STORE_NEWER. */
MUST_CHECK struct err *store_open_as_is(const char *path, struct store **ret_store);
void store_free(struct store *s);
DEFINE_AUTO(store, struct store *, store_free);
unsigned int store_get_schema(const struct store *s);

/* --- turns --- */

/* Begins the turn's transaction unless there is one. */
MUST_CHECK struct err *store_begin(struct store *s);
/* Around one event. store_undo forgets what was written since store_mark; false: the whole turn is lost. */
MUST_CHECK struct err *store_mark(struct store *s);
MUST_CHECK struct err *store_keep(struct store *s);
MUST_CHECK bool store_undo(struct store *s);
/* The end of the turn. After an error nothing of the turn has happened. */
MUST_CHECK struct err *store_commit(struct store *s);
/* Forgets the turn. */
void store_abandon(struct store *s);
/* Between turns, now and then: what was deleted is in no file any more, unless another process reads the store just now. */
void store_tidy(struct store *s);

/* Ids of 16 and 32 bytes; all zeros is "none" and stands as NULL in the store. */
bool id_is_none(const uint8_t *id, size_t len);

/* A list of rows of one type. */
struct rows {
	size_t n;
	void **row;
	void (*free_row)(void *row);
};
void rows_free(struct rows *r);
DEFINE_AUTO(rows, struct rows *, rows_free);

/* What a page holds: rows after the cursor, the oldest first. request and device may be NULL. */
struct filter {
	const uint8_t *request;
	const uint8_t *device;
	uint64_t after;
	unsigned int most;
	bool open_only;
};

enum store_table { TABLE_REQUEST, TABLE_DEVICE, TABLE_CREDENTIAL, TABLE_JOB };
/*
 * The id that a hexadecimal text means: all of it or a prefix that only one row has; for credentials also a whole
 * serial number. ret_id has room for 32 bytes. ERR_NO_SUCH, ERR_AMBIGUOUS.
 */
MUST_CHECK struct err *store_find(
	struct store *s, enum store_table table, const char *hex, uint8_t *ret_id);

/* --- runs and the audit chain --- */

/* Counts this start of derivd; *ret_same_boot: was the last one in the same boot? */
MUST_CHECK struct err *store_new_run(
	struct store *s, const uint8_t boot_id[static 16], uint64_t *ret_run, bool *ret_same_boot);

/*
 * In a store that was put back from a backup, until it has caught up: when the backup was taken, and how many audit rows it has.
 * taken_ms is 0: it was not.
 */
MUST_CHECK struct err *store_restored_put(struct store *s, int64_t taken_ms, uint64_t rows);
MUST_CHECK struct err *store_restored_get(
	struct store *s, int64_t *ret_taken_ms, uint64_t *ret_rows);

struct audit_link {
	uint64_t sequence; /* 0: the chain is empty, hash is zeros */
	uint8_t hash[SHA256_LEN];
	int64_t newest_ms; /* the latest time of this row and all before it */
};
struct audit_stored {
	uint64_t sequence;
	uint8_t hash[SHA256_LEN];
	struct buf *body;
};
void audit_stored_free(struct audit_stored *a);
DEFINE_AUTO(audit_stored, struct audit_stored *, audit_stored_free);

MUST_CHECK struct err *store_audit_head(struct store *s, struct audit_link *ret_head);
/* When the chain begins; 0: it has no row. */
MUST_CHECK struct err *store_audit_begin(struct store *s, int64_t *ret_ms);
/* When the last whole backup was taken, as derivctl has noted it beside the database at path; 0: none is known. */
MUST_CHECK struct err *store_backup_put(const char *path, int64_t taken_ms);
MUST_CHECK struct err *store_backup_get(struct store *s, int64_t *ret_taken_ms);
/* The head that derivd-ca has seen and this chain does not have, once the store has caught up in spite of it; sequence 0: none. */
MUST_CHECK struct err *store_accepted_put(struct store *s, const struct audit_link *head);
MUST_CHECK struct err *store_accepted_get(struct store *s, struct audit_link *ret_head);
/*
 * The head that derivd-ca has seen, this chain does not have, and nobody has accepted yet: derivd-ca forgets it when this chain
 * grows beyond it. NULL, or sequence 0: none.
 */
MUST_CHECK struct err *store_lost_put(struct store *s, const struct audit_link *head);
MUST_CHECK struct err *store_lost_get(struct store *s, struct audit_link *ret_head);
/* The newest row of derivd-ca's log that derivd has heard of; sequence 0: none. And the highest number of a CRL; 0: none. */
MUST_CHECK struct err *store_calog_put(struct store *s, const struct audit_link *row);
MUST_CHECK struct err *store_calog_get(struct store *s, struct audit_link *ret_row);
MUST_CHECK struct err *store_crl_put(struct store *s, uint64_t number);
MUST_CHECK struct err *store_crl_get(struct store *s, uint64_t *ret_number);
MUST_CHECK struct err *store_audit_append(struct store *s, const struct audit_link *link,
	struct bytes body, const uint8_t *request, const uint8_t *device);
/* The hash of one row. ERR_NO_SUCH. */
MUST_CHECK struct err *store_audit_hash(
	struct store *s, uint64_t sequence, uint8_t ret_hash[static SHA256_LEN]);
/* struct audit_stored. */
MUST_CHECK struct err *store_audit_list(
	struct store *s, const struct filter *f, struct rows **ret_rows);

/* --- requests --- */

struct request {
	uint64_t n; /* cursor */
	uint8_t id[ID_LEN];
	Common__Operation operation;
	enum request_state state;
	bool open; /* the session, or one of its credentials, is still on its way */
	bool replace;
	int64_t created_ms, changed_ms;
	uint32_t uid; /* who opened it */
	char *reader, *label, *name;
	uint8_t token_hash[SHA256_LEN];
	uint8_t invitation[ED25519_PUBLIC_LEN];
	uint8_t device[SHA256_LEN], holder[SHA256_LEN], card[SHA256_LEN];
	char *cause_kind, *cause;
};
void request_free(struct request *r);
DEFINE_AUTO(request, struct request *, request_free);

MUST_CHECK struct err *store_request_add(struct store *s, const struct request *r);
MUST_CHECK struct err *store_request_put(struct store *s, const struct request *r);
/* ERR_NO_SUCH. */
MUST_CHECK struct err *store_request_get(
	struct store *s, const uint8_t id[static ID_LEN], struct request **ret_request);
/* By the invitation's public key. *ret_request stays NULL when there is none. */
MUST_CHECK struct err *store_request_invited(
	struct store *s, struct bytes invitation, struct request **ret_request);
/* The newest open request for that device, or NULL. */
MUST_CHECK struct err *store_request_of_device(
	struct store *s, const uint8_t device[static SHA256_LEN], struct request **ret_request);
MUST_CHECK struct err *store_request_list(
	struct store *s, const struct filter *f, struct rows **ret_rows);
/* Those that have a session. */
MUST_CHECK struct err *store_request_sessions(struct store *s, struct rows **ret_rows);

/* What only the session needs; dropped with it. The buffers hold packed messages. */
struct session {
	uint8_t request[ID_LEN];
	struct buf *assess;      /* ca.Assess, for the certificates in it */
	struct buf *offer;       /* common.Signed */
	struct buf *predecessor; /* common.Signed; NULL but for op = issue */
	struct buf *statement;   /* common.Statement */
	struct buf *identity_public;
	char *address;
	struct buf *kiosk_random, *device_random;
	unsigned int misses;
	int64_t invited_until_ms; /* 0: the invitation has been used */
};
void session_free(struct session *s);
DEFINE_AUTO(session, struct session *, session_free);
MUST_CHECK struct err *store_session_put(struct store *s, const struct session *session);
/* NULL when the request has none (any more). */
MUST_CHECK struct err *store_session_get(
	struct store *s, const uint8_t request[static ID_LEN], struct session **ret_session);
MUST_CHECK struct err *store_session_drop(struct store *s, const uint8_t request[static ID_LEN]);

/* Evidence: common.Evidence, packed; receipt: common.Signed, packed. NULL where there is none. */
MUST_CHECK struct err *store_evidence_put(
	struct store *s, const uint8_t request[static ID_LEN], struct bytes evidence);
MUST_CHECK struct err *store_evidence_drop(struct store *s, const uint8_t request[static ID_LEN]);
MUST_CHECK struct err *store_receipt_put(struct store *s, const uint8_t request[static ID_LEN],
	struct bytes receipt, struct bytes intent_hash);
MUST_CHECK struct err *store_evidence_get(struct store *s, const uint8_t request[static ID_LEN],
	struct buf **ret_evidence, struct buf **ret_receipt);

/* Writes a mark, to see whether that can be done. */
MUST_CHECK struct err *store_touch(struct store *s, int64_t now_ms);

/* --- holders, cards, devices --- */

MUST_CHECK struct err *store_holder_put(
	struct store *s, const uint8_t id[static SHA256_LEN], const char *name, int64_t now_ms);
/* The caller frees; NULL when unknown. */
MUST_CHECK struct err *store_holder_name(
	struct store *s, const uint8_t id[static SHA256_LEN], char **ret_name);
MUST_CHECK struct err *store_card_put(struct store *s, const uint8_t id[static SHA256_LEN],
	const uint8_t holder[static SHA256_LEN], int64_t now_ms);

enum device_state { DEVICE_ENROLLED, DEVICE_REVOKING, DEVICE_REVOKED, DEVICE_STATES };
const char *device_state_name(enum device_state s);

struct device {
	uint64_t n;
	uint8_t id[SHA256_LEN];
	uint8_t holder[SHA256_LEN];
	uint8_t request[ID_LEN]; /* its enrollment: where the receipt is */
	char *label, *platform;
	enum device_state state;
	struct buf *identity_public;
	int64_t enrolled_ms, seen_ms;
	uint64_t last_number;      /* of the newest item queued */
	uint8_t chain[SHA256_LEN]; /* digest of the newest chain queued */
	uint8_t pins[SHA256_LEN];  /* digest of the gateway's pins that were queued last */
	uint64_t pins_epoch;       /* of those that it has acknowledged */
};
void device_free(struct device *d);
DEFINE_AUTO(device, struct device *, device_free);
/* NULL when unknown. */
MUST_CHECK struct err *store_device_get(
	struct store *s, const uint8_t id[static SHA256_LEN], struct device **ret_device);
MUST_CHECK struct err *store_device_add(struct store *s, const struct device *d);
MUST_CHECK struct err *store_device_put(struct store *s, const struct device *d);
MUST_CHECK struct err *store_device_seen(
	struct store *s, const uint8_t id[static SHA256_LEN], int64_t now_ms);
/* Its next item number will be higher than this one. A device that is not there stays so. */
MUST_CHECK struct err *store_device_raise(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t number);
/* It has acknowledged the gateway's pins of that epoch. */
MUST_CHECK struct err *store_device_pinned(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t epoch);
/* Enrolled devices for which other pins were queued last, as store_device_list gives them. */
MUST_CHECK struct err *store_device_untold(struct store *s, const uint8_t pins[static SHA256_LEN],
	const struct filter *f, struct rows **ret_rows);
/* Takes the device's next item number. */
MUST_CHECK struct err *store_device_number(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t *ret_number);
MUST_CHECK struct err *store_device_count(
	struct store *s, const uint8_t holder[static SHA256_LEN], uint64_t *ret_n);
MUST_CHECK struct err *store_device_list(
	struct store *s, const struct filter *f, struct rows **ret_rows);

/* --- credentials --- */

struct credential {
	uint64_t n;
	uint8_t id[ID_LEN], request[ID_LEN];
	uint8_t device[SHA256_LEN], holder[SHA256_LEN];
	uint8_t slot
		[SHA256_LEN]; /* whose one live credential it is: the device's, or the holder's */
	Common__Purpose purpose;
	Common__Origin origin;
	char *profile;
	enum credential_state state;
	char *serial;
	int64_t not_before_ms, not_after_ms;
	int64_t claim_until_ms; /* to be acknowledged until; 0 once it was */
	int64_t created_ms, changed_ms;
	unsigned int reason; /* of its revocation */
	bool delivered;
	char *cause_kind, *cause;
};
void credential_free(struct credential *c);
DEFINE_AUTO(credential, struct credential *, credential_free);
/* A second one on its way to the same slot and purpose is ERR_STORE: ask store_credential_slot first. */
MUST_CHECK struct err *store_credential_add(struct store *s, const struct credential *c);
MUST_CHECK struct err *store_credential_put(struct store *s, const struct credential *c);
/* ERR_NO_SUCH. */
MUST_CHECK struct err *store_credential_get(
	struct store *s, const uint8_t id[static ID_LEN], struct credential **ret_credential);
/* The live one, and the one on its way, of a slot and purpose; NULL where there is none. */
MUST_CHECK struct err *store_credential_slot(struct store *s, const uint8_t slot[static SHA256_LEN],
	Common__Purpose purpose, struct credential **ret_live, struct credential **ret_coming);
MUST_CHECK struct err *store_credential_list(
	struct store *s, const struct filter *f, struct rows **ret_rows);
/* At most 100 whose validity is over, or, with unclaimed, which were not acknowledged in time. */
MUST_CHECK struct err *store_credential_due(
	struct store *s, int64_t now_ms, bool unclaimed, struct rows **ret_rows);
/* What is on its way to a device may be acknowledged until then, at least. */
MUST_CHECK struct err *store_credential_claim_again(struct store *s, int64_t until_ms);

/* What belongs to a credential and is large. chain: DER certificates, each behind its u32 length. */
struct papers {
	uint8_t credential[ID_LEN];
	struct buf *request;     /* PKCS#10 */
	struct buf *ticket;      /* common.Signed */
	struct buf *certificate; /* DER */
	struct buf *chain;
};
void papers_free(struct papers *p);
DEFINE_AUTO(papers, struct papers *, papers_free);
MUST_CHECK struct err *store_papers_put(struct store *s, const struct papers *p);
MUST_CHECK struct err *store_papers_get(
	struct store *s, const uint8_t credential[static ID_LEN], struct papers **ret_papers);

enum sealed_for { SEALED_DEVICE, SEALED_HISTORY, SEALED_ESCROW };
MUST_CHECK struct err *store_sealed_add(struct store *s, const uint8_t credential[static ID_LEN],
	enum sealed_for whom, struct bytes body);
/* The device's copy; NULL when there is none (any more). */
MUST_CHECK struct err *store_sealed_device(
	struct store *s, const uint8_t credential[static ID_LEN], struct buf **ret_body);
/* The device's copy goes; history and escrow stay. all: these too (a key that was never certified). */
MUST_CHECK struct err *store_sealed_purge(
	struct store *s, const uint8_t credential[static ID_LEN], bool all);

/* --- the outbox --- */

enum job_what {
	JOB_VERIFY,
	JOB_MAKE,
	JOB_CERTIFY,
	JOB_SIGN_ITEM,
	JOB_DELIVER,
	JOB_REVOKE,
	JOB_REVOKE_DEVICE,
	JOB_CRL,
	JOB_NOTICE,
	JOB_WHATS
};
const char *job_what_name(enum job_what w);

/* WAITING, RETRY and BLOCKED may be leased once their time has come; FAILED is an end that stays visible. */
enum job_state { JOB_WAITING, JOB_LEASED, JOB_RETRY, JOB_BLOCKED, JOB_FAILED, JOB_STATES };
const char *job_state_name(enum job_state s);

struct job {
	uint64_t n;
	uint8_t id[ID_LEN]; /* of SIGN_ITEM and DELIVER: the item's */
	enum job_what what;
	enum job_state state;
	unsigned int rank; /* 0 goes first */
	uint8_t request[ID_LEN], credential[ID_LEN];
	uint8_t device[SHA256_LEN];
	Common__Purpose purpose;
	unsigned int reason; /* of a revocation */
	unsigned int attempts;
	int64_t next_boot_ms;
	uint64_t number; /* of the item */
	int64_t created_ms;
	char *cause_kind, *cause;
};
#define JOB_RANKS 4
/* Jobs that are not for derivd-ca but for derivd-courier: they share no lane with the others. */
#define JOB_RANK_NOTICE JOB_RANKS
void job_free(struct job *j);
DEFINE_AUTO(job, struct job *, job_free);
/* A new job in state WAITING. */
MUST_CHECK struct err *store_job_post(struct store *s, const struct job *j);
/* NULL when it is done or dropped. */
MUST_CHECK struct err *store_job_get(
	struct store *s, const uint8_t id[static ID_LEN], struct job **ret_job);
MUST_CHECK struct err *store_job_put(struct store *s, const struct job *j);
MUST_CHECK struct err *store_job_done(struct store *s, const uint8_t id[static ID_LEN]);
/*
 * Leases at most `most` jobs for derivd-ca whose time has come, lowest rank first: their state becomes LEASED, attempts one
 * more, and they carry boot and run. only_revocations: nothing that issues.
 */
struct lease {
	const uint8_t *boot_id;
	uint64_t run;
	int64_t now_boot_ms;
	unsigned int most;
	bool only_revocations;
	bool notices; /* those for derivd-courier in place of those for derivd-ca */
};
MUST_CHECK struct err *store_job_lease(
	struct store *s, const struct lease *l, struct rows **ret_rows);
/* When the next one may be leased; INT64_MAX: none. */
MUST_CHECK struct err *store_job_next(struct store *s, int64_t *ret_boot_ms);
/* The same of notices. */
MUST_CHECK struct err *store_job_next_notice(struct store *s, int64_t *ret_boot_ms);
/* Jobs for derivd-ca, and notices, that are leased. */
MUST_CHECK struct err *store_job_leased(struct store *s, struct rows **ret_rows);
/* At start: leases of other runs are void; after another boot, waiting times too. */
MUST_CHECK struct err *store_job_void(
	struct store *s, uint64_t run, bool same_boot, uint64_t *ret_n);
/* Jobs of one credential, or of one request that belong to no credential. */
MUST_CHECK struct err *store_job_of(
	struct store *s, const uint8_t *credential, const uint8_t *request, struct rows **ret_rows);
MUST_CHECK struct err *store_job_of_device(
	struct store *s, const uint8_t device[static SHA256_LEN], struct rows **ret_rows);
/* A job for each revocation that derivd-ca has confirmed, of certificates and of devices, as if it had not. *ret_n: how many. */
MUST_CHECK struct err *store_job_revoke_again(
	struct store *s, int64_t now_ms, int64_t now_boot_ms, uint64_t *ret_n);
/* Is there a job of a revocation that has not failed? */
MUST_CHECK struct err *store_job_revoking(struct store *s, bool *ret_exists);
/* Is there a job for a CRL that has not failed? */
MUST_CHECK struct err *store_job_crl(struct store *s, bool *ret_exists);
MUST_CHECK struct err *store_job_list(
	struct store *s, const struct filter *f, struct rows **ret_rows);
/* Items that wait for derivd-ca's signature and belong to no credential. */
MUST_CHECK struct err *store_job_unsigned(struct store *s, struct rows **ret_rows);
/* At most 1000 failed ones that derivd-ca could be asked again. */
MUST_CHECK struct err *store_job_failed(struct store *s, struct rows **ret_rows);
/* Makes every job for derivd-ca that waits or is blocked due now. */
MUST_CHECK struct err *store_job_hurry(struct store *s, int64_t now_boot_ms, uint64_t *ret_n);
/* A device has gone: what was sent to it and not acknowledged waits again. */
MUST_CHECK struct err *store_job_return(struct store *s, const uint8_t device[static SHA256_LEN]);

/* --- items --- */

enum item_state { ITEM_WANTED, ITEM_SIGNED, ITEM_SETTLED, ITEM_DECLINED, ITEM_DROPPED };

struct item {
	uint64_t n;
	uint8_t id[ID_LEN], request[ID_LEN], credential[ID_LEN];
	uint8_t device[SHA256_LEN];
	uint64_t number;
	unsigned int kind; /* ca.ItemKind */
	Common__Purpose purpose;
	enum item_state state;
	struct buf *body, *signature, *payload; /* payload of a REMOVAL also before it is signed */
	uint8_t digest[SHA256_LEN];             /* of body */
};
void item_free(struct item *i);
DEFINE_AUTO(item, struct item *, item_free);
MUST_CHECK struct err *store_item_add(struct store *s, const struct item *i);
MUST_CHECK struct err *store_item_put(struct store *s, const struct item *i);
/* NULL when there is none. */
MUST_CHECK struct err *store_item_get(
	struct store *s, const uint8_t id[static ID_LEN], struct item **ret_item);
MUST_CHECK struct err *store_item_numbered(struct store *s, const uint8_t device[static SHA256_LEN],
	uint64_t number, struct item **ret_item);
/*
 * The next signed items of a device in order of their numbers, at most `most`, up to the first that is not signed yet (the
 * device would refuse it once it has a higher one), and how many more are ready behind them.
 */
MUST_CHECK struct err *store_item_next(struct store *s, const uint8_t device[static SHA256_LEN],
	unsigned int most, struct rows **ret_rows, uint64_t *ret_behind);
/* How many could be sent now. */
MUST_CHECK struct err *store_item_ready(
	struct store *s, const uint8_t device[static SHA256_LEN], uint64_t *ret_n);
/* How many of a credential's items are in state WANTED, and how many WANTED or SIGNED. */
MUST_CHECK struct err *store_item_open(struct store *s, const uint8_t credential[static ID_LEN],
	uint64_t *ret_wanted, uint64_t *ret_open);
/*
 * Drops the items of a credential, or of a device, that have not been settled; their jobs go with them, and a device's
 * failed ones too: nobody waits for them any more.
 */
MUST_CHECK struct err *store_item_drop(
	struct store *s, const uint8_t *credential, const uint8_t *device);
/* Something of the same kind and purpose has arrived: the refusals of earlier ones leave the queue. */
MUST_CHECK struct err *store_item_made_good(struct store *s, const struct item *i);
MUST_CHECK struct err *store_item_waiting(
	struct store *s, const uint8_t device[static SHA256_LEN], uint64_t *ret_n);

/* --- notices (store_notice.c) --- */

/* Kept for an hour after it was sent. id: its job's, too. */
struct notice {
	uint8_t id[ID_LEN];
	unsigned int kind;          /* courier.NoticeKind */
	uint8_t holder[SHA256_LEN]; /* zeros: operators */
	uint8_t request[ID_LEN];    /* whose receipt says who that is */
	uint8_t device[SHA256_LEN];
	unsigned int purposes; /* 1 << purpose */
	int64_t when_ms;
	unsigned int reason;
	bool mailed, hooked;
	int64_t sent_ms; /* 0: not yet */
};
void notice_free(struct notice *n);
DEFINE_AUTO(notice, struct notice *, notice_free);
MUST_CHECK struct err *store_notice_add(struct store *s, const struct notice *n);
MUST_CHECK struct err *store_notice_put(struct store *s, const struct notice *n);
/* NULL when there is none. */
MUST_CHECK struct err *store_notice_get(
	struct store *s, const uint8_t id[static ID_LEN], struct notice **ret_notice);
/* One of that kind about that device that waits, and is not being sent just now; NULL when there is none. */
MUST_CHECK struct err *store_notice_waiting(struct store *s, unsigned int kind,
	const uint8_t device[static SHA256_LEN], struct notice **ret_notice);
/* How many the holder was sent between the two, and when the first of them. */
MUST_CHECK struct err *store_notice_told(struct store *s, const uint8_t holder[static SHA256_LEN],
	int64_t since_ms, int64_t until_ms, uint64_t *ret_n, int64_t *ret_first_ms);
/* Notes that a credential's holder is told of this kind of thing. *ret_first: for the first time. */
MUST_CHECK struct err *store_notice_first(struct store *s, const uint8_t credential[static ID_LEN],
	unsigned int kind, bool *ret_first);
/* Notices that wait for their first try, or for another one, go. */
MUST_CHECK struct err *store_notice_drop(struct store *s, uint64_t *ret_n);
/* At most 100 that failed, of things that happened before then. */
MUST_CHECK struct err *store_notice_stale(
	struct store *s, int64_t before_ms, struct rows **ret_rows);
/* Those sent before go. */
MUST_CHECK struct err *store_notice_forget(struct store *s, int64_t before_ms);
struct trouble {
	char *event, *error;
	unsigned int n;
};
/* Counts one more in the notice, which has at most 64 different ones. */
MUST_CHECK struct err *store_trouble_add(
	struct store *s, const uint8_t id[static ID_LEN], const char *event, const char *error);
/* struct trouble. */
MUST_CHECK struct err *store_trouble_list(
	struct store *s, const uint8_t id[static ID_LEN], struct rows **ret_rows);
/* At most 100 active ones that end before then, and nobody was told: the first to end first. */
MUST_CHECK struct err *store_credential_ending(
	struct store *s, int64_t before_ms, struct rows **ret_rows);
MUST_CHECK struct err *store_credential_warned(struct store *s, const uint8_t id[static ID_LEN]);

/* --- counts (store_count.c) --- */

/* blocked: those that failed, too. */
MUST_CHECK struct err *store_job_count(
	struct store *s, uint64_t *ret_waiting, uint64_t *ret_blocked);
MUST_CHECK struct err *store_request_count_open(struct store *s, uint64_t *ret_n);
struct store_counts {
	uint64_t request[REQUEST_STATES];
	uint64_t credential[CREDENTIAL_STATES];
	uint64_t device[DEVICE_STATES];
	uint64_t job[JOB_WHATS][JOB_STATES];
};
MUST_CHECK struct err *store_count_all(struct store *s, struct store_counts *ret_counts);
/* When the oldest job of a kind was posted that has not failed; 0: there is none. */
MUST_CHECK struct err *store_job_oldest(
	struct store *s, enum job_what what, int64_t *ret_created_ms);
/* Bytes of the database with its log, and what is free on its disk. */
MUST_CHECK struct err *store_size(struct store *s, uint64_t *ret_bytes, uint64_t *ret_free);

#endif
