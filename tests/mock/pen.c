/*
 * pen.c: derivd-ca's pen for tests of devices: signs offers and items under a delivery key of its own, seals keys, and checks
 * what devices sign. One JSON object a line on standard input, one on standard output for each. Bytes are hexadecimal.
 *
 *   {"do":"begin", "public":.., "signature":.., "identity":<hash>}
 *   {"do":"offer", "operation":1, "request":.., "purposes":[[1,1,"p256"], [3,2,"p256"]], "key":"delivery"|"other", ...}
 *   {"do":"statement", "statement":.., "by_invitation":.., "by_identity":.., "offer":<body>, "invitation":<public>}
 *   {"do":"digits", "hash":.., "r_d":.., "r_k":..}
 *   {"do":"seal", "type":"p256", "certificate":<sealing>, "purpose":3, "deployment":..}
 *   {"do":"item", "device":.., "number":7, "kind":1, "purpose":1, "payload":.., "key":.., "deployment":..}
 *   {"do":"acknowledgement", "bytes":.., "signature":.., "identity":<spki>}
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/item.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "evidence/statement.h"
#include "proto/msg.h"

#define PEN_LINE_MAX (2 * 1024 * 1024)
#define OFFER_MS (15 * 60 * 1000)

static struct {
	EVP_PKEY *delivery, *other;
	uint8_t deployment[DEPLOYMENT_ID_LEN];
} pen;

/* --- values --- */

static struct buf *get(const json_t *in, const char *name)
{
	const char *text = json_string_value(json_object_get(in, name));
	struct buf *b = NULL;
	struct err *e = text_unhex(text ? text : "", &b);

	if (e)
		err_abort("%s: %s", name, err_get_text(e));
	return b;
}

static void get_fixed(const json_t *in, const char *name, void *ret, size_t len)
{
	AUTO(buf) struct buf *b = get(in, name);

	if (buf_len(b) != len)
		err_abort("%s: %zu bytes, not %zu", name, buf_len(b), len);
	memcpy(ret, buf_data(b), len);
}

static int64_t get_int(const json_t *in, const char *name, int64_t fallback)
{
	const json_t *v = json_object_get(in, name);

	return v ? json_integer_value(v) : fallback;
}

static void set(json_t *out, const char *name, struct bytes b)
{
	AUTO_MEM char *hex = text_hex(b);

	json_object_set_new(out, name, json_string(hex));
}

static void get_deployment(const json_t *in, uint8_t ret[static DEPLOYMENT_ID_LEN])
{
	memcpy(ret, pen.deployment, DEPLOYMENT_ID_LEN);
	if (json_object_get(in, "deployment"))
		get_fixed(in, "deployment", ret, DEPLOYMENT_ID_LEN);
}

/* Body and signature under the delivery key, or another one. */
static struct err *sign(const json_t *in, const char *label, struct buf *take_body, json_t *out)
{
	AUTO(buf) struct buf *body = take_body;
	AUTO(buf) struct buf *signature = NULL;
	const char *key = json_string_value(json_object_get(in, "key"));

	TRY(sig_sign(key && strcmp(key, "other") == 0 ? pen.other : pen.delivery, label,
		buf_bytes(body), &signature));
	set(out, "body", buf_bytes(body));
	set(out, "signature", buf_bytes(signature));
	return NULL;
}

/* --- what can be done --- */

static struct err *do_begin(const json_t *in, UNUSED json_t *out)
{
	AUTO(buf) struct buf *public = get(in, "public");
	AUTO(buf) struct buf *signature = get(in, "signature");
	AUTO(buf) struct buf *identity = get(in, "identity");
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(sig_public_raw(buf_bytes(public), &key));
	return sig_verify(key, SIG_BEGIN, buf_bytes(identity), buf_bytes(signature));
}

static void fill_purposes(const json_t *in, struct offer *o)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(in, "purposes"), i, row)
	{
		struct offer_purpose *p = &o->purposes[o->n_purposes++];
		const char *type = json_string_value(json_array_get(row, 2));
		p->purpose = (Common__Purpose)json_integer_value(json_array_get(row, 0));
		p->origin = (Common__Origin)json_integer_value(json_array_get(row, 1));
		snprintf(p->key_type, sizeof(p->key_type), "%s", type);
		memset(p->profile_digest, 0x11, SHA256_LEN);
		clock_random(p->challenge, CHALLENGE_LEN);
	}
}

