/* effect_tell.c: what has become of the facts, in words. */
#include <stdlib.h>
#include <string.h>

#include "daemon/ca/effect.h"

void effect_lines_add(struct effect_lines *l, char *take_line)
{
	if ((l->n & (l->n - 1)) == 0)
		l->v = xrealloc(l->v, 2 * (l->n + 1), sizeof(*l->v));
	l->v[l->n++] = take_line;
}

void effect_lines_clear(struct effect_lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct effect_lines){ 0, NULL };
}

static void split(struct bytes text, struct effect_lines *ret_lines)
{
	const char *at = (const char *)text.data, *end = at + text.len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);
		effect_lines_add(ret_lines, bytes_strdup(BYTES(at, len)));
		at += len + 1;
	}
}

/* Takes out of both what both have; both ascend. */
static void cancel(struct effect_lines *a, struct effect_lines *b)
{
	size_t i = 0, k = 0, n = 0, m = 0;

	while (i < a->n || k < b->n) {
		int order = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->v[i], b->v[k]);
		if (order < 0) {
			a->v[n++] = a->v[i++];
		} else if (order > 0) {
			b->v[m++] = b->v[k++];
		} else {
			free(a->v[i++]);
			free(b->v[k++]);
		}
	}
	a->n = n;
	b->n = m;
}

/* Up to the value. */
static size_t head_of(const char *line)
{
	const char *colon = strstr(line, ": ");

	return colon ? (size_t)(colon - line) : strlen(line);
}

static const char *value_of(const char *line)
{
	size_t head = head_of(line);

	return line[head] ? line + head + 2 : "";
}

/* How many lines from i on say something of the same. */
static size_t run_of(const struct effect_lines *l, size_t i, const char *head, size_t len)
{
	size_t n = 0;

	while (i + n < l->n && head_of(l->v[i + n]) == len && memcmp(l->v[i + n], head, len) == 0)
		n++;
	return n;
}

static void tell(struct effect_lines *out, const char *line, const char *what)
{
	effect_lines_add(
		out, xasprintf("%.*s %s: %s", (int)head_of(line), line, what, value_of(line)));
}

/* All that before and after say of one thing. */
static void tell_one(struct effect_lines *out, const struct effect_lines *before, size_t i,
	size_t n, const struct effect_lines *after, size_t k, size_t m)
{
	if (n == 1 && m == 1) {
		effect_lines_add(out, xasprintf("%s -> %s", before->v[i], value_of(after->v[k])));
		return;
	}
	for (size_t at = 0; at < n; at++)
		tell(out, before->v[i + at], "removed");
	for (size_t at = 0; at < m; at++)
		tell(out, after->v[k + at], "added");
}

void effect_difference(struct bytes before, struct bytes after, struct effect_lines *ret_lines)
{
	struct effect_lines a = { 0, NULL }, b = { 0, NULL };
	size_t i = 0, k = 0;

	*ret_lines = (struct effect_lines){ 0, NULL };
	split(before, &a);
	split(after, &b);
	cancel(&a, &b);
	while (i < a.n || k < b.n) {
		const char *next = i == a.n                     ? b.v[k]
				   : k == b.n                   ? a.v[i]
				   : strcmp(a.v[i], b.v[k]) < 0 ? a.v[i]
								: b.v[k];
		size_t len = head_of(next);
		size_t n = run_of(&a, i, next, len), m = run_of(&b, k, next, len);
		tell_one(ret_lines, &a, i, n, &b, k, m);
		i += n;
		k += m;
	}
	effect_lines_clear(&a);
	effect_lines_clear(&b);
}
