# client/metrics: derivd-metrics, what Prometheus scrapes.
sbin_PROGRAMS += derivd-metrics
noinst_LIBRARIES += client/metrics/libmetrics.a
client_metrics_libmetrics_a_SOURCES = \
	client/metrics/render.h client/metrics/render.c client/metrics/http.h client/metrics/http.c
client_metrics_libmetrics_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
METRICS_LIBS = client/metrics/libmetrics.a $(PROTO_LIBS) $(BASE_LIBS)
derivd_metrics_SOURCES = client/metrics/main.c
derivd_metrics_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
derivd_metrics_LDADD = $(METRICS_LIBS)
dist_man_MANS += client/metrics/derivd-metrics.8
