# tests: a part for each kind.
include tests/unit/local.mk
include tests/mock/local.mk
include tests/mock/vcard/local.mk
include tests/sim/local.mk
include tests/e2e/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
