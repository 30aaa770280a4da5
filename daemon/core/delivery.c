/*
 * delivery.c: see delivery.h. What is sent is always the front of the device's queue, so four unacknowledged items are the most
 * that can be under way, and sending again sends the same bytes.
 */
#include "daemon/core/delivery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/ack.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/session.h"

#define PROTOCOL_VERSION 1

/* --- Hello --- */

static bool speaks(const Device__Hello *m)
{
	for (size_t i = 0; i < m->n_versions; i++) {
		if (m->versions[i] == PROTOCOL_VERSION)
			return true;
	}
	return false;
}

struct err *delivery_greet(
	struct core *c, struct connection *from, uint32_t serial, const Device__Hello *m)
{
	AUTO(device) struct device *d = NULL;
	Device__Welcome w = DEVICE__WELCOME__INIT;

	if (!speaks(m))
		return err_new(&ERR_PROTOCOL, "this server speaks version %d", PROTOCOL_VERSION);
	TRY(store_device_get(c->store, from->identity, &d));
	w.version = PROTOCOL_VERSION;
	w.deployment = pb_lend(BYTES(c->settings->deployment, DEPLOYMENT_ID_LEN));
	w.delivery_public = pb_lend(BYTES(c->settings->delivery_public, ED25519_PUBLIC_LEN));
	w.now_ms = clock_real_ms();
	w.enrolled = d && d->state == DEVICE_ENROLLED;
	w.revoked = d && d->state != DEVICE_ENROLLED;
	mail_device(c, from->number, MSG_DEVICE_WELCOME, serial, &w);
	from->greeted = true;
	if (!d)
		return NULL;
	TRY(store_device_seen(c->store, d->id, w.now_ms));
	if (d->state == DEVICE_ENROLLED)
		TRY(items_post_pins(c, d));
	TRY(session_greeted(c, from));
	return delivery_hint(c, d->id);
}

struct err *delivery_hint(struct core *c, const uint8_t device[static SHA256_LEN])
{
	const struct connection *to = presence_find(c->presence, device);
	Device__Hint hint = DEVICE__HINT__INIT;
	uint64_t waiting = 0;

	if (!to)
		return NULL;
	TRY(store_item_ready(c->store, device, &waiting));
	if (!waiting)
		return NULL;
	hint.waiting = waiting > UINT32_MAX ? UINT32_MAX : (uint32_t)waiting;
	mail_device(c, to->number, MSG_DEVICE_HINT, 0, &hint);
	return NULL;
}

/* --- Pull --- */

static struct err *mark_sent(struct core *c, const struct item *i)
{
	AUTO(job) struct job *j = NULL;

	TRY(store_job_get(c->store, i->id, &j));
	if (!j)
		return NULL;
	j->state = JOB_LEASED;
	j->attempts++;
	return store_job_put(c->store, j);
}

static void fill(const struct item *i, Device__Item *item, Common__Signed *sig)
{
	device__item__init(item);
	common__signed__init(sig);
	sig->body = pb_lend(buf_bytes(i->body));
	sig->signature = pb_lend(buf_bytes(i->signature));
	item->item = sig;
	if (i->payload)
		item->payload = pb_lend(buf_bytes(i->payload));
}

struct err *delivery_pull(
	struct core *c, struct connection *from, uint32_t serial, const Device__Pull *m)
{
	AUTO(device) struct device *d = NULL;
	AUTO(rows) struct rows *rows = NULL;
	unsigned int most = m->most < 1 || m->most > PULL_MOST ? PULL_MOST : m->most;
	Device__Items out = DEVICE__ITEMS__INIT;
	Device__Item items[PULL_MOST], *list[PULL_MOST];
	Common__Signed sigs[PULL_MOST];
	uint64_t behind = 0;

	TRY(store_device_get(c->store, from->identity, &d));
	if (!d)
		return err_new(&ERR_DEVICE_UNKNOWN, "this device is not enrolled");
	TRY(store_item_next(c->store, d->id, most, &rows, &behind));
	for (size_t i = 0; i < rows->n; i++) {
		const struct item *row = rows->row[i];
		if (!row->body || !row->signature)
			return err_new(&ERR_STORE, "item %" PRIu64 " has no bytes", row->number);
		fill(row, &items[i], &sigs[i]);
		list[i] = &items[i];
		TRY(mark_sent(c, row));
	}
	out.n_items = rows->n;
	out.items = list;
	out.waiting = behind > UINT32_MAX ? UINT32_MAX : (uint32_t)behind;
	mail_device(c, from->number, MSG_DEVICE_ITEMS, serial, &out);
	return NULL;
}

struct err *delivery_left(struct core *c, const uint8_t device[static SHA256_LEN])
{
	return store_job_return(c->store, device);
}

/* --- Acknowledge --- */

