/* test_vectors.c: proto/vectors against the code, from the files alone. */
#include "tests/unit/unit.h"

#include <openssl/cms.h>

#include "evidence/bundle.h"
#include "evidence/cert.h"
#include "evidence/item.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/vectors.h"

static json_t *keys;

static json_t *load(const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/proto/vectors/%s.json", getenv("abs_top_srcdir"), name);
	json_error_t error;
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!o)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return o;
}

static int load_keys(void **state)
{
	keys = load("keys");
	return 0;
}

static int drop_keys(void **state)
{
	json_decref(keys);
	return 0;
}

static EVP_PKEY *public_key(const char *name)
{
	const json_t *k = json_object_get(keys, name);
	AUTO(buf) struct buf *b = vector_get(k, "public");
	EVP_PKEY *key = NULL;

	if (strcmp(json_string_value(json_object_get(k, "type")), "ed25519") == 0)
		assert_ok(sig_public_raw(buf_bytes(b), &key));
	else
		assert_ok(key_parse(buf_bytes(b), &key));
	return key;
}

static void equal(const json_t *o, const char *name, struct bytes b)
{
	AUTO(buf) struct buf *wanted = vector_get(o, name);

	if (!bytes_eq(buf_bytes(wanted), b))
		fail_msg("%s is another", name);
}

static void check_signature(const json_t *s, struct bytes bytes)
{
	const char *label = json_string_value(json_object_get(s, "label"));
	AUTO(pkey) EVP_PKEY *key = public_key(json_string_value(json_object_get(s, "key")));
	AUTO(buf) struct buf *signature = vector_get(s, "signature");

	if (label)
		assert_ok(sig_verify(key, label, bytes, buf_bytes(signature)));
	else
		assert_ok(intent_verify(key, CARD_ECDSA_P256_SHA256, bytes, buf_bytes(signature)));
}

/* What every object has: fields, hash, signatures. */
static json_t *load_object(const char *name, struct buf **ret_bytes)
{
	json_t *o = load(name);
	AUTO(buf)
	struct buf *built = json_object_get(o, "prefix") ? vector_get(o, "prefix") : buf_new();
	uint8_t hash[SHA256_LEN];
	size_t i;
	json_t *s;

	vector_record(json_object_get(o, "fields"), built);
	equal(o, "bytes", buf_bytes(built));
	sha256(buf_bytes(built), hash);
	equal(o, "sha256", BYTES(hash, SHA256_LEN));
	assert_true(json_array_size(json_object_get(o, "signatures")) > 0);
	json_array_foreach(json_object_get(o, "signatures"), i, s)
		check_signature(s, buf_bytes(built));
	*ret_bytes = take(built);
	return o;
}

