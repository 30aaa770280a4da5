# tests/mock: what stands in for hardware. The rig starts a private pcscd with virtual readers.
include tests/mock/reader/local.mk

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
