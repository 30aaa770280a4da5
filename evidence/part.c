/* part.c: lists are read element by element against the room that the caller's array has. */
#include "evidence/part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void part_put_hashes(struct buf *out, const uint8_t (*hashes)[SHA256_LEN], size_t n)
{
	AUTO(buf) struct buf *list = buf_new();

	for (size_t i = 0; i < n; i++)
		record_put(list, BYTES(hashes[i], SHA256_LEN));
	record_put_nested(out, list);
}

static bool has_hash(const uint8_t (*hashes)[SHA256_LEN], size_t n, const uint8_t *hash)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(hashes[i], hash, SHA256_LEN) == 0)
			return true;
	return false;
}

struct err *part_get_hashes(struct cursor *c, const char *name, size_t min, size_t max,
	uint8_t (*ret_hashes)[SHA256_LEN], size_t *ret_n)
{
	struct cursor list;
	size_t n = 0;

	TRY(record_get_list(c, name, &list));
	while (list.rest.len) {
		uint8_t hash[SHA256_LEN];
		TRY(record_get_fixed(&list, name, SHA256_LEN, hash));
		if (n == max)
			return err_new(&ERR_FORMAT, "%s: more than %zu", name, max);
		if (has_hash((const uint8_t(*)[SHA256_LEN])ret_hashes, n, hash))
			return err_new(&ERR_FORMAT, "%s: one of them twice", name);
		memcpy(ret_hashes[n++], hash, SHA256_LEN);
	}
	if (n < min)
		return err_new(&ERR_FORMAT, "%s: %zu, where at least %zu are needed", name, n, min);
	*ret_n = n;
	return NULL;
}

void part_put_optional(struct buf *out, bool has, const uint8_t *bytes, size_t len)
{
	record_put(out, has ? BYTES(bytes, len) : BYTES(NULL, 0));
}

struct err *part_get_optional(
	struct cursor *c, const char *name, size_t len, bool *ret_has, uint8_t *ret_bytes)
{
	struct cursor at = *c;
	struct bytes field;

	TRY(record_get(&at, name, 0, len, &field));
	if (field.len && field.len != len)
		return err_new(&ERR_FORMAT, "%s: %zu bytes, where none or %zu are allowed", name,
			field.len, len);
	*c = at;
	*ret_has = field.len != 0;
	if (field.len)
		memcpy(ret_bytes, field.data, len);
	return NULL;
}

struct err *part_get_purpose(struct cursor *c, Common__Purpose *ret_purpose)
{
	uint8_t v;

	TRY(record_get_choice(
		c, "purpose", COMMON__PURPOSE__AUTHENTICATION, COMMON__PURPOSE__DECRYPTION, &v));
	*ret_purpose = (Common__Purpose)v;
	return NULL;
}

void part_put_purposes(struct buf *out, const struct intent_purpose *purposes, size_t n)
{
	AUTO(buf) struct buf *list = buf_new();

	assert(n <= OFFER_PURPOSES_MAX);
	for (size_t i = 0; i < n; i++) {
		AUTO(buf) struct buf *one = buf_new();
		record_put_u8(one, (uint8_t)purposes[i].purpose);
		record_put(one, BYTES(purposes[i].profile_digest, SHA256_LEN));
		record_put_u8(one, (uint8_t)purposes[i].origin);
		part_put_optional(one, purposes[i].has_key, purposes[i].key_hash, SHA256_LEN);
		record_put_nested(list, one);
	}
	record_put_nested(out, list);
}

static struct err *get_intent_purpose(struct cursor *list, struct intent_purpose *ret_purpose)
{
	struct intent_purpose p = { 0 };
	struct cursor one;
	uint8_t origin;

