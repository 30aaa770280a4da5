/* outbox_apply.c: what comes of derivd-ca's answers, good ones and refusals. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/actions.h"
#include "daemon/core/delivery.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/metrics.h"
#include "daemon/core/outbox.h"
#include "daemon/core/seats.h"
#include "daemon/core/verified.h"

#define BY_CA                                                                                      \
	{                                                                                          \
		.actor = "derivd-ca"                                                               \
	}

static struct buf *dup_buf(struct bytes b)
{
	struct buf *copy = buf_new();

	buf_add_bytes(copy, b);
	return copy;
}

/* --- make --- */

static struct err *keep_copies(struct core *c, const struct credential *k, const Ca__Made *m)
{
	AUTO(papers) struct papers *p = NULL;

	TRY(store_papers_get(c->store, k->id, &p));
	p->ticket = msg_pack_type(&m->ticket->base);
	TRY(store_papers_put(c->store, p));
	TRY(store_sealed_add(c->store, k->id, SEALED_DEVICE, pb_bytes(m->sealed_device)));
	if (m->sealed_history.len)
		TRY(store_sealed_add(c->store, k->id, SEALED_HISTORY, pb_bytes(m->sealed_history)));
	for (size_t i = 0; i < m->n_sealed_escrow; i++)
		TRY(store_sealed_add(
			c->store, k->id, SEALED_ESCROW, pb_bytes(m->sealed_escrow[i])));
	return NULL;
}

static struct err *apply_made(
	struct core *c, struct job *j, const void *body, bool *ret_goes_on UNUSED)
{
	static const struct cause cause = BY_CA;
	AUTO(credential) struct credential *k = NULL;

	TRY(store_credential_get(c->store, j->credential, &k));
	if (!credential_can(k, CE_MADE))
		return NULL;
	/* Committed before certify names them: escrow precedes issuance. */
	TRY(keep_copies(c, k, body));
	return credential_step(c, k, CE_MADE, &cause);
}

/* --- certify --- */

static struct buf *pack_chain(const Ca__Certified *m)
{
	struct buf *b = buf_new();

	for (size_t i = 0; i < m->n_chain; i++) {
		buf_add_u32(b, (uint32_t)m->chain[i].len);
		buf_add_bytes(b, pb_bytes(m->chain[i]));
	}
	return b;
}

struct err *outbox_keep_certificate(struct core *c, struct credential *k, const Ca__Certified *m)
{
	AUTO(papers) struct papers *p = NULL;

	free(k->serial);
	k->serial = xstrdup(m->serial);
	k->not_before_ms = m->not_before_ms;
	k->not_after_ms = m->not_after_ms;
	TRY(store_papers_get(c->store, k->id, &p));
	buf_free(p->certificate);
	buf_free(p->chain);
	p->certificate = dup_buf(pb_bytes(m->certificate));
	p->chain = m->n_chain ? pack_chain(m) : NULL;
	return store_papers_put(c->store, p);
}

static struct err *apply_certified(
	struct core *c, struct job *j, const void *body, bool *ret_goes_on UNUSED)
{
	static const struct cause cause = BY_CA;
	static const struct cause gone = {
		.actor = "derivd-ca", .kind = "ca-rejected", .text = "it has been revoked"
	};
	AUTO(credential) struct credential *k = NULL;
	const Ca__Certified *m = body;
	enum credential_event event = m->revoked ? CE_GONE : CE_CERTIFIED;

	TRY(store_credential_get(c->store, j->credential, &k));
	if (!credential_can(k, event))
		return NULL;
	if (m->serial[0])
		TRY(outbox_keep_certificate(c, k, m));
	if (!m->revoked)
		metrics_took(&c->metrics->issuance, k->created_ms);
	return credential_step(c, k, event, m->revoked ? &gone : &cause);
}

/* --- sign-item --- */

