/*
 * state_file.c: the state as bytes, in the form that signed things have (evidence/record.h): fields in a fixed order behind
 * their lengths. The first field is the format's number, so that a later program can read what an earlier one wrote: 1 had
 * no epoch of the pins.
 */
#include "client/device/state.h"

#include <string.h>

#include "client/device/fault.h"

#define FORMAT 2
#define TEXT_MAX 256

/* --- writing --- */

static void put_attempt(struct buf *out, const struct attempt *a)
{
	AUTO(buf) struct buf *one = buf_new();

	if (a) {
		record_put_u8(one, (uint8_t)a->operation);
		record_put(one, buf_bytes(a->seed));
		record_put(one, BYTES(a->invitation_public, ED25519_PUBLIC_LEN));
		record_put(one, buf_bytes(a->begin));
		record_put(one, BYTES(a->request_id, REQUEST_ID_LEN));
		record_put(one, BYTES(a->predecessor, SHA256_LEN));
		record_put_u64(one, (uint64_t)a->expires_ms);
		record_put(one, BYTES(a->purposes, a->n_purposes));
		record_put(one, buf_bytes(a->statement));
		record_put(one, buf_bytes(a->invitation_signature));
		record_put(one, buf_bytes(a->identity_signature));
		record_put(one, BYTES(a->r_d, R_LEN));
		record_put_u8(one, a->revealed);
		record_put(one, BYTES(a->r_k, R_LEN));
		record_put_u8(one, a->accepted);
	}
	record_put_nested(out, one);
}

static void put_slot(struct buf *out, const struct slot *s)
{
	AUTO(buf) struct buf *one = buf_new();

	record_put_u8(one, (uint8_t)s->purpose);
	record_put_u8(one, (uint8_t)s->origin);
	record_put(one, BYTES(s->key_hash, SHA256_LEN));
	record_put_u8(one, s->has_key);
	record_put_u8(one, s->has_certificate);
	record_put(one, BYTES(s->certificate, SHA256_LEN));
	record_put(one, BYTES(s->request_id, REQUEST_ID_LEN));
	record_put_u64(one, (uint64_t)s->since_ms);
	record_put_nested(out, one);
}

static void put_app(struct buf *out, const struct kept_app *a)
{
	AUTO(buf) struct buf *one = buf_new();

	record_put_str(one, a->name);
	record_put_str(one, a->type);
	record_put(one, BYTES(a->text, SHA256_LEN));
	record_put_nested(out, one);
}

static void put_ack(struct buf *out, const struct kept_ack *a)
{
	AUTO(buf) struct buf *one = buf_new();

	record_put_u64(one, a->number);
	record_put(one, BYTES(a->item_digest, SHA256_LEN));
	record_put(one, buf_bytes(a->acknowledgement));
	record_put(one, buf_bytes(a->signature));
	record_put_nested(out, one);
}

static void put_hashes(struct buf *out, const uint8_t (*hashes)[SHA256_LEN], size_t n)
{
	AUTO(buf) struct buf *list = buf_new();

	for (size_t i = 0; i < n; i++)
		record_put(list, BYTES(hashes[i], SHA256_LEN));
	record_put_nested(out, list);
}

static void put_lists(struct buf *out, const struct state *s)
{
	AUTO(buf) struct buf *slots = buf_new();
	AUTO(buf) struct buf *apps = buf_new();
	AUTO(buf) struct buf *acks = buf_new();

	for (size_t i = 0; i < s->n_slots; i++)
		put_slot(slots, &s->slots[i]);
	for (size_t i = 0; i < s->n_apps; i++)
		put_app(apps, &s->apps[i]);
	for (size_t i = 0; i < s->n_acks; i++)
		put_ack(acks, &s->acks[i]);
	record_put_nested(out, slots);
	put_hashes(out, s->chain, s->n_chain);
	record_put_nested(out, apps);
	record_put_nested(out, acks);
}

static void put_optional_hash(struct buf *out, bool has, const uint8_t hash[static SHA256_LEN])
{
	record_put(out, BYTES(hash, has ? SHA256_LEN : 0));
}

struct buf *state_encode(const struct state *s)
{
	struct buf *out = buf_new();

	record_put_u8(out, FORMAT);
	record_put_u8(out, (uint8_t)s->stage);
	record_put_str(out, s->host ? s->host : "");
	record_put_u64(out, s->port);
	put_hashes(out, s->pins, s->n_pins);
	record_put_u64(out, s->pins_epoch);
	record_put(out, BYTES(s->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(s->delivery_hash, SHA256_LEN));
	record_put(out, BYTES(s->identity_key, SHA256_LEN));
	record_put(out, BYTES(s->identity_certificate, SHA256_LEN));
	record_put(out, BYTES(s->sealing_key, SHA256_LEN));
	record_put(out, BYTES(s->sealing_certificate, SHA256_LEN));
	record_put_str(out, s->platform ? s->platform : "");
	record_put_str(out, s->holder ? s->holder : "");
	put_optional_hash(out, s->has_holder_id, s->holder_id);
	put_optional_hash(out, s->has_receipt, s->receipt);
	record_put_u64(out, s->last_number);
	put_attempt(out, s->attempt);
	put_lists(out, s);
	return out;
}

/* --- reading --- */

static struct err *get_bool(struct cursor *c, const char *name, bool *ret_v)
{
	uint8_t v;

