/* metrics.c: see metrics.h. */
#include "daemon/core/metrics.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "proto/kind.h"

/* What takes a moment, and what waits for hours because something is away. */
const uint64_t METRICS_MOST_MS[METRICS_BUCKETS] = { 50, 100, 250, 500, 1000, 2500, 5000, 10000,
	30000, 60000, 600000, 3600000, 86400000 };

const char *metrics_where_name(enum metrics_where w)
{
	static const char *const names[] = {
		[IN_CONTROL] = "control",
		[IN_DEVICE] = "device",
		[IN_QUEUE] = "queue",
		[IN_DERIVD] = "derivd",
	};

	return names[w];
}

static struct errors *find_errors(
	struct metrics *m, enum metrics_where where, const struct err_kind *kind)
{
	for (size_t i = 0; i < m->n_errors; i++) {
		if (m->errors[i].where == where && m->errors[i].kind == kind)
			return &m->errors[i];
	}
	if (m->n_errors == METRICS_ERRORS_MAX)
		return NULL;
	if (m->n_errors == m->room) {
		m->room = m->room ? m->room * 2 : 16;
		m->errors = xrealloc(m->errors, m->room, sizeof(*m->errors));
	}
	m->errors[m->n_errors] = (struct errors){ .where = where, .kind = kind };
	return &m->errors[m->n_errors++];
}

/* Those that alarms look at are there from the start: a counter that appears with 1 has not grown. */
struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(struct metrics));

	find_errors(m, IN_DERIVD, &ERR_STORE);
	find_errors(m, IN_DERIVD, &ERR_STORE_FULL);
	find_errors(m, IN_QUEUE, &ERR_CA_UNREACHABLE);
	find_errors(m, IN_QUEUE, &ERR_REVOCATION_UNKNOWN);
	find_errors(m, IN_CONTROL, &ERR_REVOCATION_UNKNOWN);
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	free(m->errors);
	free(m);
}

void metrics_error(struct metrics *m, enum metrics_where where, const struct err *e)
{
	struct errors *row = find_errors(m, where, err_get_kind(e));

	if (row)
		row->n++;
}

void metrics_took(struct durations *d, int64_t since_ms)
{
	int64_t now = clock_real_ms();
	uint64_t took = now > since_ms ? (uint64_t)(now - since_ms) : 0;
	size_t bucket = 0;

	while (bucket < METRICS_BUCKETS && took > METRICS_MOST_MS[bucket])
		bucket++;
	d->n[bucket]++;
	d->sum_ms += took;
}