	TRY(record_get_list(list, "purpose", &one));
	TRY(part_get_purpose(&one, &p.purpose));
	TRY(record_get_fixed(&one, "profile digest", SHA256_LEN, p.profile_digest));
	TRY(record_get_choice(
		&one, "origin", COMMON__ORIGIN__DEVICE, COMMON__ORIGIN__SERVER, &origin));
	p.origin = (Common__Origin)origin;
	TRY(part_get_optional(&one, "key hash", SHA256_LEN, &p.has_key, p.key_hash));
	TRY(cursor_end(&one));
	if (p.has_key != (p.origin == COMMON__ORIGIN__DEVICE))
		return err_new(&ERR_FORMAT,
			"purpose %d: a device-made key needs its hash, another must have none",
			(int)p.purpose);
	*ret_purpose = p;
	return NULL;
}

struct err *part_get_purposes(struct cursor *c,
	struct intent_purpose ret_purposes[static OFFER_PURPOSES_MAX], size_t *ret_n)
{
	struct cursor list;
	size_t n = 0;

	TRY(record_get_list(c, "purposes", &list));
	while (list.rest.len) {
		struct intent_purpose p;
		TRY(get_intent_purpose(&list, &p));
		if (n == OFFER_PURPOSES_MAX)
			return err_new(&ERR_FORMAT, "more than %d purposes", OFFER_PURPOSES_MAX);
		if (n && ret_purposes[n - 1].purpose >= p.purpose)
			return err_new(&ERR_FORMAT, "purposes out of order, or one twice");
		ret_purposes[n++] = p;
	}
	if (n == 0)
		return err_new(&ERR_FORMAT, "no purpose");
	*ret_n = n;
	return NULL;
}

bool part_is_kind(const char kind[static CONSENT_KIND_MAX])
{
	size_t len = strnlen(kind, CONSENT_KIND_MAX);

	return len >= 1 && len < CONSENT_KIND_MAX &&
	       strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

void part_put_consents(struct buf *out, const struct intent_consent *consents, size_t n)
{
	AUTO(buf) struct buf *list = buf_new();

	assert(n <= CONSENTS_MAX);
	for (size_t i = 0; i < n; i++) {
		AUTO(buf) struct buf *one = buf_new();
		record_put_str(one, consents[i].kind);
		record_put_u64(one, (uint64_t)consents[i].until_ms);
		record_put_nested(list, one);
	}
	record_put_nested(out, list);
}

static struct err *get_consent(struct cursor *list, struct intent_consent *ret_consent)
{
	struct intent_consent consent = { 0 };
	struct cursor one;
	struct bytes kind;

	TRY(record_get_list(list, "consent", &one));
	TRY(record_get(&one, "kind of a consent", 1, CONSENT_KIND_MAX - 1, &kind));
	memcpy(consent.kind, kind.data, kind.len);
	TRY(record_get_time(&one, "end of a consent", &consent.until_ms));
	TRY(cursor_end(&one));
	if (!part_is_kind(consent.kind) || strlen(consent.kind) != kind.len)
		return err_new(
			&ERR_FORMAT, "kind of a consent: other characters than a-z, 0-9 and -");
	*ret_consent = consent;
	return NULL;
}

struct err *part_get_consents(
	struct cursor *c, struct intent_consent ret_consents[static CONSENTS_MAX], size_t *ret_n)
{
	struct cursor list;
	size_t n = 0;

	TRY(record_get_list(c, "consents", &list));
	while (list.rest.len) {
		struct intent_consent consent;
		TRY(get_consent(&list, &consent));
		if (n == CONSENTS_MAX)
			return err_new(&ERR_FORMAT, "more than %d consents", CONSENTS_MAX);
		if (n && strcmp(ret_consents[n - 1].kind, consent.kind) >= 0)
			return err_new(&ERR_FORMAT, "consents out of order, or one twice");
		ret_consents[n++] = consent;
	}
	*ret_n = n;
	return NULL;
}

struct err *part_open(const Common__Signed *s, const char *label, struct bytes public_raw)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	if (!s)
		return err_new(&ERR_FORMAT, "missing");
	if (s->body.len > RECORD_MAX)
		return err_new(&ERR_FORMAT, "%zu bytes, more than %d", s->body.len, RECORD_MAX);
	TRY(sig_public_raw(public_raw, &key));
	return sig_verify(key, label, BYTES(s->body.data, s->body.len),
		BYTES(s->signature.data, s->signature.len));
}
