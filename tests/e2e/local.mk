# tests/e2e: whole programs against each other, in a real surrounding.
E2E_TESTS = tests/e2e/test_enroll.py tests/e2e/test_faults_card.py tests/e2e/test_faults_certificate.py tests/e2e/test_faults_session.py \
	tests/e2e/test_faults_service.py tests/e2e/test_gateway.py tests/e2e/test_device.py \
	tests/e2e/test_attack.py tests/e2e/test_attack_gateway.py tests/e2e/test_attack_store.py tests/e2e/test_secrets.py \
	tests/e2e/test_control.py
TESTS += $(E2E_TESTS)
EXTRA_DIST += $(E2E_TESTS) tests/lib/faults.py tests/lib/gateway.py tests/lib/handmade.py tests/lib/between.py

# derivd-card
if HAVE_CMOCKA
check_PROGRAMS += tests/e2e/cardclient
endif
tests_e2e_cardclient_SOURCES = tests/e2e/cardclient.c
tests_e2e_cardclient_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(JANSSON_CFLAGS)
tests_e2e_cardclient_LDADD = $(EVIDENCE_UNIT_LIBS) $(JANSSON_LIBS)
if HAVE_CMOCKA
TESTS += tests/e2e/test_card.py tests/e2e/test_card_module.py tests/e2e/test_card_tokens.py
endif
EXTRA_DIST += tests/lib/card.py tests/e2e/test_card.py tests/e2e/test_card_module.py tests/e2e/test_card_tokens.py

TESTS += tests/e2e/test_card_odd.py
EXTRA_DIST += tests/e2e/test_card_odd.py tests/lib/cac.py

# what Prometheus sees
TESTS += tests/e2e/test_metrics.py
EXTRA_DIST += tests/e2e/test_metrics.py

# derivctl at a terminal
TESTS += tests/e2e/test_session.py tests/e2e/test_operator.py tests/e2e/test_lang.py \
	tests/e2e/test_completion.py
EXTRA_DIST += tests/e2e/test_session.py tests/e2e/test_operator.py tests/e2e/test_lang.py tests/e2e/test_completion.py tests/lib/screen.py tests/lib/sitting.py

# Backup and restore
TESTS += tests/e2e/test_backup.py tests/e2e/test_reconcile.py tests/e2e/test_older_log.py
EXTRA_DIST += tests/e2e/test_backup.py tests/e2e/test_reconcile.py tests/e2e/test_older_log.py
# the journal, and what is wrong here
TESTS += tests/e2e/test_journal.py tests/e2e/test_doctor.py tests/e2e/test_doctor_ends.py
EXTRA_DIST += tests/e2e/test_journal.py tests/e2e/test_doctor.py tests/e2e/test_doctor_ends.py

# Notices
TESTS += tests/e2e/test_notices.py
EXTRA_DIST += tests/e2e/test_notices.py tests/lib/postfix.py

# The gateway changes its key
TESTS += tests/e2e/test_pins.py
EXTRA_DIST += tests/e2e/test_pins.py

# A pcscd that asks polkit
TESTS += tests/e2e/test_polkit.py
EXTRA_DIST += tests/e2e/test_polkit.py

# Who may do what
TESTS += tests/e2e/test_roles.py
EXTRA_DIST += tests/e2e/test_roles.py

# From installed programs to a kiosk that works
TESTS += tests/e2e/test_setup.py
EXTRA_DIST += tests/e2e/test_setup.py

# The long-lived programs as services
TESTS += tests/e2e/test_service.py
EXTRA_DIST += tests/e2e/test_service.py tests/lib/service.py

# two persons for changes to the CA
TESTS += tests/e2e/test_change.py
EXTRA_DIST += tests/e2e/test_change.py
