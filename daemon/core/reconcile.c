/* reconcile.c: see reconcile.h. */
#include "daemon/core/reconcile.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/recall.h"

struct err *reconcile_check(const struct core *c)
{
	if (!c->reconcile.on)
		return NULL;
	return err_new(&ERR_BUSY, "the store was put back to an earlier state, and catches up with "
				  "derivd-ca's log first");
}

/* --- beginning --- */

static bool is_zero(const uint8_t hash[static SHA256_LEN])
{
	return id_is_none(hash, SHA256_LEN);
}

static bool conf_accepts(const struct core *c, const Common__AuditHead *seen)
{
	return seen && !is_zero(c->settings->accept_head) &&
	       bytes_eq(pb_bytes(seen->hash), BYTES(c->settings->accept_head, SHA256_LEN));
}

/* The rows that are lost are named: derivctl audit verify has to be told of them. */
static struct err *record_restored(
	struct core *c, int64_t taken_ms, uint64_t rows, const Common__AuditHead *lost)
{
	static const struct audit_about about = { .event = EV_RESTORED };
	AUTO_MEM char *taken = text_time(taken_ms);
	uint64_t n = 0;

	/* They were sent since. */
	TRY(store_notice_drop(c->store, &n));
	AUTO_MEM char *notices =
		n ? xasprintf("; %" PRIu64 " notices that waited then are not sent again", n)
		  : xstrdup("");
	if (!lost)
		return audit_add(c->audit, &about,
			"a backup of %s was put back, no audit row is known to be lost%s", taken,
			notices);
	return audit_add(c->audit, &about,
		"a backup of %s was put back: audit rows %" PRIu64 "-%" PRIu64 " are lost%s", taken,
		rows + 1, lost->sequence, notices);
}

static struct err *record_accepted(struct core *c, const struct err *wrong)
{
	static const struct audit_about about = { .event = EV_CHAIN_ACCEPTED };
	uint64_t n = 0;

	TRY(store_notice_drop(c->store, &n));
	return audit_add(c->audit, &about, "%s; derivd.conf accepts it", err_get_text(wrong));
}

struct err *reconcile_consider(
	struct core *c, const Common__AuditHead *seen, const struct err *wrong, bool *ret_settled)
{
	struct audit_link accepted;
	int64_t taken_ms = 0;
	uint64_t rows = 0;

	*ret_settled = true;
	TRY(store_restored_get(c->store, &taken_ms, &rows));
	TRY(store_accepted_get(c->store, &accepted));
	bool known = seen && accepted.sequence == seen->sequence &&
		     bytes_eq(pb_bytes(seen->hash), BYTES(accepted.hash, SHA256_LEN));
	if (!taken_ms && (!wrong || known))
		return NULL;
	*ret_settled = taken_ms || conf_accepts(c, seen);
	if (!*ret_settled)
		return NULL;
	memset(&c->reconcile, 0, sizeof(c->reconcile));
	c->reconcile.begun = c->reconcile.on = true;
	if (seen && wrong) {
		c->reconcile.seen.sequence = seen->sequence;
		memcpy(c->reconcile.seen.hash, seen->hash.data, SHA256_LEN);
	}
	return taken_ms ? record_restored(c, taken_ms, rows, wrong ? seen : NULL)
			: record_accepted(c, wrong);
}

/* --- asking --- */

void reconcile_go_on(struct core *c)
{
	struct reconcile *r = &c->reconcile;
	struct ask ask = { .kind = ASK_RECONCILE };
	Ca__Reconcile page = CA__RECONCILE__INIT;
	Ca__Recall recall = CA__RECALL__INIT;

	if (!r->on || r->asked)
		return;
	r->asked = true;
	if (!id_is_none(r->request, ID_LEN)) {
		ask.kind = ASK_RECALL;
		recall.request_id = pb_lend(BYTES(r->request, ID_LEN));
		mail_ask(c, &ask, MSG_CA_RECALL, &recall);
		return;
	}
	page.after = r->after;
	mail_ask(c, &ask, MSG_CA_RECONCILE, &page);
}

void reconcile_turn_lost(struct core *c)
{
	struct reconcile *r = &c->reconcile;

	r->on = r->begun;
	r->asked = r->numbered = false;
	r->after = 0;
	r->n_recalled = 0;
	memset(r->request, 0, ID_LEN);
}

/* --- a row of the log --- */

/* *ret_known: the store has the receipt. */
static struct err *has_receipt(
	struct core *c, const uint8_t request[static ID_LEN], bool *ret_known)
{
	AUTO(buf) struct buf *receipt = NULL;

	TRY(store_evidence_get(c->store, request, NULL, &receipt));
	*ret_known = receipt != NULL;
	return NULL;
}

static struct err *on_certificate(struct core *c, const Ca__KnownRow *row,
	const uint8_t request[static ID_LEN], bool *ret_recall)
{
	struct filter f = { .request = request, .most = STORE_PAGE_MAX };
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct credential *k = rows->row[i];
		if (k->purpose != row->purpose)
			continue;
		TRY(notice_known(c, k, COURIER__NOTICE_KIND__ISSUED));
		/* derivd-ca has no device's copy of such a key any more: it cannot be made again. */
		if (k->state == CS_WANTED && k->origin == COMMON__ORIGIN__SERVER)
			*ret_recall = true;
		/* Whatever becomes of it, it can be superseded or revoked only when its certificate is known. */
		if (!k->serial && (k->state == CS_WANTED || k->state == CS_CANCELLED))
			*ret_recall = true;
	}
	return NULL;
}

