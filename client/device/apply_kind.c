/* apply_kind.c: see apply_kind.h. */
#include "client/device/apply_kind.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/device/fault.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "evidence/seal.h"

struct outcome {
	enum apply_status status;
	char *detail;
};

static struct err *refuse(struct outcome *o, enum apply_status status, const char *detail)
{
	o->status = status;
	o->detail = xstrdup(detail);
	return NULL;
}

/* An error of the payload's makes a refusal, an error of our own disk stays one. */
static struct err *refuse_error(struct outcome *o, enum apply_status status, struct err *take_e)
{
	if (err_get_fate(take_e) == FATE_BROKEN)
		return take_e;
	o->status = status;
	o->detail = xstrdup(err_get_text(take_e));
	err_free(take_e);
	return NULL;
}

static bool is_for_mail(Common__Purpose p)
{
	return p == COMMON__PURPOSE__ENCRYPTION || p == COMMON__PURPOSE__DECRYPTION;
}

/* An encryption key that was replaced is a decryption key from then on, whatever the server calls it later. */
static bool fits(const struct slot *slot, Common__Purpose purpose)
{
	return slot->purpose == purpose || (is_for_mail(slot->purpose) && is_for_mail(purpose));
}

/* Does this device make its own keys for the purpose? Decryption keys come from everywhere. */
static bool makes_keys_for(const struct state *s, Common__Purpose purpose)
{
	for (size_t i = 0; i < s->n_slots && purpose != COMMON__PURPOSE__DECRYPTION; i++) {
		if (s->slots[i].purpose == purpose && s->slots[i].origin == COMMON__ORIGIN__DEVICE)
			return true;
	}
	return false;
}

/*
 * The key at this hash has its certificate: what was there before gives way. Mail that was encrypted to the old key must
 * stay readable; the others' old keys have no more use.
 */
static void succeed(struct state *s, const uint8_t key_hash[static SHA256_LEN])
{
	const struct slot *fresh = state_find_key(s, key_hash);
	const Common__Purpose purpose = fresh->purpose;

	if (!slot_is_whole(fresh) || purpose == COMMON__PURPOSE__DECRYPTION)
		return;
	for (size_t i = s->n_slots; i-- > 0;) {
		struct slot *old = &s->slots[i];
		bool same = memcmp(old->key_hash, key_hash, SHA256_LEN) == 0;
		if (same || old->purpose != purpose || !slot_is_whole(old))
			continue;
		if (purpose == COMMON__PURPOSE__ENCRYPTION)
			old->purpose = COMMON__PURPOSE__DECRYPTION;
		else
			state_remove_slot(s, old);
	}
}

/* --- certificates --- */

/* The certificate of an issue says that a card has signed for its predecessor. */
static void learn_receipt(struct state *s, const struct slot *slot)
{
	const struct attempt *a = s->attempt;

	if (!a || a->operation != COMMON__OPERATION__ISSUE || s->has_receipt ||
		memcmp(a->request_id, slot->request_id, REQUEST_ID_LEN) != 0)
		return;
	memcpy(s->receipt, a->predecessor, SHA256_LEN);
	s->has_receipt = true;
}

static struct err *put_certificate(
	const struct home *h, struct state *s, struct slot *slot, struct bytes der)
{
	TRY(home_put_object(h, der, slot->certificate));
	slot->has_certificate = true;
	slot->since_ms = clock_real_ms();
	learn_receipt(s, slot);
	succeed(s, slot->key_hash);
	return NULL;
}

static struct err *apply_certificate(const struct home *h, struct state *s, const struct item *item,
	struct bytes payload, struct outcome *o)
{
	AUTO(x509) X509 *cert = NULL;
	struct slot fresh = { .purpose = item->purpose, .origin = COMMON__ORIGIN__SERVER };
	struct err *e = cert_parse(payload, &cert);

	if (e)
		return refuse_error(o, APPLY_MALFORMED, e);
	cert_key_hash(cert, fresh.key_hash);
	struct slot *slot = state_find_key(s, fresh.key_hash);
	if (slot && !fits(slot, item->purpose))
		return refuse(o, APPLY_NO_KEY, "the key is one of another purpose");
	if (slot)
		return put_certificate(h, s, slot, payload);
	/* The key that the server made may come after its certificate. */
	if (item->purpose == COMMON__PURPOSE__PURPOSE_UNSET || makes_keys_for(s, item->purpose))
		return refuse(o, APPLY_NO_KEY, "this device does not have the key");
	e = state_add_slot(s, &fresh);
	if (e)
		return refuse_error(o, APPLY_FULL, e);
	return put_certificate(h, s, state_find_key(s, fresh.key_hash), payload);
}

/* --- sealed keys --- */

static struct err *open_sealed(const struct home *h, const struct state *s, const struct item *item,
	struct bytes payload, EVP_PKEY **ret_key)
{
	struct seal_context context = { .purpose = item->purpose, .any_intent = true };
	AUTO(pkey) EVP_PKEY *sealing = NULL;
	AUTO(buf) struct buf *der = NULL;
	AUTO(x509) X509 *cert = NULL;

	memcpy(context.deployment, s->deployment, DEPLOYMENT_ID_LEN);
	TRY(home_get_key(h, s->sealing_key, &sealing));
	TRY(home_get_object(h, s->sealing_certificate, &der));
	TRY(err_as(&ERR_HOME_DAMAGED, cert_parse(buf_bytes(der), &cert), "sealing certificate"));
	return unseal(payload, sealing, cert, &context, ret_key);
}

