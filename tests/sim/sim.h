/*
 * sim.h: derivd's engine in a small world: a kiosk, devices, a derivd-ca and an officer, all played here, over queues instead of sockets,
 * under a fake clock. A seeded scheduler picks what happens next; derivd may crash after (or before) any commit and is opened
 * again from its store. What must always hold is looked at after each commit, with a second connection to the database.
 */
#ifndef DERIVD_TESTS_SIM_SIM_H
#define DERIVD_TESTS_SIM_SIM_H

#include <sqlite3.h>

#include "daemon/core/delivery.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"
#include "daemon/core/presence.h"
#include "daemon/core/seats.h"
#include "daemon/core/session.h"
#include "daemon/core/turn.h"
#include "tests/sim/clock_fake.h"

#define SIM_DEVICES 3
#define SIM_KIOSKS 2
#define SIM_HOLDERS 2
#define SIM_CERTS 2048
#define SIM_REQUESTS 512
#define SIM_ITEMS 512
#define SIM_LOG 8192

enum party { PARTY_CORE, PARTY_KIOSK, PARTY_DEVICE, PARTY_CA };

/* A message under way, to derivd (from says from whom) or from it. */
struct letter {
	struct letter *next;
	enum party from, to;
	size_t who;      /* which kiosk or device */
	uint64_t number; /* of the connection */
	enum msg_number message;
	uint32_t serial;
	void *body;
	struct err *error;
	struct ask ask;
};

struct sim_kiosk {
	uint64_t caller; /* 0: no connection */
	uint32_t serial;
	enum msg_number waits; /* for the answer to this */
	size_t device, holder;
	bool busy, issue, clumsy;
	bool has_token;
	uint8_t request[ID_LEN], token[16], kiosk_random[32], device_random[32];
	Common__Signed *offer;
	Common__Statement *statement;
	uint8_t nonce[24];
	bool has_nonce, has_opened, evidence_done;
	EVP_PKEY *invitation;
	unsigned int ended;
};

struct sim_device {
	EVP_PKEY *identity;
	struct buf *spki;
	uint8_t id[SHA256_LEN];
	uint64_t connection; /* 0: away */
	bool greeted;
	uint32_t serial;
	EVP_PKEY *invitation; /* from the QR code; lent from the kiosk */
	bool has_invitation, told_two;
	struct buf *statement;
	uint8_t random[32];
	uint64_t last_number;
	uint8_t digests[SIM_ITEMS][SHA256_LEN]; /* of what was applied, by number */
	bool removed;
	bool stubborn; /* declines everything */
};

struct sim_cert {
	uint8_t request[ID_LEN], device[SHA256_LEN];
	Common__Purpose purpose;
	char serial[33];
	bool revoked;
	unsigned int reason;
};

struct sim_request {
	uint8_t id[ID_LEN], device[SHA256_LEN];
	size_t holder;
	bool verified, made;
	Common__Operation operation;
	struct buf *evidence; /* packed, once it is verified */
	Common__Purpose purposes[4];
	size_t n_purposes;
};

struct sim_signed {
	uint8_t item[ID_LEN], device[SHA256_LEN];
	uint64_t number;
};

/* A row of derivd-ca's log, as derivd asks for it after its store was put back. */
struct sim_known {
	Ca__Known what;
	uint8_t id[SHA256_LEN];
	size_t id_len;
	Common__Purpose purpose;
	char serial[33];
	uint64_t number;
	unsigned int reason;
};

struct sim_phone {
	uint8_t id[SHA256_LEN];
	struct buf *spki;
};

struct sim_ca {
	struct sim_known log[SIM_LOG];
	size_t n_log;
	struct sim_phone phone[SIM_REQUESTS];
	size_t n_phones;
	struct sim_signed sign[SIM_CERTS];
	size_t n_signed;
	struct sim_cert cert[SIM_CERTS];
	size_t n_certs;
	struct sim_request request[SIM_REQUESTS];
	size_t n_requests;
	uint8_t lost[64][SHA256_LEN];
	size_t n_lost;
	uint64_t head_sequence;
	uint8_t head_hash[SHA256_LEN];
};

