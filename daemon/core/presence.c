/* presence.c: connections in two trees: each by its number, and of each device the newest, which leads to the older ones. */
#include "daemon/core/presence.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct presence {
	void *by_number;
	void *by_identity;
	size_t n;
	size_t max;
};

static int compare_numbers(const void *a, const void *b)
{
	const struct connection *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_identities(const void *a, const void *b)
{
	const struct connection *x = a, *y = b;

	return memcmp(x->identity, y->identity, SHA256_LEN);
}

struct presence *presence_new(size_t max)
{
	struct presence *p = xcalloc(1, sizeof(*p));

	p->max = max;
	return p;
}

void presence_free(struct presence *p)
{
	if (!p)
		return;
	presence_clear(p);
	free(p);
}

/* The node of a tree with room for one pointer; running out of memory aborts. */
static struct connection **node(
	void **tree, struct connection *key, int (*compare)(const void *, const void *))
{
	void *found = tsearch(key, tree, compare);

	if (!found)
		err_abort("no memory for a connection");
	return found;
}

static bool has_room(struct presence *p, const struct connection *key)
{
	struct connection **newest = tfind(key, &p->by_identity, compare_identities);
	size_t same = 0;

	for (const struct connection *c = newest ? *newest : NULL; c; c = c->older)
		same++;
	return p->n < p->max && same < PRESENCE_SAME_MAX;
}

struct connection *presence_up(struct presence *p, uint64_t number,
	const uint8_t identity[static SHA256_LEN], const char *address)
{
	struct connection *c = xcalloc(1, sizeof(*c));

	c->number = number;
	memcpy(c->identity, identity, SHA256_LEN);
	if (number == 0 || !has_room(p, c) || *node(&p->by_number, c, compare_numbers) != c) {
		free(c);
		return NULL;
	}
	c->address = xstrdup(address ? address : "");
	struct connection **newest = node(&p->by_identity, c, compare_identities);
	if (*newest != c) {
		c->older = *newest;
		*newest = c;
	}
	p->n++;
	return c;
}

/* Takes a connection out of its device's list. */
static void unlink_older(struct presence *p, struct connection *c)
{
	struct connection **newest = tfind(c, &p->by_identity, compare_identities);
	struct connection *before;

	if (*newest == c) {
		if (c->older)
			*newest = c->older;
		else
			tdelete(c, &p->by_identity, compare_identities);
		return;
	}
	for (before = *newest; before->older != c; before = before->older)
		;
	before->older = c->older;
}

static void drop(struct presence *p, struct connection *c)
{
	tdelete(c, &p->by_number, compare_numbers);
	unlink_older(p, c);
	p->n--;
	free(c->address);
	free(c);
}

struct connection *presence_get(struct presence *p, uint64_t number)
{
	const struct connection key = { .number = number };
	struct connection **found = tfind(&key, &p->by_number, compare_numbers);

	return found ? *found : NULL;
}

void presence_down(struct presence *p, uint64_t number)
{
	struct connection *c = presence_get(p, number);

	if (c)
		drop(p, c);
}

void presence_clear(struct presence *p)
{
	while (p->by_number)
		drop(p, *(struct connection **)p->by_number);
}

struct connection *presence_find(struct presence *p, const uint8_t identity[static SHA256_LEN])
{
	struct connection key = { .number = 0 };
	struct connection *c;

	memcpy(key.identity, identity, SHA256_LEN);
	struct connection **newest = tfind(&key, &p->by_identity, compare_identities);
	for (c = newest ? *newest : NULL; c && !c->greeted; c = c->older)
		;
	return c;
}

size_t presence_count(const struct presence *p)
{
	return p->n;
}
