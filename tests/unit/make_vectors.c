/*
 * make_vectors.c: writes proto/vectors: make_vectors DIRECTORY. Run by hand when a format changes: signatures and
 * certificates come out different each time.
 */
#include "tests/unit/unit.h"

#include <openssl/core_names.h>
#include <stdio.h>

#include "base/text.h"
#include "evidence/item.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"
#include "tests/unit/vectors.h"

static const char *directory;

static void save(const char *name, json_t *take_json)
{
	AUTO_MEM char *path = xasprintf("%s/%s.json", directory, name);

	assert_non_null(take_json);
	assert_int_equal(json_dump_file(take_json, path, JSON_INDENT(1) | JSON_ENSURE_ASCII), 0);
	FILE *f = fopen(path, "ae");
	assert_non_null(f);
	fputc('\n', f);
	fclose(f);
	json_decref(take_json);
}

static json_t *hash_of(struct bytes b)
{
	uint8_t hash[SHA256_LEN];

	sha256(b, hash);
	return vector_hex(BYTES(hash, SHA256_LEN));
}

static json_t *object(
	const char *about, const struct vector_field *table, struct bytes bytes, size_t prefix)
{
	json_t *o = json_pack("{s:s,s:o,s:o}", "about", about, "bytes", vector_hex(bytes), "sha256",
		hash_of(bytes));

	if (prefix)
		json_object_set_new(o, "prefix", vector_hex(BYTES(bytes.data, prefix)));
	json_object_set_new(
		o, "fields", vector_fields(table, BYTES(bytes.data + prefix, bytes.len - prefix)));
	json_object_set_new(o, "signatures", json_array());
	return o;
}

static void add_signature(
	json_t *o, const char *key, const char *label, const struct buf *signature)
{
	json_t *s =
		json_pack("{s:s,s:o}", "key", key, "signature", vector_hex(buf_bytes(signature)));

	if (label)
		json_object_set_new(s, "label", json_string(label));
	json_array_append_new(json_object_get(o, "signatures"), s);
}

/* --- keys --- */

static json_t *key_json(EVP_PKEY *key)
{
	AUTO(buf) struct buf *spki = sig_spki(key);
	BIGNUM *d = NULL;
	uint8_t number[32];

	EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d);
	BN_bn2binpad(d, number, sizeof(number));
	BN_free(d);
	return json_pack("{s:s,s:o,s:o,s:o}", "type", "p256", "private",
		vector_hex(BYTES(number, sizeof(number))), "public", vector_hex(buf_bytes(spki)),
		"hash", hash_of(buf_bytes(spki)));
}

static json_t *ed25519_json(EVP_PKEY *key)
{
	uint8_t seed[32], public[ED25519_PUBLIC_LEN];
	size_t len = sizeof(seed);

	assert_int_equal(EVP_PKEY_get_raw_private_key(key, seed, &len), 1);
	sig_raw_public(key, public);
	return json_pack("{s:s,s:o,s:o}", "type", "ed25519", "seed", vector_hex(BYTES(seed, len)),
		"public", vector_hex(BYTES(public, sizeof(public))));
}

static json_t *rsa_json(EVP_PKEY *key)
{
	AUTO(buf) struct buf *spki = sig_spki(key);
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	uint8_t *der = NULL;
	int len = i2d_PKCS8_PRIV_KEY_INFO(p8, &der);
	json_t *o = json_pack("{s:s,s:o,s:o}", "type", "rsa2048", "private",
		vector_hex(BYTES(der, (size_t)len)), "public", vector_hex(buf_bytes(spki)));

	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(p8);
	return o;
}

static void save_keys(struct enrollment *e, EVP_PKEY *escrow)
{
	save("keys",
		json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "delivery",
			ed25519_json(e->delivery), "receipt", ed25519_json(e->receipt_key),
			"invitation", ed25519_json(e->invitation), "identity",
			key_json(e->identity), "sealing", key_json(e->sealing), "authentication",
			key_json(e->keys[0]), "signing", key_json(e->keys[1]), "card",
			key_json(e->card), "issuer", key_json(e->issuer), "encryption",
			key_json(e->server), "escrow", rsa_json(escrow)));
}

/* --- objects --- */

static void save_offer(struct enrollment *e)
{
	json_t *o = object("an offer (section 4)", vector_offer, buf_bytes(e->offer_bytes), 0);
	uint8_t hash[SHA256_LEN];

	add_signature(o, "delivery", SIG_OFFER, e->offer_signature);
	facts_digest(e->offer.facts, hash);
	json_object_set_new(o, "facts digest", vector_hex(BYTES(hash, SHA256_LEN)));
	assert_ok(facts_holder_id(e->offer.facts, hash));
	json_object_set_new(o, "holder id", vector_hex(BYTES(hash, SHA256_LEN)));
	save("offer", o);
}

