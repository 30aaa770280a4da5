/*
 * render.h: what derivd counts, as text for Prometheus and whoever reads the same: OpenMetrics 1.0, or the older text format
 * 0.0.4, which node_exporter's textfile collector reads. One table names every family; derivd-metrics(8) lists them.
 */
#ifndef DERIVD_METRICS_RENDER_H
#define DERIVD_METRICS_RENDER_H

#include "base/buf.h"
#include "proto/control.pb-c.h"

enum render_format { RENDER_OPENMETRICS, RENDER_TEXT };

/* The value of the HTTP header Content-Type. */
const char *render_type(enum render_format f);
/*
 * m is NULL when derivd could not be asked: then why is the name of the error's kind, and derivd_up is 0. Labels hold names of
 * tables and versions, never a person's data.
 */
struct buf *render(const Control__MetricsReply *m, const char *why, enum render_format f);

#endif
