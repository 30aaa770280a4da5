/* facts.c: kept sorted at all times, so that encoding and digest need no further step. */
#include "evidence/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "evidence/record.h"

#define FACT_NAME_MAX 32

struct fact {
	char *name;
	char *value;
};

struct facts {
	size_t n;
	struct fact list[FACTS_MAX];
};

struct facts *facts_new(void)
{
	return xcalloc(1, sizeof(struct facts));
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].name);
		free(f->list[i].value);
	}
	free(f);
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= FACT_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Where name stands, or where it would. */
static size_t find(const struct facts *f, const char *name, bool *ret_found)
{
	size_t i = 0;

	while (i < f->n && strcmp(f->list[i].name, name) < 0)
		i++;
	*ret_found = i < f->n && strcmp(f->list[i].name, name) == 0;
	return i;
}

struct err *facts_add(struct facts *f, const char *name, const char *value)
{
	struct bytes v = BYTES(value, strlen(value));
	bool found;

	if (!is_name(name))
		return err_new(&ERR_FORMAT,
			"a fact's name has other characters than a-z, 0-9 and -, or "
			"more than %d",
			FACT_NAME_MAX);
	if (v.len < 1 || v.len > FACT_VALUE_MAX)
		return err_new(&ERR_FORMAT, "fact %s: %zu bytes, where 1 to %d are allowed", name,
			v.len, FACT_VALUE_MAX);
	if (!text_is_printable(v))
		return err_new(&ERR_FORMAT,
			"fact %s: not a text that can be shown (control characters, or such that "
			"turn the direction of writing)",
			name);
	if (f->n == FACTS_MAX)
		return err_new(&ERR_FORMAT, "more than %d facts", FACTS_MAX);
	size_t at = find(f, name, &found);
	if (found)
		return err_new(&ERR_FORMAT, "fact %s: given twice", name);
	memmove(&f->list[at + 1], &f->list[at], (f->n - at) * sizeof(f->list[0]));
	f->list[at] = (struct fact){ .name = xstrdup(name), .value = xstrdup(value) };
	f->n++;
	return NULL;
}

const char *facts_get(const struct facts *f, const char *name)
{
	bool found;
	size_t at = find(f, name, &found);

	return found ? f->list[at].value : NULL;
}

size_t facts_len(const struct facts *f)
{
	return f->n;
}

void facts_at(const struct facts *f, size_t i, const char **ret_name, const char **ret_value)
{
	*ret_name = f->list[i].name;
	*ret_value = f->list[i].value;
}

void facts_encode(const struct facts *f, struct buf *out)
{
	for (size_t i = 0; i < f->n; i++) {
		record_put_str(out, f->list[i].name);
		record_put_str(out, f->list[i].value);
	}
}

struct err *facts_decode(struct bytes b, struct facts **ret_facts)
{
	AUTO(facts) struct facts *f = facts_new();
	struct cursor c = { b };

	while (c.rest.len) {
		AUTO_MEM char *name = NULL;
		AUTO_MEM char *value = NULL;
		TRY(record_get_str(&c, "name of a fact", FACT_NAME_MAX, &name));
		TRY(record_get_str(&c, "value of a fact", FACT_VALUE_MAX, &value));
		if (f->n && strcmp(f->list[f->n - 1].name, name) >= 0)
			return err_new(&ERR_FORMAT, "fact %s: out of order", name);
		TRY(facts_add(f, name, value));
	}
	*ret_facts = take(f);
	return NULL;
}

void facts_digest(const struct facts *f, uint8_t ret_digest[static SHA256_LEN])
{
	AUTO(buf) struct buf *b = buf_new();

	facts_encode(f, b);
	sha256(buf_bytes(b), ret_digest);
}

struct err *facts_holder_id(const struct facts *f, uint8_t ret_id[static SHA256_LEN])
{
	static const char *const names[] = { FACT_ANCHOR, FACT_ID_TYPE, FACT_ID };
	AUTO(buf) struct buf *b = buf_new();

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = facts_get(f, names[i]);
		if (!value)
			return err_new(&ERR_FORMAT,
				"fact %s: missing, so the holder has no identity", names[i]);
		record_put_str(b, value);
	}
	struct bytes part = buf_bytes(b);
	sha256_labelled(SIG_HOLDER, &part, 1, ret_id);
	return NULL;
}