static void save_statement(struct enrollment *e)
{
	json_t *o = object("a statement for the offer in offer.json (section 3)", vector_statement,
		buf_bytes(e->statement_bytes), 0);
	json_t *challenges = json_array();
	uint8_t hash[SHA256_LEN];

	add_signature(o, "invitation", SIG_STATEMENT, e->invitation_signature);
	add_signature(o, "identity", SIG_STATEMENT, e->identity_signature);
	statement_device_id(&e->statement, hash);
	json_object_set_new(o, "device", vector_hex(BYTES(hash, SHA256_LEN)));
	for (size_t i = 0; i < 2; i++) {
		statement_challenge(&e->offer.purposes[i], e->statement.identity_public, hash);
		json_array_append_new(challenges,
			json_pack("{s:i,s:o}", "purpose", (int)e->offer.purposes[i].purpose,
				"challenge", vector_hex(BYTES(hash, SHA256_LEN))));
	}
	json_object_set_new(o, "challenges", challenges);
	save("statement", o);
}

static void save_digits(struct enrollment *e)
{
	json_t *list = json_array();
	uint8_t statement[SHA256_LEN], r_d[R_LEN], r_k[R_LEN], commitment[SHA256_LEN];

	for (int i = 0; i < 8; i++) {
		char text[9];
		memset(statement, i, sizeof(statement));
		memset(r_d, 16 * i, sizeof(r_d));
		memset(r_k, 255 - i, sizeof(r_k));
		if (i == 0)
			memcpy(statement, e->statement.hash, SHA256_LEN);
		sha256(BYTES(r_d, R_LEN), commitment);
		digits_text(digits_number(statement, r_d, r_k), text);
		json_array_append_new(
			list, json_pack("{s:o,s:o,s:o,s:o,s:s}", "statement",
				      vector_hex(BYTES(statement, SHA256_LEN)), "r_d",
				      vector_hex(BYTES(r_d, R_LEN)), "r_k",
				      vector_hex(BYTES(r_k, R_LEN)), "commitment",
				      vector_hex(BYTES(commitment, SHA256_LEN)), "digits", text));
	}
	save("digits", json_pack("{s:s,s:o}", "about", "commitments and digits (section 11)",
			       "digits", list));
}

static void save_intent(struct enrollment *e)
{
	json_t *o = object("the intent for offer.json and statement.json (section 5)",
		vector_intent, buf_bytes(e->intent_bytes), 64 + sizeof(SIG_INTENT));

	add_signature(o, "card", NULL, e->card_signature);
	save("intent", o);
}

static void save_receipt(struct enrollment *e)
{
	json_t *o = object("a receipt (section 6)", vector_receipt, buf_bytes(e->receipt_bytes), 0);

	add_signature(o, "receipt", SIG_RECEIPT, e->receipt_signature);
	save("receipt", o);
	o = object("a ticket (section 7)", vector_ticket, buf_bytes(e->ticket_bytes), 0);
	add_signature(o, "receipt", SIG_TICKET, e->ticket_signature);
	save("ticket", o);
}

static void save_item(struct enrollment *e, const struct buf *payload)
{
	struct item i = { .number = 3,
		.kind = ITEM_CERTIFICATE,
		.purpose = COMMON__PURPOSE__SIGNING,
		.payload_len = buf_len(payload),
		.time_ms = e->now_ms + 90000 };
	struct acknowledgement a = { .number = 3 };
	AUTO(buf) struct buf *signature = NULL, *answer = NULL;

	memcpy(i.deployment, e->offer.deployment, DEPLOYMENT_ID_LEN);
	statement_device_id(&e->statement, i.device_id);
	memset(i.item_id, 0x17, sizeof(i.item_id));
	sha256(buf_bytes(payload), i.payload_digest);
	AUTO(buf) struct buf *bytes = item_encode(&i);
	assert_ok(sig_sign(e->delivery, SIG_ITEM, buf_bytes(bytes), &signature));
	json_t *o =
		object("an item with a certificate (section 8)", vector_item, buf_bytes(bytes), 0);
	add_signature(o, "delivery", SIG_ITEM, signature);
	json_object_set_new(o, "payload", vector_hex(buf_bytes(payload)));
	save("item", o);

	memcpy(a.device_id, i.device_id, SHA256_LEN);
	memcpy(a.item_id, i.item_id, ITEM_ID_LEN);
	sha256(buf_bytes(bytes), a.item_digest);
	AUTO(buf) struct buf *said = acknowledgement_encode(&a);
	assert_ok(sig_sign(e->identity, SIG_ACKNOWLEDGEMENT, buf_bytes(said), &answer));
	o = object("the acknowledgement of the item in item.json (section 9)",
		vector_acknowledgement, buf_bytes(said), 0);
	add_signature(o, "identity", SIG_ACKNOWLEDGEMENT, answer);
	save("acknowledgement", o);
}