	TRY(record_get_choice(c, name, 0, 1, &v));
	*ret_v = v == 1;
	return NULL;
}

static struct err *get_buf(struct cursor *c, const char *name, size_t max, struct buf *into)
{
	struct bytes b;

	TRY(record_get(c, name, 0, max, &b));
	buf_add_bytes(into, b);
	return NULL;
}

static struct err *get_attempt_fields(struct cursor *c, struct attempt *a)
{
	struct bytes purposes;
	uint8_t operation;

	TRY(record_get_choice(
		c, "operation", COMMON__OPERATION__ENROLL, COMMON__OPERATION__ISSUE, &operation));
	a->operation = (Common__Operation)operation;
	TRY(get_buf(c, "seed", ED25519_SEED_LEN, a->seed));
	TRY(record_get_fixed(c, "invitation", ED25519_PUBLIC_LEN, a->invitation_public));
	TRY(get_buf(c, "begin", ED25519_SIGNATURE_LEN, a->begin));
	TRY(record_get_fixed(c, "request", REQUEST_ID_LEN, a->request_id));
	TRY(record_get_fixed(c, "predecessor", SHA256_LEN, a->predecessor));
	TRY(record_get_time(c, "expiry", &a->expires_ms));
	TRY(record_get(c, "purposes", 0, OFFER_PURPOSES_MAX, &purposes));
	a->n_purposes = purposes.len;
	memcpy(a->purposes, purposes.data, purposes.len);
	TRY(get_buf(c, "statement", STATEMENT_MAX, a->statement));
	TRY(get_buf(c, "invitation signature", ED25519_SIGNATURE_LEN, a->invitation_signature));
	TRY(get_buf(c, "identity signature", 128, a->identity_signature));
	TRY(record_get_fixed(c, "r_d", R_LEN, a->r_d));
	TRY(get_bool(c, "revealed", &a->revealed));
	TRY(record_get_fixed(c, "r_k", R_LEN, a->r_k));
	TRY(get_bool(c, "accepted", &a->accepted));
	return cursor_end(c);
}

static struct err *get_attempt(struct cursor *c, struct state *s)
{
	struct bytes field;

	TRY(record_get(c, "attempt", 0, RECORD_MAX, &field));
	if (field.len == 0)
		return NULL;
	struct cursor one = { field };
	s->attempt = attempt_new();
	return err_wrap(get_attempt_fields(&one, s->attempt), "attempt");
}

static struct err *get_slot(struct cursor *list, struct state *s)
{
	struct slot slot = { 0 };
	struct cursor one;
	uint8_t purpose, origin;

	TRY(record_get_list(list, "slot", &one));
	TRY(record_get_choice(&one, "purpose", COMMON__PURPOSE__AUTHENTICATION,
		COMMON__PURPOSE__DECRYPTION, &purpose));
	TRY(record_get_choice(
		&one, "origin", COMMON__ORIGIN__DEVICE, COMMON__ORIGIN__SERVER, &origin));
	slot.purpose = (Common__Purpose)purpose;
	slot.origin = (Common__Origin)origin;
	TRY(record_get_fixed(&one, "key", SHA256_LEN, slot.key_hash));
	TRY(get_bool(&one, "has key", &slot.has_key));
	TRY(get_bool(&one, "has certificate", &slot.has_certificate));
	TRY(record_get_fixed(&one, "certificate", SHA256_LEN, slot.certificate));
	TRY(record_get_fixed(&one, "request", REQUEST_ID_LEN, slot.request_id));
	TRY(record_get_time(&one, "since", &slot.since_ms));
	TRY(cursor_end(&one));
	return state_add_slot(s, &slot);
}

static struct err *get_app(struct cursor *list, struct state *s)
{
	struct cursor one;

	if (s->n_apps == PAYLOAD_APPS_MAX)
		return err_new(&ERR_FORMAT, "too many apps");
	struct kept_app *a = &s->apps[s->n_apps++];
	TRY(record_get_list(list, "app", &one));
	TRY(record_get_str(&one, "name", PAYLOAD_APP_NAME_MAX, &a->name));
	TRY(record_get_str(&one, "type", PAYLOAD_APP_TYPE_MAX, &a->type));
	TRY(record_get_fixed(&one, "text", SHA256_LEN, a->text));
	return cursor_end(&one);
}

static struct err *get_ack(struct cursor *list, struct state *s)
{
	struct cursor one;

