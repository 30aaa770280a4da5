/*
 * audit.h: the audit chain (PROTOCOL.control section 8). A row is appended in the turn that it tells of; after the
 * commit it is mirrored to the journal, never before.
 */
#ifndef DERIVD_CORE_AUDIT_H
#define DERIVD_CORE_AUDIT_H

#include "daemon/core/store.h"

enum event {
#define EVENT(symbol, name, priority, id) EV_##symbol,
#include "daemon/core/event.def"
#undef EVENT
	EVENTS
};

/* The longest text of a row; what is longer is cut. */
#define AUDIT_TEXT_MAX 1024
/* derivd issues nothing while the clock is further behind the newest row than this: NTP steps by less. */
#define AUDIT_CLOCK_SLACK_MS 2000

struct audit;

/* Who and what a row is about; all lent, all but event may be left out. */
struct audit_about {
	enum event event;
	const char *actor;         /* "uid 1000", "device 4f…", "derivd-ca"; NULL: "derivd" */
	const uint8_t *request;    /* ID_LEN */
	const uint8_t *credential; /* ID_LEN */
	const uint8_t *device;     /* SHA256_LEN */
	const uint8_t *holder;     /* SHA256_LEN */
	Common__Purpose purpose;
	const char *reader;
	const char *error; /* name of a kind */
	/* For the journal only. */
	const uint8_t *card;          /* SHA256_LEN: hash of the certificate that signs */
	const char *card_name;        /* sig_card_name */
	const uint32_t *operator_uid; /* who leads the session; else a person who is the actor */
};

/* Reads the head from the store, which is lent. */
MUST_CHECK struct err *audit_new(struct store *store, struct audit **ret_audit);
void audit_free(struct audit *a);
DEFINE_AUTO(audit, struct audit *, audit_free);

MUST_CHECK struct err *audit_add(
	struct audit *a, const struct audit_about *about, const char *fmt, ...) PRINTF(3, 4);

/* The CA that the entries of the journal name from now on; copied, NULL for none. */
void audit_set_ca(struct audit *a, const char *issuer);

/* Around one event, and at the end of the turn. audit_commit writes to the journal. */
void audit_mark(struct audit *a);
void audit_undo(struct audit *a);
void audit_commit(struct audit *a);
void audit_abandon(struct audit *a);

/* The newest committed row. */
const struct audit_link *audit_head(const struct audit *a);
/* ERR_CLOCK_BEHIND when the clock stands before the newest committed row. */
MUST_CHECK struct err *audit_check_clock(const struct audit *a);
/* Looks whether a row that derivd-ca has seen is in the chain. ERR_WRONG_STATE says what is wrong. */
MUST_CHECK struct err *audit_check_seen(
	const struct audit *a, uint64_t sequence, struct bytes hash);
/* Recomputes the newest rows, at most n. ERR_STORE names the first that does not fit. */
MUST_CHECK struct err *audit_check_tail(const struct audit *a, unsigned int n);
/* Recomputes all of it, page by page. ERR_STORE names the first row that is missing or does not fit. */
MUST_CHECK struct err *audit_check_all(const struct audit *a);

/* A row taken apart; freed with audit_row_free. Texts are never NULL. */
struct audit_row {
	uint64_t sequence;
	int64_t when_ms;
	char *event, *actor, *purpose, *reader, *error, *text;
	uint8_t request[ID_LEN], credential[ID_LEN];
	uint8_t device[SHA256_LEN], holder[SHA256_LEN];
};
MUST_CHECK struct err *audit_parse(struct bytes body, struct audit_row **ret_row);
void audit_row_free(struct audit_row *r);
DEFINE_AUTO(audit_row, struct audit_row *, audit_row_free);

const char *event_name(enum event e);
/* How many rows of that event were committed since the start. */
uint64_t audit_count(const struct audit *a, enum event e);

#endif
