# tests/interop: derivd against programs that are not derivd's. Here phones, written after the PROTOCOL documents alone.
INTEROP_TESTS = tests/interop/test_vectors.py tests/interop/test_device_wire.py tests/interop/test_device_client.py \
	tests/interop/test_other_client.py tests/interop/test_install.py
TESTS += $(INTEROP_TESTS)
EXTRA_DIST += $(INTEROP_TESTS) tests/interop/device_client.py tests/interop/other_client.py tests/interop/app.py \
	tests/interop/delivery.py tests/interop/keeper.py tests/interop/records.py tests/interop/cms.py tests/interop/wire.py
