/*
 * roster.c: three hash tables of chains. Their size is fixed by the most connections; their hash is keyed, so that
 * nobody outside chooses who shares a chain. An address stays known for a while after its last connection, because
 * how many it opened lately counts; not for so long when there are too many of them.
 */
#include "daemon/gateway/roster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

#define ADDRESS_LEN 16
#define ADDRESS_PREFIX 8
/* So many seconds' worth of new connections may come at once. */
#define NEW_BURST_S 10

LIST_HEAD(entry_chain, roster_entry);

struct address {
	struct address *next;
	uint8_t ip[ADDRESS_LEN]; /* of IPv6 the first half alone */
	uint32_t connections;
	int64_t new_left; /* thousandths of a connection */
	int64_t counted_ms;
	struct due_entry due;
};

struct roster {
	struct due *due;
	const struct settings *settings;
	uint64_t key[2];
	uint64_t next_number;
	size_t count;
	size_t n_addresses;
	size_t max_addresses;
	size_t mask;
	struct entry_chain *by_number;
	struct entry_chain *by_identity;
	struct address **by_address;
};

static uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Multiply and fold with two secret numbers: not a cryptographic hash, but nobody outside sees its results. */
static size_t chain_of(const struct roster *r, uint64_t v)
{
	unsigned __int128 product = (unsigned __int128)(v ^ r->key[0]) * (r->key[1] | 1);

	return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & r->mask;
}

static size_t address_chain(const struct roster *r, const uint8_t ip[static ADDRESS_LEN])
{
	return chain_of(r, load(ip) + 31 * load(ip + ADDRESS_PREFIX));
}

struct roster *roster_new(struct due *due, const struct settings *settings)
{
	struct roster *r = xcalloc(1, sizeof(*r));
	size_t chains = 256;

	while (chains < settings->max_connections)
		chains *= 2;
	r->due = due;
	r->settings = settings;
	r->mask = chains - 1;
	r->max_addresses = 2 * chains;
	r->by_number = xcalloc(chains, sizeof(*r->by_number));
	r->by_identity = xcalloc(chains, sizeof(*r->by_identity));
	r->by_address = xcalloc(chains, sizeof(struct address *));
	clock_random(r->key, sizeof(r->key));
	/* Another start has other numbers: a late word about an old connection hits nobody. */
	uint32_t epoch;
	clock_random(&epoch, sizeof(epoch));
	r->next_number = (uint64_t)(epoch >> 1) << 32 | 1;
	return r;
}

static void forget_address(struct roster *r, struct address *a)
{
	struct address **at = &r->by_address[address_chain(r, a->ip)];

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	due_clear(r->due, &a->due);
	free(a);
	r->n_addresses--;
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	for (size_t i = 0; i <= r->mask; i++) {
		while (r->by_address[i])
			forget_address(r, r->by_address[i]);
	}
	free(r->by_number);
	free(r->by_identity);
	free(r->by_address);
	free(r);
}

void roster_set_settings(struct roster *r, const struct settings *settings)
{
	r->settings = settings;
}

void roster_expired(struct roster *r, struct due_entry *entry)
{
	forget_address(
		r, (struct address *)(void *)((uint8_t *)entry - offsetof(struct address, due)));
}

/* Of those that nobody is connected from: there are some unless max-connections was raised by a reload. */
static bool forget_oldest(struct roster *r)
{
	struct due_entry *oldest = due_peek(r->due, DUE_ADDRESS);

	if (oldest)
		roster_expired(r, oldest);
	return oldest;
}

static const uint8_t MAPPED[12] = { [10] = 0xff, [11] = 0xff };

static bool is_ipv4(const uint8_t ip[static ADDRESS_LEN])
{
	return memcmp(ip, MAPPED, sizeof(MAPPED)) == 0;
}

static void parse_address(const struct sockaddr *from, uint8_t ret_ip[static ADDRESS_LEN])
{
	memset(ret_ip, 0, ADDRESS_LEN);
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)from;
		memcpy(ret_ip, MAPPED, sizeof(MAPPED));
		memcpy(ret_ip + sizeof(MAPPED), &v4->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		memcpy(ret_ip, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
			ADDRESS_LEN);
	}
}

