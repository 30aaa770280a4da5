/* control_rows.c: requests, devices and credentials as people see them. */
#include <stdlib.h>

#include "daemon/core/page.h"
#include "daemon/core/presence.h"

/* The credentials of one request or device, with it. */
#define WITH_IT_MAX 32

static struct err *holder_name(struct page *p, const uint8_t *holder, char **ret_name)
{
	char *name = NULL;

	TRY(store_holder_name(p->core->store, holder, &name));
	*ret_name = page_keep(p, name ? name : xstrdup(""));
	return NULL;
}

/* --- credentials --- */

static struct err *credential_row(
	struct page *p, const struct credential *k, bool whole, Control__CredentialRow **ret_row)
{
	Control__CredentialRow *r = page_keep(p, xcalloc(1, sizeof(*r)));
	AUTO(papers) struct papers *papers = NULL;

	control__credential_row__init(r);
	TRY(holder_name(p, k->holder, &r->holder));
	r->id = page_hex(p, k->id, ID_LEN);
	r->purpose = page_lend(purpose_name(k->purpose));
	r->state = page_lend(credential_state_name(k->state));
	r->device = page_hex(p, k->device, SHA256_LEN);
	r->request = page_hex(p, k->request, ID_LEN);
	r->serial = page_copy(p, k->serial);
	r->not_before_ms = k->not_before_ms;
	r->not_after_ms = k->not_after_ms;
	r->profile = page_copy(p, k->profile);
	r->cause = page_shown(p, k->cause);
	*ret_row = r;
	if (!whole)
		return NULL;
	TRY(store_papers_get(p->core->store, k->id, &papers));
	if (papers->certificate) {
		r->certificate.len = buf_len(papers->certificate);
		r->certificate.data = page_keep(p, bytes_dup(buf_bytes(papers->certificate)));
	}
	return NULL;
}

static struct err *credential_rows(struct page *p, const struct filter *f, bool whole,
	size_t *ret_n, Control__CredentialRow ***ret_list, uint64_t *ret_last)
{
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(p->core->store, f, &rows));
	*ret_list = page_keep(p, xcalloc(rows->n + 1, sizeof(**ret_list)));
	for (size_t i = 0; i < rows->n; i++) {
		const struct credential *k = rows->row[i];
		TRY(credential_row(p, k, whole, &(*ret_list)[i]));
		*ret_last = k->n;
	}
	*ret_n = rows->n;
	return NULL;
}

struct err *page_credentials(struct page *p, const struct filter *f)
{
	TRY(credential_rows(
		p, f, false, &p->rows.n_credentials, &p->rows.credentials, &p->rows.next));
	page_end(p, p->rows.n_credentials, f);
	return NULL;
}

struct err *page_credential(struct page *p, const uint8_t *id)
{
	AUTO(credential) struct credential *k = NULL;

	TRY(store_credential_get(p->core->store, id, &k));
	p->rows.credentials = page_keep(p, xcalloc(1, sizeof(*p->rows.credentials)));
	p->rows.n_credentials = 1;
	return credential_row(p, k, true, &p->rows.credentials[0]);
}

/* --- requests --- */

static struct err *request_row(
	struct page *p, const struct request *r, bool whole, Control__RequestRow **ret_row)
{
	Control__RequestRow *m = page_keep(p, xcalloc(1, sizeof(*m)));
	const struct filter f = { .request = r->id, .most = WITH_IT_MAX };
	const char *state = NULL;
	uint64_t last = 0;

	control__request_row__init(m);
	TRY(request_shown_state(p->core, r, &state));
	m->id = page_hex(p, r->id, ID_LEN);
	m->state = page_lend(state);
	m->operation = page_lend(operation_name(r->operation));
	m->holder = page_copy(p, r->name);
	m->device = page_hex(p, r->device, SHA256_LEN);
	m->reader = page_copy(p, r->reader);
	m->operator_ = page_keep(p, session_actor(r->uid));
	m->created_ms = r->created_ms;
	m->changed_ms = r->changed_ms;
	m->cause = page_shown(p, r->cause);
	*ret_row = m;
	return whole ? credential_rows(p, &f, false, &m->n_credentials, &m->credentials, &last)
		     : NULL;
}

struct err *page_requests(struct page *p, const struct filter *f)
{
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_request_list(p->core->store, f, &rows));
	p->rows.requests = page_keep(p, xcalloc(rows->n + 1, sizeof(*p->rows.requests)));
	p->rows.n_requests = rows->n;
	for (size_t i = 0; i < rows->n; i++) {
		const struct request *r = rows->row[i];
		TRY(request_row(p, r, false, &p->rows.requests[i]));
		p->rows.next = r->n;
	}
	page_end(p, rows->n, f);
	return NULL;
}

struct err *page_request(struct page *p, const uint8_t *id)
{
	AUTO(request) struct request *r = NULL;

	TRY(store_request_get(p->core->store, id, &r));
	p->rows.requests = page_keep(p, xcalloc(1, sizeof(*p->rows.requests)));
	p->rows.n_requests = 1;
	return request_row(p, r, true, &p->rows.requests[0]);
}

/* --- devices --- */

static struct err *device_row(
	struct page *p, const struct device *d, bool whole, Control__DeviceRow **ret_row)
{
	Control__DeviceRow *m = page_keep(p, xcalloc(1, sizeof(*m)));
	const struct filter f = { .device = d->id, .most = WITH_IT_MAX };
	uint64_t last = 0;

	control__device_row__init(m);
	TRY(holder_name(p, d->holder, &m->holder));
	TRY(store_item_waiting(p->core->store, d->id, &m->items_waiting));
	m->id = page_hex(p, d->id, SHA256_LEN);
	m->label = page_copy(p, d->label);
	m->platform = page_copy(p, d->platform);
	m->state = page_lend(device_state_name(d->state));
	m->connected = presence_find(p->core->presence, d->id) != NULL;
	m->enrolled_ms = d->enrolled_ms;
	m->seen_ms = d->seen_ms;
	m->last_number = d->last_number;
	m->pins_epoch = d->pins_epoch;
	*ret_row = m;
	return whole ? credential_rows(p, &f, false, &m->n_credentials, &m->credentials, &last)
		     : NULL;
}

struct err *page_devices(struct page *p, const struct filter *f)
{
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_device_list(p->core->store, f, &rows));
	p->rows.devices = page_keep(p, xcalloc(rows->n + 1, sizeof(*p->rows.devices)));
	p->rows.n_devices = rows->n;
	for (size_t i = 0; i < rows->n; i++) {
		const struct device *d = rows->row[i];
		TRY(device_row(p, d, false, &p->rows.devices[i]));
		p->rows.next = d->n;
	}
	page_end(p, rows->n, f);
	return NULL;
}

struct err *page_device(struct page *p, const uint8_t *id)
{
	AUTO(device) struct device *d = NULL;

	TRY(store_device_get(p->core->store, id, &d));
	if (!d)
		return err_new(&ERR_NO_SUCH, "no such device");
	p->rows.devices = page_keep(p, xcalloc(1, sizeof(*p->rows.devices)));
	p->rows.n_devices = 1;
	return device_row(p, d, true, &p->rows.devices[0]);
}
