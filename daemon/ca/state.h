/* state.h: what a process of derivd-ca works with. Private keys are read when they are first needed, not here. */
#ifndef DERIVD_DAEMON_CA_STATE_H
#define DERIVD_DAEMON_CA_STATE_H

#include "daemon/ca/entry.h"
#include "daemon/ca/issuer.h"
#include "daemon/ca/keys.h"
#include "daemon/ca/ledger.h"
#include "daemon/ca/settings.h"
#include "proto/deployment.h"

#define OWN_ISSUERS_MAX 32
/* Twice what one request can name, and more. */
#define STATE_PROFILES_MAX 64

struct backend;
struct pool;
struct revocation;

struct state {
	struct settings *settings;
	struct deployment *deployment;
	struct ledger *ledger;
	struct keys *keys;
	struct issuer *issuer; /* the one that issues now */
	size_t n_own;
	uint8_t own[OWN_ISSUERS_MAX]
		   [SHA256_LEN]; /* key ids of all issuers of ours, roots and retired ones too */
	const struct backend *backend;
	struct pool *pool;
	struct revocation *revocation;
	struct buf *effect; /* effect.h: what settings, deployment and issuer come to */
	uint8_t effect_digest[SHA256_LEN];
	bool is_part; /* of another one, whose log, keys and issuer it borrows */
	size_t n_profiles;
	struct profile *profiles[STATE_PROFILES_MAX]; /* decoded from the log, by digest */
};

/*
 * Reads ca.conf and deployment.conf, opens the log. ERR_CA_MISCONFIGURED (its text says what to mend), ERR_STORE_NEWER,
 * ERR_STORE and the others of ledger.h.
 */
MUST_CHECK struct err *state_open(struct state **ret_state);
void state_free(struct state *s);
/* ca.conf and deployment.conf as they are now, with the log, the keys and the issuer of s, which outlives it. Errors as for state_open. */
MUST_CHECK struct err *state_read_again(struct state *s, struct state **ret_now);
/* From now on s works with what now was read with, and now has what s had. */
void state_exchange(struct state *s, struct state *now);
DEFINE_AUTO(state, struct state *, state_free);

/* Before each request: forgets decoded profiles when they are many; what is fetched for it must come in time. */
void state_begin(struct state *s);
bool state_is_own_issuer(const struct state *s, const uint8_t key_id[static SHA256_LEN]);
/* Signs under the delivery or receipt key, which must be the one that deployment.conf names. ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *state_sign_delivery(
	struct state *s, const char *label, struct bytes body, struct buf **ret);
MUST_CHECK struct err *state_sign_receipt(
	struct state *s, const char *label, struct bytes body, struct buf **ret);
/* Uses the delivery, receipt and serial keys once, for nothing: are they there, and the right ones? ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *state_try_keys(struct state *s);
/* The profile of that digest, from the log; lent. ERR_EVIDENCE_BAD when it was never offered here. */
MUST_CHECK struct err *state_profile(struct state *s, const uint8_t digest[static SHA256_LEN],
	const struct profile **ret_profile);

#endif
