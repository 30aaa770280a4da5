/* eligible.c: which certificates count. */
#include "daemon/ca/eligible.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/intent.h"
#include "evidence/key.h"
#include "proto/kind.h"

#define EKU_CARD_AUTH "2.16.840.1.101.3.6.8"
#define EKU_CLIENT_AUTH "1.3.6.1.5.5.7.3.2"
#define EKU_LOGON "1.3.6.1.4.1.311.20.2.2"
#define EKU_ANY "2.5.29.37.0"
#define UUID_DIGITS 32

/* Policies of certificates that must never lead to others: STANDARDS 2.1, D-15, D-29. */
static const struct {
	const char *oid;
	const char *what;
} never[] = {
	{ "2.16.840.1.101.3.2.1.3.17",
		"a card-authentication certificate: its key signs without a PIN" },
	{ "2.16.840.1.101.3.2.1.3.46",
		"a PIV-I card-authentication certificate: its key signs without a PIN" },
	{ "2.16.840.1.101.3.2.1.48.13",
		"a test card-authentication certificate: its key signs without a PIN" },
	{ "2.16.840.1.101.3.2.1.3.40",
		"a derived certificate: derived credentials come from cards only" },
	{ "2.16.840.1.101.3.2.1.3.41",
		"a derived certificate: derived credentials come from cards only" },
	{ "2.16.840.1.101.3.2.1.48.109",
		"a derived test certificate: derived credentials come from cards only" },
	{ "2.16.840.1.101.3.2.1.48.110",
		"a derived test certificate: derived credentials come from cards only" },
};

struct err *eligible_path(const struct state *s, const struct path *path)
{
	STACK_OF(X509) *certs = path_certs(path);
	uint8_t hash[SHA256_LEN];

	for (int i = 0; i < sk_X509_num(certs); i++) {
		cert_key_hash(sk_X509_value(certs, i), hash);
		if (state_is_own_issuer(s, hash))
			return err_new(&ERR_CERT_NOT_ELIGIBLE,
				"it was issued here: derived credentials come from cards only");
	}
	return NULL;
}

/* One that cannot be read, or is there twice, could hide what must not be in it. */
static bool is_readable(const X509 *cert, int nid)
{
	int state = 0;
	void *value = X509_get_ext_d2i(cert, nid, &state, NULL);
	bool readable = value || state == -1;

	if (nid == NID_ext_key_usage)
		EXTENDED_KEY_USAGE_free(value);
	else
		CERTIFICATEPOLICIES_free(value);
	ERR_clear_error();
	return readable;
}

struct err *eligible_at_all(X509 *cert)
{
	if (!is_readable(cert, NID_ext_key_usage) || !is_readable(cert, NID_certificate_policies))
		return err_new(&ERR_CERT_NOT_ELIGIBLE,
			"its extended key usages or policies are malformed");
	if (X509_check_ca(cert) != 0 || (X509_get_extension_flags(cert) & EXFLAG_CA))
		return err_new(&ERR_CERT_NOT_ELIGIBLE, "it is a CA's");
	if (cert_has_eku(cert, EKU_CARD_AUTH))
		return err_new(&ERR_CERT_NOT_ELIGIBLE, "it is %s", never[0].what);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (cert_has_policy(cert, never[i].oid))
			return err_new(&ERR_CERT_NOT_ELIGIBLE, "it is %s", never[i].what);
	return NULL;
}

bool eligible_is_login(const X509 *cert)
{
	return !cert_has_eku(cert, EKU_CARD_AUTH) &&
	       (cert_has_eku(cert, EKU_CLIENT_AUTH) || cert_has_eku(cert, EKU_LOGON));
}

const char *eligible_use(const X509 *cert)
{
	if (cert_has_eku(cert, EKU_CARD_AUTH))
		return "card authentication certificate";
	if (eligible_is_login(cert))
		return "authentication certificate";
	if (cert_has_key_usage(cert, KU_NON_REPUDIATION, false))
		return "signing certificate";
	if (cert_has_key_usage(cert, KU_KEY_ENCIPHERMENT, false) ||
		cert_has_key_usage(cert, KU_KEY_AGREEMENT, false))
		return "encryption certificate";
	return "other certificate";
}

