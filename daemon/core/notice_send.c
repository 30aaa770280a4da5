/* notice_send.c: what derivd-courier is asked to tell, how often, and what came of it. See notice.h. */
#include "daemon/core/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/core/mail.h"
#include "daemon/core/outbox.h"

#define PURPOSES_MAX 8

static const char *kind_word(unsigned int kind)
{
	static const char *const words[] = {
		[COURIER__NOTICE_KIND__ISSUED] = "issued",
		[COURIER__NOTICE_KIND__EXPIRING] = "about to expire",
		[COURIER__NOTICE_KIND__REVOKED] = "revoked",
		[COURIER__NOTICE_KIND__DEVICE_REVOKED] = "device revoked",
		[COURIER__NOTICE_KIND__OPERATORS] = "troubles",
	};

	return kind < ARRAY_LEN(words) && words[kind] ? words[kind] : "";
}

/* " (authentication, signing)", or nothing for a notice that is about no credential. */
static char *of_purposes(unsigned int purposes)
{
	AUTO(buf) struct buf *text = buf_new();

	for (unsigned int p = 1; p <= PURPOSES_MAX; p++) {
		if (purposes & 1U << p)
			buf_addf(text, "%s%s", buf_len(text) ? ", " : " (",
				purpose_name((Common__Purpose)p));
	}
	if (buf_len(text))
		buf_addf(text, ")");
	return xstrdup(buf_str(text));
}

struct err *notice_audit(struct core *c, enum event event, const struct notice *n,
	const char *error, const char *text)
{
	const struct audit_about about = {
		.event = event,
		.actor = "derivd-courier",
		.request = n->request,
		.device = n->device,
		.holder = n->holder,
		.error = error,
	};

	AUTO_MEM char *of = of_purposes(n->purposes);

	return audit_add(c->audit, &about, "notice \"%s\"%s to %s: %s", kind_word(n->kind), of,
		id_is_none(n->holder, SHA256_LEN) ? "operators" : "the holder", text);
}

/* --- sending --- */

/*
 * Who was told often enough in the last hour is told of the rest later, in as few notices as that then makes. An hour in the
 * future counts, too: a clock that was set back a little is no leave for a flood. What lies further ahead was sent by a clock
 * that was wrong, and holds nobody up.
 */
static struct err *is_too_often(struct core *c, const struct notice *n, int64_t *ret_wait_ms)
{
	int64_t now = clock_real_ms(), first = 0;
	uint64_t told = 0;

	*ret_wait_ms = 0;
	TRY(store_notice_told(
		c->store, n->holder, now - NOTICE_HOUR_MS, now + NOTICE_HOUR_MS, &told, &first));
	if (told >= c->settings->notices_per_hour)
		*ret_wait_ms = first + NOTICE_HOUR_MS - now + 1000;
	return NULL;
}

/* In the journal once in ten minutes, whoever it is about. */
static void say_later(struct core *c, const struct notice *n)
{
	int64_t now = clock_boot_ms();

	if (c->channels.later_boot_ms && now - c->channels.later_boot_ms < NOTICE_SAY_MS)
		return;
	c->channels.later_boot_ms = now;
	log_note(NOTE_NOTICE_LATER, NULL,
		"%s told %u times within an hour (notices-per-hour in derivd.conf): the rest is "
		"told later",
		id_is_none(n->holder, SHA256_LEN) ? "operators were" : "a holder was",
		c->settings->notices_per_hour);
}

static struct err *start_one(struct core *c, struct job *j)
{
	AUTO(notice) struct notice *n = NULL;
	int64_t wait = 0;

	TRY(store_notice_get(c->store, j->id, &n));
	if (!n)
		return store_job_done(c->store, j->id);
	TRY(is_too_often(c, n, &wait));
	if (!wait)
		return outbox_ask_one(c, j);
	say_later(c, n);
	j->state = JOB_WAITING;
	j->attempts--;
	j->next_boot_ms = clock_boot_ms() + wait;
	return store_job_put(c->store, j);
}

struct err *notice_pump(struct core *c, unsigned int *ret_leased)
{
	AUTO(rows) struct rows *jobs = NULL;
	const struct lease lease = {
		.boot_id = c->boot_id,
		.run = c->run,
		.now_boot_ms = clock_boot_ms(),
		.most = 1,
		.notices = true,
	};

	TRY(store_job_lease(c->store, &lease, &jobs));
	for (size_t i = 0; i < jobs->n; i++)
		TRY(start_one(c, jobs->row[i]));
	*ret_leased = (unsigned int)jobs->n;
	return NULL;
}

static struct err *get_receipt(
	struct core *c, const struct notice *n, ProtobufCMessage **ret_receipt)
{
	AUTO(buf) struct buf *receipt = NULL;

