/* render.c: see render.h. */
#include "client/metrics/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct out {
	struct buf *b;
	enum render_format format;
};

static bool is_open(const struct out *o)
{
	return o->format == RENDER_OPENMETRICS;
}

/* --- families and samples --- */

/* In OpenMetrics a counter's family is named without _total, an info's without _info; in the older format as their samples. */
static void family(struct out *o, const char *name, const char *type, const char *help)
{
	const char *suffix = "", *shown = type;

	if (strcmp(type, "counter") == 0 && !is_open(o))
		suffix = "_total";
	if (strcmp(type, "info") == 0 && !is_open(o)) {
		suffix = "_info";
		shown = "gauge";
	}
	buf_addf(o->b, "# HELP derivd_%s%s %s\n", name, suffix, help);
	buf_addf(o->b, "# TYPE derivd_%s%s %s\n", name, suffix, shown);
}

/* A label's value: a backslash before backslashes and quotes, and no line ends. */
static void label(struct out *o, const char *before, const char *name, const char *value)
{
	buf_addf(o->b, "%s%s=\"", before, name);
	for (const char *c = value; *c; c++) {
		if (*c == '\n')
			buf_add_str(o->b, "\\n");
		else if (*c == '"' || *c == '\\')
			buf_addf(o->b, "\\%c", *c);
		else
			buf_add_u8(o->b, (uint8_t)*c);
	}
	buf_add_str(o->b, "\"");
}

static void seconds(struct out *o, uint64_t ms)
{
	buf_addf(o->b, "%" PRIu64 ".%03u\n", ms / 1000, (unsigned int)(ms % 1000));
}

static void number(struct out *o, const char *name, const char *suffix, uint64_t v)
{
	buf_addf(o->b, "derivd_%s%s %" PRIu64 "\n", name, suffix, v);
}

static void gauge(struct out *o, const char *name, const char *help, uint64_t v)
{
	family(o, name, "gauge", help);
	number(o, name, "", v);
}

static void counter(struct out *o, const char *name, const char *help, uint64_t v)
{
	family(o, name, "counter", help);
	number(o, name, "_total", v);
}

/* A moment; nothing while it is not known. */
static void moment(struct out *o, const char *name, const char *help, int64_t ms)
{
	if (ms <= 0)
		return;
	family(o, name, "gauge", help);
	buf_addf(o->b, "derivd_%s ", name);
	seconds(o, (uint64_t)ms);
}

static void counts(struct out *o, const char *name, const char *suffix, const char *by,
	Control__Count *const *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(o->b, "derivd_%s%s", name, suffix);
		label(o, "{", by, row[i]->name);
		buf_addf(o->b, "} %" PRIu64 "\n", row[i]->n);
	}
}

static void states(
	struct out *o, const char *name, const char *help, Control__Count *const *row, size_t n)
{
	family(o, name, "gauge", help);
	counts(o, name, "", "state", row, n);
}

/* The lines of one histogram; what is NULL where there is one only. */
static void histogram(
	struct out *o, const char *name, const char *what, const Control__Durations *d)
{
	uint64_t so_far = 0;

	for (size_t i = 0; i < d->n_n && i <= d->n_most_ms; i++) {
		so_far += d->n[i];
		buf_addf(o->b, "derivd_%s_bucket", name);
		if (what)
			label(o, "{", "kind", what);
		buf_add_str(o->b, what ? ",le=\"" : "{le=\"");
		if (i < d->n_most_ms)
			buf_addf(o->b, "%" PRIu64 ".%03u\"} ", d->most_ms[i] / 1000,
				(unsigned int)(d->most_ms[i] % 1000));
		else
			buf_add_str(o->b, "+Inf\"} ");
		buf_addf(o->b, "%" PRIu64 "\n", so_far);
	}
	for (int sum = 1; sum >= 0; sum--) {
		buf_addf(o->b, "derivd_%s_%s", name, sum ? "sum" : "count");
		if (what) {
			label(o, "{", "kind", what);
			buf_add_str(o->b, "}");
		}
		buf_add_str(o->b, " ");
		if (sum)
			seconds(o, d->sum_ms);
		else
			buf_addf(o->b, "%" PRIu64 "\n", so_far);
	}
}

/* --- what there is --- */

static void add_program(struct out *o, const Control__MetricsReply *m)
{
	family(o, "build", "info", "Version and build id of derivd.");
	buf_add_str(o->b, "derivd_build_info");
	label(o, "{", "version", m->version);
	label(o, ",", "build", m->build);
	buf_add_str(o->b, "} 1\n");
	moment(o, "start_time_seconds", "When derivd was started.", m->started_ms);
	counter(o, "starts", "How often derivd was started with this store.", m->run);
	gauge(o, "schema_version", "Version of the store's schema.", m->schema);
	gauge(o, "store_size_bytes", "Size of the database with its log.", m->store_bytes);
	gauge(o, "store_available_bytes", "What is free on the disk of the store.",
		m->store_free_bytes);
	gauge(o, "issuing",
		"1: nothing stands against issuing. 0: the audit chain, the clock or derivd-ca "
		"does.",
		m->issuing);
	gauge(o, "gateway_connected", "1 while derivd-gateway is connected to derivd.",
		m->gateway_connected);
	gauge(o, "devices_connected", "Connections of devices.", m->devices_connected);
	moment(o, "gateway_certificate_expiry_timestamp_seconds",
		"When the TLS certificate of derivd-gateway ends.", m->gateway_not_after_ms);
}