/*
 * A CA's own extended key usages limit what it may issue for. RFC 5280 does not say so, but those who give a CA for servers or
 * for mail a certificate with that purpose alone rely on it, and everybody's path validation does it.
 */
static bool may_issue_for(STACK_OF(X509) *certs, const char *eku)
{
	for (int i = 1; i + 1 < sk_X509_num(certs); i++) {
		const X509 *ca = sk_X509_value(certs, i);
		if (X509_get_ext_by_NID(ca, NID_ext_key_usage, -1) >= 0 && !cert_has_eku(ca, eku) &&
			!cert_has_eku(ca, EKU_ANY))
			return false;
	}
	return true;
}

static struct err *check_eku(const struct anchor *anchor, const struct path *path)
{
	STACK_OF(X509) *certs = path_certs(path);
	bool has = false;

	for (size_t i = 0; i < anchor->eku.n; i++) {
		if (!cert_has_eku(sk_X509_value(certs, 0), anchor->eku.v[i]))
			continue;
		if (may_issue_for(certs, anchor->eku.v[i]))
			return NULL;
		has = true;
	}
	if (!anchor->eku.n)
		return NULL;
	return err_new(&ERR_CERT_NOT_ELIGIBLE,
		has ? "its issuer is not for the extended key usages that anchor \"%s\" asks for"
		    : "it has none of the extended key usages that anchor \"%s\" asks for",
		anchor->name);
}

struct err *eligible_to_sign(const struct anchor *anchor, const struct path *path)
{
	X509 *cert = sk_X509_value(path_certs(path), 0);
	enum card_algorithm algorithm;
	EVP_PKEY *key = X509_get0_pubkey(cert);
	AUTO(pkey) EVP_PKEY *sound = NULL;

	if (!cert_has_key_usage(cert, KU_DIGITAL_SIGNATURE, false))
		return err_new(&ERR_CERT_NOT_ELIGIBLE, "its key is not for digital signatures");
	TRY(check_eku(anchor, path));
	if (!key)
		return err_new(&ERR_CERT_NOT_ELIGIBLE, "its key is of an unknown type");
	TRY(intent_algorithm(key, &algorithm));
	/* Evidence would be refused for it: said now, no PIN is spent. */
	return err_as(&ERR_CERT_NOT_ELIGIBLE, key_from_pubkey(X509_get_X509_PUBKEY(cert), &sound),
		"its key");
}

/* The digits of a UUID in lower case; false when it is none. */
static bool uuid_digits(const char *text, size_t len, char ret_digits[static UUID_DIGITS + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '-')
			continue;
		if (!strchr("0123456789abcdefABCDEF", text[i]) || n == UUID_DIGITS)
			return false;
		ret_digits[n++] =
			text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
	}
	ret_digits[n] = 0;
	return n == UUID_DIGITS;
}

static bool name_uuid(const GENERAL_NAME *name, char ret_digits[static UUID_DIGITS + 1])
{
	static const char prefix[] = "urn:uuid:";

	if (name->type != GEN_URI)
		return false;
	const char *uri = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
	size_t len = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier),
	       skip = strlen(prefix);
	return len > skip && strncasecmp(uri, prefix, skip) == 0 &&
	       uuid_digits(uri + skip, len - skip, ret_digits);
}

struct err *eligible_serial(const X509 *cert, const char *serial)
{
	char reported[UUID_DIGITS + 1], named[UUID_DIGITS + 1];
	bool any = false, equal = false;

	if (!uuid_digits(serial, strlen(serial), reported) || strspn(reported, "0") == UUID_DIGITS)
		return NULL;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (name_uuid(sk_GENERAL_NAME_value(names, i), named)) {
			any = true;
			equal |= strcmp(named, reported) == 0;
		}
	GENERAL_NAMES_free(names);
	if (any && !equal)
		return err_new(&ERR_CERT_NOT_ELIGIBLE,
			"it belongs to another card: the card says %s, the certificate %s",
			reported, named);
	return NULL;
}