/* Each decoder takes its object, and its encoder gives the same. */
#define COMES_BACK(type, bytes, ret_object)                                                        \
	do {                                                                                       \
		assert_ok(type##_decode(buf_bytes(bytes), ret_object));                            \
		AUTO(buf) struct buf *again = type##_encode(*(ret_object));                        \
		assert_true(bytes_eq(buf_bytes(again), buf_bytes(bytes)));                         \
	} while (0)

static void offer(void **state)
{
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(offer) struct offer *decoded = NULL;
	json_t *o = load_object("offer", &bytes);
	uint8_t hash[SHA256_LEN];

	COMES_BACK(offer, bytes, &decoded);
	facts_digest(decoded->facts, hash);
	equal(o, "facts digest", BYTES(hash, SHA256_LEN));
	assert_ok(facts_holder_id(decoded->facts, hash));
	equal(o, "holder id", BYTES(hash, SHA256_LEN));
	json_decref(o);
}

static void statement(void **state)
{
	AUTO(buf) struct buf *bytes = NULL, *offer_bytes = NULL;
	AUTO(statement) struct statement *decoded = NULL;
	AUTO(offer) struct offer *offered = NULL;
	json_t *o = load_object("statement", &bytes), *of = load_object("offer", &offer_bytes);
	uint8_t hash[SHA256_LEN];
	size_t i;
	json_t *challenge;

	COMES_BACK(statement, bytes, &decoded);
	equal(o, "sha256", BYTES(decoded->hash, SHA256_LEN));
	statement_device_id(decoded, hash);
	equal(o, "device", BYTES(hash, SHA256_LEN));
	assert_ok(offer_decode(buf_bytes(offer_bytes), &offered));
	json_array_foreach(json_object_get(o, "challenges"), i, challenge)
	{
		statement_challenge(&offered->purposes[i], decoded->identity_public, hash);
		equal(challenge, "challenge", BYTES(hash, SHA256_LEN));
	}
	assert_int_equal(i, 2);
	json_decref(o);
	json_decref(of);
}

static void digits(void **state)
{
	json_t *o = load("digits"), *v;
	size_t i;

	json_array_foreach(json_object_get(o, "digits"), i, v)
	{
		AUTO(buf) struct buf *hash = vector_get(v, "statement");
		AUTO(buf) struct buf *r_d = vector_get(v, "r_d");
		AUTO(buf) struct buf *r_k = vector_get(v, "r_k");
		uint8_t commitment[SHA256_LEN];
		char text[9];
		sha256(buf_bytes(r_d), commitment);
		equal(v, "commitment", BYTES(commitment, SHA256_LEN));
		digits_text(digits_number(buf_data(hash), buf_data(r_d), buf_data(r_k)), text);
		assert_string_equal(text, json_string_value(json_object_get(v, "digits")));
	}
	assert_int_equal(i, 8);
	json_decref(o);
}

static void intent(void **state)
{
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(intent) struct intent *decoded = NULL;
	json_t *o = load_object("intent", &bytes);

	COMES_BACK(intent, bytes, &decoded);
	json_decref(o);
}

static void receipt_and_ticket(void **state)
{
	AUTO(buf) struct buf *rb = NULL, *tb = NULL;
	AUTO(receipt) struct receipt *r = NULL;
	AUTO(ticket) struct ticket *t = NULL;
	json_t *ro = load_object("receipt", &rb), *to = load_object("ticket", &tb);

	COMES_BACK(receipt, rb, &r);
	COMES_BACK(ticket, tb, &t);
	assert_memory_equal(r->intent_hash, t->intent_hash, SHA256_LEN);
	json_decref(ro);
	json_decref(to);
}

static void item_and_acknowledgement(void **state)
{
	AUTO(buf) struct buf *ib = NULL, *ab = NULL;
	AUTO(item) struct item *i = NULL;
	AUTO(acknowledgement) struct acknowledgement *a = NULL;
	json_t *io = load_object("item", &ib), *ao = load_object("acknowledgement", &ab);
	AUTO(buf) struct buf *payload = vector_get(io, "payload");
	uint8_t hash[SHA256_LEN];

	COMES_BACK(item, ib, &i);
	COMES_BACK(acknowledgement, ab, &a);
	sha256(buf_bytes(payload), hash);
	assert_memory_equal(i->payload_digest, hash, SHA256_LEN);
	assert_int_equal(i->payload_len, buf_len(payload));
	equal(io, "sha256", BYTES(a->item_digest, SHA256_LEN));
	json_decref(io);
	json_decref(ao);
}

static EVP_PKEY *private_key(const char *name)
{
	const json_t *k = json_object_get(keys, name);
	AUTO(buf) struct buf *private = vector_get(k, "private");
	AUTO(buf) struct buf *public = vector_get(k, "public");
	AUTO(buf) struct buf *der = buf_new();

	if (strcmp(json_string_value(json_object_get(k, "type")), "p256") == 0) {
		/* ECPrivateKey (RFC 5915) with parameters and public point. */
		static const uint8_t head[] = { 0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20 };
		static const uint8_t middle[] = { 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
			0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00 };
		buf_add(der, head, sizeof(head));
		buf_add_bytes(der, buf_bytes(private));
		buf_add(der, middle, sizeof(middle));
		buf_add(der, buf_data(public) + buf_len(public) - 65, 65);
	} else {
		buf_add_bytes(der, buf_bytes(private));
	}
	const uint8_t *p = buf_data(der);
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &p, (long)buf_len(der));
	assert_non_null(key);
	return key;
}

