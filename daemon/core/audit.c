/*
 * audit.c: the chain. hash = SHA-256("derivd audit v1" 0 ‖ hash of the row before ‖ body); before the first row stand 32 zero
 * bytes. The body has its fields in one order, each behind its length as a 32-bit number, so it has one encoding.
 */
#include "daemon/core/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "proto/kind.h"

#define BODY_VERSION 1
/* Rows in memory at a time when all are checked. */
#define CHECK_PAGE 1000

/* What goes to the journal once the turn is committed. */
struct pending {
	enum event event;
	char *actor, *purpose, *reader, *error, *text;
	char *request, *credential, *device, *holder;
	char *card, *card_name, *operator_uid;
	uint64_t sequence;
};

struct audit {
	struct store *store;
	struct audit_link head, marked, committed;
	struct pending *pending;
	char *ca;
	size_t n_pending, n_marked, room;
	uint64_t count[EVENTS];
};

static const struct {
	const char *name;
	int priority;
	const char *id;
} events[] = {
#define EVENT(symbol, name, priority, id) [EV_##symbol] = { name, priority, id },
#include "daemon/core/event.def"
#undef EVENT
};

const char *event_name(enum event e)
{
	return events[e].name;
}

uint64_t audit_count(const struct audit *a, enum event e)
{
	return a->count[e];
}

struct err *audit_new(struct store *store, struct audit **ret_audit)
{
	AUTO(audit) struct audit *a = xcalloc(1, sizeof(*a));

	a->store = store;
	TRY(store_audit_head(store, &a->head));
	a->committed = a->head;
	*ret_audit = take(a);
	return NULL;
}

static void pending_clear(struct pending *p)
{
	free(p->actor);
	free(p->purpose);
	free(p->reader);
	free(p->error);
	free(p->text);
	free(p->request);
	free(p->credential);
	free(p->device);
	free(p->holder);
	free(p->card);
	free(p->card_name);
	free(p->operator_uid);
}

static void forget(struct audit *a, size_t from)
{
	while (a->n_pending > from)
		pending_clear(&a->pending[--a->n_pending]);
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	forget(a, 0);
	free(a->pending);
	free(a->ca);
	free(a);
}

void audit_set_ca(struct audit *a, const char *issuer)
{
	free(a->ca);
	a->ca = issuer && *issuer ? xstrdup(issuer) : NULL;
}

/* --- writing --- */

static void put(struct buf *out, const void *data, size_t len)
{
	buf_add_u32(out, (uint32_t)len);
	buf_add(out, data, len);
}

static void put_u64(struct buf *out, uint64_t v)
{
	buf_add_u32(out, 8);
	buf_add_u64(out, v);
}

static void put_text(struct buf *out, const char *s)
{
	put(out, s ? s : "", s ? strlen(s) : 0);
}

static void put_id(struct buf *out, const uint8_t *id, size_t len)
{
	put(out, id, id_is_none(id, len) ? 0 : len);
}

static struct buf *encode(
	const struct audit_about *about, uint64_t sequence, int64_t now_ms, const char *text)
{
	struct buf *b = buf_new();

	put(b, &(uint8_t){ BODY_VERSION }, 1);
	put_u64(b, sequence);
	put_u64(b, (uint64_t)now_ms);
	put_text(b, events[about->event].name);
	put_text(b, about->actor ? about->actor : "derivd");
	put_id(b, about->request, ID_LEN);
	put_id(b, about->credential, ID_LEN);
	put_id(b, about->device, SHA256_LEN);
	put_id(b, about->holder, SHA256_LEN);
	put_text(b, purpose_name(about->purpose));
	put_text(b, about->reader);
	put_text(b, about->error);
	put_text(b, text);
	return b;
}

static void hash_row(const uint8_t before[static SHA256_LEN], struct bytes body,
	uint8_t ret_hash[static SHA256_LEN])
{
	const struct bytes parts[] = { BYTES(before, SHA256_LEN), body };

	sha256_labelled(SIG_AUDIT, parts, ARRAY_LEN(parts), ret_hash);
}

static char *hex_or_null(const uint8_t *id, size_t len)
{
	return id_is_none(id, len) ? NULL : text_hex(BYTES(id, len));
}

static char *dup_or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static char *operator_of(const struct audit_about *about)
{
	if (about->operator_uid)
		return xasprintf("%" PRIu32, *about->operator_uid);
	return about->actor && text_starts(about->actor, "uid ") ? xstrdup(about->actor + 4) : NULL;
}

static void keep_for_journal(struct audit *a, const struct audit_about *about, const char *text)
{
	if (a->n_pending == a->room) {
		a->room = a->room ? a->room * 2 : 16;
		a->pending = xrealloc(a->pending, a->room, sizeof(*a->pending));
	}
	a->pending[a->n_pending++] = (struct pending){
		.event = about->event,
		.actor = xstrdup(about->actor ? about->actor : "derivd"),
		.purpose = dup_or_null(purpose_name(about->purpose)),
		.reader = dup_or_null(about->reader),
		.error = dup_or_null(about->error),
		.text = xstrdup(text),
		.request = hex_or_null(about->request, ID_LEN),
		.credential = hex_or_null(about->credential, ID_LEN),
		.device = hex_or_null(about->device, SHA256_LEN),
		.holder = hex_or_null(about->holder, SHA256_LEN),
		.card = hex_or_null(about->card, SHA256_LEN),
		.card_name = dup_or_null(about->card_name),
		.operator_uid = operator_of(about),
		.sequence = a->head.sequence,
	};
}

