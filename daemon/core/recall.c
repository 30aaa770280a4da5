/* recall.c: see recall.h. */
#include "daemon/core/recall.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"
#include "daemon/core/policy.h"
#include "daemon/core/verified.h"

static const struct cause BY_LOG = { .actor = "derivd-ca", .text = "known from derivd-ca's log" };

/* --- the request --- */

static struct buf *dup_bytes(ProtobufCBinaryData b)
{
	struct buf *copy = buf_new();

	buf_add_bytes(copy, pb_bytes(b));
	return copy;
}

static void fill_request(struct request *r, const Ca__Recalled *m)
{
	r->operation = m->operation;
	r->state = RS_COMMITTED;
	r->open = true;
	r->replace = true;
	memcpy(r->device, m->verified->device_id.data, SHA256_LEN);
	memcpy(r->holder, m->verified->holder_id.data, SHA256_LEN);
	memcpy(r->card, m->verified->card_id.data, SHA256_LEN);
}

/* New, or one that the store knows as a session that had not been verified yet. */
static struct err *put_request(
	struct core *c, const uint8_t id[static ID_LEN], const Ca__Recalled *m)
{
	AUTO(request) struct request *known = NULL;
	struct request fresh = { .created_ms = clock_real_ms() };
	struct err *e = store_request_get(c->store, id, &known);

	if (!e) {
		fill_request(known, m);
		return store_request_put(c->store, known);
	}
	if (!err_is(e, &ERR_NO_SUCH))
		return e;
	err_free(e);
	memcpy(fresh.id, id, ID_LEN);
	fresh.changed_ms = fresh.created_ms;
	/* Nobody has the token of a session that is over. */
	clock_random(fresh.token_hash, SHA256_LEN);
	fill_request(&fresh, m);
	return store_request_add(c->store, &fresh);
}

/* The evidence may be there: the store is of the moment between it and the receipt. */
static struct err *put_evidence(
	struct core *c, const uint8_t id[static ID_LEN], const Ca__Recalled *m)
{
	AUTO(buf) struct buf *evidence = msg_pack_type(&m->evidence->base);
	AUTO(buf) struct buf *known = NULL;
	AUTO(session) struct session *s = xcalloc(1, sizeof(*s));

	TRY(store_evidence_get(c->store, id, &known, NULL));
	if (!known)
		TRY(store_evidence_put(c->store, id, buf_bytes(evidence)));
	memcpy(s->request, id, ID_LEN);
	s->identity_public = dup_bytes(m->identity_public);
	return store_session_put(c->store, s);
}

/* --- credentials --- */

static const Ca__Issued *find_issued(const Ca__Recalled *m, Common__Purpose purpose)
{
	for (size_t i = 0; i < m->n_issued; i++) {
		if (m->issued[i]->purpose == purpose)
			return m->issued[i];
	}
	return NULL;
}

static struct err *keep_papers(struct core *c, struct credential *k, const Ca__Issued *issued)
{
	AUTO(papers) struct papers *p = NULL;
	const Ca__Certified *m = issued->certified;

	TRY(outbox_keep_certificate(c, k, m));
	if (!issued->ticket)
		return NULL;
	TRY(store_papers_get(c->store, k->id, &p));
	buf_free(p->ticket);
	p->ticket = msg_pack_type(&issued->ticket->base);
	return store_papers_put(c->store, p);
}

/*
 * What is revoked, and a key that derivd-ca made and certified; what was given up before its certificate was known is revoked. All
 * others go the usual way, which gives the same certificate, but it is known already now.
 */
static struct err *settle(struct core *c, struct credential *k, const Ca__Recalled *m)
{
	const Ca__Issued *issued = find_issued(m, k->purpose);
	bool revoked = issued && issued->certified->revoked;

	if (!issued || (k->state != CS_WANTED && (k->state != CS_CANCELLED || k->serial)))
		return NULL;
	TRY(keep_papers(c, k, issued));
	if (k->state == CS_CANCELLED)
		return credential_step(c, k, revoked ? CE_GONE : CE_CERTIFIED, &BY_LOG);
	if (!revoked && k->origin != COMMON__ORIGIN__SERVER)
		return store_credential_put(c->store, k);
	return credential_step(c, k, revoked ? CE_GONE : CE_RECALLED, &BY_LOG);
}

static struct err *settle_all(
	struct core *c, const uint8_t id[static ID_LEN], const Ca__Recalled *m)
{
	struct filter f = { .request = id, .most = STORE_PAGE_MAX };
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++)
		TRY(settle(c, rows->row[i], m));
	return NULL;
}

/*
 * That there was a later request for the same slot means that the one on its way here had arrived, or come to nothing; the
 * certificate tells which.
 */
static struct err *clear_slots(struct core *c, const Ca__Verified *v)
{
	for (size_t i = 0; i < v->n_wanted; i++) {
		Common__Purpose purpose = v->wanted[i]->purpose;
		AUTO(credential) struct credential *live = NULL;
		AUTO(credential) struct credential *coming = NULL;

		TRY(store_credential_slot(c->store,
			policy_slot(purpose, v->device_id.data, v->holder_id.data), purpose, &live,
			&coming));
		if (!coming)
			continue;
		enum credential_event event = coming->serial ? CE_RECALLED : CE_CANCEL;
		TRY(credential_step(c, coming, event, &BY_LOG));
	}
	return NULL;
}

struct err *recall_request(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Recalled *m)
{
	AUTO(buf) struct buf *receipt = NULL;

	TRY(store_evidence_get(c->store, request, NULL, &receipt));
	if (!receipt) {
		TRY(clear_slots(c, m->verified));
		TRY(put_request(c, request, m));
		TRY(put_evidence(c, request, m));
		TRY(verified_recall(c, request, m->verified));
		TRY(store_device_raise(c->store, m->verified->device_id.data, m->newest_number));
	}
	return settle_all(c, request, m);
}

/* --- revocations --- */

/* derivd-ca is asked once more, and says that it is so: then all goes its usual way. */
struct err *recall_revoked(struct core *c, const char *serial, unsigned int reason)
{
	AUTO(credential) struct credential *k = NULL;
	uint8_t id[SHA256_LEN];
	struct err *e = store_find(c->store, TABLE_CREDENTIAL, serial, id);

	/* Not certified here yet: derivd-ca says so when it is. */
	if (err_is(e, &ERR_NO_SUCH)) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	TRY(store_credential_get(c->store, id, &k));
	if (k->state == CS_SUPERSEDED || !credential_can(k, CE_REVOKE))
		return NULL;
	k->reason = reason;
	/* Its holder was told when it was decided. */
	TRY(notice_known(c, k, COURIER__NOTICE_KIND__REVOKED));
	return credential_step(c, k, CE_REVOKE, &BY_LOG);
}

struct err *recall_device_revoked(struct core *c, struct device *d, unsigned int reason)
{
	if (d->state != DEVICE_ENROLLED)
		return NULL;
	return lifecycle_revoke_known(c, d, reason, BY_LOG.actor, BY_LOG.text);
}