/* Decrypted by OpenSSL itself, the content is what the document says. */
static void check_content(const json_t *o, struct bytes sealed, EVP_PKEY *key, X509 *cert)
{
	const uint8_t *p = sealed.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)sealed.len);
	BIO *out = BIO_new(BIO_s_mem());
	char *data = NULL;

	assert_int_equal(CMS_decrypt(cms, key, cert, NULL, out, CMS_BINARY), 1);
	long len = BIO_get_mem_data(out, &data);
	equal(o, "content", BYTES(data, (size_t)len));
	BIO_free(out);
	CMS_ContentInfo_free(cms);
	AUTO(buf) struct buf *built = buf_new();
	vector_record(json_object_get(o, "fields"), built);
	equal(o, "content", buf_bytes(built));
}

static struct seal_context context_of(const json_t *o)
{
	const json_t *fields = json_object_get(o, "fields");
	struct seal_context c = { .purpose = COMMON__PURPOSE__ENCRYPTION };
	AUTO(buf) struct buf *deployment = vector_get(json_array_get(fields, 1), "hex");
	AUTO(buf) struct buf *hash = vector_get(json_array_get(fields, 2), "hex");

	memcpy(c.deployment, buf_data(deployment), DEPLOYMENT_ID_LEN);
	memcpy(c.intent_hash, buf_data(hash), SHA256_LEN);
	return c;
}

static void sealed(void **state)
{
	static const char *const names[] = { "sealed", "sealed-rsa" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *o = load(names[i]);
		AUTO(buf) struct buf *bytes = vector_get(o, "bytes");
		AUTO(buf) struct buf *der = vector_get(o, "certificate");
		AUTO(pkey)
		EVP_PKEY *recipient =
			private_key(json_string_value(json_object_get(o, "recipient")));
		AUTO(pkey)
		EVP_PKEY *wanted = public_key(json_string_value(json_object_get(o, "key")));
		AUTO(pkey) EVP_PKEY *key = NULL;
		AUTO(x509) X509 *cert = NULL;
		struct seal_context context = context_of(o);
		assert_ok(cert_parse(buf_bytes(der), &cert));
		assert_ok(unseal(buf_bytes(bytes), recipient, cert, &context, &key));
		assert_int_equal(EVP_PKEY_eq(key, wanted), 1);
		check_content(o, buf_bytes(bytes), recipient, cert);
		json_decref(o);
	}
}

static void bundle(void **state)
{
	json_t *o = load("bundle");
	AUTO(buf) struct buf *packed = vector_get(o, "bundle");
	AUTO(buf) struct buf *kiosk = vector_get(o, "kiosk");
	AUTO(buf) struct buf *delivery = vector_get(json_object_get(keys, "delivery"), "public");
	AUTO(buf) struct buf *receipt_key = vector_get(json_object_get(keys, "receipt"), "public");
	AUTO(bundle_report) struct bundle_report *report = NULL;
	AUTO_MSG ProtobufCMessage *b = NULL;

	assert_ok(msg_parse_type(&common__bundle__descriptor, buf_bytes(packed), &b));
	assert_ok(bundle_verify((Common__Bundle *)b, buf_bytes(delivery), buf_bytes(receipt_key),
		buf_data(kiosk), NULL, NULL, &report));
	assert_int_equal(report->n, 8);
	AUTO(buf) struct buf *evidence = msg_pack_type(&((Common__Bundle *)b)->evidence->base);
	equal(o, "evidence", buf_bytes(evidence));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer),
		cmocka_unit_test(statement),
		cmocka_unit_test(digits),
		cmocka_unit_test(intent),
		cmocka_unit_test(receipt_and_ticket),
		cmocka_unit_test(item_and_acknowledgement),
		cmocka_unit_test(sealed),
		cmocka_unit_test(bundle),
	};

	return cmocka_run_group_tests(tests, load_keys, drop_keys);
}
