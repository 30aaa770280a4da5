/* apply.c: see apply.h: everything around the payload. */
#include "client/device/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/device/apply_kind.h"
#include "client/device/fault.h"
#include "proto/msg.h"

void applied_free(struct applied *a)
{
	if (!a)
		return;
	item_free(a->item);
	free(a->detail);
	free(a);
}

const char *item_kind_name(enum item_kind kind)
{
	static const char *const names[] = {
		[ITEM_CERTIFICATE] = "certificate",
		[ITEM_SEALED_KEY] = "sealed key",
		[ITEM_CHAIN] = "CA certificates",
		[ITEM_PINS] = "gateway keys",
		[ITEM_APP] = "app configuration",
		[ITEM_REMOVAL] = "removal",
	};

	return (size_t)kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "unknown item";
}

/* --- acknowledgements --- */

static const struct kept_ack *find_ack(
	const struct state *s, uint64_t number, const uint8_t digest[static SHA256_LEN])
{
	for (size_t i = 0; i < s->n_acks; i++) {
		const struct kept_ack *a = &s->acks[i];
		if (a->number == number && memcmp(a->item_digest, digest, SHA256_LEN) == 0)
			return a;
	}
	return NULL;
}

/* In the place of the oldest when there is no more room. */
static struct kept_ack *new_ack(struct state *s)
{
	if (s->n_acks == STATE_ACKS_MAX) {
		buf_free(s->acks[0].acknowledgement);
		buf_free(s->acks[0].signature);
		memmove(&s->acks[0], &s->acks[1], (STATE_ACKS_MAX - 1) * sizeof(s->acks[0]));
		s->n_acks--;
	}
	struct kept_ack *a = &s->acks[s->n_acks++];
	memset(a, 0, sizeof(*a));
	return a;
}

/* The detail in an acknowledgement is printable and short. */
static void set_detail(struct acknowledgement *a, const char *detail)
{
	AUTO_MEM char *shown = text_safe(BYTES(detail, strlen(detail)));
	AUTO_MEM char *cut = text_cut(shown, sizeof(a->detail) - 1);

	memcpy(a->detail, cut, strlen(cut) + 1);
}

static struct err *acknowledge(struct state *s, EVP_PKEY *identity, const struct applied *r,
	const uint8_t digest[static SHA256_LEN])
{
	struct acknowledgement a = { .number = r->item->number, .status = (uint8_t)r->status };
	AUTO(buf) struct buf *signature = NULL;

	memcpy(a.device_id, s->identity_key, SHA256_LEN);
	memcpy(a.item_id, r->item->item_id, ITEM_ID_LEN);
	memcpy(a.item_digest, digest, SHA256_LEN);
	set_detail(&a, r->detail ? r->detail : "");
	AUTO(buf) struct buf *bytes = acknowledgement_encode(&a);
	TRY(sig_sign(identity, SIG_ACKNOWLEDGEMENT, buf_bytes(bytes), &signature));
	struct kept_ack *kept = new_ack(s);
	kept->number = a.number;
	memcpy(kept->item_digest, digest, SHA256_LEN);
	kept->acknowledgement = take(bytes);
	kept->signature = take(signature);
	return NULL;
}

/* --- items --- */

static struct err *open_item(const struct state *s, struct bytes delivery_public,
	const Device__Item *m, struct item **ret_item)
{
	AUTO(item) struct item *i = NULL;

	TRY(err_as(&ERR_ITEM, item_open(m->item, pb_bytes(m->payload), delivery_public, &i),
		"an item that cannot be believed"));
	if (memcmp(i->deployment, s->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_ITEM, "item %llu is of another deployment",
			(unsigned long long)i->number);
	if (memcmp(i->device_id, s->identity_key, SHA256_LEN) != 0)
		return err_new(&ERR_ITEM, "item %llu is for another device",
			(unsigned long long)i->number);
	*ret_item = take(i);
	return NULL;
}

static struct err *apply_new(const struct home *h, struct state *s, EVP_PKEY *identity,
	struct bytes payload, struct applied *r, const uint8_t digest[static SHA256_LEN])
{
	if (r->item->number > s->last_number) {
		TRY(apply_kind(h, s, r->item, payload, &r->status, &r->detail));
		s->last_number = r->item->number;
		/* Whoever has signed items for us has verified the evidence. */
		if (s->stage == STAGE_PENDING)
			s->stage = STAGE_ENROLLED;
	} else {
		r->status = APPLY_OLD;
		r->detail =
			xasprintf("the last number was %llu", (unsigned long long)s->last_number);
	}
	TRY(acknowledge(s, identity, r, digest));
	return home_save(h, s);
}

struct err *apply_item(const struct home *h, struct state *s, EVP_PKEY *identity,
	struct bytes delivery_public, const Device__Item *m, struct applied **ret_applied)
{
	AUTO(applied) struct applied *r = xcalloc(1, sizeof(*r));
	uint8_t digest[SHA256_LEN];

	TRY(open_item(s, delivery_public, m, &r->item));
	sha256(pb_bytes(m->item->body), digest);
	r->ack = find_ack(s, r->item->number, digest);
	r->again = r->ack != NULL;
	if (!r->again) {
		TRY(apply_new(h, s, identity, pb_bytes(m->payload), r, digest));
		r->ack = &s->acks[s->n_acks - 1];
	}
	*ret_applied = take(r);
	return NULL;
}