	if (s->n_acks == STATE_ACKS_MAX)
		return err_new(&ERR_FORMAT, "too many acknowledgements");
	struct kept_ack *a = &s->acks[s->n_acks++];
	a->acknowledgement = buf_new();
	a->signature = buf_new();
	TRY(record_get_list(list, "acknowledgement", &one));
	TRY(record_get_u64(&one, "number", &a->number));
	TRY(record_get_fixed(&one, "item", SHA256_LEN, a->item_digest));
	TRY(get_buf(&one, "bytes", 4096, a->acknowledgement));
	TRY(get_buf(&one, "signature", 128, a->signature));
	return cursor_end(&one);
}

static struct err *get_each(struct cursor *c, const char *name,
	struct err *(*get)(struct cursor *, struct state *), struct state *s)
{
	struct cursor list;

	TRY(record_get_list(c, name, &list));
	while (list.rest.len)
		TRY(err_wrap(get(&list, s), "%s", name));
	return NULL;
}

static struct err *get_hashes(struct cursor *c, const char *name, size_t max,
	uint8_t (*ret_hashes)[SHA256_LEN], size_t *ret_n)
{
	struct cursor list;

	TRY(record_get_list(c, name, &list));
	for (*ret_n = 0; list.rest.len; (*ret_n)++) {
		if (*ret_n == max)
			return err_new(&ERR_FORMAT, "%s: more than %zu", name, max);
		TRY(record_get_fixed(&list, name, SHA256_LEN, ret_hashes[*ret_n]));
	}
	return NULL;
}

static struct err *get_optional_hash(
	struct cursor *c, const char *name, bool *ret_has, uint8_t ret_hash[static SHA256_LEN])
{
	struct bytes b;

	TRY(record_get(c, name, 0, SHA256_LEN, &b));
	if (b.len != 0 && b.len != SHA256_LEN)
		return err_new(&ERR_FORMAT, "%s: %zu bytes", name, b.len);
	*ret_has = b.len == SHA256_LEN;
	if (*ret_has)
		memcpy(ret_hash, b.data, SHA256_LEN);
	return NULL;
}

static struct err *get_head(struct cursor *c, struct state *s)
{
	uint8_t format, stage;
	uint64_t port;

	TRY(record_get_u8(c, "format", &format));
	if (format < 1 || format > FORMAT)
		return err_new(&ERR_FORMAT, "format %u, written by a newer program", format);
	TRY(record_get_choice(c, "stage", STAGE_PENDING, STAGE_REMOVED, &stage));
	s->stage = (enum stage)stage;
	TRY(record_get_str(c, "host", TEXT_MAX, &s->host));
	TRY(record_get_u64(c, "port", &port));
	if (port == 0 || port > UINT16_MAX)
		return err_new(&ERR_FORMAT, "port %llu", (unsigned long long)port);
	s->port = (uint16_t)port;
	TRY(get_hashes(c, "pins", PINS_MAX, s->pins, &s->n_pins));
	if (format >= 2)
		TRY(record_get_u64(c, "pins epoch", &s->pins_epoch));
	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, s->deployment));
	TRY(record_get_fixed(c, "delivery key", SHA256_LEN, s->delivery_hash));
	TRY(record_get_fixed(c, "identity key", SHA256_LEN, s->identity_key));
	TRY(record_get_fixed(c, "identity certificate", SHA256_LEN, s->identity_certificate));
	TRY(record_get_fixed(c, "sealing key", SHA256_LEN, s->sealing_key));
	TRY(record_get_fixed(c, "sealing certificate", SHA256_LEN, s->sealing_certificate));
	TRY(record_get_str(c, "platform", TEXT_MAX, &s->platform));
	TRY(record_get_str(c, "holder", FACT_VALUE_MAX, &s->holder));
	TRY(get_optional_hash(c, "holder id", &s->has_holder_id, s->holder_id));
	TRY(get_optional_hash(c, "receipt", &s->has_receipt, s->receipt));
	return record_get_u64(c, "last number", &s->last_number);
}

static struct err *get_all(struct cursor *c, struct state *s)
{
	TRY(get_head(c, s));
	TRY(get_attempt(c, s));
	TRY(get_each(c, "slots", get_slot, s));
	TRY(get_hashes(c, "chain", ITEM_CHAIN_MAX, s->chain, &s->n_chain));
	TRY(get_each(c, "apps", get_app, s));
	TRY(get_each(c, "acknowledgements", get_ack, s));
	return cursor_end(c);
}

struct err *state_decode(struct bytes b, struct state **ret_state)
{
	AUTO(state) struct state *s = state_new();
	struct cursor c = { b };

	TRY(err_as(&ERR_HOME_DAMAGED, get_all(&c, s), "the device's state"));
	*ret_state = take(s);
	return NULL;
}
