# tests/mock/vcard: the virtual PIV card. Depends on nothing else of the tree.
noinst_LIBRARIES += tests/mock/vcard/libvcard.a
tests_mock_vcard_libvcard_a_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE $(CRYPTO_CFLAGS)
tests_mock_vcard_libvcard_a_SOURCES = \
	tests/mock/vcard/apdu.c \
	tests/mock/vcard/applet.h \
	tests/mock/vcard/auth.c \
	tests/mock/vcard/bits.c \
	tests/mock/vcard/bits.h \
	tests/mock/vcard/card.c \
	tests/mock/vcard/card.h \
	tests/mock/vcard/files.c \
	tests/mock/vcard/hand.c \
	tests/mock/vcard/hand.h \
	tests/mock/vcard/inhand.h \
	tests/mock/vcard/keys.c \
	tests/mock/vcard/keys.h \
	tests/mock/vcard/pin.c \
	tests/mock/vcard/settings.c \
	tests/mock/vcard/store.c \
	tests/mock/vcard/store.h \
	tests/mock/vcard/tlv.c \
	tests/mock/vcard/tlv.h \
	tests/mock/vcard/words.c

noinst_PROGRAMS += tests/mock/vcard/vcard
tests_mock_vcard_vcard_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE $(CRYPTO_CFLAGS)
tests_mock_vcard_vcard_SOURCES = \
	tests/mock/vcard/control.c \
	tests/mock/vcard/control.h \
	tests/mock/vcard/link.c \
	tests/mock/vcard/link.h \
	tests/mock/vcard/main.c
tests_mock_vcard_vcard_LDADD = tests/mock/vcard/libvcard.a $(CRYPTO_LIBS)

EXTRA_DIST += tests/mock/vcard/README.md

# Its unit tests.
UNIT_TESTS += tests/unit/test_vcard tests/unit/test_vcard_auth tests/unit/test_vcard_hand
VCARD_TEST_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE $(CRYPTO_CFLAGS)
VCARD_TEST_SOURCES = tests/unit/testcard.c tests/unit/testcard.h
VCARD_TEST_LIBS = tests/mock/vcard/libvcard.a $(CRYPTO_LIBS) $(UNIT_LIBS)
tests_unit_test_vcard_SOURCES = tests/unit/test_vcard.c $(VCARD_TEST_SOURCES)
tests_unit_test_vcard_CPPFLAGS = $(VCARD_TEST_CPPFLAGS)
tests_unit_test_vcard_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_vcard_LDADD = $(VCARD_TEST_LIBS)
tests_unit_test_vcard_auth_SOURCES = tests/unit/test_vcard_auth.c $(VCARD_TEST_SOURCES)
tests_unit_test_vcard_auth_CPPFLAGS = $(VCARD_TEST_CPPFLAGS)
tests_unit_test_vcard_auth_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_vcard_auth_LDADD = $(VCARD_TEST_LIBS)
tests_unit_test_vcard_hand_SOURCES = tests/unit/test_vcard_hand.c $(VCARD_TEST_SOURCES)
tests_unit_test_vcard_hand_CPPFLAGS = $(VCARD_TEST_CPPFLAGS)
tests_unit_test_vcard_hand_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_vcard_hand_LDADD = $(VCARD_TEST_LIBS)
