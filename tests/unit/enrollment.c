/* enrollment.c: what device, card and derivd-ca do in an enrollment, in one process. */
#include "tests/unit/unit.h"

#include "tests/unit/enrollment.h"

#include <openssl/rsa.h>
#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include "evidence/part.h"
#include "proto/msg.h"

#define DAY_MS INT64_C(86400000)

static ProtobufCBinaryData lend(const struct buf *b)
{
	return pb_lend(buf_bytes(b));
}

size_t enrollment_bit_step(void)
{
	return getenv("DERIVD_TEST_LONG") ? 1 : 9;
}

EVP_PKEY *enrollment_unsound(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	BIGNUM *three = BN_new();

	assert_true(BN_set_word(three, 3) == 1 && EVP_PKEY_keygen_init(ctx) == 1 &&
		    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
		    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three) == 1 &&
		    EVP_PKEY_generate(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	BN_free(three);
	return key;
}

EVP_PKEY *enrollment_rsa(unsigned int bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	assert_non_null(key);
	return key;
}

EVP_PKEY *enrollment_ec(const char *curve)
{
	EVP_PKEY *key = EVP_EC_gen(curve);

	assert_non_null(key);
	return key;
}

struct buf *enrollment_pkcs10(EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	struct buf *out = buf_new();

	assert_non_null(req);
	assert_int_equal(X509_REQ_set_version(req, 0), 1);
	assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	uint8_t *p = buf_grow(out, (size_t)i2d_X509_REQ(req, NULL));
	assert_true(i2d_X509_REQ(req, &p) > 0);
	X509_REQ_free(req);
	return out;
}

X509_EXTENSION *enrollment_ext(int nid, const char *value)
{
	CONF *conf = NCONF_new(NULL);
	X509V3_CTX ctx;

	/* Some kinds insist on a configuration, even where they take nothing from it. */
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, X509V3_CTX_TEST);
	X509V3_set_nconf(&ctx, conf);
	X509_EXTENSION *ext = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	assert_non_null(ext);
	NCONF_free(conf);
	return ext;
}

