# tests/bench: figures beside their references, in one run on the same cores. "make check" builds them and runs none;
# "make bench" prints a line "figure NAME VALUE GOAL ok|short" for each, with what was compared above it, and fails only when
# something could not be measured. The working directory should be on the disk that the stores will be on.
BENCHES = tests/bench/bench_outbox
BENCHES_PY = tests/bench/bench_card.py tests/bench/bench_size.py tests/bench/bench_gateway.py tests/bench/bench_delivery.py
EXTRA_DIST += tests/bench/benchlib.py $(BENCHES_PY)

# daemon/core
tests_bench_bench_outbox_SOURCES = tests/bench/bench_outbox.c
tests_bench_bench_outbox_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_bench_bench_outbox_LDADD = $(ENGINE_LIBS)
check_PROGRAMS += tests/bench/bench_outbox

# daemon/ca
BENCH_SOURCES = tests/bench/bench.h tests/bench/bench.c
tests_bench_bench_issue_SOURCES = tests/bench/bench_issue.c tests/bench/bare.h tests/bench/bare.c $(BENCH_SOURCES)
tests_bench_bench_issue_CFLAGS = $(CA_UNIT_CFLAGS)
tests_bench_bench_issue_LDADD = $(CA_UNIT_LIBS)
tests_bench_bench_csr_SOURCES = tests/bench/bench_csr.c tests/bench/cfssl.h tests/bench/cfssl.c $(BENCH_SOURCES)
tests_bench_bench_csr_CFLAGS = $(CA_UNIT_CFLAGS)
tests_bench_bench_csr_LDADD = $(CA_UNIT_LIBS)

# daemon/gateway
tests_bench_delivery_client_SOURCES = tests/bench/delivery_client.c $(BENCH_SOURCES)
tests_bench_delivery_client_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
tests_bench_delivery_client_LDADD = $(EVIDENCE_LIBS) $(SSL_LIBS)
check_PROGRAMS += tests/bench/delivery_client
BENCH_NEEDS = tests/bench/delivery_client
if HAVE_CMOCKA
check_PROGRAMS += tests/bench/bench_issue tests/bench/bench_csr
BENCHES += tests/bench/bench_issue tests/bench/bench_csr
BENCH_NEEDS += tests/e2e/cardclient
endif

.PHONY: bench
bench: all $(BENCHES) $(BENCH_NEEDS)
	@abs_top_builddir='$(abs_top_builddir)'; export abs_top_builddir; \
	abs_top_srcdir='$(abs_top_srcdir)'; export abs_top_srcdir; \
	failed=; \
	for b in $(BENCHES); do ./$$b || failed="$$failed $$b"; done; \
	for b in $(BENCHES_PY); do $(PYTHON3) $(srcdir)/$$b || failed="$$failed $$b"; done; \
	test -z "$$failed" || { echo "bench: not measured:$$failed" >&2; exit 1; }
