/* control_metrics.c: what monitoring asks for: counts, ages, ends of certificates. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/proc.h"
#include "daemon/core/control.h"
#include "daemon/core/mail.h"
#include "daemon/core/metrics.h"
#include "daemon/core/presence.h"

/* Rows of a reply, for as long as it is made. Names are lent: they are all of tables. */
struct reply {
	Control__MetricsReply m;
	struct store_counts counts;
	Control__Count request[REQUEST_STATES], credential[CREDENTIAL_STATES],
		device[DEVICE_STATES];
	Control__Count job[JOB_WHATS][JOB_STATES], event[EVENTS];
	Control__QueueCount queue[JOB_WHATS];
	Control__ErrorCount error[METRICS_ERRORS_MAX];
	Control__Durations issuance, took[JOB_WHATS];
	/* What the lists of the messages point to. */
	Control__Count *requests[REQUEST_STATES], *credentials[CREDENTIAL_STATES],
		*devices[DEVICE_STATES];
	Control__Count *jobs[JOB_WHATS][JOB_STATES], *events[EVENTS];
	Control__QueueCount *queues[JOB_WHATS];
	Control__ErrorCount *errors[METRICS_ERRORS_MAX];
	Control__Durations *tooks[JOB_WHATS];
};

static char *lend(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void count(Control__Count *row, const char *name, uint64_t n, Control__Count **ret_at)
{
	control__count__init(row);
	row->name = lend(name);
	row->n = n;
	*ret_at = row;
}

static void fill_states(struct reply *r)
{
	for (unsigned int i = 0; i < REQUEST_STATES; i++)
		count(&r->request[i], request_state_name((enum request_state)i),
			r->counts.request[i], &r->requests[i]);
	for (unsigned int i = 0; i < CREDENTIAL_STATES; i++)
		count(&r->credential[i], credential_state_name((enum credential_state)i),
			r->counts.credential[i], &r->credentials[i]);
	for (unsigned int i = 0; i < DEVICE_STATES; i++)
		count(&r->device[i], device_state_name((enum device_state)i), r->counts.device[i],
			&r->devices[i]);
	r->m.requests = r->requests;
	r->m.n_requests = REQUEST_STATES;
	r->m.credentials = r->credentials;
	r->m.n_credentials = CREDENTIAL_STATES;
	r->m.devices = r->devices;
	r->m.n_devices = DEVICE_STATES;
}

static struct err *fill_queue(struct reply *r, struct core *c)
{
	int64_t now = clock_real_ms();

	for (unsigned int w = 0; w < JOB_WHATS; w++) {
		Control__QueueCount *q = &r->queue[w];
		int64_t oldest = 0;
		control__queue_count__init(q);
		for (unsigned int s = 0; s < JOB_STATES; s++)
			count(&r->job[w][s], job_state_name((enum job_state)s), r->counts.job[w][s],
				&r->jobs[w][s]);
		TRY(store_job_oldest(c->store, (enum job_what)w, &oldest));
		q->what = lend(job_what_name((enum job_what)w));
		q->states = r->jobs[w];
		q->n_states = JOB_STATES;
		q->oldest_ms = oldest && now > oldest ? now - oldest : 0;
		r->queues[w] = q;
	}
	r->m.queue = r->queues;
	r->m.n_queue = JOB_WHATS;
	return NULL;
}

static void fill_events(struct reply *r, const struct core *c)
{
	for (unsigned int e = 0; e < EVENTS; e++)
		count(&r->event[e], event_name((enum event)e), audit_count(c->audit, (enum event)e),
			&r->events[e]);
	r->m.events = r->events;
	r->m.n_events = EVENTS;
}

static void fill_errors(struct reply *r, const struct metrics *m)
{
	for (size_t i = 0; i < m->n_errors; i++) {
		control__error_count__init(&r->error[i]);
		r->error[i].where = lend(metrics_where_name(m->errors[i].where));
		r->error[i].kind = lend(m->errors[i].kind->name);
		r->error[i].n = m->errors[i].n;
		r->errors[i] = &r->error[i];
	}
	r->m.errors = r->errors;
	r->m.n_errors = m->n_errors;
}

/* protobuf-c has no const; the packer only reads. */
static void fill_took(Control__Durations *row, const char *what, const struct durations *d)
{
	control__durations__init(row);
	row->what = lend(what);
	row->most_ms = (uint64_t *)(uintptr_t)METRICS_MOST_MS;
	row->n_most_ms = METRICS_BUCKETS;
	row->n = (uint64_t *)(uintptr_t)d->n;
	row->n_n = METRICS_BUCKETS + 1;
	row->sum_ms = d->sum_ms;
}

static void fill_durations(struct reply *r, const struct metrics *m)
{
	fill_took(&r->issuance, "issuance", &m->issuance);
	r->m.issuance = &r->issuance;
	for (unsigned int w = 0; w < JOB_WHATS; w++) {
		if (w == JOB_DELIVER)
			continue;
		fill_took(&r->took[w], job_what_name((enum job_what)w), &m->job[w]);
		r->tooks[r->m.n_jobs++] = &r->took[w];
	}
	r->m.jobs = r->tooks;
}

static void fill_numbers(
	Control__MetricsReply *m, const struct core *c, const struct control_facts *facts)
{
	AUTO(err) struct err *no = core_may_issue(c);

	m->version = lend(PACKAGE_VERSION);
	m->build = lend(proc_build_id());
	m->run = c->run;
	m->started_ms = c->started_ms;
	m->schema = store_get_schema(c->store);
	m->audit_rows = audit_head(c->audit)->sequence;
	m->issuing = !no;
	m->ca_reachable = c->ca.reachable;
	m->gateway_connected = facts->gateway_connected;
	m->devices_connected = (uint32_t)presence_count(c->presence);
	m->ca_connections = facts->ca_connections;
	m->ca_connections_ready = facts->ca_ready;
	m->ca_asked = facts->ca_asked;
	m->ca_not_after_ms = c->ca.issuer_not_after_ms;
	m->crl_this_update_ms = c->ca.crl_this_update_ms;
	m->crl_next_update_ms = c->ca.crl_next_update_ms;
	m->root_crl_next_update_ms = c->ca.root_crl_next_update_ms;
	m->gateway_not_after_ms = facts->gateway_not_after_ms;
	m->ca_certificates = c->ca.certificates;
	m->ca_revoked = c->ca.revoked;
}

struct err *control_metrics(
	struct core *c, const struct caller *who, const struct control_facts *facts)
{
	AUTO_MEM struct reply *r = xcalloc(1, sizeof(*r));

	control__metrics_reply__init(&r->m);
	TRY(store_count_all(c->store, &r->counts));
	TRY(store_size(c->store, &r->m.store_bytes, &r->m.store_free_bytes));
	TRY(store_backup_get(c->store, &r->m.backup_ms));
	fill_numbers(&r->m, c, facts);
	fill_states(r);
	TRY(fill_queue(r, c));
	fill_events(r, c);
	fill_errors(r, c->metrics);
	fill_durations(r, c->metrics);
	mail_caller(c, who->number, MSG_METRICS_REPLY, who->serial, &r->m);
	return NULL;
}
