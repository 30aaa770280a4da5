# pkcs11: derivd-card. All but main is a library, so that tests reach it.
noinst_LIBRARIES += pkcs11/libcard.a
pkcs11_libcard_a_SOURCES = \
	pkcs11/settings.h pkcs11/settings.c \
	pkcs11/uri.h pkcs11/uri.c \
	pkcs11/rv.h pkcs11/rv.c \
	pkcs11/module.h pkcs11/module.c \
	pkcs11/slot.h pkcs11/slot.c \
	pkcs11/object.h pkcs11/object.c \
	pkcs11/pair.h pkcs11/pair.c \
	pkcs11/card.h pkcs11/card.c pkcs11/card_piv.c pkcs11/card_generic.c \
	pkcs11/chuid.h pkcs11/chuid.c \
	pkcs11/pcsc.h pkcs11/pcsc.c \
	pkcs11/readers.h pkcs11/readers.c \
	pkcs11/hold.h pkcs11/hold.c \
	pkcs11/opensc.h pkcs11/opensc.c \
	pkcs11/pin.h pkcs11/pin.c \
	pkcs11/signing.h pkcs11/signing.c \
	pkcs11/order.h pkcs11/order.c \
	pkcs11/session.h pkcs11/session_impl.h pkcs11/session.c pkcs11/session_sign.c \
	pkcs11/facts_out.h pkcs11/facts_out.c \
	pkcs11/serve.h pkcs11/serve.c
pkcs11_libcard_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(CRYPTO_CFLAGS) $(P11KIT_CFLAGS) \
	$(PCSCLITE_CFLAGS) $(CONFUSE_CFLAGS)
CARD_LIBS = pkcs11/libcard.a $(EVIDENCE_LIBS) $(P11KIT_LIBS) $(PCSCLITE_LIBS) $(CONFUSE_LIBS)

sbin_PROGRAMS += derivd-card
derivd_card_SOURCES = pkcs11/main.c pkcs11/heap.c
derivd_card_CFLAGS = $(pkcs11_libcard_a_CFLAGS)
derivd_card_LDADD = $(CARD_LIBS)
dist_man_MANS += pkcs11/derivd-card.8 pkcs11/card.conf.5
