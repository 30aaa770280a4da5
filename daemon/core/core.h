/*
 * core.h: what the modules of derivd share. The engine (session, request, lifecycle, outbox, delivery) reads and writes rows
 * and posts mail; it knows no socket and no clock but base/clock. The links hand events in through turn_run and carry the mail
 * out through the ports. The simulator stands where the links stand.
 */
#ifndef DERIVD_CORE_CORE_H
#define DERIVD_CORE_CORE_H

#include "daemon/core/audit.h"
#include "daemon/core/settings.h"
#include "daemon/core/store.h"
#include "proto/ca.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/courier.pb-c.h"
#include "proto/device.pb-c.h"
#include "proto/kind.h"
#include "proto/msg.h"

struct mailbag;
struct metrics;
struct seats;
struct presence;

/* What derivd-ca or derivd-courier is asked, and what finds the place for the answer. */
enum ask_kind {
	ASK_ASSESS,  /* id: the request's */
	ASK_PREPARE, /* id: the request's */
	ASK_JOB,     /* id: the job's */
	ASK_STATUS,
	ASK_HEADS,      /* caller and serial: who asked */
	ASK_CHECKPOINT, /* the same */
	ASK_CHECK,      /* the same */
	ASK_RECONCILE,  /* reconcile.h */
	ASK_RECALL,
	/* derivd-courier */
	ASK_NOTICE, /* id: the job's */
	ASK_CHANNELS,
};
struct ask {
	enum ask_kind kind;
	uint8_t id[ID_LEN];
	uint64_t ticket; /* of the seat, so that a late answer is not taken for another's */
	uint64_t caller;
	uint32_t serial;
};

/* How mail leaves. Called after the commit only; never calls back into the engine. */
struct ports {
	/* A control connection; serial 0: pushed. A connection that is gone swallows it. */
	void (*caller)(void *outside, uint64_t caller, enum msg_number number, uint32_t serial,
		const void *body);
	void (*caller_error)(void *outside, uint64_t caller, uint32_t serial, const struct err *e);
	/* A device's connection. */
	void (*device)(void *outside, uint64_t connection, enum msg_number number, uint32_t serial,
		const void *body);
	void (*device_error)(
		void *outside, uint64_t connection, uint32_t serial, const struct err *e);
	/* derivd-ca or derivd-courier. The answer comes as an event, later. */
	void (*ask)(void *outside, const struct ask *ask, enum msg_number number, const void *body);
	/* Is one of them working on this job? */
	bool (*under_way)(void *outside, const uint8_t job[ID_LEN]);
	/* A turn was committed: rows may have come, jobs may wait. */
	void (*committed)(void *outside);
};

/* What derivd-ca said of itself last. */
struct ca_facts {
	bool reachable;
	bool seen; /* its status has been read since the start, and compared with the chain */
	char *trouble;
	const struct err_kind *trouble_kind; /* NULL without one */
	char *issuer;
	int64_t issuer_not_after_ms;
	int64_t crl_this_update_ms, crl_next_update_ms, root_crl_next_update_ms;
	const struct err_kind
		*change_kind; /* what of its configuration waits for officers; NULL: nothing */
	uint32_t officers; /* that a change of its configuration takes; 0: not heard yet */
	uint64_t certificates, revoked; /* in its log */
};

/* Catching up with derivd-ca's log (reconcile.h). */
struct reconcile {
	bool begun; /* in this run */
	bool on;
	bool asked;              /* derivd-ca owes an answer */
	bool numbered;           /* the first walk is over, which only takes item numbers */
	uint64_t after;          /* the log's rows up to here are dealt with */
	uint8_t request[ID_LEN]; /* asked for whole; zeros: none */
	unsigned int n_recalled;
	struct audit_link seen; /* the head that this chain does not have; 0: it has it */
};

/* derivd-ca's log (calog.h). */
struct calog {
	struct audit_link known; /* its newest row that derivd has heard of */
	bool older;              /* it was found to be put back, in this run */
	bool grown;              /* something was logged since the last status */
};

/* What derivd-courier said of its ways to tell people. */
struct channels {
	bool known;
	bool holders, operators;
	char *text;            /* which, or why it is not known; NULL: not asked yet */
	int64_t later_boot_ms; /* when the journal heard last that somebody is told later; 0: never */
};

#define PINS_TOLD UINT64_MAX

struct core {
	struct store *store;
	struct audit *audit;
	struct settings *settings;
	struct mailbag *mail;
	struct metrics *metrics;
	struct seats *seats;
	struct presence *presence;
	const struct ports *ports;
	void *outside;

	uint8_t boot_id[16];
	uint64_t run;
	int64_t started_ms;
	struct ca_facts ca;
	struct reconcile reconcile;
	struct calog calog;
	struct channels channels;
	/* Why nothing is issued: the chain is not the one that derivd-ca has seen, or its log not what it was. NULL: nothing is wrong. */
	char *frozen;
	const struct err_kind *frozen_kind;
	/* Why the gateway's last connection ended; NULL while there is one, or was none. */
	const struct err_kind *gateway_kind;
	char *gateway_trouble;
	/* The journal has heard that the clock stands behind the newest row. */
	bool clock_said;
	/* A turn failed: answers of derivd-ca may be lost with it, and their jobs still be leased. */
	bool lost_answers;
	uint64_t
		pins_after; /* connected devices up to this row were told of the pins; PINS_TOLD: all */
	int64_t crl_boot_ms; /* when derivd-ca published one last; 0: not since the start */
	/* Why the last turn failed; NULL after one that did not. */
	const struct err_kind *turn_trouble;
	/* Events in the turn that is open. */
	unsigned int events;
	struct from *requesters;
	unsigned int n_requesters;
};

/* Opens the store, counts the run, voids leases of earlier ones, reads the sessions that may be resumed. settings are taken
 * in any case. ERR_STORE, ERR_STORE_FULL, ERR_STORE_NEWER. */
MUST_CHECK struct err *core_new(const char *store_path, struct settings *take_settings,
	const struct ports *ports, void *outside, struct core **ret_core);
void core_free(struct core *c);
DEFINE_AUTO(core, struct core *, core_free);

/* May credentials be issued now? ERR_WRONG_STATE (the chain), ERR_BUSY (reconcile.h), ERR_CA_UNREACHABLE (nobody could compare it yet),
 * ERR_CLOCK_BEHIND. core_may_begin: may derivd-ca be asked for an offer? */
MUST_CHECK struct err *core_may_issue(const struct core *c);
MUST_CHECK struct err *core_may_begin(const struct core *c);
/* A row, once, when the clock stands behind the newest one. Part of an event. */
MUST_CHECK struct err *core_watch_clock(struct core *c);
/* From now on nothing is issued, only revoked; the journal says so. */
void core_freeze(struct core *c, const struct err *why);
/* derivd-ca's status has come: compares the audit chain, and its log. An event. */
MUST_CHECK struct err *core_ca_status(struct core *c, const Ca__CaStatus *status);

#endif
