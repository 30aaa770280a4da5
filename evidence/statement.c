/* statement.c: the bytes of a statement. What they must fulfil is in statement_check.c. */
#include "evidence/statement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/key.h"
#include "evidence/part.h"

void statement_free(struct statement *s)
{
	if (!s)
		return;
	free(s->host);
	free(s->platform);
	buf_free(s->source);
	free(s);
}

struct buf *statement_encode(const struct statement *s)
{
	struct buf *out = buf_new();
	AUTO(buf) struct buf *list = buf_new();

	assert(s->n_requests <= STATEMENT_REQUESTS_MAX);
	record_put_u8(out, s->version);
	record_put_str(out, s->host);
	record_put(out, BYTES(s->deployment, DEPLOYMENT_ID_LEN));
	part_put_optional(out, s->has_invitation, s->invitation_public, ED25519_PUBLIC_LEN);
	record_put(out, BYTES(s->offer_digest, SHA256_LEN));
	record_put(out, s->identity_public);
	record_put(out, s->sealing_certificate);
	record_put_str(out, s->platform);
	for (size_t i = 0; i < s->n_requests; i++) {
		AUTO(buf) struct buf *one = buf_new();
		record_put_u8(one, (uint8_t)s->requests[i].purpose);
		record_put(one, s->requests[i].pkcs10);
		record_put(one, s->requests[i].attestation);
		record_put_nested(list, one);
	}
	record_put_nested(out, list);
	record_put(out, BYTES(s->commitment, COMMITMENT_LEN));
	return out;
}

static struct err *get_request(struct cursor *list, struct statement_request *ret_request)
{
	struct statement_request r = { 0 };
	struct cursor one;

	TRY(record_get_list(list, "request", &one));
	TRY(part_get_purpose(&one, &r.purpose));
	TRY(record_get(&one, "PKCS#10", 1, STATEMENT_PKCS10_MAX, &r.pkcs10));
	TRY(record_get(&one, "attestation", 0, STATEMENT_MAX, &r.attestation));
	TRY(cursor_end(&one));
	*ret_request = r;
	return NULL;
}

static struct err *get_requests(struct cursor *c, struct statement *s)
{
	struct cursor list;

	TRY(record_get_list(c, "requests", &list));
	while (list.rest.len) {
		struct statement_request r;
		TRY(get_request(&list, &r));
		if (s->n_requests == STATEMENT_REQUESTS_MAX)
			return err_new(
				&ERR_FORMAT, "more than %d requests", STATEMENT_REQUESTS_MAX);
		if (s->n_requests && s->requests[s->n_requests - 1].purpose >= r.purpose)
			return err_new(&ERR_FORMAT, "requests out of order, or one purpose twice");
		s->requests[s->n_requests++] = r;
	}
	return NULL;
}

static struct err *get_fields(struct cursor *c, struct statement *s)
{
	TRY(record_get_choice(c, "version", STATEMENT_VERSION, STATEMENT_VERSION, &s->version));
	TRY(record_get_str(c, "host", HOST_MAX, &s->host));
	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, s->deployment));
	TRY(part_get_optional(
		c, "invitation key", ED25519_PUBLIC_LEN, &s->has_invitation, s->invitation_public));
	TRY(record_get_fixed(c, "offer digest", SHA256_LEN, s->offer_digest));
	TRY(record_get(c, "identity key", 1, KEY_SPKI_MAX, &s->identity_public));
	TRY(record_get(
		c, "sealing certificate", 1, STATEMENT_SEALING_MAX, &s->sealing_certificate));
	TRY(record_get_str(c, "platform", STATEMENT_PLATFORM_MAX, &s->platform));
	TRY(get_requests(c, s));
	TRY(record_get_fixed(c, "commitment", COMMITMENT_LEN, s->commitment));
	return cursor_end(c);
}

struct err *statement_decode(struct bytes b, struct statement **ret_statement)
{
	AUTO(statement) struct statement *s = xcalloc(1, sizeof(*s));

	if (b.len > STATEMENT_MAX)
		return err_new(
			&ERR_FORMAT, "statement: %zu bytes, more than %d", b.len, STATEMENT_MAX);
	s->source = buf_new();
	buf_add_bytes(s->source, b);
	struct cursor c = { buf_bytes(s->source) };
	TRY(err_wrap(get_fields(&c, s), "statement"));
	AUTO(buf) struct buf *again = statement_encode(s);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "statement: not in its one encoding");
	sha256(b, s->hash);
	*ret_statement = take(s);
	return NULL;
}

void statement_device_id(const struct statement *s, uint8_t ret_id[static SHA256_LEN])
{
	sha256(s->identity_public, ret_id);
}

void statement_challenge(const struct offer_purpose *offered, struct bytes identity_public,
	uint8_t ret_challenge[static SHA256_LEN])
{
	AUTO(buf) struct buf *b = buf_new();

	record_put(b, BYTES(offered->challenge, CHALLENGE_LEN));
	record_put_u8(b, (uint8_t)offered->purpose);
	record_put(b, identity_public);
	struct bytes part = buf_bytes(b);
	sha256_labelled(SIG_CHALLENGE, &part, 1, ret_challenge);
}

uint32_t digits_number(const uint8_t statement_hash[static SHA256_LEN],
	const uint8_t r_d[static R_LEN], const uint8_t r_k[static R_LEN])
{
	const struct bytes parts[] = {
		BYTES(statement_hash, SHA256_LEN),
		BYTES(r_d, R_LEN),
		BYTES(r_k, R_LEN),
	};
	uint8_t hash[SHA256_LEN];
	uint64_t v = 0;

	sha256_labelled(SIG_DIGITS, parts, ARRAY_LEN(parts), hash);
	for (size_t i = 0; i < 8; i++)
		v = v << 8 | hash[i];
	return (uint32_t)(v % 1000000);
}

void digits_text(uint32_t number, char ret_text[static 9])
{
	number %= 1000000;
	snprintf(ret_text, 9, "%02u %02u %02u", number / 10000, number / 100 % 100, number % 100);
}
