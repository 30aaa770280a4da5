# tests: a part for each kind.
include tests/unit/local.mk
include tests/mock/local.mk
include tests/mock/vcard/local.mk
include tests/sim/local.mk
include tests/e2e/local.mk
include tests/interop/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/kiosk/local.mk
include tests/mail/local.mk
include tests/app/local.mk

# All of UNIT_TESTS at once; without cmocka none is built (configure says so).
if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