static struct address *find_address(struct roster *r, const uint8_t full_ip[static ADDRESS_LEN])
{
	uint8_t ip[ADDRESS_LEN] = { 0 };

	memcpy(ip, full_ip, is_ipv4(full_ip) ? ADDRESS_LEN : ADDRESS_PREFIX);
	struct address **chain = &r->by_address[address_chain(r, ip)];
	for (struct address *a = *chain; a; a = a->next) {
		if (memcmp(a->ip, ip, sizeof(ip)) == 0)
			return a;
	}
	if (r->n_addresses >= r->max_addresses && !forget_oldest(r))
		return NULL;
	struct address *a = xcalloc(1, sizeof(*a));
	memcpy(a->ip, ip, sizeof(ip));
	a->new_left = (int64_t)r->settings->new_per_address * 1000 * NEW_BURST_S;
	a->counted_ms = clock_boot_ms();
	a->next = *chain;
	*chain = a;
	r->n_addresses++;
	return a;
}

static bool may_open(struct roster *r, struct address *a)
{
	int64_t now_ms = clock_boot_ms();
	int64_t most = (int64_t)r->settings->new_per_address * 1000 * NEW_BURST_S;

	a->new_left += (now_ms - a->counted_ms) * r->settings->new_per_address;
	a->counted_ms = now_ms;
	if (a->new_left > most)
		a->new_left = most;
	if (a->new_left < 1000)
		return false;
	a->new_left -= 1000;
	return true;
}

bool roster_enter(struct roster *r, const struct sockaddr *from, struct roster_entry *entry,
	const char **ret_why)
{
	if (r->count >= r->settings->max_connections) {
		*ret_why = "max-connections is reached";
		return false;
	}
	parse_address(from, entry->ip);
	struct address *a = find_address(r, entry->ip);
	if (!a) {
		*ret_why = "too many different addresses";
		return false;
	}
	if (a->connections == 0)
		due_set(r->due, &a->due, DUE_ADDRESS);
	if (a->connections >= r->settings->max_per_address) {
		*ret_why = "max-per-address is reached";
		return false;
	}
	if (!may_open(r, a)) {
		*ret_why = "new-per-address is exceeded";
		return false;
	}
	due_clear(r->due, &a->due);
	a->connections++;
	r->count++;
	entry->address = a;
	entry->number = r->next_number++;
	LIST_INSERT_HEAD(&r->by_number[chain_of(r, entry->number)], entry, by_number);
	return true;
}

struct roster_entry *roster_identify(
	struct roster *r, struct roster_entry *entry, const uint8_t identity[static SHA256_LEN])
{
	struct entry_chain *chain = &r->by_identity[chain_of(r, load(identity))];
	struct roster_entry *earlier;

	LIST_FOREACH(earlier, chain, by_identity)
	{
		if (memcmp(earlier->identity, identity, SHA256_LEN) == 0)
			break;
	}
	if (earlier) {
		LIST_REMOVE(earlier, by_identity);
		earlier->identified = false;
	}
	memcpy(entry->identity, identity, SHA256_LEN);
	entry->identified = true;
	LIST_INSERT_HEAD(chain, entry, by_identity);
	return earlier;
}

void roster_leave(struct roster *r, struct roster_entry *entry)
{
	struct address *a = entry->address;

	if (!a)
		return;
	LIST_REMOVE(entry, by_number);
	if (entry->identified)
		LIST_REMOVE(entry, by_identity);
	entry->identified = false;
	entry->address = NULL;
	r->count--;
	if (--a->connections == 0)
		due_set(r->due, &a->due, DUE_ADDRESS);
}

struct roster_entry *roster_find(struct roster *r, uint64_t number)
{
	struct roster_entry *entry;

	LIST_FOREACH(entry, &r->by_number[chain_of(r, number)], by_number)
	{
		if (entry->number == number)
			return entry;
	}
	return NULL;
}

size_t roster_count(const struct roster *r)
{
	return r->count;
}

void roster_address_text(const struct roster_entry *entry, char ret_text[static ROSTER_TEXT_MAX])
{
	bool v4 = is_ipv4(entry->ip);

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, entry->ip + (v4 ? sizeof(MAPPED) : 0), ret_text,
		    ROSTER_TEXT_MAX))
		ret_text[0] = 0;
}