struct err *audit_add(struct audit *a, const struct audit_about *about, const char *fmt, ...)
{
	char raw[AUDIT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	/* Foreign text (a device's reason, a certificate's name) is in it; a row shows no control characters. */
	AUTO_MEM char *text = text_safe(BYTES(raw, strlen(raw)));
	int64_t now = clock_real_ms();
	struct audit_link next = { .sequence = a->head.sequence + 1 };
	AUTO(buf) struct buf *body = encode(about, next.sequence, now, text);

	hash_row(a->head.hash, buf_bytes(body), next.hash);
	next.newest_ms = now > a->head.newest_ms ? now : a->head.newest_ms;
	TRY(store_audit_append(a->store, &next, buf_bytes(body), about->request, about->device));
	a->head = next;
	keep_for_journal(a, about, text);
	return NULL;
}

/* --- turns --- */

void audit_mark(struct audit *a)
{
	a->marked = a->head;
	a->n_marked = a->n_pending;
}

void audit_undo(struct audit *a)
{
	a->head = a->marked;
	forget(a, a->n_marked);
}

static void mirror(const struct audit *a, const struct pending *p)
{
	char sequence[24];

	snprintf(sequence, sizeof(sequence), "%" PRIu64, p->sequence);
	const struct log_field fields[] = {
		{ "EVENT", events[p->event].name },
		{ "ACTOR", p->actor },
		{ "REQUEST", p->request },
		{ "CREDENTIAL", p->credential },
		{ "DEVICE", p->device },
		{ "HOLDER", p->holder },
		{ "PURPOSE", p->purpose },
		{ "READER", p->reader },
		{ "OPERATOR", p->operator_uid },
		{ "CARD", p->card },
		{ "CARD_SERIAL_HASH", p->card_name },
		{ "CA", a->ca },
		{ "ERROR_KIND", p->error },
		{ "AUDIT", sequence },
		{ NULL, NULL },
	};
	log_event(events[p->event].priority, events[p->event].id, fields, "%s: %s",
		events[p->event].name, p->text);
}

void audit_commit(struct audit *a)
{
	a->committed = a->head;
	for (size_t i = 0; i < a->n_pending; i++) {
		a->count[a->pending[i].event]++;
		mirror(a, &a->pending[i]);
	}
	forget(a, 0);
}

void audit_abandon(struct audit *a)
{
	a->head = a->committed;
	forget(a, 0);
}

const struct audit_link *audit_head(const struct audit *a)
{
	return &a->committed;
}

/* --- checks --- */

struct err *audit_check_clock(const struct audit *a)
{
	int64_t now = clock_real_ms();

	if (now + AUDIT_CLOCK_SLACK_MS >= a->committed.newest_ms)
		return NULL;
	AUTO_MEM char *is = text_time(now);
	AUTO_MEM char *newest = text_time(a->committed.newest_ms);
	return err_new(
		&ERR_CLOCK_BEHIND, "the clock says %s, the newest audit row is of %s", is, newest);
}

struct err *audit_check_seen(const struct audit *a, uint64_t sequence, struct bytes hash)
{
	uint8_t ours[SHA256_LEN];

	if (sequence == 0)
		return NULL;
	if (sequence > a->committed.sequence)
		return err_new(&ERR_WRONG_STATE,
			"derivd-ca has seen audit row %" PRIu64 ", the store ends at %" PRIu64
			": it was rolled back or rows are lost",
			sequence, a->committed.sequence);
	struct err *e = store_audit_hash(a->store, sequence, ours);
	if (err_is(e, &ERR_NO_SUCH))
		return err_as(&ERR_WRONG_STATE, e, "derivd-ca has seen a row that is gone");
	TRY(e);
	if (!bytes_eq(BYTES(ours, SHA256_LEN), hash))
		return err_new(&ERR_WRONG_STATE,
			"audit row %" PRIu64
			" is not the one that derivd-ca has seen: the store was changed",
			sequence);
	return NULL;
}

/* One row after another; *sequence and before are the row before, and become this one. */
static struct err *check_rows(
	const struct rows *rows, uint64_t *sequence, uint8_t before[static SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];

	for (size_t i = 0; i < rows->n; i++) {
		const struct audit_stored *row = rows->row[i];
		if (row->sequence != *sequence + 1)
			return err_new(&ERR_STORE, "audit row %" PRIu64 " is missing", *sequence + 1);
		hash_row(before, buf_bytes(row->body), hash);
		if (memcmp(hash, row->hash, SHA256_LEN) != 0)
			return err_new(
				&ERR_STORE, "audit row %" PRIu64 " was changed", row->sequence);
		memcpy(before, hash, SHA256_LEN);
		*sequence = row->sequence;
	}
	return NULL;
}

struct err *audit_check_tail(const struct audit *a, unsigned int n)
{
	uint64_t first = a->committed.sequence > n ? a->committed.sequence - n : 0;
	struct filter f = { .after = first, .most = n };
	AUTO(rows) struct rows *rows = NULL;
	uint8_t before[SHA256_LEN] = { 0 };

	if (first)
		TRY(store_audit_hash(a->store, first, before));
	TRY(store_audit_list(a->store, &f, &rows));
	return check_rows(rows, &first, before);
}

struct err *audit_check_all(const struct audit *a)
{
	struct filter f = { .most = CHECK_PAGE };
	uint8_t before[SHA256_LEN] = { 0 };

	while (f.after < a->committed.sequence) {
		AUTO(rows) struct rows *rows = NULL;

		TRY(store_audit_list(a->store, &f, &rows));
		if (!rows->n)
			return err_new(&ERR_STORE, "audit row %" PRIu64 " is missing", f.after + 1);
		TRY(check_rows(rows, &f.after, before));
	}
	return NULL;
}
