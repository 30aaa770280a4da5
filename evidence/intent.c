/* intent.c: the bytes that the card signs, and its signature over them. */
#include "evidence/intent.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/key.h"
#include "evidence/part.h"

#define SPACES 64

/* An RSA or ECDSA signature is not longer: 4096 bits. */
#define CARD_SIGNATURE_MAX 512

void intent_free(struct intent *i)
{
	free(i);
}

static void put_head(struct buf *out)
{
	memset(buf_grow(out, SPACES), ' ', SPACES);
	buf_add(out, SIG_INTENT, sizeof(SIG_INTENT));
}

struct buf *intent_encode(const struct intent *i)
{
	struct buf *out = buf_new();

	assert(i->nonce_len <= NONCE_MAX && i->n_certs <= CARD_CERTS_MAX);
	put_head(out);
	record_put_u8(out, (uint8_t)i->operation);
	record_put(out, BYTES(i->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(i->issuer_key_id, SHA256_LEN));
	record_put(out, BYTES(i->request_id, REQUEST_ID_LEN));
	record_put(out, BYTES(i->nonce, i->nonce_len));
	part_put_hashes(out, i->certs, i->n_certs);
	record_put_u8(out, (uint8_t)i->algorithm);
	record_put(out, BYTES(i->statement_hash, SHA256_LEN));
	part_put_optional(out, i->has_invitation, i->invitation_public, ED25519_PUBLIC_LEN);
	part_put_purposes(out, i->purposes, i->n_purposes);
	record_put(out, BYTES(i->facts_digest, SHA256_LEN));
	part_put_consents(out, i->consents, i->n_consents);
	part_put_optional(out, i->has_predecessor, i->predecessor, SHA256_LEN);
	record_put(out, BYTES(i->kiosk, KIOSK_ID_LEN));
	return out;
}

static struct err *get_head(struct cursor *c)
{
	AUTO(buf) struct buf *head = buf_new();
	struct bytes b;

	put_head(head);
	TRY(cursor_bytes(c, buf_len(head), &b));
	if (!bytes_eq(b, buf_bytes(head)))
		return err_new(&ERR_FORMAT, "it does not begin like one of version 1");
	return NULL;
}

static struct err *get_fields(struct cursor *c, struct intent *i)
{
	struct bytes nonce;
	uint8_t v;

	TRY(get_head(c));
	TRY(record_get_choice(
		c, "operation", COMMON__OPERATION__ENROLL, COMMON__OPERATION__ISSUE, &v));
	i->operation = (Common__Operation)v;
	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, i->deployment));
	TRY(record_get_fixed(c, "issuer key id", SHA256_LEN, i->issuer_key_id));
	TRY(record_get_fixed(c, "request id", REQUEST_ID_LEN, i->request_id));
	TRY(record_get(c, "nonce", 1, NONCE_MAX, &nonce));
	i->nonce_len = nonce.len;
	memcpy(i->nonce, nonce.data, nonce.len);
	TRY(part_get_hashes(c, "card certificates", 1, CARD_CERTS_MAX, i->certs, &i->n_certs));
	TRY(record_get_choice(c, "algorithm", CARD_RSA_PKCS1_SHA256, CARD_ECDSA_P384_SHA384, &v));
	i->algorithm = (enum card_algorithm)v;
	TRY(record_get_fixed(c, "statement hash", SHA256_LEN, i->statement_hash));
	TRY(part_get_optional(
		c, "invitation key", ED25519_PUBLIC_LEN, &i->has_invitation, i->invitation_public));
	TRY(part_get_purposes(c, i->purposes, &i->n_purposes));
	TRY(record_get_fixed(c, "facts digest", SHA256_LEN, i->facts_digest));
	TRY(part_get_consents(c, i->consents, &i->n_consents));
	TRY(part_get_optional(c, "predecessor", SHA256_LEN, &i->has_predecessor, i->predecessor));
	TRY(record_get_fixed(c, "kiosk", KIOSK_ID_LEN, i->kiosk));
	return cursor_end(c);
}

/* What each operation must and must not name. */
static struct err *check_operation(const struct intent *i)
{
	bool enroll = i->operation == COMMON__OPERATION__ENROLL;

	if (i->has_invitation != enroll || i->has_predecessor == enroll)
		return err_new(&ERR_FORMAT, "an enrollment names an invitation and no predecessor, "
					    "a further issuance a predecessor and no invitation");
	return NULL;
}

struct err *intent_decode(struct bytes b, struct intent **ret_intent)
{
	AUTO(intent) struct intent *i = xcalloc(1, sizeof(*i));
	struct cursor c = { b };

	if (b.len > INTENT_MAX)
		return err_new(
			&ERR_EVIDENCE_BAD, "intent: %zu bytes, more than %d", b.len, INTENT_MAX);
	TRY(err_as(&ERR_EVIDENCE_BAD, get_fields(&c, i), "intent"));
	TRY(err_as(&ERR_EVIDENCE_BAD, check_operation(i), "intent"));
	AUTO(buf) struct buf *again = intent_encode(i);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_EVIDENCE_BAD, "intent: not in its one encoding");
	*ret_intent = take(i);
	return NULL;
}

struct err *intent_algorithm(EVP_PKEY *card_key, enum card_algorithm *ret_algorithm)
{
	static const struct {
		const char *type;
		enum card_algorithm algorithm;
	} table[] = {
		{ "rsa2048", CARD_RSA_PKCS1_SHA256 },
		{ "rsa3072", CARD_RSA_PKCS1_SHA256 },
		{ "rsa4096", CARD_RSA_PKCS1_SHA256 },
		{ "p256", CARD_ECDSA_P256_SHA256 },
		{ "p384", CARD_ECDSA_P384_SHA384 },
	};
	const char *type = key_type(card_key);

	for (size_t i = 0; type && i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].type, type) == 0) {
			*ret_algorithm = table[i].algorithm;
			return NULL;
		}
	}
	const char *algorithm = EVP_PKEY_get0_type_name(card_key);
	return err_new(&ERR_CERT_NOT_ELIGIBLE,
		"its key is %s with %d bits; RSA with 2048, 3072 or 4096 bits, P-256 or P-384 is "
		"needed",
		algorithm ? algorithm : "of an unknown type", EVP_PKEY_get_bits(card_key));
}

static bool verify(
	EVP_PKEY *key, enum card_algorithm algorithm, struct bytes body, struct bytes signature)
{
	const EVP_MD *md = algorithm == CARD_ECDSA_P384_SHA384 ? EVP_sha384() : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL; /* owned by ctx */
	bool good = ctx && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) == 1;

	if (good && algorithm == CARD_RSA_PKCS1_SHA256)
		good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) == 1;
	good = good &&
	       EVP_DigestVerify(ctx, signature.data, signature.len, body.data, body.len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

struct err *intent_verify(EVP_PKEY *card_key, enum card_algorithm algorithm, struct bytes intent,
	struct bytes signature)
{
	enum card_algorithm own;

	TRY(intent_algorithm(card_key, &own));
	if (own != algorithm)
		return err_new(&ERR_SIGNATURE_BAD, "signature of the card: the intent names "
						   "another algorithm than the card's key has");
	if (signature.len == 0 || signature.len > CARD_SIGNATURE_MAX)
		return err_new(
			&ERR_SIGNATURE_BAD, "signature of the card: %zu bytes", signature.len);
	if (!verify(card_key, algorithm, intent, signature))
		return sig_openssl_error(&ERR_SIGNATURE_BAD,
			"signature of the card: not made by this key over this intent");
	return NULL;
}