static struct err *apply_signed(struct core *c, struct job *j, const void *body, bool *ret_goes_on)
{
	static const struct cause cause = BY_CA;
	AUTO(item) struct item *i = NULL;
	AUTO(credential) struct credential *k = NULL;
	const Ca__SignedItem *m = body;
	uint64_t wanted = 0, open = 0;

	TRY(store_item_get(c->store, j->id, &i));
	if (!i || i->state != ITEM_WANTED)
		return NULL;
	i->state = ITEM_SIGNED;
	i->body = dup_buf(pb_bytes(m->item->body));
	i->signature = dup_buf(pb_bytes(m->item->signature));
	buf_free(i->payload);
	i->payload = dup_buf(pb_bytes(m->payload));
	sha256(buf_bytes(i->body), i->digest);
	TRY(store_item_put(c->store, i));
	/* The same row now waits for the device. */
	*ret_goes_on = true;
	j->what = JOB_DELIVER;
	j->state = JOB_WAITING;
	j->attempts = 0;
	j->next_boot_ms = 0;
	TRY(store_job_put(c->store, j));
	TRY(delivery_hint(c, i->device));
	if (id_is_none(i->credential, ID_LEN))
		return NULL;
	TRY(store_item_open(c->store, i->credential, &wanted, &open));
	TRY(store_credential_get(c->store, i->credential, &k));
	return wanted == 0 && credential_can(k, CE_SIGNED)
		       ? credential_step(c, k, CE_SIGNED, &cause)
		       : NULL;
}

/* --- revocations --- */

static struct err *apply_revoked(
	struct core *c, struct job *j, const void *body UNUSED, bool *ret_goes_on UNUSED)
{
	static const struct cause cause = BY_CA;
	AUTO(credential) struct credential *k = NULL;

	TRY(lifecycle_post_crl(c));
	TRY(store_credential_get(c->store, j->credential, &k));
	return credential_can(k, CE_REVOKED) ? credential_step(c, k, CE_REVOKED, &cause) : NULL;
}

static struct err *apply_device_revoked(
	struct core *c, struct job *j, const void *body UNUSED, bool *ret_goes_on UNUSED)
{
	TRY(lifecycle_post_crl(c));
	return lifecycle_device_revoked(c, j);
}

/* Asked every hour; recorded when it is another one. */
static struct err *apply_crl(
	struct core *c, struct job *j UNUSED, const void *body, bool *ret_goes_on UNUSED)
{
	const Ca__CrlPublished *m = body;
	const struct audit_about about = { .event = EV_CRL, .actor = "derivd-ca" };
	bool news = c->ca.crl_next_update_ms != m->next_update_ms;

	c->crl_boot_ms = clock_boot_ms();
	c->ca.crl_this_update_ms = m->this_update_ms;
	c->ca.crl_next_update_ms = m->next_update_ms;
	TRY(store_crl_put(c->store, m->number));
	if (!news)
		return NULL;
	return audit_add(
		c->audit, &about, "CRL number %llu is published", (unsigned long long)m->number);
}

static struct err *apply_verified(
	struct core *c, struct job *j, const void *body, bool *ret_goes_on UNUSED)
{
	return verified_apply(c, j->request, body);
}

struct err *outbox_apply(struct core *c, struct job *j, const void *body, bool *ret_goes_on)
{
	static struct err *(*const apply[JOB_WHATS])(
		struct core *, struct job *, const void *, bool *) = {
		[JOB_VERIFY] = apply_verified,
		[JOB_MAKE] = apply_made,
		[JOB_CERTIFY] = apply_certified,
		[JOB_SIGN_ITEM] = apply_signed,
		[JOB_REVOKE] = apply_revoked,
		[JOB_REVOKE_DEVICE] = apply_device_revoked,
		[JOB_CRL] = apply_crl,
	};

	*ret_goes_on = false;
	return apply[j->what](c, j, body, ret_goes_on);
}

/* --- refusals --- */