static void add_ca(struct out *o, const Control__MetricsReply *m)
{
	gauge(o, "ca_reachable", "1 while derivd-ca answers.", m->ca_reachable);
	gauge(o, "ca_connections", "Connections to derivd-ca, each a process of it.",
		m->ca_connections_ready);
	gauge(o, "ca_connections_wanted", "How many there should be.", m->ca_connections);
	gauge(o, "ca_requests_in_flight", "Questions that derivd-ca has not answered yet.",
		m->ca_asked);
	if (m->ca_not_after_ms <= 0)
		return;
	counter(o, "ca_certificates", "Certificates in the log of derivd-ca.", m->ca_certificates);
	counter(o, "ca_revoked", "Revoked ones of them.", m->ca_revoked);
	moment(o, "ca_certificate_expiry_timestamp_seconds",
		"When the certificate of the issuing CA ends.", m->ca_not_after_ms);
	moment(o, "crl_this_update_timestamp_seconds", "When the newest CRL of derivd-ca was made.",
		m->crl_this_update_ms);
	moment(o, "crl_next_update_timestamp_seconds",
		"Until when the newest CRL of derivd-ca may be relied on.", m->crl_next_update_ms);
	moment(o, "root_crl_next_update_timestamp_seconds",
		"Until when the root's CRL may be relied on, which only a ceremony renews.",
		m->root_crl_next_update_ms);
}

static void add_queue(struct out *o, const Control__MetricsReply *m)
{
	family(o, "jobs", "gauge", "Entries of the queue, by kind and state.");
	for (size_t i = 0; i < m->n_queue; i++) {
		const Control__QueueCount *q = m->queue[i];
		for (size_t k = 0; k < q->n_states; k++) {
			buf_add_str(o->b, "derivd_jobs");
			label(o, "{", "kind", q->what);
			label(o, ",", "state", q->states[k]->name);
			buf_addf(o->b, "} %" PRIu64 "\n", q->states[k]->n);
		}
	}
	family(o, "job_oldest_age_seconds", "gauge",
		"Age of the oldest entry of each kind that has not failed; 0 when there is none.");
	for (size_t i = 0; i < m->n_queue; i++) {
		int64_t age = m->queue[i]->oldest_ms;
		buf_add_str(o->b, "derivd_job_oldest_age_seconds");
		label(o, "{", "kind", m->queue[i]->what);
		buf_add_str(o->b, "} ");
		seconds(o, age > 0 ? (uint64_t)age : 0);
	}
}

static void add_happened(struct out *o, const Control__MetricsReply *m)
{
	counter(o, "audit_rows", "Rows of the audit chain.", m->audit_rows);
	family(o, "events", "counter", "Rows of the audit chain since derivd's start, by event.");
	counts(o, "events", "_total", "event", m->events, m->n_events);
	family(o, "errors", "counter",
		"Errors since derivd's start: where they were handled (control, device, queue, "
		"derivd), "
		"and their kind.");
	for (size_t i = 0; i < m->n_errors; i++) {
		buf_add_str(o->b, "derivd_errors_total");
		label(o, "{", "source", m->errors[i]->where);
		label(o, ",", "kind", m->errors[i]->kind);
		buf_addf(o->b, "} %" PRIu64 "\n", m->errors[i]->n);
	}
}

static void add_durations(struct out *o, const Control__MetricsReply *m)
{
	if (m->issuance) {
		family(o, "issuance_duration_seconds", "histogram",
			"From the receipt of derivd-ca to the certificate.");
		histogram(o, "issuance_duration_seconds", NULL, m->issuance);
	}
	family(o, "job_duration_seconds", "histogram",
		"From an entry into the queue to the good answer of derivd-ca, by kind.");
	for (size_t i = 0; i < m->n_jobs; i++)
		histogram(o, "job_duration_seconds", m->jobs[i]->what, m->jobs[i]);
}

static void add_all(struct out *o, const Control__MetricsReply *m)
{
	add_program(o, m);
	add_ca(o, m);
	states(o, "requests", "Requests, by state.", m->requests, m->n_requests);
	states(o, "credentials", "Credentials, by state.", m->credentials, m->n_credentials);
	states(o, "devices", "Devices, by state.", m->devices, m->n_devices);
	/* 0 where there was none: so old that any rule finds it. */
	gauge(o, "backup_timestamp_seconds", "When the last verified backup was taken; 0: never.",
		(uint64_t)(m->backup_ms > 0 ? m->backup_ms / 1000 : 0));
	add_queue(o, m);
	add_happened(o, m);
	add_durations(o, m);
}

static void add_failure(struct out *o, const char *why)
{
	family(o, "scrape_failure", "gauge",
		"1: why derivd could not be asked, as the kind of error.");
	buf_add_str(o->b, "derivd_scrape_failure");
	label(o, "{", "kind", why);
	buf_add_str(o->b, "} 1\n");
}

const char *render_type(enum render_format f)
{
	return f == RENDER_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

struct buf *render(const Control__MetricsReply *m, const char *why, enum render_format f)
{
	struct out o = { .b = buf_new(), .format = f };

	gauge(&o, "up", "1 when derivd answered.", m != NULL);
	if (m)
		add_all(&o, m);
	else
		add_failure(&o, why);
	if (is_open(&o))
		buf_add_str(o.b, "# EOF\n");
	return o.b;
}