static struct err *verify(const struct device *d, const Device__Acknowledge *m, struct ack *ret_ack)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	if (!d->identity_public)
		return err_new(&ERR_STORE, "the device has no key");
	TRY(sig_public_spki(buf_bytes(d->identity_public), &key));
	TRY(sig_verify(
		key, SIG_ACKNOWLEDGEMENT, pb_bytes(m->acknowledgement), pb_bytes(m->signature)));
	TRY(ack_parse(pb_bytes(m->acknowledgement), ret_ack));
	if (memcmp(ret_ack->device, d->id, SHA256_LEN) != 0)
		return err_new(&ERR_SIGNATURE_BAD, "the acknowledgement is of another device");
	return NULL;
}

/* The item is there and was sent: what is acknowledged are its bytes. */
static struct err *find(struct core *c, const struct ack *a, struct item **ret_item)
{
	AUTO(item) struct item *i = NULL;

	TRY(store_item_numbered(c->store, a->device, a->number, &i));
	if (!i || memcmp(i->id, a->item, ID_LEN) != 0)
		return err_new(&ERR_NO_SUCH, "no item has that number and id");
	if (memcmp(i->digest, a->digest, SHA256_LEN) != 0)
		return err_new(
			&ERR_SIGNATURE_BAD, "item %" PRIu64 " has another digest", a->number);
	*ret_item = take(i);
	return NULL;
}

static struct err *step_credential(struct core *c, const struct item *i,
	enum credential_event event, const struct cause *cause)
{
	AUTO(credential) struct credential *k = NULL;
	uint64_t wanted = 0, open = 0;

	if (id_is_none(i->credential, ID_LEN))
		return NULL;
	TRY(store_credential_get(c->store, i->credential, &k));
	TRY(store_item_open(c->store, i->credential, &wanted, &open));
	if (!credential_can(k, event) || (event == CE_ACKNOWLEDGED && open))
		return NULL;
	return credential_step(c, k, event, cause);
}

static void strip(struct item *i)
{
	buf_free(take(i->body));
	buf_free(take(i->signature));
	buf_free(take(i->payload));
}

static struct err *applied(struct core *c, struct item *i, const char *actor)
{
	const struct cause cause = { .actor = actor };
	const struct audit_about about = {
		.event = EV_REMOVED,
		.actor = actor,
		.request = i->request,
		.device = i->device,
		.purpose = i->purpose,
	};

	if (i->kind == CA__ITEM_KIND__PINS)
		TRY(items_pins_applied(c, i));
	/* Number and digest stay, so that the same acknowledgement gets the same answer; sealed keys go. */
	i->state = ITEM_SETTLED;
	strip(i);
	TRY(store_item_put(c->store, i));
	TRY(store_job_done(c->store, i->id));
	TRY(store_item_made_good(c->store, i));
	if (i->kind == CA__ITEM_KIND__REMOVAL)
		return audit_add(c->audit, &about, "the device has removed what it was told to");
	return step_credential(c, i, CE_ACKNOWLEDGED, &cause);
}

static struct err *declined(struct core *c, struct item *i, const struct ack *a, const char *actor)
{
	AUTO(job) struct job *j = NULL;
	AUTO_MEM char *text = xasprintf("item %" PRIu64 " was refused with status %u%s%s",
		a->number, a->status, *a->detail ? ": " : "", a->detail);
	const struct cause cause = { .actor = actor, .kind = ERR_REMOTE.name, .text = text };

	i->state = ITEM_DECLINED;
	strip(i);
	TRY(store_item_put(c->store, i));
	TRY(store_job_get(c->store, i->id, &j));
	if (j) {
		free(j->cause_kind);
		free(j->cause);
		j->cause_kind = xstrdup(cause.kind);
		j->cause = xstrdup(text);
		j->state = JOB_FAILED;
		TRY(store_job_put(c->store, j));
	}
	const struct audit_about about = {
		.event = EV_DECLINED,
		.actor = actor,
		.request = i->request,
		.credential = i->credential,
		.device = i->device,
		.purpose = i->purpose,
		.error = cause.kind,
	};
	TRY(audit_add(c->audit, &about, "%s", text));
	return step_credential(c, i, CE_DECLINED, &cause);
}

struct err *delivery_acknowledge(
	struct core *c, struct connection *from, uint32_t serial, const Device__Acknowledge *m)
{
	AUTO(device) struct device *d = NULL;
	AUTO(item) struct item *i = NULL;
	AUTO_MEM char *actor = session_device_actor(from->identity);
	Device__Settled settled = DEVICE__SETTLED__INIT;
	struct ack a;

	TRY(store_device_get(c->store, from->identity, &d));
	if (!d)
		return err_new(&ERR_DEVICE_UNKNOWN, "this device is not enrolled");
	TRY(verify(d, m, &a));
	TRY(find(c, &a, &i));
	settled.number = a.number;
	mail_device(c, from->number, MSG_DEVICE_SETTLED, serial, &settled);
	if (i->state != ITEM_SIGNED)
		return NULL;
	return a.status ? declined(c, i, &a, actor) : applied(c, i, actor);
}