static struct err *do_offer(const json_t *in, json_t *out)
{
	struct offer o = { .n_certs = 1 };
	AUTO(facts) struct facts *facts = facts_new();
	const char *name = json_string_value(json_object_get(in, "name"));

	o.operation = (Common__Operation)get_int(in, "operation", COMMON__OPERATION__ENROLL);
	get_deployment(in, o.deployment);
	get_fixed(in, "request", o.request_id, REQUEST_ID_LEN);
	memset(o.issuer_key_id, 0x22, SHA256_LEN);
	if (json_object_get(in, "predecessor"))
		get_fixed(in, "predecessor", o.predecessor, SHA256_LEN);
	o.created_ms = clock_real_ms() + get_int(in, "shift_ms", 0);
	o.expires_ms = o.created_ms + OFFER_MS;
	memset(o.certs[0], 0x33, SHA256_LEN);
	fill_purposes(in, &o);
	TRY(facts_add(facts, FACT_NAME, name ? name : "Ada Example"));
	TRY(facts_add(facts, FACT_ID_TYPE, "upn"));
	TRY(facts_add(facts, FACT_ID, name ? name : "ada@example.org"));
	TRY(facts_add(facts, FACT_ANCHOR,
		"4444444444444444444444444444444444444444444444444444444444444444"));
	o.facts = facts;
	return sign(in, SIG_OFFER, offer_encode(&o), out);
}

static void tell_statement(const struct statement *s, json_t *out)
{
	uint8_t device[SHA256_LEN];
	json_t *requests = json_array();

	statement_device_id(s, device);
	set(out, "hash", BYTES(s->hash, SHA256_LEN));
	set(out, "device", BYTES(device, SHA256_LEN));
	set(out, "sealing", s->sealing_certificate);
	set(out, "commitment", BYTES(s->commitment, COMMITMENT_LEN));
	json_object_set_new(out, "host", json_string(s->host));
	json_object_set_new(out, "platform", json_string(s->platform));
	for (size_t i = 0; i < s->n_requests; i++) {
		AUTO_MEM char *hex = text_hex(s->requests[i].pkcs10);
		json_array_append_new(
			requests, json_pack("[i, s]", (int)s->requests[i].purpose, hex));
	}
	json_object_set_new(out, "requests", requests);
}

static struct err *do_statement(const json_t *in, json_t *out)
{
	AUTO(buf) struct buf *statement = get(in, "statement");
	AUTO(buf) struct buf *by_invitation = get(in, "by_invitation");
	AUTO(buf) struct buf *by_identity = get(in, "by_identity");
	AUTO(buf) struct buf *offer = get(in, "offer");
	AUTO(buf) struct buf *invitation = get(in, "invitation");
	AUTO(offer) struct offer *o = NULL;
	AUTO(statement) struct statement *s = NULL;
	Common__Statement wire = COMMON__STATEMENT__INIT;

	wire.statement = pb_lend(buf_bytes(statement));
	wire.invitation_signature = pb_lend(buf_bytes(by_invitation));
	wire.identity_signature = pb_lend(buf_bytes(by_identity));
	TRY(offer_decode(buf_bytes(offer), &o));
	TRY(statement_check(&wire, o, buf_bytes(offer), buf_bytes(invitation), &s));
	tell_statement(s, out);
	return NULL;
}

static struct err *do_digits(const json_t *in, json_t *out)
{
	uint8_t hash[SHA256_LEN], r_d[R_LEN], r_k[R_LEN];
	char text[9];

	get_fixed(in, "hash", hash, sizeof(hash));
	get_fixed(in, "r_d", r_d, sizeof(r_d));
	get_fixed(in, "r_k", r_k, sizeof(r_k));
	digits_text(digits_number(hash, r_d, r_k), text);
	json_object_set_new(out, "digits", json_string(text));
	return NULL;
}

/* A new key; its public half for a certificate, the private half sealed. */
static struct err *do_seal(const json_t *in, json_t *out)
{
	struct seal_context context = { .purpose = (Common__Purpose)get_int(in, "purpose", 3) };
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *der = get(in, "certificate");
	AUTO(buf) struct buf *sealed = NULL;
	AUTO(x509) X509 *recipient = NULL;