static void add_ext(X509 *cert, X509 *issuer_cert, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer_cert ? issuer_cert : cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

X509 *enrollment_cert(const char *subject, EVP_PKEY *key, X509 *issuer_cert, EVP_PKEY *issuer,
	bool is_ca, int64_t now_ms)
{
	static long serial = 0x1001;
	X509 *cert = X509_new();

	assert_non_null(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)((now_ms - DAY_MS) / 1000));
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)((now_ms + 365 * DAY_MS) / 1000));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		(const unsigned char *)subject, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer_cert ? issuer_cert : cert));
	X509_set_pubkey(cert, key);
	add_ext(cert, issuer_cert, NID_subject_key_identifier, "hash");
	if (is_ca) {
		add_ext(cert, issuer_cert, NID_basic_constraints, "critical,CA:TRUE");
		add_ext(cert, issuer_cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	assert_true(X509_sign(cert, issuer, EVP_sha256()) > 0);
	return cert;
}

static struct buf *der_of(const X509 *cert)
{
	return cert_der(cert);
}

static void set_offer(struct enrollment *e)
{
	static const struct {
		Common__Purpose purpose;
		Common__Origin origin;
	} table[] = {
		{ COMMON__PURPOSE__AUTHENTICATION, COMMON__ORIGIN__DEVICE },
		{ COMMON__PURPOSE__SIGNING, COMMON__ORIGIN__DEVICE },
		{ COMMON__PURPOSE__ENCRYPTION, COMMON__ORIGIN__SERVER },
	};
	struct offer *o = &e->offer;

	o->operation = COMMON__OPERATION__ENROLL;
	memset(o->deployment, 0xd1, sizeof(o->deployment));
	memset(o->request_id, 0x42, sizeof(o->request_id));
	o->created_ms = e->now_ms;
	o->expires_ms = e->now_ms + 900000;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct offer_purpose *p = &o->purposes[o->n_purposes++];
		p->purpose = table[i].purpose;
		p->origin = table[i].origin;
		strcpy(p->key_type, "p256");
		memset(p->profile_digest, 0x50 + (int)i, SHA256_LEN);
		memset(p->challenge, 0xc0 + (int)i, CHALLENGE_LEN);
	}
	o->facts = facts_new();
	assert_ok(facts_add(o->facts, FACT_NAME, "Ann Example"));
	assert_ok(facts_add(o->facts, FACT_ANCHOR,
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
	assert_ok(facts_add(o->facts, FACT_ID_TYPE, "upn"));
	assert_ok(facts_add(o->facts, FACT_ID, "ann@example.org"));
}

static struct enrollment *with_keys(struct enrollment *e)
{
	sig_raw_public(e->delivery, e->delivery_public);
	sig_raw_public(e->receipt_key, e->receipt_public);
	sig_raw_public(e->invitation, e->invitation_public);
	memset(e->kiosk, 0x4b, sizeof(e->kiosk));
	memset(e->r_d, 0xdd, sizeof(e->r_d));
	memset(e->r_k, 0x77, sizeof(e->r_k));
	memset(e->nonce, 0x99, sizeof(e->nonce));
	e->now_ms = INT64_C(1795000000000);
	set_offer(e);
	return e;
}

struct enrollment *enrollment_new(void)
{
	struct enrollment *e = xcalloc(1, sizeof(*e));

	e->delivery = sig_new_ed25519();
	e->receipt_key = sig_new_ed25519();
	e->invitation = sig_new_ed25519();
	e->identity = sig_new_p256();
	e->sealing = sig_new_p256();
	e->keys[0] = sig_new_p256();
	e->keys[1] = sig_new_p256();
	e->card = sig_new_p256();
	e->issuer = sig_new_p256();
	e->server = sig_new_p256();
	return with_keys(e);
}

static EVP_PKEY *fixed_ed25519(int n)
{
	uint8_t seed[32];
	EVP_PKEY *key = NULL;

	memset(seed, n, sizeof(seed));
	assert_ok(sig_from_seed(BYTES(seed, sizeof(seed)), &key));
	return key;
}

/* The P-256 key whose private number is n repeated in every byte. */
static EVP_PKEY *fixed_p256(int n)
{
	uint8_t number[32], point[65];
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *q = EC_POINT_new(group);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	memset(number, n, sizeof(number));
	BIGNUM *d = BN_bin2bn(number, sizeof(number), NULL);
	assert_int_equal(EC_POINT_mul(group, q, d, NULL, NULL, NULL), 1);
	assert_int_equal(EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, point,
				 sizeof(point), NULL),
		sizeof(point));
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	EC_POINT_free(q);
	EC_GROUP_free(group);
	return key;
}

struct enrollment *enrollment_new_fixed(void)
{
	struct enrollment *e = xcalloc(1, sizeof(*e));

	e->delivery = fixed_ed25519(0x01);
	e->receipt_key = fixed_ed25519(0x02);
	e->invitation = fixed_ed25519(0x03);
	e->identity = fixed_p256(0x04);
	e->sealing = fixed_p256(0x05);
	e->keys[0] = fixed_p256(0x06);
	e->keys[1] = fixed_p256(0x07);
	e->card = fixed_p256(0x08);
	e->issuer = fixed_p256(0x09);
	e->server = fixed_p256(0x0a);
	return with_keys(e);
}

static void sign(EVP_PKEY *key, const char *label, const struct buf *body, struct buf **signature)
{
	buf_free(*signature);
	*signature = NULL;
	assert_ok(sig_sign(key, label, buf_bytes(body), signature));
}

static void set_signed(Common__Signed *s, const struct buf *body, const struct buf *signature)
{
	common__signed__init(s);
	s->body = lend(body);
	s->signature = lend(signature);
}

void enrollment_sign_statement(struct enrollment *e)
{
	buf_free(e->statement_bytes);
	e->statement_bytes = statement_encode(&e->statement);
	sha256(buf_bytes(e->statement_bytes), e->statement.hash);
	sign(e->invitation, SIG_STATEMENT, e->statement_bytes, &e->invitation_signature);
	sign(e->identity, SIG_STATEMENT, e->statement_bytes, &e->identity_signature);
	common__statement__init(&e->wire_statement);
	e->wire_statement.statement = lend(e->statement_bytes);
	if (e->statement.has_invitation)
		e->wire_statement.invitation_signature = lend(e->invitation_signature);
	e->wire_statement.identity_signature = lend(e->identity_signature);
}

void enrollment_card_sign(struct enrollment *e)
{
	enum card_algorithm algorithm;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 1024;

	assert_ok(intent_algorithm(e->card, &algorithm));
	assert_int_equal(EVP_DigestSignInit(ctx, NULL,
				 algorithm == CARD_ECDSA_P384_SHA384 ? EVP_sha384() : EVP_sha256(),
				 NULL, e->card),
		1);
	buf_free(e->card_signature);
	e->card_signature = buf_new();
	uint8_t *room = buf_grow(e->card_signature, len);
	assert_int_equal(EVP_DigestSign(ctx, room, &len, buf_data(e->intent_bytes),
				 buf_len(e->intent_bytes)),
		1);
	buf_cut(e->card_signature, len);
	EVP_MD_CTX_free(ctx);
	e->wire.intent = lend(e->intent_bytes);
	e->wire.card_signature = lend(e->card_signature);
}

void enrollment_sign_intent(struct enrollment *e)
{
	static const struct intent_consent consents[] = { { "issue", 0 },
		{ "renew", INT64_C(1895000000000) } };
	AUTO(intent) struct intent *i = NULL;
	enum card_algorithm algorithm;

	assert_ok(intent_algorithm(e->card, &algorithm));
	assert_ok(intent_build(&e->offer, &e->statement, BYTES(e->nonce, sizeof(e->nonce)),
		consents, ARRAY_LEN(consents), algorithm, e->kiosk, &i));
	buf_free(e->intent_bytes);
	e->intent_bytes = intent_encode(i);
	common__evidence__init(&e->wire);
	enrollment_card_sign(e);
	e->wire.statement = &e->wire_statement;
	e->wire.offer = &e->wire_offer;
	e->wire_certs[0] = lend(e->card_der);
	e->wire.n_card_certificates = 1;
	e->wire.card_certificates = e->wire_certs;
	if (e->offer.operation == COMMON__OPERATION__ENROLL) {
		e->wire.device_random = pb_lend(BYTES(e->r_d, R_LEN));
		e->wire.kiosk_random = pb_lend(BYTES(e->r_k, R_LEN));
	}
}

static void set_statement(struct enrollment *e)
{
	static char host[] = "kiosk.example.org", platform[] = "test 1.0";
	struct statement *s = &e->statement;

	s->version = STATEMENT_VERSION;
	s->host = host;
	s->platform = platform;
	memcpy(s->deployment, e->offer.deployment, DEPLOYMENT_ID_LEN);
	s->has_invitation = e->offer.operation == COMMON__OPERATION__ENROLL;
	sha256(buf_bytes(e->offer_bytes), s->offer_digest);
	s->identity_public = buf_bytes(e->identity_spki);
	s->sealing_certificate = buf_bytes(e->sealing_der);
	s->n_requests = 2;
	for (size_t i = 0; i < 2; i++) {
		s->requests[i].purpose = e->offer.purposes[i].purpose;
		s->requests[i].pkcs10 = buf_bytes(e->pkcs10[i]);
	}
	if (!s->has_invitation)
		return;
	memcpy(s->invitation_public, e->invitation_public, ED25519_PUBLIC_LEN);
	sha256(BYTES(e->r_d, R_LEN), s->commitment);
}

void enrollment_build(struct enrollment *e)
{
	e->issuer_cert =
		enrollment_cert("Test Issuer", e->issuer, NULL, e->issuer, true, e->now_ms);
	e->card_cert = enrollment_cert(
		"Ann Example", e->card, e->issuer_cert, e->issuer, false, e->now_ms);
	if (!e->sealing_cert)
		e->sealing_cert =
			enrollment_cert("device", e->sealing, NULL, e->identity, false, e->now_ms);
	e->card_der = der_of(e->card_cert);
	e->sealing_der = der_of(e->sealing_cert);
	e->identity_spki = sig_spki(e->identity);
	e->server_spki = sig_spki(e->server);
	for (size_t i = 0; i < 2; i++)
		e->pkcs10[i] = enrollment_pkcs10(e->keys[i]);
	cert_key_hash(e->issuer_cert, e->offer.issuer_key_id);
	e->offer.n_certs = 1;
	cert_hash(e->card_cert, e->offer.certs[0]);
	e->offer_bytes = offer_encode(&e->offer);
	sign(e->delivery, SIG_OFFER, e->offer_bytes, &e->offer_signature);
	set_signed(&e->wire_offer, e->offer_bytes, e->offer_signature);
	set_statement(e);
	enrollment_sign_statement(e);
	enrollment_sign_intent(e);
	enrollment_sign_receipt(e);
}

static void set_receipt(const struct enrollment *e, struct receipt *r)
{
	AUTO(intent) struct intent *i = NULL;
	AUTO(buf) struct buf *packed = msg_pack_type(&e->wire.base);

	assert_ok(intent_decode(buf_bytes(e->intent_bytes), &i));
	sha256(buf_bytes(e->intent_bytes), r->intent_hash);
	sha256(buf_bytes(packed), r->evidence_digest);
	r->operation = i->operation;
	memcpy(r->deployment, i->deployment, DEPLOYMENT_ID_LEN);
	memcpy(r->request_id, i->request_id, REQUEST_ID_LEN);
	memcpy(r->issuer_key_id, i->issuer_key_id, SHA256_LEN);
	r->facts = e->offer.facts;
	assert_ok(facts_holder_id(r->facts, r->holder_id));
	r->identity_public = e->statement.identity_public;
	r->sealing_certificate = e->statement.sealing_certificate;
	memcpy(r->purposes, i->purposes, sizeof(r->purposes));
	r->n_purposes = i->n_purposes;
	r->time_ms = e->now_ms + 60000;
	r->nonce_time_ms = e->now_ms + 30000;
	memcpy(r->certs, i->certs, sizeof(r->certs));
	r->n_certs = i->n_certs;
	r->n_proofs = 2;
	memset(r->proofs[0], 0xaa, SHA256_LEN);
	memset(r->proofs[1], 0xbb, SHA256_LEN);
	memcpy(r->consents, i->consents, sizeof(r->consents));
	r->n_consents = i->n_consents;
	r->has_predecessor = i->has_predecessor;
	memcpy(r->predecessor, i->predecessor, SHA256_LEN);
}

void enrollment_sign_receipt(struct enrollment *e)
{
	struct receipt r = { 0 };
	struct ticket t = { .purpose = COMMON__PURPOSE__ENCRYPTION, .n_escrow = 1 };

	set_receipt(e, &r);
	buf_free(e->receipt_bytes);
	e->receipt_bytes = receipt_encode(&r);
	sign(e->receipt_key, SIG_RECEIPT, e->receipt_bytes, &e->receipt_signature);
	set_signed(&e->wire_receipt, e->receipt_bytes, e->receipt_signature);

	memcpy(t.intent_hash, r.intent_hash, SHA256_LEN);
	t.public_key = buf_bytes(e->server_spki);
	memset(t.device_copy, 0x0d, SHA256_LEN);
	memset(t.escrow_copies[0], 0x0e, SHA256_LEN);
	t.time_ms = r.time_ms + 1000;
	buf_free(e->ticket_bytes);
	e->ticket_bytes = ticket_encode(&t);
	sign(e->receipt_key, SIG_TICKET, e->ticket_bytes, &e->ticket_signature);
	set_signed(&e->wire_ticket, e->ticket_bytes, e->ticket_signature);
}

void enrollment_free(struct enrollment *e)
{
	EVP_PKEY *keys[] = { e->delivery, e->receipt_key, e->invitation, e->identity, e->sealing,
		e->keys[0], e->keys[1], e->card, e->issuer, e->server };
	struct buf *bufs[] = { e->offer_bytes, e->offer_signature, e->pkcs10[0], e->pkcs10[1],
		e->identity_spki, e->sealing_der, e->card_der, e->server_spki, e->statement_bytes,
		e->invitation_signature, e->identity_signature, e->intent_bytes, e->card_signature,
		e->receipt_bytes, e->receipt_signature, e->ticket_bytes, e->ticket_signature };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_free(bufs[i]);
	X509_free(e->card_cert);
	X509_free(e->issuer_cert);
	X509_free(e->sealing_cert);
	facts_free(e->offer.facts);
	free(e);
}
