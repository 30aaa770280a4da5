# tests/bench

# daemon/core
EXTRA_PROGRAMS += tests/bench/bench_outbox
tests_bench_bench_outbox_SOURCES = tests/bench/bench_outbox.c
tests_bench_bench_outbox_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_bench_bench_outbox_LDADD = $(ENGINE_LIBS)
