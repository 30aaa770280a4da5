/*
 * roster.h: all device connections: found by number and by identity, counted by address. An address is an IPv4 address
 * or the /64 of an IPv6 one: what one customer of a network gets.
 */
#ifndef DERIVD_GATEWAY_ROSTER_H
#define DERIVD_GATEWAY_ROSTER_H

#include <sys/queue.h>
#include <sys/socket.h>

#include "base/def.h"
#include "daemon/gateway/due.h"
#include "daemon/gateway/settings.h"
#include "proto/sig.h"

struct address;

/* Part of a connection; zeroed at first. Only roster.c writes it. */
struct roster_entry {
	LIST_ENTRY(roster_entry) by_number;
	LIST_ENTRY(roster_entry) by_identity;
	struct address *address;
	uint64_t number;
	uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t identity[SHA256_LEN];
	bool identified;
};

struct roster;

/* due: for DUE_ADDRESS, whose expiry goes to roster_expired. settings are lent until replaced. */
struct roster *roster_new(struct due *due, const struct settings *settings);
/* All connections must have left. */
void roster_free(struct roster *r);
DEFINE_AUTO(roster, struct roster *, roster_free);
void roster_set_settings(struct roster *r, const struct settings *settings);
void roster_expired(struct roster *r, struct due_entry *entry);

/*
 * A new connection from there, if the caps allow it: the entry gets a number that was never used. Otherwise false and
 * *ret_why says which cap (a constant text).
 */
bool roster_enter(struct roster *r, const struct sockaddr *from, struct roster_entry *entry,
	const char **ret_why);
/* The connection proved this key. An earlier connection of the same key is returned, no longer findable by it. */
struct roster_entry *roster_identify(
	struct roster *r, struct roster_entry *entry, const uint8_t identity[static SHA256_LEN]);
void roster_leave(struct roster *r, struct roster_entry *entry);

struct roster_entry *roster_find(struct roster *r, uint64_t number);
size_t roster_count(const struct roster *r);
/* The address as text, for derivd and the journal: no more than ROSTER_TEXT_MAX bytes with the zero. */
#define ROSTER_TEXT_MAX 46
void roster_address_text(const struct roster_entry *entry, char ret_text[static ROSTER_TEXT_MAX]);

#endif