	get_deployment(in, context.deployment);
	memset(context.intent_hash, 0x55, SHA256_LEN);
	TRY(cert_parse(buf_bytes(der), &recipient));
	TRY(seal(key, recipient, &context, &sealed));
	AUTO(buf) struct buf *spki = sig_spki(key);
	set(out, "spki", buf_bytes(spki));
	set(out, "sealed", buf_bytes(sealed));
	return NULL;
}

static struct err *do_item(const json_t *in, json_t *out)
{
	struct item i = {
		.number = (uint64_t)get_int(in, "number", 0),
		.kind = (enum item_kind)get_int(in, "kind", 0),
		.purpose = (Common__Purpose)get_int(in, "purpose", 0),
		.time_ms = clock_real_ms(),
	};
	AUTO(buf) struct buf *payload = get(in, "payload");

	get_deployment(in, i.deployment);
	get_fixed(in, "device", i.device_id, SHA256_LEN);
	clock_random(i.item_id, ITEM_ID_LEN);
	sha256(buf_bytes(payload), i.payload_digest);
	i.payload_len = buf_len(payload);
	return sign(in, SIG_ITEM, item_encode(&i), out);
}

static struct err *do_acknowledgement(const json_t *in, json_t *out)
{
	AUTO(buf) struct buf *bytes = get(in, "bytes");
	AUTO(buf) struct buf *signature = get(in, "signature");
	AUTO(buf) struct buf *spki = get(in, "identity");
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(acknowledgement) struct acknowledgement *a = NULL;

	TRY(sig_public_spki(buf_bytes(spki), &key));
	TRY(sig_verify(key, SIG_ACKNOWLEDGEMENT, buf_bytes(bytes), buf_bytes(signature)));
	TRY(acknowledgement_decode(buf_bytes(bytes), &a));
	json_object_set_new(out, "number", json_integer((json_int_t)a->number));
	json_object_set_new(out, "status", json_integer(a->status));
	json_object_set_new(out, "detail", json_string(a->detail));
	set(out, "item_digest", BYTES(a->item_digest, SHA256_LEN));
	set(out, "device", BYTES(a->device_id, SHA256_LEN));
	return NULL;
}

static struct err *perform(const json_t *in, json_t *out)
{
	static const struct {
		const char *name;
		struct err *(*run)(const json_t *in, json_t *out);
	} deeds[] = {
		{ "begin", do_begin },
		{ "offer", do_offer },
		{ "statement", do_statement },
		{ "digits", do_digits },
		{ "seal", do_seal },
		{ "item", do_item },
		{ "acknowledgement", do_acknowledgement },
	};
	const char *name = json_string_value(json_object_get(in, "do"));

	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		if (name && strcmp(deeds[i].name, name) == 0)
			return deeds[i].run(in, out);
	}
	return err_new(&ERR_FORMAT, "nothing that this pen can do");
}

static void answer(json_t *take_out)
{
	AUTO_MEM char *text = json_dumps(take_out, JSON_COMPACT);

	puts(text);
	fflush(stdout);
	json_decref(take_out);
}

static void introduce(void)
{
	uint8_t public[ED25519_PUBLIC_LEN];
	json_t *out = json_object();

	pen.delivery = sig_new_ed25519();
	pen.other = sig_new_ed25519();
	clock_random(pen.deployment, sizeof(pen.deployment));
	sig_raw_public(pen.delivery, public);
	set(out, "delivery", BYTES(public, sizeof(public)));
	sig_raw_public(pen.other, public);
	set(out, "other", BYTES(public, sizeof(public)));
	set(out, "deployment", BYTES(pen.deployment, sizeof(pen.deployment)));
	answer(out);
}

int main(void)
{
	AUTO_MEM char *line = xcalloc(PEN_LINE_MAX, 1);

	seal_start();
	introduce();
	while (fgets(line, PEN_LINE_MAX, stdin)) {
		json_t *in = json_loads(line, 0, NULL);
		json_t *out = json_object();
		AUTO(err) struct err *e = perform(in, out);
		if (e)
			json_object_set_new(out, "error", json_string(err_get_text(e)));
		answer(out);
		json_decref(in);
	}
	EVP_PKEY_free(pen.delivery);
	EVP_PKEY_free(pen.other);
	return 0;
}
