# tests/e2e: the real programs, in a real surrounding.

# derivd-card
if HAVE_CMOCKA
check_PROGRAMS += tests/e2e/cardclient
endif
tests_e2e_cardclient_SOURCES = tests/e2e/cardclient.c
tests_e2e_cardclient_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(JANSSON_CFLAGS)
tests_e2e_cardclient_LDADD = $(EVIDENCE_UNIT_LIBS) $(JANSSON_LIBS)
if HAVE_CMOCKA
TESTS += tests/e2e/test_card.py
endif
EXTRA_DIST += tests/lib/card.py tests/e2e/test_card.py
