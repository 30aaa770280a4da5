# tests/interop: derivd against programs that are not derivd's. Here a phone, written after the PROTOCOL documents alone.
INTEROP_TESTS = tests/interop/test_vectors.py
TESTS += $(INTEROP_TESTS)
EXTRA_DIST += $(INTEROP_TESTS) tests/interop/records.py tests/interop/cms.py tests/interop/wire.py tests/interop/keeper.py
