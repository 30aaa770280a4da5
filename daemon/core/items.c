/*
 * items.c: what a device is to get: first the chain if it is a new one, then the certificate, then the sealed key, in the end the apps' configuration. The number is
 * given when the item is queued (ENROLLMENT step 10); derivd-ca signs it, delivery.c hands it over in that order.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/actions.h"

#include "base/clock.h"
#include "daemon/core/presence.h"

/* Devices that are looked at in one turn. */
#define TELL_MOST STORE_PAGE_MAX

struct err *items_post(struct core *c, struct item *item)
{
	struct job job = { .what = JOB_SIGN_ITEM, .rank = 3, .purpose = item->purpose };

	clock_random(item->id, ID_LEN);
	TRY(store_device_number(c->store, item->device, &item->number));
	TRY(store_item_add(c->store, item));
	memcpy(job.id, item->id, ID_LEN);
	memcpy(job.request, item->request, ID_LEN);
	memcpy(job.credential, item->credential, ID_LEN);
	memcpy(job.device, item->device, SHA256_LEN);
	job.number = item->number;
	return outbox_post(c, &job);
}

struct err *items_post_again(struct core *c, const struct job *j)
{
	AUTO(item) struct item *i = NULL;
	struct item again = { .state = ITEM_WANTED };

	TRY(store_item_get(c->store, j->id, &i));
	TRY(store_job_done(c->store, j->id));
	if (!i)
		return NULL;
	if (i->state == ITEM_WANTED) {
		i->state = ITEM_DROPPED;
		TRY(store_item_put(c->store, i));
	}
	again.kind = i->kind;
	again.purpose = i->purpose;
	again.payload = i->payload;
	memcpy(again.device, i->device, SHA256_LEN);
	memcpy(again.request, i->request, ID_LEN);
	return items_post(c, &again);
}

static struct err *post_for(
	struct core *c, const struct credential *k, unsigned int kind, struct buf *payload)
{
	struct item item = {
		.kind = kind, .purpose = k->purpose, .state = ITEM_WANTED, .payload = payload
	};

	memcpy(item.device, k->device, SHA256_LEN);
	memcpy(item.request, k->request, ID_LEN);
	/* The chain is the device's, not this credential's: it outlives it. A notice of removal does too. */
	if (kind == CA__ITEM_KIND__CERTIFICATE || kind == CA__ITEM_KIND__SEALED_KEY)
		memcpy(item.credential, k->id, ID_LEN);
	if (kind == CA__ITEM_KIND__CHAIN || kind == CA__ITEM_KIND__APP)
		item.purpose = COMMON__PURPOSE__PURPOSE_UNSET;
	return items_post(c, &item);
}

static struct err *post_chain(struct core *c, const struct credential *k, const struct papers *p)
{
	AUTO(device) struct device *d = NULL;
	uint8_t digest[SHA256_LEN];

	TRY(store_device_get(c->store, k->device, &d));
	if (!d || !p->chain)
		return NULL;
	sha256(buf_bytes(p->chain), digest);
	if (memcmp(digest, d->chain, SHA256_LEN) == 0)
		return NULL;
	memcpy(d->chain, digest, SHA256_LEN);
	TRY(store_device_put(c->store, d));
	return post_for(c, k, CA__ITEM_KIND__CHAIN, NULL);
}

/* The mail app's configuration comes after the last certificate of the request that it is about. */
static struct err *post_apps(struct core *c, const struct credential *k)
{
	struct filter f = { .request = k->request, .most = STORE_PAGE_MAX };
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct credential *other = rows->row[i];
		bool uncertified = other->state == CS_WANTED || other->state == CS_MADE;
		if (uncertified && memcmp(other->id, k->id, ID_LEN) != 0)
			return NULL;
	}
	return post_for(c, k, CA__ITEM_KIND__APP, NULL);
}

struct err *credential_post_items(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	AUTO(papers) struct papers *p = NULL;

	k->claim_until_ms = clock_real_ms() + (int64_t)c->settings->unclaimed_ms;
	TRY(store_papers_get(c->store, k->id, &p));
	TRY(post_chain(c, k, p));
	TRY(post_for(c, k, CA__ITEM_KIND__CERTIFICATE, NULL));
	if (k->origin == COMMON__ORIGIN__SERVER)
		TRY(post_for(c, k, CA__ITEM_KIND__SEALED_KEY, NULL));
	return post_apps(c, k);
}

struct err *items_post_pins(struct core *c, struct device *d)
{
	struct item item = { .kind = CA__ITEM_KIND__PINS, .state = ITEM_WANTED };

	if (memcmp(d->pins, c->settings->pins, SHA256_LEN) == 0)
		return NULL;
	memcpy(d->pins, c->settings->pins, SHA256_LEN);
	TRY(store_device_put(c->store, d));
	memcpy(item.device, d->id, SHA256_LEN);
	memcpy(item.request, d->request, ID_LEN);
	return items_post(c, &item);
}

struct err *items_tell_pins(struct core *c, bool *ret_more)
{
	const struct filter f = { .after = c->pins_after, .most = TELL_MOST };
	AUTO(rows) struct rows *rows = NULL;

	if (c->pins_after == PINS_TOLD)
		return NULL;
	TRY(store_device_untold(c->store, c->settings->pins, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		struct device *d = rows->row[i];
		c->pins_after = d->n;
		if (presence_find(c->presence, d->id))
			TRY(items_post_pins(c, d));
	}
	if (rows->n < TELL_MOST)
		c->pins_after = PINS_TOLD;
	*ret_more = *ret_more || rows->n == TELL_MOST;
	return NULL;
}

/* PROTOCOL.device section 7: deployment, epoch, ... Items from before there were epochs have none. */
static bool get_epoch(const struct item *i, uint64_t *ret_epoch)
{
	static const size_t at = 4 + 16 + 4;

	if (!i->payload || buf_len(i->payload) < at + 8 || buf_data(i->payload)[3] != 16)
		return false;
	*ret_epoch = 0;
	for (size_t n = 0; n < 8; n++)
		*ret_epoch = *ret_epoch << 8 | buf_data(i->payload)[at + n];
	return true;
}

struct err *items_pins_applied(struct core *c, const struct item *i)
{
	uint64_t epoch;

	return get_epoch(i, &epoch) ? store_device_pinned(c->store, i->device, epoch) : NULL;
}

struct err *credential_post_removal(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	AUTO(device) struct device *d = NULL;
	AUTO(papers) struct papers *p = NULL;

	TRY(store_device_get(c->store, k->device, &d));
	/* A device that is revoked as a whole gets one notice for everything (lifecycle.c). */
	if (!d || d->state != DEVICE_ENROLLED || !k->delivered)
		return NULL;
	TRY(store_papers_get(c->store, k->id, &p));
	return post_for(c, k, CA__ITEM_KIND__REMOVAL, p->certificate);
}
