/* control_stream.c: audit rows as they are committed, for whoever watches. A slow reader gets them later. */
#include "base/log.h"
#include "daemon/core/control_client.h"
#include "daemon/core/mail.h"

#define STREAM_PAGE 32

/* Done first; the rows follow from the commit on. */
struct err *control_watch(struct client *t, const struct caller *who, const Control__Watch *m)
{
	struct core *c = t->control->core;

	t->whole = !*m->request;
	if (!t->whole)
		TRY(store_find(c->store, TABLE_REQUEST, m->request, t->request));
	t->after = m->after;
	t->streams = true;
	mail_done(c, who->number, who->serial);
	return NULL;
}

static struct err *send_page(struct client *t, bool *ret_more)
{
	const struct core *c = t->control->core;
	uint64_t committed = audit_head(c->audit)->sequence;
	struct filter f = {
		.request = t->whole ? NULL : t->request, .after = t->after, .most = STREAM_PAGE
	};
	AUTO(rows) struct rows *rows = NULL;

	*ret_more = false;
	TRY(store_audit_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct audit_stored *row = rows->row[i];
		Control__AuditRow *m = NULL;
		/* A turn may be open: what it wrote has not happened yet. */
		if (row->sequence > committed)
			return NULL;
		TRY(control_audit_row(row, &m));
		link_send(t->link, MSG_AUDIT_ROW, 0, m);
		control_audit_row_free(m);
		t->after = row->sequence;
	}
	*ret_more = rows->n == STREAM_PAGE;
	return NULL;
}

void control_stream(struct client *t)
{
	bool more = t->streams && link_is_ready(t->link);

	while (more && !link_is_full(t->link)) {
		struct err *e = send_page(t, &more);
		if (!e)
			continue;
		link_send_error(t->link, 0, e);
		log_error(e, "a stream of audit rows ends");
		t->streams = false;
		more = false;
	}
}

void control_committed(struct control *t)
{
	for (struct client *i = t->client; i; i = i->next)
		control_stream(i);
}
