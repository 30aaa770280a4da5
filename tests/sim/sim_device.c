/* sim_device.c: phones: they come and go, repeat what was not answered, and take items in the order of their numbers. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define STATEMENT_LEN 96

static void say(struct sim *s, size_t d, enum msg_number number, const void *body)
{
	struct sim_device *t = &s->device[d];
	const struct letter l = {
		.from = PARTY_DEVICE,
		.to = PARTY_CORE,
		.who = d,
		.number = t->connection,
		.message = number,
		.serial = ++t->serial,
	};

	sim_post(s, &l, body);
}

void sim_device_free(struct sim_device *t)
{
	EVP_PKEY_free(t->identity);
	buf_free(t->spki);
	buf_free(t->statement);
}

void sim_device_new(struct sim *s, size_t d)
{
	struct sim_device *t = &s->device[d];

	if (t->connection)
		sim_device_lost(s, d);
	sim_device_free(t);
	memset(t, 0, sizeof(*t));
	t->identity = sig_new_p256();
	t->spki = sig_spki(t->identity);
	sha256(buf_bytes(t->spki), t->id);
	clock_random(t->random, sizeof(t->random));
	sim_log_phone(s, t);
	t->stubborn = s->trouble && clock_fake_below(4) == 0;
}

void sim_device_lost(struct sim *s, size_t d)
{
	struct sim_device *t = &s->device[d];

	if (!t->connection)
		return;
	presence_down(s->core->presence, t->connection);
	t->connection = 0;
	t->greeted = false;
}

void sim_device_connect(struct sim *s, size_t d)
{
	struct sim_device *t = &s->device[d];
	Device__Hello m = DEVICE__HELLO__INIT;
	uint32_t version = 1;

	t->connection = ++s->last_connection;
	t->greeted = false;
	if (!presence_up(s->core->presence, t->connection, t->id, "192.0.2.1"))
		sim_fail(s, "a connection number is taken");
	m.n_versions = 1;
	m.versions = &version;
	m.last_number = t->last_number;
	say(s, d, MSG_DEVICE_HELLO, &m);
}

/* --- enrollment --- */

static void begin(struct sim *s, size_t d)
{
	struct sim_device *t = &s->device[d];
	Device__Begin m = DEVICE__BEGIN__INIT;
	AUTO(buf) struct buf *signature = NULL;
	uint8_t raw[ED25519_PUBLIC_LEN];

	if (!t->has_invitation)
		return;
	struct err *e = sig_sign(t->invitation, SIG_BEGIN, BYTES(t->id, SHA256_LEN), &signature);
	if (e)
		sim_fail(s, "%s", err_get_text(e));
	sig_raw_public(t->invitation, raw);
	m.invitation_public = pb_lend(BYTES(raw, sizeof(raw)));
	m.signature = pb_lend(buf_bytes(signature));
	say(s, d, MSG_DEVICE_BEGIN, &m);
}

static void state(struct sim *s, size_t d, const Device__Offer *offer, bool issue)
{
	struct sim_device *t = &s->device[d];
	AUTO(buf) struct buf *by_invitation = NULL;
	AUTO(buf) struct buf *by_identity = NULL;
	Common__Statement statement = COMMON__STATEMENT__INIT;
	Device__Statement m = DEVICE__STATEMENT__INIT;
	struct err *e = NULL;

	if (!issue && !t->has_invitation)
		return;
	/* Device id, the offer's digest, something random: stored before it is sent, so that it can be sent again. */
	if (!t->statement ||
		memcmp(buf_data(t->statement) + 32, offer->offer->body.data, 16) != 0) {
		buf_free(t->statement);
		t->statement = buf_new();
		buf_add(t->statement, t->id, SHA256_LEN);
		buf_add(t->statement, offer->offer->body.data, 16);
		clock_random(buf_grow(t->statement, STATEMENT_LEN - 48), STATEMENT_LEN - 48);
	}
	if (!issue)
		e = sig_sign(t->invitation, SIG_STATEMENT, buf_bytes(t->statement), &by_invitation);
	if (!e)
		e = sig_sign(t->identity, SIG_STATEMENT, buf_bytes(t->statement), &by_identity);
	if (e)
		sim_fail(s, "%s", err_get_text(e));
	statement.statement = pb_lend(buf_bytes(t->statement));
	if (by_invitation)
		statement.invitation_signature = pb_lend(buf_bytes(by_invitation));
	statement.identity_signature = pb_lend(buf_bytes(by_identity));
	m.statement = &statement;
	m.identity_public = pb_lend(buf_bytes(t->spki));
	say(s, d, MSG_DEVICE_STATEMENT, &m);
}

