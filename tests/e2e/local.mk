# tests/e2e: whole programs against each other.
E2E_TESTS = tests/e2e/test_gateway.py
TESTS += $(E2E_TESTS)
EXTRA_DIST += $(E2E_TESTS) tests/lib/gateway.py
