# tests/unit: one program a module, cmocka, output in TAP. Each block belongs to the room that it tests.
EXTRA_DIST += tests/unit/unit.h
UNIT_LIBS = $(CMOCKA_LIBS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

# base
UNIT_TESTS += tests/unit/test_err
tests_unit_test_err_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_err_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