static void open_commitment(struct sim *s, size_t d)
{
	Device__Opened m = DEVICE__OPENED__INIT;

	m.device_random = pb_lend(BYTES(s->device[d].random, 32));
	say(s, d, MSG_DEVICE_OPENED, &m);
}

/* --- items --- */

static void put(struct buf *out, const void *data, size_t len)
{
	buf_add_u32(out, (uint32_t)len);
	buf_add(out, data, len);
}

static void acknowledge(
	struct sim *s, size_t d, const uint8_t *item_id, uint64_t number, const uint8_t *digest)
{
	struct sim_device *t = &s->device[d];
	AUTO(buf) struct buf *b = buf_new();
	AUTO(buf) struct buf *signature = NULL;
	Device__Acknowledge m = DEVICE__ACKNOWLEDGE__INIT;
	const char *detail = t->stubborn ? "I would rather not" : "";

	put(b, t->id, SHA256_LEN);
	put(b, item_id, ID_LEN);
	buf_add_u32(b, 8);
	buf_add_u64(b, number);
	put(b, digest, SHA256_LEN);
	put(b, &(uint8_t){ t->stubborn }, 1);
	put(b, detail, strlen(detail));
	struct err *e = sig_sign(t->identity, SIG_ACKNOWLEDGEMENT, buf_bytes(b), &signature);
	if (e)
		sim_fail(s, "%s", err_get_text(e));
	m.acknowledgement = pb_lend(buf_bytes(b));
	m.signature = pb_lend(buf_bytes(signature));
	say(s, d, MSG_DEVICE_ACKNOWLEDGE, &m);
}

/* Here an item's bytes are: item id, number, kind. */
static void apply(struct sim *s, size_t d, const Device__Item *item)
{
	struct sim_device *t = &s->device[d];
	struct cursor c = { pb_bytes(item->item->body) };
	struct bytes id;
	uint8_t digest[SHA256_LEN], kind = 0;
	uint64_t number = 0;

	struct err *e = cursor_bytes(&c, ID_LEN, &id);
	if (!e)
		e = cursor_u64(&c, &number);
	if (!e)
		e = cursor_u8(&c, &kind);
	if (e || number == 0 || number >= SIM_ITEMS)
		sim_fail(s, "an item that cannot be: number %llu", (unsigned long long)number);
	sha256(pb_bytes(item->item->body), digest);
	if (number > t->last_number) {
		t->last_number = number;
		memcpy(t->digests[number], digest, SHA256_LEN);
		t->removed = t->removed || (kind == CA__ITEM_KIND__REMOVAL && !item->payload.len);
		s->delivered++;
	} else if (memcmp(t->digests[number], digest, SHA256_LEN) != 0) {
		sim_fail(s, "item %llu came again with other bytes, or after a higher one",
			(unsigned long long)number);
	}
	/* An acknowledgement that is lost is sent again with the item. */
	if (!sim_chance(s, 10))
		acknowledge(s, d, id.data, number, digest);
}

static void pull(struct sim *s, size_t d)
{
	Device__Pull m = DEVICE__PULL__INIT;

	m.most = 1 + clock_fake_below(4);
	say(s, d, MSG_DEVICE_PULL, &m);
}

static void on_items(struct sim *s, size_t d, const Device__Items *m)
{
	for (size_t i = 0; i < m->n_items; i++)
		apply(s, d, m->items[i]);
	if (m->n_items)
		pull(s, d);
}

void sim_device_receive(struct sim *s, const struct letter *l)
{
	size_t d = l->who;
	struct sim_device *t = &s->device[d];

	if (t->connection != l->number)
		return;
	switch (l->message) {
	case MSG_DEVICE_WELCOME:
		t->greeted = true;
		begin(s, d);
		pull(s, d);
		break;
	case MSG_DEVICE_OFFER:
		state(s, d, l->body, l->serial == 0);
		break;
	case MSG_DEVICE_REVEAL:
		open_commitment(s, d);
		break;
	case MSG_DEVICE_HINT:
		pull(s, d);
		break;
	case MSG_DEVICE_ITEMS:
		on_items(s, d, l->body);
		break;
	case MSG_DEVICE_ERROR:
		/* The invitation is of no more use. */
		t->told_two = t->told_two || err_is(l->error, &ERR_TWO_DEVICES);
		if (!err_is(l->error, &ERR_DEVICE_UNKNOWN))
			t->has_invitation = false;
		else if (t->last_number)
			sim_device_lost(s, d); /* it comes again */
		break;
	default:
		break;
	}
}