static struct err *on_request(struct core *c, const Ca__KnownRow *row, bool *ret_recall)
{
	uint8_t request[ID_LEN];
	bool known = false;

	if (row->id.len != ID_LEN)
		return err_new(
			&ERR_PROTOCOL, "derivd-ca names a request of %zu bytes", row->id.len);
	memcpy(request, row->id.data, ID_LEN);
	TRY(has_receipt(c, request, &known));
	*ret_recall = !known;
	if (known && row->what == CA__KNOWN__KNOWN_CERTIFICATE)
		TRY(on_certificate(c, row, request, ret_recall));
	if (*ret_recall)
		memcpy(c->reconcile.request, request, ID_LEN);
	return NULL;
}

static struct err *on_device(struct core *c, const Ca__KnownRow *row)
{
	AUTO(device) struct device *d = NULL;

	if (row->id.len != SHA256_LEN)
		return err_new(&ERR_PROTOCOL, "derivd-ca names a device of %zu bytes", row->id.len);
	if (row->what == CA__KNOWN__KNOWN_ITEM)
		return store_device_raise(c->store, row->id.data, row->number);
	TRY(store_device_get(c->store, row->id.data, &d));
	return d ? recall_device_revoked(c, d, row->reason) : NULL;
}

/* *ret_recall: first the request that it is about has to be asked for, then it comes again. */
static struct err *on_row(struct core *c, const Ca__KnownRow *row, bool *ret_recall)
{
	*ret_recall = false;
	/* Numbers first: what follows from a revocation may queue a notice. */
	if (!c->reconcile.numbered && row->what != CA__KNOWN__KNOWN_ITEM)
		return NULL;
	switch (row->what) {
	case CA__KNOWN__KNOWN_RECEIPT:
	case CA__KNOWN__KNOWN_CERTIFICATE:
		return on_request(c, row, ret_recall);
	case CA__KNOWN__KNOWN_REVOKED:
		return recall_revoked(c, row->serial, row->reason);
	case CA__KNOWN__KNOWN_DEVICE_REVOKED:
	case CA__KNOWN__KNOWN_ITEM:
		return on_device(c, row);
	default:
		return err_new(&ERR_PROTOCOL, "derivd-ca's log has rows of an unknown kind");
	}
}

/* --- the end --- */

/* From now on the head whose loss was lived through is no news; the mark goes in the same commit. */
static struct err *finish(struct core *c)
{
	static const struct audit_about about = { .event = EV_RECONCILED };
	struct reconcile *r = &c->reconcile;

	if (r->seen.sequence)
		TRY(store_accepted_put(c->store, &r->seen));
	TRY(store_lost_put(c->store, NULL));
	TRY(store_restored_put(c->store, 0, 0));
	/* What devices have acknowledged since is not known: they say it again when they get it again. */
	TRY(store_credential_claim_again(
		c->store, clock_real_ms() + (int64_t)c->settings->unclaimed_ms));
	r->on = false;
	return audit_add(c->audit, &about,
		"derivd-ca's log is known up to row %" PRIu64 "; %u requests came back from it",
		r->after, r->n_recalled);
}

/*
 * Where devices have had more than the store knew, what was queued for them meanwhile has numbers that are taken: derivd-ca
 * would refuse it. From now on there are new ones. What belongs to a credential was queued before the store was lost, and
 * derivd-ca knows it by its id.
 */
static struct err *number_again(struct core *c)
{
	AUTO(rows) struct rows *jobs = NULL;

	TRY(store_job_unsigned(c->store, &jobs));
	for (size_t i = 0; i < jobs->n; i++)
		TRY(items_post_again(c, jobs->row[i]));
	return NULL;
}

static struct err *on_page(struct core *c, const Ca__Reconciled *page)
{
	struct reconcile *r = &c->reconcile;

	for (size_t i = 0; i < page->n_rows; i++) {
		bool recall = false;

		if (page->rows[i]->row <= r->after)
			return err_new(&ERR_PROTOCOL, "derivd-ca's log goes round in circles");
		TRY(on_row(c, page->rows[i], &recall));
		if (recall)
			return NULL;
		r->after = page->rows[i]->row;
	}
	if (page->next)
		return NULL;
	if (r->numbered)
		return finish(c);
	r->numbered = true;
	r->after = 0;
	return number_again(c);
}

static struct err *on_recalled(struct core *c, const Ca__Recalled *m)
{
	struct reconcile *r = &c->reconcile;

	TRY(recall_request(c, r->request, m));
	memset(r->request, 0, ID_LEN);
	r->n_recalled++;
	return NULL;
}

/* When derivd-ca cannot be asked, its next status goes on with it. */
struct err *reconcile_came(struct core *c, const struct ask *ask, const struct answer *a)
{
	const struct reconcile before = c->reconcile;

	c->reconcile.asked = false;
	if (a->error)
		return err_wrap(err_new(err_get_kind(a->error), "%s", err_get_text(a->error)),
			"catching up with derivd-ca's log");
	struct err *e = ask->kind == ASK_RECALL ? on_recalled(c, a->body) : on_page(c, a->body);
	if (e) {
		/* The rows of this event are undone. */
		c->reconcile = before;
		c->reconcile.asked = false;
		return err_wrap(e, "catching up with derivd-ca's log");
	}
	reconcile_go_on(c);
	return NULL;
}
