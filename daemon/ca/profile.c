/* profile.c: the canonical body of a profile, and the rules that every profile obeys. */
#include "daemon/ca/profile.h"

#include <openssl/objects.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/build.h"
#include "daemon/ca/names.h"
#include "proto/kind.h"

#define PROFILE_VERSION 1
#define OID_ANY_EKU "2.5.29.37.0"

static const char *const purpose_names[] = { NULL, "authentication", "signing", "encryption",
	"decryption" };
const char *const profile_key_types[] = { "p256", "p384", "rsa2048", "rsa3072", NULL };
/* Never in a holder's certificate: STANDARDS 2.2. */
static const char *const forbidden_eku[] = { OID_ANY_EKU, "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3",
	"1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9" };

struct profile *profile_new(void)
{
	return xcalloc(1, sizeof(struct profile));
}

static void list_free(struct profile_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	free(p->name);
	free(p->subject);
	list_free(&p->eku);
	list_free(&p->policies);
	list_free(&p->san);
	list_free(&p->crl);
	list_free(&p->issuers);
	list_free(&p->ocsp);
	buf_free(p->body);
	buf_free(p->extensions);
	free(p);
}

struct err *profile_list_add(struct profile_list *list, const char *text)
{
	if (list->n == PROFILE_LIST_MAX)
		return err_new(&ERR_CONFIG, "more than %d values", PROFILE_LIST_MAX);
	if (strlen(text) > PROFILE_TEXT_MAX)
		return err_new(&ERR_CONFIG, "a value of more than %d bytes", PROFILE_TEXT_MAX);
	list->v[list->n++] = xstrdup(text);
	return NULL;
}

static void put_list(struct buf *out, const struct profile_list *list)
{
	AUTO(buf) struct buf *inner = buf_new();

	for (size_t i = 0; i < list->n; i++)
		record_put_str(inner, list->v[i]);
	record_put_nested(out, inner);
}

static struct buf *encode(const struct profile *p)
{
	struct buf *out = buf_new();

	record_put_u8(out, PROFILE_VERSION);
	record_put_str(out, p->name);
	record_put_u8(out, (uint8_t)p->purpose);
	record_put_u8(out, (uint8_t)p->origin);
	record_put_str(out, p->key_type);
	record_put_u64(out, p->validity_ms);
	record_put_u8(out, p->key_usage);
	put_list(out, &p->eku);
	put_list(out, &p->policies);
	record_put_str(out, p->subject);
	put_list(out, &p->san);
	record_put_u8(out, (uint8_t)p->sid);
	put_list(out, &p->crl);
	put_list(out, &p->issuers);
	put_list(out, &p->ocsp);
	return out;
}

static struct err *check_key(const struct profile *p)
{
	bool rsa = text_starts(p->key_type, "rsa");
	uint8_t expected = p->purpose == COMMON__PURPOSE__AUTHENTICATION ? USAGE_DIGITAL_SIGNATURE
			   : p->purpose == COMMON__PURPOSE__SIGNING
				   ? USAGE_DIGITAL_SIGNATURE | USAGE_NON_REPUDIATION
			   : rsa ? USAGE_KEY_ENCIPHERMENT
				 : USAGE_KEY_AGREEMENT;
	bool known = false;

	for (size_t i = 0; profile_key_types[i]; i++)
		known |= strcmp(p->key_type, profile_key_types[i]) == 0;
	if (!known)
		return err_new(&ERR_CONFIG, "key-type must be p256, p384, rsa2048 or rsa3072");
	if (p->key_usage == 0 || (p->key_usage & ~expected))
		return err_new(&ERR_CONFIG,
			"key-usage has bits that a certificate for %s with such a key must not "
			"have",
			profile_purpose_name(p->purpose));
	if (p->purpose == COMMON__PURPOSE__ENCRYPTION && p->origin != COMMON__ORIGIN__SERVER)
		return err_new(&ERR_CONFIG,
			"encryption keys are made by the server, so that escrow precedes issuance");
	if (p->validity_ms < 3600 * 1000 || p->validity_ms > PROFILE_VALIDITY_MAX_MS)
		return err_new(&ERR_CONFIG, "validity must be from one hour to 1096 days");
	return NULL;
}

static struct err *check_oids(const char *key, const struct profile_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		ASN1_OBJECT *object = OBJ_txt2obj(list->v[i], 1);
		if (!object)
			return err_new(&ERR_CONFIG, "%s: a value is no object identifier", key);
		ASN1_OBJECT_free(object);
	}
	return NULL;
}

static struct err *check_eku(const struct profile *p)
{
	TRY(check_oids("eku", &p->eku));
	TRY(check_oids("policies", &p->policies));
	if (!p->eku.n)
		return err_new(&ERR_CONFIG, "eku: at least one purpose is needed");
	for (size_t i = 0; i < p->eku.n; i++)
		for (size_t k = 0; k < ARRAY_LEN(forbidden_eku); k++)
			if (strcmp(p->eku.v[i], forbidden_eku[k]) == 0)
				return err_new(
					&ERR_CONFIG, "eku: %s is not for holders", p->eku.v[i]);
	return NULL;
}

