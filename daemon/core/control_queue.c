/* control_queue.c: what waits, why, and what gets it going; the audit chain as rows. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/page.h"
#include "daemon/core/presence.h"

/* Of their size a page of so many always fits into one message. */
#define AUDIT_PAGE 64

/* --- the queue --- */

static bool is_revocation(const struct job *j)
{
	return j->what == JOB_REVOKE || j->what == JOB_REVOKE_DEVICE || j->what == JOB_CRL;
}

/* What holds up a job that nobody has tried yet. */
static char *waits_for(struct page *p, const struct job *j)
{
	const struct core *c = p->core;
	bool connected = presence_find(c->presence, j->device) != NULL;
	AUTO(err) struct err *no = NULL;

	if (j->what == JOB_DELIVER)
		return page_lend(
			connected ? "the device fetches it" : "the device is not connected");
	if (j->what == JOB_NOTICE)
		return page_lend("alike ones are gathered, and no one is told more often in an hour "
				 "than derivd.conf admits");
	if (!is_revocation(j))
		no = core_may_issue(c);
	if (no)
		return page_shown(p, err_get_text(no));
	if (!c->ca.reachable)
		return page_shown(p, c->ca.trouble);
	/* derivd-ca signs a device's items in the order of their numbers. */
	return page_lend(j->what == JOB_SIGN_ITEM && j->state == JOB_WAITING
				 ? "its turn comes after the device's earlier items"
				 : "");
}

/* What gets everything going again when nothing may be issued; NULL: it may. */
static const char *unblock_all(const struct core *c)
{
	AUTO(err) struct err *no = core_may_begin(c);

	if (!no)
		return NULL;
	return err_is(no, &ERR_CLOCK_BEHIND) ? "timedatectl set-time" : "derivctl audit verify";
}

/* The command that gets it going again, or what else does. */
static char *unblock(struct page *p, const struct job *j)
{
	AUTO_MEM char *id = text_hex(BYTES(j->id, ID_LEN));
	AUTO_MEM char *device = text_hex(BYTES(j->device, SHA256_LEN));
	const char *all = is_revocation(j) ? NULL : unblock_all(p->core);

	if (j->what == JOB_DELIVER && j->state == JOB_FAILED)
		return page_keep(p, xasprintf("derivctl issue --device %s --replace", device));
	if (j->what == JOB_DELIVER)
		return page_copy(p, "open the app on the device");
	if (j->state == JOB_LEASED)
		return page_copy(p, "");
	if (all)
		return page_copy(p, all);
	return page_keep(p, xasprintf("derivctl queue retry %s", id));
}

static void queue_row(struct page *p, const struct job *j, Control__QueueRow **ret_row)
{
	Control__QueueRow *m = page_keep(p, xcalloc(1, sizeof(*m)));
	int64_t ahead = j->next_boot_ms - clock_boot_ms();
	bool timed = j->state == JOB_RETRY || j->state == JOB_BLOCKED;

	control__queue_row__init(m);
	m->id = page_hex(p, j->id, ID_LEN);
	m->what = page_lend(job_what_name(j->what));
	m->state = page_lend(job_state_name(j->state));
	m->request = page_hex(p, j->request, ID_LEN);
	m->device = page_hex(p, j->device, SHA256_LEN);
	m->purpose = page_lend(purpose_name(j->purpose));
	m->attempts = j->attempts;
	m->next_ms = timed ? clock_real_ms() + (ahead > 0 ? ahead : 0) : 0;
	m->cause = j->cause ? page_shown(p, j->cause) : waits_for(p, j);
	m->unblock = unblock(p, j);
	m->number = j->number;
	*ret_row = m;
}

struct err *page_queue(struct page *p, const struct filter *f)
{
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_job_list(p->core->store, f, &rows));
	p->rows.queue = page_keep(p, xcalloc(rows->n + 1, sizeof(*p->rows.queue)));
	p->rows.n_queue = rows->n;
	for (size_t i = 0; i < rows->n; i++) {
		const struct job *j = rows->row[i];
		queue_row(p, j, &p->rows.queue[i]);
		p->rows.next = j->n;
	}
	page_end(p, rows->n, f);
	return NULL;
}

struct err *page_job(struct page *p, const uint8_t *id)
{
	AUTO(job) struct job *j = NULL;

	TRY(store_job_get(p->core->store, id, &j));
	if (!j)
		return err_new(&ERR_NO_SUCH, "no such job");
	p->rows.queue = page_keep(p, xcalloc(1, sizeof(*p->rows.queue)));
	p->rows.n_queue = 1;
	queue_row(p, j, &p->rows.queue[0]);
	return NULL;
}

/* --- audit --- */

static char *hex_dup(const uint8_t *id, size_t len)
{
	return id_is_none(id, len) ? xstrdup("") : text_hex(BYTES(id, len));
}

struct err *control_audit_row(const struct audit_stored *stored, Control__AuditRow **ret_row)
{
	AUTO(audit_row) struct audit_row *row = NULL;

	TRY(audit_parse(buf_bytes(stored->body), &row));
	Control__AuditRow *m = xcalloc(1, sizeof(*m));
	control__audit_row__init(m);
	m->sequence = stored->sequence;
	m->when_ms = row->when_ms;
	m->event = take(row->event);
	m->text = take(row->text);
	m->actor = take(row->actor);
	m->request = hex_dup(row->request, ID_LEN);
	m->device = hex_dup(row->device, SHA256_LEN);
	m->credential = hex_dup(row->credential, ID_LEN);
	m->hash.len = SHA256_LEN;
	m->hash.data = bytes_dup(BYTES(stored->hash, SHA256_LEN));
	m->body.len = buf_len(stored->body);
	m->body.data = bytes_dup(buf_bytes(stored->body));
	*ret_row = m;
	return NULL;
}

void control_audit_row_free(Control__AuditRow *m)
{
	if (!m)
		return;
	free(m->event);
	free(m->text);
	free(m->actor);
	free(m->request);
	free(m->device);
	free(m->credential);
	free(m->hash.data);
	free(m->body.data);
	free(m);
}

struct err *page_audit(struct page *p, const struct filter *f)
{
	struct filter own = *f;
	AUTO(rows) struct rows *rows = NULL;

	if (own.most > AUDIT_PAGE)
		own.most = AUDIT_PAGE;
	TRY(store_audit_list(p->core->store, &own, &rows));
	p->rows.audit = page_keep(p, xcalloc(rows->n + 1, sizeof(*p->rows.audit)));
	for (size_t i = 0; i < rows->n; i++) {
		const struct audit_stored *row = rows->row[i];
		TRY(control_audit_row(row, &p->rows.audit[i]));
		p->rows.n_audit = i + 1;
		p->rows.next = row->sequence;
	}
	page_end(p, rows->n, &own);
	return NULL;
}
