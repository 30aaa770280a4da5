/*
 * items.c: what a device is to get: first the chain if it is a new one, then the certificate, then the sealed key. The number is
 * given when the item is queued (ENROLLMENT step 10); derivd-ca signs it, delivery.c hands it over in that order.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/actions.h"

#include "base/clock.h"

struct err *post_item(struct core *c, struct item *item)
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
	return post_job(c, &job);
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
	if (kind == CA__ITEM_KIND__CHAIN)
		item.purpose = COMMON__PURPOSE__PURPOSE_UNSET;
	return post_item(c, &item);
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
	return NULL;
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
