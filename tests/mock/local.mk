# tests/mock: what stands in for hardware. The rig starts a private pcscd with virtual readers.
include tests/mock/reader/local.mk

# A PKCS#11 module that lies, for derivd-card: a shared object, never sanitized.
noinst_PROGRAMS += tests/mock/lying.so
tests_mock_lying_so_SOURCES = tests/mock/lying.c
tests_mock_lying_so_CPPFLAGS = -D_GNU_SOURCE $(P11KIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_mock_lying_so_CFLAGS = -std=gnu11 -fPIC -fvisibility=default $(WARN_CFLAGS)
tests_mock_lying_so_LDFLAGS = -shared
tests_mock_lying_so_LDADD = $(CRYPTO_LIBS)

TESTS += tests/mock/test_vcard.py tests/mock/test_vpcd.py tests/fixtures/test_make_card.py
EXTRA_DIST += \
	tests/fixtures/make-card \
	tests/fixtures/test_make_card.py \
	tests/lib/der.py \
	tests/lib/pcsc.py \
	tests/lib/pki.py \
	tests/lib/rig.py \
	tests/lib/tap.py \
	tests/mock/rig \
	tests/mock/test_vcard.py \
	tests/mock/test_vpcd.py

# What derivd-ca signs, for tests of devices.
check_PROGRAMS += tests/mock/pen
tests_mock_pen_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(JANSSON_CFLAGS)
tests_mock_pen_LDADD = $(EVIDENCE_LIBS) $(JANSSON_LIBS)