struct sim {
	uint64_t seed;
	char *path;
	struct core *core;
	sqlite3 *witness; /* sees what is committed, nothing else */
	struct letter *letters;
	struct sim_kiosk kiosk[SIM_KIOSKS];
	struct sim_device device[SIM_DEVICES];
	struct sim_ca ca;
	uint64_t last_connection;
	unsigned int commits, crash_at, crashes, enrolled, delivered;
	bool trouble; /* crashes by chance, errors of the CA, disks that are full, people that walk away */
	bool lose_mail; /* the crash comes between commit and mail */
	bool full;      /* the disk is full */
	bool channels; /* people are told by a courier, which is played by derivd-ca's part; else nobody is */
	unsigned int told;
	bool ended;
	/* The store as it was, if it is put back in this world. */
	bool past, must_accept;
	uint64_t kept_rows;
	int64_t kept_ms;
	uint8_t lost_head[SHA256_LEN];
	uint8_t accept[SHA256_LEN]; /* accept-audit-head of derivd.conf */
	unsigned int lost,
		by_hand; /* requests that it did not know any more; how often nobody had said so */
};

/* --- sim.c --- */
void sim_start(struct sim *s, uint64_t seed, const char *path);
void sim_stop(struct sim *s);
/* So many steps of the scheduler. */
void sim_run(struct sim *s, unsigned int steps);
/* No more trouble; time passes until nothing is left to do. Then the last checks. */
void sim_settle(struct sim *s);
/* Puts a letter into the queue; body is copied. */
void sim_post(struct sim *s, const struct letter *l, const void *body);
/* Ends the test with the seed. */
void sim_fail(const struct sim *s, const char *fmt, ...) PRINTF(2, 3) __attribute__((noreturn));
/* One in n, while there is trouble. */
bool sim_chance(const struct sim *s, uint32_t n);

/* derivd and the witness stop and start, with whatever store there is now. */
void sim_close(struct sim *s);
void sim_open(struct sim *s);
void sim_remove_store(const char *path);

/* --- sim_past.c --- */
/* The store as it is now is what will be put back. */
void sim_past_keep(struct sim *s);
void sim_past_return(struct sim *s);
/* Somebody has looked, where derivd waits for that. */
void sim_past_accept(struct sim *s);

/* --- sim_log.c --- */
void sim_log_add(struct sim *s, const struct sim_known *row);
void sim_log_phone(struct sim *s, const struct sim_device *d);
/* The answers to derivd's questions; the caller frees. */
void sim_log_page(struct sim *s, const Ca__Reconcile *q, Ca__Reconciled **ret);
void sim_log_recall(struct sim *s, const Ca__Recall *q, Ca__Recalled **ret);
void sim_log_free(struct sim *s);

/* --- sim_ca.c --- */
struct sim_request *sim_ca_find(struct sim *s, const uint8_t *id);
void sim_ca_sign(struct bytes body, Common__Signed *ret_signed);
/* The caller frees. */
Ca__Verified *sim_ca_verified(const struct sim_request *r);
Ca__Certified *sim_ca_certified(const struct sim_cert *t);

/* --- the parties --- */
void sim_kiosk_start(struct sim *s, size_t k, size_t device, size_t holder, bool issue);
void sim_kiosk_receive(struct sim *s, const struct letter *l);
void sim_kiosk_lost(struct sim *s, size_t k);
/* The person is done with this session, one way or another. */
void sim_kiosk_end(struct sim *s, size_t k);
void sim_kiosk_free(struct sim_kiosk *k);
void sim_device_new(struct sim *s, size_t d);
void sim_device_connect(struct sim *s, size_t d);
void sim_device_lost(struct sim *s, size_t d);
void sim_device_receive(struct sim *s, const struct letter *l);
void sim_device_free(struct sim_device *d);
/* One thing that an officer does. */
void sim_officer(struct sim *s);
void sim_ca_receive(struct sim *s, const struct letter *l);

/* --- sim_check.c --- */
/* What somebody is told stands in the database already. */
void sim_check_told(struct sim *s, enum msg_number number, const void *body);
void sim_check_asked(struct sim *s, const struct ask *ask);
void sim_check_always(struct sim *s);
void sim_check_end(struct sim *s);
int64_t sim_count(struct sim *s, const char *sql);
bool sim_has_receipt(struct sim *s, const uint8_t request[static ID_LEN]);

#endif
