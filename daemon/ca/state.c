/* state.c: opening and closing. */
#include "daemon/ca/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/effect.h"
#include "daemon/ca/pool.h"
#include "daemon/ca/revocation.h"
#include "evidence/cert.h"
#include "proto/kind.h"

static struct err *read_config(struct state *s)
{
	AUTO_MEM char *conf = proc_config_path("ca.conf");
	AUTO_MEM char *deployment = proc_config_path("deployment.conf");

	TRY(err_as(&ERR_CA_MISCONFIGURED, settings_load(conf, &s->settings), "configuration"));
	TRY(err_as(
		&ERR_CA_MISCONFIGURED, deployment_load(deployment, &s->deployment), "deployment"));
	return backend_find(s->settings->backend, &s->backend);
}

static struct err *open_log(struct state *s)
{
	AUTO_MEM char *path = proc_state_path("ca", "log.db");
	struct err *e = ledger_open(path, &s->ledger);

	if (e && err_is(e, &ERR_NOTFOUND))
		return err_as(
			&ERR_CA_MISCONFIGURED, e, "there is no log: run derivd-ca init as root");
	return e;
}

/* One row of the log: key id, certificate, parent, retired. */
static struct err *take_issuer(struct state *s, const struct ledger_rows *rows)
{
	struct bytes chain[2] = { ledger_bytes(rows, 1), ledger_bytes(rows, 2) };
	bool is_root = bytes_eq(chain[0], chain[1]), retired = ledger_number(rows, 3) != 0;

	if (s->n_own == OWN_ISSUERS_MAX)
		return err_new(&ERR_CA_MISCONFIGURED, "more than %d issuers", OWN_ISSUERS_MAX);
	TRY(ledger_fixed(rows, 0, s->own[s->n_own], SHA256_LEN));
	s->n_own++;
	if (is_root || retired)
		return NULL;
	issuer_free(s->issuer);
	s->issuer = NULL;
	return issuer_new(chain, 2, &s->issuer);
}

static struct err *read_issuers(struct state *s)
{
	static const char sql[] =
		"SELECT key_id, certificate, parent,"
		" EXISTS (SELECT 1 FROM retired WHERE retired.key_id = issuer.key_id)"
		" FROM issuer ORDER BY row";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	TRY(ledger_query(s->ledger, sql, NULL, 0, &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			break;
		TRY(take_issuer(s, rows));
	}
	if (!s->issuer)
		return err_new(
			&ERR_CA_MISCONFIGURED, "the log names no issuing CA that is not retired");
	return NULL;
}

/* What follows from all that was read. */
static void finish(struct state *s)
{
	s->effect = effect_text(s->settings, s->deployment, s->issuer);
	effect_digest(buf_bytes(s->effect), s->effect_digest);
	s->revocation = revocation_new(s->settings);
}

struct err *state_open(struct state **ret_state)
{
	AUTO(state) struct state *s = xcalloc(1, sizeof(*s));

	s->keys = keys_new();
	s->pool = pool_new();
	TRY(read_config(s));
	TRY(open_log(s));
	TRY(read_issuers(s));
	finish(s);
	*ret_state = take(s);
	return NULL;
}

struct err *state_read_again(struct state *s, struct state **ret_now)
{
	AUTO(state) struct state *now = xcalloc(1, sizeof(*now));

	now->is_part = true;
	now->keys = s->keys;
	now->pool = s->pool;
	now->ledger = s->ledger;
	now->issuer = s->issuer;
	TRY(read_config(now));
	finish(now);
	*ret_now = take(now);
	return NULL;
}

void state_exchange(struct state *s, struct state *now)
{
	struct state before = *s;

	s->settings = now->settings;
	s->deployment = now->deployment;
	s->backend = now->backend;
	s->revocation = now->revocation;
	s->effect = now->effect;
	memcpy(s->effect_digest, now->effect_digest, SHA256_LEN);
	now->settings = before.settings;
	now->deployment = before.deployment;
	now->revocation = before.revocation;
	now->effect = before.effect;
	revocation_begin(s->revocation);
}

static void drop_profiles(struct state *s)
{
	while (s->n_profiles)
		profile_free(s->profiles[--s->n_profiles]);
}

void state_begin(struct state *s)
{
	if (s->n_profiles > STATE_PROFILES_MAX / 2)
		drop_profiles(s);
	revocation_begin(s->revocation);
}

void state_free(struct state *s)
{
	if (!s)
		return;
	drop_profiles(s);
	revocation_free(s->revocation);
	buf_free(s->effect);
	if (!s->is_part) {
		issuer_free(s->issuer);
		keys_free(s->keys);
		pool_free(s->pool);
		ledger_free(s->ledger);
	}
	deployment_free(s->deployment);
	settings_free(s->settings);
	free(s);
}

bool state_is_own_issuer(const struct state *s, const uint8_t key_id[static SHA256_LEN])
{
	for (size_t i = 0; i < s->n_own; i++)
		if (memcmp(s->own[i], key_id, SHA256_LEN) == 0)
			return true;
	return false;
}

static struct err *sign(struct state *s, const char *name,
	const uint8_t expected[static ED25519_PUBLIC_LEN], const char *label, struct bytes body,
	struct buf **ret)
{
	uint8_t public[ED25519_PUBLIC_LEN];
	EVP_PKEY *key;

	TRY(keys_private(s->keys, name, &key));
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
		return err_new(&ERR_CA_MISCONFIGURED, "%s is no Ed25519 key", name);
	sig_raw_public(key, public);
	if (memcmp(public, expected, sizeof(public)) != 0)
		return err_new(&ERR_CA_MISCONFIGURED,
			"%s is not the key that deployment.conf names", name);
	return err_as(&ERR_CA_MISCONFIGURED, sig_sign(key, label, body, ret), "%s", name);
}

struct err *state_sign_delivery(
	struct state *s, const char *label, struct bytes body, struct buf **ret)
{
	return sign(s, KEY_DELIVERY, s->deployment->delivery_public, label, body, ret);
}

struct err *state_sign_receipt(
	struct state *s, const char *label, struct bytes body, struct buf **ret)
{
	return sign(s, KEY_RECEIPT, s->deployment->receipt_public, label, body, ret);
}

struct err *state_try_keys(struct state *s)
{
	AUTO(buf) struct buf *delivery = NULL;
	AUTO(buf) struct buf *receipt = NULL;
	uint8_t mac[SHA256_LEN];

	TRY(state_sign_delivery(s, "derivd check", BYTES("", 0), &delivery));
	TRY(state_sign_receipt(s, "derivd check", BYTES("", 0), &receipt));
	return keys_serial_mac(s->keys, "derivd check", NULL, 0, mac);
}

struct err *state_profile(struct state *s, const uint8_t digest[static SHA256_LEN],
	const struct profile **ret_profile)
{
	AUTO(buf) struct buf *body = NULL;
	struct profile *p;

	for (size_t i = 0; i < s->n_profiles; i++)
		if (memcmp(s->profiles[i]->digest, digest, SHA256_LEN) == 0) {
			*ret_profile = s->profiles[i];
			return NULL;
		}
	TRY(entry_profile_get(s->ledger, digest, &body));
	if (!body)
		return err_new(&ERR_EVIDENCE_BAD, "a profile that was never offered here");
	if (s->n_profiles == STATE_PROFILES_MAX)
		err_abort("more than %d profiles in one request", STATE_PROFILES_MAX);
	TRY(err_as(&ERR_STORE, profile_decode(buf_bytes(body), &p), "a profile in the log"));
	s->profiles[s->n_profiles++] = p;
	*ret_profile = p;
	return NULL;
}