static struct err *apply_sealed_key(const struct home *h, struct state *s, const struct item *item,
	struct bytes payload, struct outcome *o)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	struct slot fresh = { .purpose = item->purpose, .origin = COMMON__ORIGIN__SERVER };

	if (item->purpose == COMMON__PURPOSE__PURPOSE_UNSET || makes_keys_for(s, item->purpose))
		return refuse(o, APPLY_SEALED, "keys for this purpose are made on this device");
	struct err *e = open_sealed(h, s, item, payload, &key);
	if (e)
		return refuse_error(o, APPLY_SEALED, e);
	key_hash(key, fresh.key_hash);
	struct slot *slot = state_find_key(s, fresh.key_hash);
	if (slot && !fits(slot, item->purpose))
		return refuse(o, APPLY_SEALED, "the key is one of another purpose");
	e = slot ? NULL : state_add_slot(s, &fresh);
	if (e)
		return refuse_error(o, APPLY_FULL, e);
	slot = state_find_key(s, fresh.key_hash);
	TRY(home_put_key(h, key, slot->key_hash));
	slot->has_key = true;
	slot->since_ms = clock_real_ms();
	succeed(s, fresh.key_hash);
	return NULL;
}

/* --- the rest --- */

static struct err *apply_chain(const struct home *h, struct state *s,
	UNUSED const struct item *item, struct bytes payload, struct outcome *o)
{
	struct bytes certs[ITEM_CHAIN_MAX];
	uint8_t hashes[ITEM_CHAIN_MAX][SHA256_LEN];
	size_t n;
	struct err *e = item_chain_decode(payload, certs, &n);

	for (size_t i = 0; !e && i < n; i++) {
		AUTO(x509) X509 *cert = NULL;
		e = cert_parse(certs[i], &cert);
	}
	if (e)
		return refuse_error(o, APPLY_MALFORMED, e);
	for (size_t i = 0; i < n; i++)
		TRY(home_put_object(h, certs[i], hashes[i]));
	memcpy(s->chain, hashes, n * SHA256_LEN);
	s->n_chain = n;
	return NULL;
}

static struct err *apply_pins(UNUSED const struct home *h, struct state *s,
	UNUSED const struct item *item, struct bytes payload, struct outcome *o)
{
	struct pinset p;
	struct err *e = pinset_decode(payload, &p);

	if (!e && memcmp(p.deployment, s->deployment, DEPLOYMENT_ID_LEN) != 0)
		e = err_new(&ERR_FORMAT, "pin set of another deployment");
	/* Its date is for sets that come without an item: this one is as new as its number. */
	if (!e && p.epoch < s->pins_epoch)
		e = err_new(&ERR_FORMAT, "pin set %" PRIu64 ", where %" PRIu64 " came before",
			p.epoch, s->pins_epoch);
	if (e)
		return refuse_error(o, APPLY_MALFORMED, e);
	state_set_pins(s, &p);
	return NULL;
}

static struct err *apply_apps(const struct home *h, struct state *s, UNUSED const struct item *item,
	struct bytes payload, struct outcome *o)
{
	AUTO(payload_apps) struct payload_apps *apps = NULL;
	uint8_t texts[PAYLOAD_APPS_MAX][SHA256_LEN];
	struct err *e = payload_apps_decode(payload, &apps);

	if (e)
		return refuse_error(o, APPLY_MALFORMED, e);
	for (size_t i = 0; i < apps->n; i++)
		TRY(home_put_object(h, apps->apps[i].text, texts[i]));
	state_clear_apps(s);
	for (; s->n_apps < apps->n; s->n_apps++) {
		struct kept_app *kept = &s->apps[s->n_apps];
		kept->name = take(apps->apps[s->n_apps].name);
		kept->type = take(apps->apps[s->n_apps].type);
		memcpy(kept->text, texts[s->n_apps], SHA256_LEN);
	}
	return NULL;
}

static void remove_everything(struct state *s)
{
	while (s->n_slots > 0)
		state_remove_slot(s, &s->slots[0]);
	state_clear_apps(s);
	state_drop_attempt(s);
	s->n_chain = 0;
	s->stage = STAGE_REMOVED;
}

/* A certificate that is not here has been removed already. */
static struct err *apply_removal(UNUSED const struct home *h, struct state *s,
	UNUSED const struct item *item, struct bytes payload, UNUSED struct outcome *o)
{
	uint8_t hash[SHA256_LEN];

	if (payload.len == 0)
		remove_everything(s);
	sha256(payload, hash);
	for (size_t i = s->n_slots; i-- > 0;) {
		struct slot *slot = &s->slots[i];
		if (slot->has_certificate && memcmp(slot->certificate, hash, SHA256_LEN) == 0)
			state_remove_slot(s, slot);
	}
	return NULL;
}

struct err *apply_kind(const struct home *h, struct state *s, const struct item *item,
	struct bytes payload, enum apply_status *ret_status, char **ret_detail)
{
	static struct err *(*const kinds[])(const struct home *, struct state *,
		const struct item *, struct bytes, struct outcome *) = {
		[ITEM_CERTIFICATE] = apply_certificate,
		[ITEM_SEALED_KEY] = apply_sealed_key,
		[ITEM_CHAIN] = apply_chain,
		[ITEM_PINS] = apply_pins,
		[ITEM_APP] = apply_apps,
		[ITEM_REMOVAL] = apply_removal,
	};
	struct outcome o = { .status = APPLY_DONE };

	/* item_open lets no other kind through. */
	TRY(kinds[item->kind](h, s, item, payload, &o));
	*ret_status = o.status;
	*ret_detail = o.detail;
	return NULL;
}