	if (id_is_none(n->request, ID_LEN))
		return NULL;
	TRY(store_evidence_get(c->store, n->request, NULL, &receipt));
	if (!receipt)
		return err_new(&ERR_INTERNAL, "the receipt is missing");
	return msg_parse_type(&common__signed__descriptor, buf_bytes(receipt), ret_receipt);
}

static size_t list_purposes(const struct notice *n, Common__Purpose *ret_purposes)
{
	size_t count = 0;

	for (unsigned int p = 1; p <= PURPOSES_MAX; p++) {
		if (n->purposes & 1U << p)
			ret_purposes[count++] = (Common__Purpose)p;
	}
	return count;
}

static void send(struct core *c, const struct notice *n, Common__Signed *receipt,
	const struct rows *troubles)
{
	Courier__Notice m = COURIER__NOTICE__INIT;
	Courier__Trouble *list = xcalloc(troubles->n + 1, sizeof(*list));
	Courier__Trouble **lent = xcalloc(troubles->n + 1, sizeof(*lent));
	Common__Purpose purposes[PURPOSES_MAX];
	struct ask ask = { .kind = ASK_NOTICE };

	for (size_t i = 0; i < troubles->n; i++) {
		const struct trouble *t = troubles->row[i];
		courier__trouble__init(&list[i]);
		list[i].event = t->event;
		list[i].error = t->error;
		list[i].count = t->n;
		lent[i] = &list[i];
	}
	m.id = pb_lend(BYTES(n->id, ID_LEN));
	m.kind = (Courier__NoticeKind)n->kind;
	m.receipt = receipt;
	m.n_purposes = list_purposes(n, purposes);
	m.purposes = purposes;
	m.when_ms = n->when_ms;
	m.reason = n->reason;
	m.n_troubles = troubles->n;
	m.troubles = lent;
	m.mailed = n->mailed;
	m.hooked = n->hooked;
	memcpy(ask.id, n->id, ID_LEN);
	mail_ask(c, &ask, MSG_NOTICE_SEND, &m);
	free(list);
	free(lent);
}

struct err *notice_ask(struct core *c, const struct job *j)
{
	AUTO(notice) struct notice *n = NULL;
	AUTO(rows) struct rows *troubles = NULL;
	AUTO_MSG ProtobufCMessage *receipt = NULL;

	TRY(store_notice_get(c->store, j->id, &n));
	if (!n)
		return err_new(&ERR_INTERNAL, "the notice is missing");
	TRY(get_receipt(c, n, &receipt));
	TRY(store_trouble_list(c->store, n->id, &troubles));
	send(c, n, (Common__Signed *)receipt, troubles);
	return NULL;
}

struct err *notice_done(
	struct core *c, const struct job *j, const Courier__Noticed *m, struct err **ret_owed)
{
	AUTO(notice) struct notice *n = NULL;

	TRY(store_notice_get(c->store, j->id, &n));
	if (!n)
		return NULL;
	n->mailed = n->mailed || m->mailed;
	n->hooked = n->hooked || m->hooked;
	n->sent_ms = m->trouble ? 0 : clock_real_ms();
	TRY(store_notice_put(c->store, n));
	*ret_owed = m->trouble ? kind_from_wire(m->trouble) : NULL;
	if (m->trouble)
		return NULL;
	return notice_audit(c, EV_NOTICE_SENT, n, NULL,
		n->mailed && n->hooked ? "sent by mail and by command"
		: n->mailed            ? "sent by mail"
				       : "sent by command");
}

struct err *notice_nobody(struct core *c, const struct job *j, const struct err *why)
{
	AUTO(notice) struct notice *n = NULL;

	TRY(store_notice_get(c->store, j->id, &n));
	if (!n)
		return NULL;
	/* Told to nobody it is over, and is forgotten with the others. */
	n->sent_ms = clock_real_ms();
	TRY(store_notice_put(c->store, n));
	notice_ask_channels(c);
	AUTO_MEM char *text = xasprintf("NOBODY IS TOLD, %s", err_get_text(why));
	return notice_audit(c, EV_NOTICE_NOBODY, n, err_get_kind(why)->name, text);
}

/* --- channels --- */

void notice_ask_channels(struct core *c)
{
	const struct ask ask = { .kind = ASK_CHANNELS };
	const Courier__Channels m = COURIER__CHANNELS__INIT;

	mail_ask(c, &ask, MSG_NOTICE_CHANNELS, &m);
}

struct err *notice_channels(struct core *c, const struct answer *a)
{
	const Courier__ChannelsReply *m = a->body;
	struct channels *ch = &c->channels;

	free(ch->text);
	/* Not known is not none: what is to be told waits, and the queue says for what. */
	ch->known = !a->error;
	ch->holders = m && m->holders;
	ch->operators = m && m->operators;
	ch->text = xstrdup(a->error ? err_get_text(a->error) : m->text);
	return NULL;
}
