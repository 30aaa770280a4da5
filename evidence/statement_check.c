/*
 * statement_check.c: what a statement must fulfil so that its keys may be certified. It runs in derivctl, in derivd-card
 * before the card signs, and in derivd-ca, with the same outcome.
 */
#include <assert.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "evidence/cert.h"
#include "evidence/der.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "evidence/statement.h"

/* Keys that were seen, so that none serves two ends. */
struct seen {
	size_t n;
	uint8_t hashes[STATEMENT_REQUESTS_MAX + 2][SHA256_LEN];
};

static struct err *see(struct seen *seen, const char *what, const uint8_t hash[static SHA256_LEN])
{
	assert(seen->n < ARRAY_LEN(seen->hashes));
	for (size_t i = 0; i < seen->n; i++)
		if (memcmp(seen->hashes[i], hash, SHA256_LEN) == 0)
			return err_new(&ERR_STATEMENT_BAD,
				"%s: the key is used for something else, too", what);
	memcpy(seen->hashes[seen->n++], hash, SHA256_LEN);
	return NULL;
}

static struct err *check_identity(const struct statement *s, struct seen *seen, EVP_PKEY **ret_key)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t hash[SHA256_LEN];

	TRY(err_as(&ERR_STATEMENT_BAD, key_parse_p256(s->identity_public, &key), "identity key"));
	statement_device_id(s, hash);
	TRY(see(seen, "identity key", hash));
	*ret_key = take(key);
	return NULL;
}

/*
 * What is sealed later is sealed to the key and the identifier that der_certificate_key finds: they must be those that OpenSSL
 * sees, which is less strict about encodings.
 */
static struct err *check_key(const struct statement *s, X509 *cert, EVP_PKEY *key)
{
	const ASN1_OCTET_STRING *seen = X509_get0_subject_key_id(cert);
	AUTO(buf) struct buf *seen_spki = sig_spki(key);
	struct bytes spki, id;

	TRY(err_as(&ERR_STATEMENT_BAD, der_certificate_key(s->sealing_certificate, &spki, &id),
		"not DER"));
	if (!bytes_eq(spki, buf_bytes(seen_spki)) ||
		!bytes_eq(id, BYTES(ASN1_STRING_get0_data(seen), (size_t)ASN1_STRING_length(seen))))
		return err_new(&ERR_STATEMENT_BAD, "its key can be read in two ways");
	return NULL;
}

static struct err *check_sealing(const struct statement *s, EVP_PKEY *identity, struct seen *seen)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t hash[SHA256_LEN];

	TRY(err_as(&ERR_STATEMENT_BAD, cert_parse(s->sealing_certificate, &cert),
		"sealing certificate"));
	if (X509_get_signature_nid(cert) != NID_ecdsa_with_SHA256 ||
		X509_verify(cert, identity) != 1)
		return sig_openssl_error(&ERR_STATEMENT_BAD,
			"sealing certificate: not signed by the identity key "
			"with ECDSA and SHA-256");
	TRY(err_as(&ERR_STATEMENT_BAD, key_from_pubkey(X509_get_X509_PUBKEY(cert), &key),
		"sealing certificate"));
	if (strcmp(key_type(key), "p256") != 0)
		return err_new(&ERR_STATEMENT_BAD,
			"sealing certificate: a key of type %s, not p256", key_type(key));
	TRY(err_as(&ERR_STATEMENT_BAD, seal_recipient(cert), "sealing certificate"));
	TRY(err_wrap(check_key(s, cert, key), "sealing certificate"));
	key_hash(key, hash);
	return see(seen, "sealing certificate", hash);
}

/* SHA-1 and older do not prove possession to anybody. */
static bool is_digest_good(const X509_REQ *req)
{
	int digest = NID_undef;

	if (!OBJ_find_sigid_algs(X509_REQ_get_signature_nid(req), &digest, NULL))
		return false;
	return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

static void req_free(X509_REQ *r)
{
	X509_REQ_free(r);
}
DEFINE_AUTO(req, X509_REQ *, req_free);

/* One PKCS#10 in DER, nothing behind it. */
static struct err *parse_request(struct bytes der, X509_REQ **ret_req)
{
	AUTO(req) X509_REQ *req = NULL;
	const uint8_t *p = der.data;
	uint8_t *again = NULL;

	if (der.len == 0 || der.len > STATEMENT_PKCS10_MAX)
		return err_new(&ERR_FORMAT, "PKCS#10: %zu bytes, where 1 to %d are allowed",
			der.len, STATEMENT_PKCS10_MAX);
	req = d2i_X509_REQ(NULL, &p, (long)der.len);
	if (!req)
		return sig_openssl_error(&ERR_FORMAT, "PKCS#10: does not parse");
	int len = i2d_X509_REQ(req, &again);
	bool equal = len > 0 && bytes_eq(BYTES(again, (size_t)len), der);
	OPENSSL_free(again);
	if (!equal)
		return err_new(&ERR_FORMAT, "PKCS#10: not DER, or something follows it");
	*ret_req = take(req);
	return NULL;
}

/* Whether the key is one that we take is statement_check's part. */
struct err *statement_key_hash(
	const struct statement_request *r, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(req) X509_REQ *req = NULL;
	uint8_t *spki = NULL;

	TRY(parse_request(r->pkcs10, &req));
	int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &spki);
	if (len <= 0)
		return sig_openssl_error(&ERR_FORMAT, "PKCS#10: its key does not parse");
	sha256(BYTES(spki, (size_t)len), ret_hash);
	OPENSSL_free(spki);
	return NULL;
}

