/* control_list.c: List: which rows, from where on, or which one. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/core/mail.h"
#include "daemon/core/page.h"

#define CAUSE_MAX 250

void page_cleanup(struct page *p)
{
	for (size_t i = 0; i < p->rows.n_audit; i++)
		control_audit_row_free(p->rows.audit[i]);
	for (size_t i = 0; i < p->n_kept; i++)
		free(p->kept[i]);
	free(p->kept);
}

void *page_keep(struct page *p, void *take_it)
{
	if (p->n_kept == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->kept = xrealloc(p->kept, p->room, sizeof(*p->kept));
	}
	p->kept[p->n_kept++] = take_it;
	return take_it;
}

char *page_hex(struct page *p, const uint8_t *id, size_t len)
{
	return page_keep(p, id_is_none(id, len) ? xstrdup("") : text_hex(BYTES(id, len)));
}

char *page_copy(struct page *p, const char *text)
{
	return page_keep(p, xstrdup(text ? text : ""));
}

char *page_shown(struct page *p, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	return page_keep(p, text_safe(BYTES(text ? text : "", len > CAUSE_MAX ? CAUSE_MAX : len)));
}

char *page_lend(const char *text)
{
	return (char *)(uintptr_t)(text ? text : "");
}

void page_end(struct page *p, size_t n, const struct filter *f)
{
	if (n < f->most)
		p->rows.next = 0;
}

/* Each kind: where its ids are, its page, its single row. */
static const struct kind {
	Control__What what;
	enum store_table table;
	struct err *(*page)(struct page *p, const struct filter *f);
	struct err *(*one)(struct page *p, const uint8_t *id);
} kinds[] = {
	{ CONTROL__WHAT__REQUESTS, TABLE_REQUEST, page_requests, page_request },
	{ CONTROL__WHAT__DEVICES, TABLE_DEVICE, page_devices, page_device },
	{ CONTROL__WHAT__CREDENTIALS, TABLE_CREDENTIAL, page_credentials, page_credential },
	{ CONTROL__WHAT__QUEUE, TABLE_JOB, page_queue, page_job },
	{ CONTROL__WHAT__AUDIT, TABLE_REQUEST, page_audit, NULL },
};

static const struct kind *find_kind(Control__What what)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].what == what)
			return &kinds[i];
	}
	return NULL;
}

static struct err *fill(struct page *p, const struct kind *kind, const Control__List *m)
{
	struct filter f = { .after = m->after, .most = m->most, .open_only = m->open_only };
	uint8_t id[SHA256_LEN], request[SHA256_LEN], device[SHA256_LEN];

	if (f.most < 1 || f.most > STORE_PAGE_MAX)
		f.most = STORE_PAGE_MAX;
	if (*m->id && kind->one) {
		TRY(store_find(p->core->store, kind->table, m->id, id));
		return kind->one(p, id);
	}
	if (*m->request) {
		TRY(store_find(p->core->store, TABLE_REQUEST, m->request, request));
		f.request = request;
	}
	if (*m->device) {
		TRY(store_find(p->core->store, TABLE_DEVICE, m->device, device));
		f.device = device;
	}
	return kind->page(p, &f);
}

struct err *control_list(struct core *c, const struct caller *who, const Control__List *m)
{
	AUTO_PAGE struct page p = { .core = c };
	const struct kind *kind = find_kind(m->what);

	if (!kind)
		return err_new(&ERR_PROTOCOL, "nothing to list was named");
	control__rows__init(&p.rows);
	TRY(fill(&p, kind, m));
	mail_caller(c, who->number, MSG_ROWS, who->serial, &p.rows);
	return NULL;
}