static struct err *check_urls(const char *key, const struct profile_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (!text_starts(list->v[i], "http://") && !text_starts(list->v[i], "https://") &&
			!text_starts(list->v[i], "ldap://"))
			return err_new(&ERR_CONFIG,
				"%s: a URL begins with http:// (or https://, ldap://)", key);
	return NULL;
}

struct err *profile_seal(struct profile *p)
{
	if (p->purpose != COMMON__PURPOSE__AUTHENTICATION &&
		p->purpose != COMMON__PURPOSE__SIGNING && p->purpose != COMMON__PURPOSE__ENCRYPTION)
		return err_new(
			&ERR_CONFIG, "purpose must be authentication, signing or encryption");
	if (p->origin != COMMON__ORIGIN__DEVICE && p->origin != COMMON__ORIGIN__SERVER)
		return err_new(&ERR_CONFIG, "key must be device or server");
	if (p->sid != SID_NEVER && p->sid != SID_OPTIONAL && p->sid != SID_REQUIRED)
		return err_new(&ERR_CONFIG, "sid must be never, optional or required");
	TRY(check_key(p));
	TRY(check_eku(p));
	TRY(check_urls("crl", &p->crl));
	TRY(check_urls("issuers", &p->issuers));
	TRY(check_urls("ocsp", &p->ocsp));
	TRY(names_check(p));
	TRY(build_fixed(p, &p->extensions));
	p->body = encode(p);
	sha256(buf_bytes(p->body), p->digest);
	return NULL;
}

static struct err *get_list(struct cursor *c, const char *name, struct profile_list *list)
{
	struct cursor inner;

	TRY(record_get_list(c, name, &inner));
	while (inner.rest.len) {
		AUTO_MEM char *text = NULL;
		TRY(record_get_str(&inner, name, PROFILE_TEXT_MAX, &text));
		TRY(profile_list_add(list, text));
	}
	return NULL;
}

static struct err *decode_fields(struct cursor *c, struct profile *p)
{
	AUTO_MEM char *key_type = NULL;
	uint8_t version, purpose, origin, sid;

	TRY(record_get_u8(c, "version", &version));
	if (version != PROFILE_VERSION)
		return err_new(&ERR_FORMAT, "profile of version %u", version);
	TRY(record_get_str(c, "name", PROFILE_TEXT_MAX, &p->name));
	TRY(record_get_u8(c, "purpose", &purpose));
	TRY(record_get_u8(c, "origin", &origin));
	TRY(record_get_str(c, "key type", KEY_TYPE_MAX - 1, &key_type));
	memcpy(p->key_type, key_type, strlen(key_type) + 1);
	TRY(record_get_u64(c, "validity", &p->validity_ms));
	TRY(record_get_u8(c, "key usage", &p->key_usage));
	TRY(get_list(c, "eku", &p->eku));
	TRY(get_list(c, "policies", &p->policies));
	TRY(record_get_str(c, "subject", PROFILE_TEXT_MAX, &p->subject));
	TRY(get_list(c, "san", &p->san));
	TRY(record_get_u8(c, "sid", &sid));
	TRY(get_list(c, "crl", &p->crl));
	TRY(get_list(c, "issuers", &p->issuers));
	TRY(get_list(c, "ocsp", &p->ocsp));
	TRY(cursor_end(c));
	p->purpose = (Common__Purpose)purpose;
	p->origin = (Common__Origin)origin;
	p->sid = sid;
	return NULL;
}

struct err *profile_decode(struct bytes body, struct profile **ret_profile)
{
	AUTO(profile) struct profile *p = profile_new();
	struct cursor c = { body };

	TRY(decode_fields(&c, p));
	TRY(profile_seal(p));
	if (!bytes_eq(buf_bytes(p->body), body))
		return err_new(&ERR_FORMAT, "profile body is not canonical");
	*ret_profile = take(p);
	return NULL;
}

bool profile_is_escrowed(const struct profile *p)
{
	return p->origin == COMMON__ORIGIN__SERVER && p->purpose == COMMON__PURPOSE__ENCRYPTION;
}

const char *profile_purpose_name(Common__Purpose purpose)
{
	return (size_t)purpose < ARRAY_LEN(purpose_names) ? purpose_names[purpose] : NULL;
}

Common__Purpose profile_purpose(const char *name)
{
	for (size_t i = 1; i < ARRAY_LEN(purpose_names); i++)
		if (strcmp(purpose_names[i], name) == 0)
			return (Common__Purpose)i;
	return COMMON__PURPOSE__PURPOSE_UNSET;
}