/* Too old: whoever is still there signs again; otherwise nobody can. */
static struct err *lapse(struct core *c, struct request *r, const struct err *why)
{
	struct seat *seat = seats_find(c->seats, r->id);
	const struct cause cause = {
		.actor = "derivd-ca",
		.kind = ERR_NONCE_EXPIRED.name,
		.text = err_get_text(why),
	};
	Control__SessionEnded m = CONTROL__SESSION_ENDED__INIT;
	AUTO_MSG Common__Error *wire = kind_to_wire(why);

	if (!seat || !seat->caller)
		return session_end(
			c, r, RE_CANCEL, &ERR_NONCE_EXPIRED, "derivd-ca", "%s", err_get_text(why));
	m.request_id = pb_lend(BYTES(r->id, ID_LEN));
	m.why = wire;
	mail_caller(c, seat->caller, MSG_SESSION_ENDED, 0, &m);
	/* Behind the line again: from here on a session that is left, or takes too long, is given up. */
	seat->until_boot_ms = clock_boot_ms() + (int64_t)c->settings->session_ms;
	return request_step(c, r, RE_LAPSE, &cause);
}

static struct err *refuse_verify(struct core *c, const struct job *j, const struct err *why)
{
	AUTO(request) struct request *r = NULL;

	TRY(store_request_get(c->store, j->request, &r));
	/* A request that was cancelled meanwhile has no use for the answer. */
	if (err_is(why, &ERR_NONCE_EXPIRED) && request_can(r, RE_LAPSE))
		return lapse(c, r, why);
	if (!request_can(r, RE_REFUSE))
		return NULL;
	return session_end(
		c, r, RE_REFUSE, err_get_kind(why), "derivd-ca", "%s", err_get_text(why));
}

static struct err *refuse_credential(struct core *c, const struct job *j, const struct err *why)
{
	AUTO(credential) struct credential *k = NULL;
	const struct cause cause = {
		.actor = "derivd-ca",
		.kind = err_get_kind(why)->name,
		.text = err_get_text(why),
	};

	if (id_is_none(j->credential, ID_LEN))
		return NULL;
	TRY(store_credential_get(c->store, j->credential, &k));
	return credential_can(k, CE_REJECT) ? credential_step(c, k, CE_REJECT, &cause) : NULL;
}

/*
 * An item that is never signed must not hold up those behind it. A credential says itself what became of it; that ca.conf
 * has no app's configuration for a holder is no failure.
 */
static struct err *refuse_item(
	struct core *c, const struct job *j, const struct err *why, bool *ret_keep)
{
	AUTO(item) struct item *i = NULL;

	TRY(store_item_get(c->store, j->id, &i));
	bool no_app = i && i->kind == CA__ITEM_KIND__APP && err_is(why, &ERR_POLICY);
	*ret_keep = !no_app && id_is_none(j->credential, ID_LEN);
	if (i && i->state == ITEM_WANTED) {
		i->state = ITEM_DROPPED;
		TRY(store_item_put(c->store, i));
		TRY(delivery_hint(c, i->device));
	}
	return refuse_credential(c, j, why);
}

struct err *outbox_refused(
	struct core *c, const struct job *j, const struct err *why, bool *ret_keep)
{
	*ret_keep = false;
	switch (j->what) {
	case JOB_VERIFY:
		return refuse_verify(c, j, why);
	case JOB_MAKE:
	case JOB_CERTIFY:
		return refuse_credential(c, j, why);
	case JOB_SIGN_ITEM:
		return refuse_item(c, j, why, ret_keep);
	case JOB_NOTICE:
		*ret_keep = !err_is(why, &ERR_NOTICE_NOBODY);
		return *ret_keep ? NULL : notice_nobody(c, j, why);
	case JOB_REVOKE_DEVICE:
		/* derivd-ca knows no such device; its credentials are revoked all the same, one by one. */
		*ret_keep = true;
		return lifecycle_device_revoked(c, j);
	default:
		*ret_keep = true;
		return NULL;
	}
}
