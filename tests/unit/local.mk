# tests/unit: one program a module, cmocka, output in TAP. Each block belongs to the room that it tests.
EXTRA_DIST += tests/unit/unit.h tests/unit/run
UNIT_LIBS = $(CMOCKA_LIBS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

# base
UNIT_TESTS += tests/unit/test_err
tests_unit_test_err_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_err_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_buf
tests_unit_test_buf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_buf_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_secret
tests_unit_test_secret_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_secret_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_text
tests_unit_test_text_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_text_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_clock
tests_unit_test_clock_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_clock_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_rate
tests_unit_test_rate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rate_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_alive
tests_unit_test_alive_SOURCES = tests/unit/test_alive.c tests/unit/fake_clock.h tests/unit/fake_clock.c
tests_unit_test_alive_CFLAGS = $(UNIT_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_alive_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_log
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_io
tests_unit_test_io_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_io_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_proc
tests_unit_test_proc_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_proc_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_conf
tests_unit_test_conf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conf_LDADD = $(BASE_LIBS) $(UNIT_LIBS)
dist_check_SCRIPTS += tests/unit/test_build_id.sh tests/unit/test_catalog.py tests/unit/test_docs.py \
	tests/unit/test_doctor_cases.py tests/unit/test_service_users.py
TESTS += tests/unit/test_build_id.sh tests/unit/test_catalog.py tests/unit/test_docs.py \
	tests/unit/test_doctor_cases.py tests/unit/test_service_users.py

# proto
EXTRA_DIST += tests/unit/wire.h
UNIT_TESTS += tests/unit/test_kind
tests_unit_test_kind_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_kind_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_limit
tests_unit_test_limit_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_limit_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_msg
tests_unit_test_msg_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_msg_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_scan
tests_unit_test_scan_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_scan_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_frame
tests_unit_test_frame_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_frame_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_peer
tests_unit_test_peer_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_peer_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_link
tests_unit_test_link_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_link_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_protocol
tests_unit_test_protocol_SOURCES = tests/unit/test_protocol.c tests/unit/protocol_device.h tests/unit/protocol_device.c
tests_unit_test_protocol_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_protocol_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_damage
tests_unit_test_damage_SOURCES = tests/unit/test_damage.c tests/fuzz/sample.h tests/fuzz/sample.c
tests_unit_test_damage_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_damage_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_sig
tests_unit_test_sig_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_sig_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_worker
tests_unit_test_worker_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_worker_LDADD = $(PROTO_LIBS) $(UNIT_LIBS)

# evidence
if HAVE_CMOCKA
check_LIBRARIES = tests/unit/libenrollment.a
endif
tests_unit_libenrollment_a_SOURCES = tests/unit/enrollment.h tests/unit/enrollment.c
tests_unit_libenrollment_a_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
EVIDENCE_UNIT_LIBS = tests/unit/libenrollment.a $(EVIDENCE_LIBS) $(UNIT_LIBS)

UNIT_TESTS += tests/unit/test_statement
tests_unit_test_statement_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_statement_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_pkits
tests_unit_test_pkits_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_pkits_LDADD = $(EVIDENCE_UNIT_LIBS)
EXTRA_DIST += tests/fixtures/pkits-cases.tsv
UNIT_TESTS += tests/unit/test_evidence
tests_unit_test_evidence_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_evidence_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_seal
tests_unit_test_seal_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_seal_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_der
tests_unit_test_der_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_der_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_decode
tests_unit_test_decode_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_decode_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_facts
tests_unit_test_facts_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_facts_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_heads
tests_unit_test_heads_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_heads_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_deployment
tests_unit_test_deployment_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_deployment_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_path
tests_unit_test_path_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_path_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_record
tests_unit_test_record_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_record_LDADD = $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_vectors
tests_unit_test_vectors_SOURCES = tests/unit/test_vectors.c tests/unit/vectors.h tests/unit/vectors.c
tests_unit_test_vectors_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_vectors_LDADD = $(EVIDENCE_UNIT_LIBS) $(JANSSON_LIBS)
# Not a test: writes the vectors anew, make tests/unit/make_vectors && tests/unit/make_vectors proto/vectors
EXTRA_PROGRAMS += tests/unit/make_vectors
tests_unit_make_vectors_SOURCES = tests/unit/make_vectors.c tests/unit/vectors.h tests/unit/vectors.c
tests_unit_make_vectors_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_make_vectors_LDADD = $(EVIDENCE_UNIT_LIBS) $(JANSSON_LIBS)
VECTORS = \
	proto/vectors/keys.json proto/vectors/offer.json proto/vectors/statement.json proto/vectors/digits.json \
	proto/vectors/intent.json proto/vectors/receipt.json proto/vectors/ticket.json proto/vectors/item.json \
	proto/vectors/acknowledgement.json proto/vectors/sealed.json proto/vectors/sealed-rsa.json \
	proto/vectors/bundle.json

# device and gateway
UNIT_TESTS += tests/unit/test_payload
tests_unit_test_payload_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_payload_LDADD = $(EVIDENCE_LIBS) $(UNIT_LIBS)

# base: url
UNIT_TESTS += tests/unit/test_url
tests_unit_test_url_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_url_LDADD = $(BASE_LIBS) $(UNIT_LIBS)

# pkcs11
CARD_UNIT_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(P11KIT_CFLAGS) $(PCSCLITE_CFLAGS)
UNIT_TESTS += tests/unit/test_card_chuid
tests_unit_test_card_chuid_CFLAGS = $(CARD_UNIT_CFLAGS)
tests_unit_test_card_chuid_LDADD = $(CARD_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_card_pin
tests_unit_test_card_pin_CFLAGS = $(CARD_UNIT_CFLAGS)
tests_unit_test_card_pin_LDADD = $(CARD_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_card_rv
tests_unit_test_card_rv_CFLAGS = $(CARD_UNIT_CFLAGS)
tests_unit_test_card_rv_LDADD = $(CARD_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_card_signing
tests_unit_test_card_signing_CFLAGS = $(CARD_UNIT_CFLAGS)
tests_unit_test_card_signing_LDADD = $(CARD_LIBS) $(EVIDENCE_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_card_slot
tests_unit_test_card_slot_CFLAGS = $(CARD_UNIT_CFLAGS)
tests_unit_test_card_slot_LDADD = $(CARD_LIBS) $(UNIT_LIBS)
# daemon/ca: a deployment in a temporary directory, shared by the tests of its operations
if HAVE_CMOCKA
check_LIBRARIES += tests/unit/libcaworld.a
endif
tests_unit_libcaworld_a_SOURCES = tests/unit/ca_world.h tests/unit/ca_world.c tests/unit/ca_world_run.c
tests_unit_libcaworld_a_CFLAGS = $(UNIT_CFLAGS) $(CA_CFLAGS)
CA_UNIT_CFLAGS = $(UNIT_CFLAGS) $(CA_CFLAGS)
CA_UNIT_LIBS = tests/unit/libcaworld.a tests/unit/libenrollment.a $(CA_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_flow
tests_unit_test_ca_flow_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_flow_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_attack
tests_unit_test_ca_attack_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_attack_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_meanwhile
tests_unit_test_ca_meanwhile_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_meanwhile_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_further
tests_unit_test_ca_further_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_further_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_card
tests_unit_test_ca_card_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_card_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_device
tests_unit_test_ca_device_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_device_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_ledger
tests_unit_test_ca_ledger_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_ledger_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_revocation
tests_unit_test_ca_revocation_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_revocation_LDADD = tests/unit/libstand.a $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_change
tests_unit_test_ca_change_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_change_LDADD = $(CA_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_pool
tests_unit_test_ca_pool_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_pool_LDADD = $(CA_UNIT_LIBS)

UNIT_TESTS += tests/unit/test_ca_settings
tests_unit_test_ca_settings_CFLAGS = $(CA_UNIT_CFLAGS)
tests_unit_test_ca_settings_LDADD = $(CA_UNIT_LIBS)

# daemon/courier
if HAVE_CMOCKA
check_LIBRARIES += tests/unit/libstand.a
endif
tests_unit_libstand_a_SOURCES = tests/unit/stand.h tests/unit/stand.c
tests_unit_libstand_a_CFLAGS = $(UNIT_CFLAGS)
EXTRA_DIST += tests/unit/web_server.py
UNIT_TESTS += tests/unit/test_courier
tests_unit_test_courier_CFLAGS = $(UNIT_CFLAGS) $(COURIER_CFLAGS)
tests_unit_test_courier_LDADD = tests/unit/libstand.a $(COURIER_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_notice
tests_unit_test_notice_CFLAGS = $(UNIT_CFLAGS) $(COURIER_CFLAGS)
tests_unit_test_notice_LDADD = tests/unit/libenrollment.a $(COURIER_LIBS) $(UNIT_LIBS)
FAKE_CLOCK = tests/unit/fake_clock.h tests/unit/fake_clock.c
UNIT_TESTS += tests/unit/test_gateway_due
tests_unit_test_gateway_due_SOURCES = tests/unit/test_gateway_due.c $(FAKE_CLOCK)
tests_unit_test_gateway_due_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_gateway_due_LDADD = $(GATEWAY_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_gateway_poller
tests_unit_test_gateway_poller_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_gateway_poller_LDADD = $(GATEWAY_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_gateway_roster
tests_unit_test_gateway_roster_SOURCES = tests/unit/test_gateway_roster.c $(FAKE_CLOCK)
tests_unit_test_gateway_roster_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_gateway_roster_LDADD = $(GATEWAY_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_gateway_stream
tests_unit_test_gateway_stream_SOURCES = tests/unit/test_gateway_stream.c tests/fuzz/fed.h tests/fuzz/fed.c
tests_unit_test_gateway_stream_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
tests_unit_test_gateway_stream_LDADD = $(GATEWAY_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_gateway_settings
tests_unit_test_gateway_settings_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_gateway_settings_LDADD = $(GATEWAY_LIBS) $(UNIT_LIBS)

# client/ctl
CTL_UNIT_CFLAGS = $(UNIT_CFLAGS) $(CTL_CFLAGS)
CTL_UNIT_LIBS = $(CTL_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_term
tests_unit_test_ctl_term_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_term_LDADD = $(CTL_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_device_state
tests_unit_test_device_state_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_device_state_LDADD = $(DEVICE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_device_home
tests_unit_test_device_home_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_device_home_LDADD = $(DEVICE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_device_offer
tests_unit_test_device_offer_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_device_offer_LDADD = $(DEVICE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_options
tests_unit_test_ctl_options_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_options_LDADD = $(CTL_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_words
tests_unit_test_ctl_words_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_words_LDADD = $(CTL_UNIT_LIBS)

# daemon/core
EXTRA_DIST += tests/unit/engine.h
UNIT_TESTS += tests/unit/test_core_store
tests_unit_test_core_store_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_core_store_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_core_turn
tests_unit_test_core_turn_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_core_turn_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_core_outbox
tests_unit_test_core_outbox_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_core_outbox_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_core_notice
tests_unit_test_core_notice_SOURCES = tests/unit/test_core_notice.c $(FAKE_CLOCK)
tests_unit_test_core_notice_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_core_notice_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_core_parts
tests_unit_test_core_parts_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_core_parts_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
# evidence: numbers of persons
UNIT_TESTS += tests/unit/test_number
tests_unit_test_number_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_number_LDADD = $(EVIDENCE_LIBS) $(UNIT_LIBS)

# client/ctl: what it shows, and what it checks
UNIT_TESTS += tests/unit/test_ctl_show
tests_unit_test_ctl_show_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_show_LDADD = $(CTL_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_qr
tests_unit_test_ctl_qr_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_qr_LDADD = $(CTL_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_digits
tests_unit_test_ctl_digits_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_digits_LDADD = $(CTL_UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_audit
tests_unit_test_ctl_audit_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_audit_LDADD = $(CTL_UNIT_LIBS)

# daemon/backup, and the schemas of both databases so far
UNIT_TESTS += tests/unit/test_backup
tests_unit_test_backup_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_backup_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_upgrade
tests_unit_test_upgrade_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_upgrade_LDADD = $(ENGINE_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ca_schema
tests_unit_test_ca_schema_CFLAGS = $(UNIT_CFLAGS) $(CA_CFLAGS)
tests_unit_test_ca_schema_LDADD = $(CA_LIBS) $(UNIT_LIBS)
EXTRA_DIST += tests/fixtures/schema/make-store tests/fixtures/schema/store-1.sql tests/fixtures/schema/store-2.sql \
	tests/fixtures/schema/store-3.sql tests/fixtures/schema/store-4.sql tests/fixtures/schema/store-5.sql tests/fixtures/schema/store-6.sql \
	tests/fixtures/schema/log-1.sql tests/fixtures/schema/log-2.sql tests/fixtures/schema/log-3.sql
UNIT_TESTS += tests/unit/test_checkpoint
tests_unit_test_checkpoint_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_checkpoint_LDADD = $(EVIDENCE_UNIT_LIBS)
# client/metrics
UNIT_TESTS += tests/unit/test_metrics
tests_unit_test_metrics_CFLAGS = $(UNIT_CFLAGS) $(PROTO_CFLAGS)
tests_unit_test_metrics_LDADD = $(METRICS_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test_ctl_setup
tests_unit_test_ctl_setup_CFLAGS = $(CTL_UNIT_CFLAGS)
tests_unit_test_ctl_setup_LDADD = $(CTL_UNIT_LIBS)