/* The content is put together here by the document; the test decrypts and compares. */
static struct buf *sealed_content(struct enrollment *e, const struct seal_context *context)
{
	struct buf *content = buf_new();
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(e->server);
	uint8_t *der = NULL, hash[SHA256_LEN];
	int len = i2d_PKCS8_PRIV_KEY_INFO(p8, &der);

	key_hash(e->server, hash);
	record_put_str(content, "derivd sealed key v1");
	record_put(content, BYTES(context->deployment, DEPLOYMENT_ID_LEN));
	record_put(content, BYTES(context->intent_hash, SHA256_LEN));
	record_put_u8(content, (uint8_t)context->purpose);
	record_put(content, BYTES(hash, SHA256_LEN));
	record_put(content, BYTES(der, (size_t)len));
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(p8);
	return content;
}

static void save_sealed(struct enrollment *e, const char *name, const char *recipient, X509 *cert)
{
	struct seal_context context = { .purpose = COMMON__PURPOSE__ENCRYPTION };
	AUTO(buf) struct buf *sealed = NULL;
	AUTO(buf) struct buf *der = cert_der(cert);

	memcpy(context.deployment, e->offer.deployment, DEPLOYMENT_ID_LEN);
	sha256(buf_bytes(e->intent_bytes), context.intent_hash);
	AUTO(buf) struct buf *content = sealed_content(e, &context);
	assert_ok(seal(e->server, cert, &context, &sealed));
	save(name, json_pack("{s:s,s:o,s:s,s:o,s:s,s:o,s:o}", "about",
			   "the key \"encryption\", sealed to the recipient (section 10)", "bytes",
			   vector_hex(buf_bytes(sealed)), "recipient", recipient, "certificate",
			   vector_hex(buf_bytes(der)), "key", "encryption", "content",
			   vector_hex(buf_bytes(content)), "fields",
			   vector_fields(vector_sealed, buf_bytes(content))));
}

static void save_bundle(struct enrollment *e, const struct buf *cert)
{
	AUTO(buf) struct buf *issuer = cert_der(e->issuer_cert);
	ProtobufCBinaryData chain[] = { pb_lend(buf_bytes(issuer)) };
	Common__Bundle b = COMMON__BUNDLE__INIT;

	b.version = 1;
	b.purpose = COMMON__PURPOSE__SIGNING;
	b.evidence = &e->wire;
	b.receipt = &e->wire_receipt;
	b.certificate = pb_lend(buf_bytes(cert));
	b.chain = chain;
	b.n_chain = 1;
	AUTO(buf) struct buf *evidence = msg_pack_type(&e->wire.base);
	AUTO(buf) struct buf *bundle = msg_pack_type(&b.base);
	save("bundle", json_pack("{s:s,s:o,s:o,s:o}", "about",
			       "common.Evidence and common.Bundle of all this (sections 12 and 13)",
			       "evidence", vector_hex(buf_bytes(evidence)), "bundle",
			       vector_hex(buf_bytes(bundle)), "kiosk",
			       vector_hex(BYTES(e->kiosk, KIOSK_ID_LEN))));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "make_vectors DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	AUTO(enrollment) struct enrollment *e = enrollment_new_fixed();
	AUTO(pkey) EVP_PKEY *escrow = enrollment_rsa(2048);
	enrollment_build(e);
	AUTO(x509)
	X509 *officer = enrollment_cert("Escrow", escrow, NULL, escrow, false, e->now_ms);
	AUTO(x509)
	X509 *cert = enrollment_cert(
		"Ann Example", e->keys[1], e->issuer_cert, e->issuer, false, e->now_ms);
	AUTO(buf) struct buf *der = cert_der(cert);
	save_keys(e, escrow);
	save_offer(e);
	save_statement(e);
	save_digits(e);
	save_intent(e);
	save_receipt(e);
	save_item(e, der);
	save_sealed(e, "sealed", "sealing", e->sealing_cert);
	save_sealed(e, "sealed-rsa", "escrow", officer);
	save_bundle(e, der);
	return 0;
}
