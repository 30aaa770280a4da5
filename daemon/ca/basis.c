/* basis.c: see basis.h. */
#include "daemon/ca/basis.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/record.h"

#define NAME_MAX_LEN 4096

struct basis *basis_new(void)
{
	struct basis *b = xcalloc(1, sizeof(*b));

	b->until_ms = INT64_MAX;
	return b;
}

void basis_free(struct basis *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		free(b->v[i].name);
	free(b);
}

const struct basis_source *basis_find(const struct basis *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->v[i].name, name) == 0)
			return &b->v[i];
	return NULL;
}

void basis_add(struct basis *b, const char *name, enum basis_kind kind,
	const uint8_t digest[static SHA256_LEN])
{
	const struct basis_source *known = basis_find(b, name);

	if (known && memcmp(known->digest, digest, SHA256_LEN) == 0)
		return;
	if (known || b->n == BASIS_MAX) {
		b->until_ms = 0;
		return;
	}
	b->v[b->n].name = xstrdup(name);
	b->v[b->n].kind = kind;
	memcpy(b->v[b->n++].digest, digest, SHA256_LEN);
}

void basis_end(struct basis *b, int64_t until_ms)
{
	if (until_ms < b->until_ms)
		b->until_ms = until_ms < 0 ? 0 : until_ms;
}

void basis_merge(struct basis *b, const struct basis *other)
{
	basis_end(b, other->until_ms);
	for (size_t i = 0; i < other->n; i++)
		basis_add(b, other->v[i].name, other->v[i].kind, other->v[i].digest);
}

struct buf *basis_encode(const struct basis *b)
{
	struct buf *out = buf_new();

	record_put_u64(out, (uint64_t)b->until_ms);
	for (size_t i = 0; i < b->n; i++) {
		record_put_str(out, b->v[i].name);
		record_put_u8(out, (uint8_t)b->v[i].kind);
		record_put(out, BYTES(b->v[i].digest, SHA256_LEN));
	}
	return out;
}

static struct err *decode_source(struct cursor *c, struct basis *b)
{
	AUTO_MEM char *name = NULL;
	uint8_t digest[SHA256_LEN], kind;

	if (b->n == BASIS_MAX)
		return err_new(&ERR_FORMAT, "basis: more than %d sources", BASIS_MAX);
	TRY(record_get_str(c, "source", NAME_MAX_LEN, &name));
	TRY(record_get_choice(c, "kind", BASIS_FILE, BASIS_ANCHOR, &kind));
	TRY(record_get_fixed(c, "digest", SHA256_LEN, digest));
	basis_add(b, name, (enum basis_kind)kind, digest);
	return NULL;
}

struct err *basis_decode(struct bytes bytes, struct basis **ret_basis)
{
	AUTO(basis) struct basis *b = basis_new();
	struct cursor c = { bytes };
	uint64_t until;

	TRY(record_get_u64(&c, "until", &until));
	basis_end(b, until > INT64_MAX ? INT64_MAX : (int64_t)until);
	while (c.rest.len)
		TRY(decode_source(&c, b));
	*ret_basis = take(b);
	return NULL;
}