static struct err *check_request(
	const struct statement_request *r, const struct offer_purpose *offered, struct seen *seen)
{
	AUTO(req) X509_REQ *req = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t hash[SHA256_LEN];

	TRY(err_as(
		&ERR_STATEMENT_BAD, parse_request(r->pkcs10, &req), "purpose %d", (int)r->purpose));
	TRY(err_as(&ERR_STATEMENT_BAD, key_from_pubkey(X509_REQ_get_X509_PUBKEY(req), &key),
		"purpose %d: PKCS#10", (int)r->purpose));
	if (strcmp(key_type(key), offered->key_type) != 0)
		return err_new(&ERR_STATEMENT_BAD,
			"purpose %d: a key of type %s, where the offer asks for %s",
			(int)r->purpose, key_type(key), offered->key_type);
	if (!is_digest_good(req) || X509_REQ_verify(req, key) != 1)
		return sig_openssl_error(&ERR_STATEMENT_BAD,
			"purpose %d: the PKCS#10 is not signed by its own key", (int)r->purpose);
	key_hash(key, hash);
	return see(seen, "PKCS#10", hash);
}

/* Exactly the device-made purposes of the offer; both lists ascend. */
static struct err *check_requests(
	const struct statement *s, const struct offer *offer, struct seen *seen)
{
	size_t next = 0;

	for (size_t i = 0; i < offer->n_purposes; i++) {
		const struct offer_purpose *offered = &offer->purposes[i];
		if (offered->origin != COMMON__ORIGIN__DEVICE)
			continue;
		if (next == s->n_requests || s->requests[next].purpose != offered->purpose)
			return err_new(&ERR_STATEMENT_BAD,
				"purpose %d: the offer asks for a PKCS#10, the device sent none",
				(int)offered->purpose);
		TRY(check_request(&s->requests[next++], offered, seen));
	}
	if (next < s->n_requests)
		return err_new(&ERR_STATEMENT_BAD, "purpose %d: the offer did not ask for it",
			(int)s->requests[next].purpose);
	return NULL;
}

static struct err *check_invitation(const struct statement *s, const struct offer *offer,
	const Common__Statement *wire, struct bytes invitation_public)
{
	static const uint8_t zeros[COMMITMENT_LEN];
	bool commits = memcmp(s->commitment, zeros, COMMITMENT_LEN) != 0;
	AUTO(pkey) EVP_PKEY *key = NULL;

	if (offer->operation == COMMON__OPERATION__ISSUE) {
		if (s->has_invitation || invitation_public.len || wire->invitation_signature.len ||
			commits)
			return err_new(&ERR_STATEMENT_BAD, "an enrolled device needs no invitation "
							   "and no digits, but it has some");
		return NULL;
	}
	if (!s->has_invitation || !commits ||
		!bytes_eq(invitation_public, BYTES(s->invitation_public, ED25519_PUBLIC_LEN)))
		return err_new(&ERR_STATEMENT_BAD,
			"it was made for another invitation, or has no commitment");
	TRY(err_as(&ERR_STATEMENT_BAD, sig_public_raw(invitation_public, &key), "invitation key"));
	return err_wrap(
		sig_verify(key, SIG_STATEMENT, buf_bytes(s->source),
			BYTES(wire->invitation_signature.data, wire->invitation_signature.len)),
		"signature by the invitation key");
}

static struct err *check_all(const struct statement *s, const Common__Statement *wire,
	const struct offer *offer, struct bytes offer_bytes, struct bytes invitation_public)
{
	AUTO(pkey) EVP_PKEY *identity = NULL;
	struct seen seen = { 0 };
	uint8_t digest[SHA256_LEN];

	if (memcmp(s->deployment, offer->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_STATEMENT_BAD, "it was made for another deployment");
	sha256(offer_bytes, digest);
	if (memcmp(s->offer_digest, digest, SHA256_LEN) != 0)
		return err_new(&ERR_STATEMENT_BAD, "it was made for another offer");
	TRY(check_invitation(s, offer, wire, invitation_public));
	TRY(check_identity(s, &seen, &identity));
	TRY(err_wrap(sig_verify(identity, SIG_STATEMENT, buf_bytes(s->source),
			     BYTES(wire->identity_signature.data, wire->identity_signature.len)),
		"signature by the identity key"));
	TRY(check_sealing(s, identity, &seen));
	return check_requests(s, offer, &seen);
}

struct err *statement_check(const Common__Statement *wire, const struct offer *offer,
	struct bytes offer_bytes, struct bytes invitation_public, struct statement **ret_statement)
{
	AUTO(statement) struct statement *s = NULL;

	if (!wire)
		return err_new(&ERR_STATEMENT_BAD, "statement: missing");
	TRY(err_as(&ERR_STATEMENT_BAD,
		statement_decode(BYTES(wire->statement.data, wire->statement.len), &s),
		"what the device sent"));
	TRY(err_wrap(check_all(s, wire, offer, offer_bytes, invitation_public), "statement"));
	*ret_statement = take(s);
	return NULL;
}

struct err *statement_check_host(const struct statement *s, const char *host)
{
	if (s->has_invitation && strcmp(s->host, host) != 0)
		return err_new(&ERR_STATEMENT_BAD, "statement: the device came to the host %s, not to %s",
			s->host, host);
	return NULL;
}
