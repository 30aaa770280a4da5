# tests/unit: one program a module, cmocka, output in TAP. Each block belongs to the room that it tests.
EXTRA_DIST += tests/unit/unit.h
UNIT_LIBS = $(CMOCKA_LIBS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

# base
UNIT_TESTS += tests/unit/test_err
tests_unit_test_err_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_err_LDADD = $(BASE_LIBS) $(UNIT_LIBS)

# proto
UNIT_TESTS += tests/unit/test_limit
tests_unit_test_limit_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_limit_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_worker
tests_unit_test_worker_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_worker_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
