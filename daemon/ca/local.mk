# daemon/ca: derivd-ca. All but main is a library, so that tests run its operations without sockets.
noinst_LIBRARIES += daemon/ca/libca.a
daemon_ca_libca_a_SOURCES = \
	daemon/ca/state.h daemon/ca/state.c \
	daemon/ca/settings.h daemon/ca/settings_part.h daemon/ca/settings.c daemon/ca/settings_anchor.c \
	daemon/ca/settings_profile.c \
	daemon/ca/profile.h daemon/ca/profile.c \
	daemon/ca/template.h daemon/ca/template.c \
	daemon/ca/names.h daemon/ca/names.c daemon/ca/oid.h \
	daemon/ca/issuer.h daemon/ca/issuer.c \
	daemon/ca/effect.h daemon/ca/effect.c daemon/ca/effect_tell.c \
	daemon/ca/approval.h daemon/ca/approval.c \
	daemon/ca/build.h daemon/ca/build_part.h daemon/ca/build.c daemon/ca/build_own.c \
	daemon/ca/keys.h daemon/ca/keys.c \
	daemon/ca/nonce.h daemon/ca/nonce.c \
	daemon/ca/ledger.h daemon/ca/ledger_part.h daemon/ca/ledger_table.def daemon/ca/ledger.c \
	daemon/ca/ledger_schema.c daemon/ca/ledger_rows.c daemon/ca/ledger_verify.c \
	daemon/ca/entry.h daemon/ca/entry_issue.c daemon/ca/entry_device.c daemon/ca/entry_ca.c daemon/ca/entry_change.c \
	daemon/ca/ca.h daemon/ca/ca.c daemon/ca/local.c \
	daemon/ca/crl_store.h daemon/ca/crl_store.c daemon/ca/crl_fit.h daemon/ca/crl_fit.c \
	daemon/ca/verdict.h daemon/ca/verdict.c daemon/ca/basis.h daemon/ca/basis.c \
	daemon/ca/revocation.h daemon/ca/revocation.c \
	daemon/ca/eligible.h daemon/ca/eligible.c daemon/ca/identify.c \
	daemon/ca/card.h daemon/ca/card.c \
	daemon/ca/crl_build.h daemon/ca/crl_build.c \
	daemon/ca/crl_publish.h daemon/ca/crl_publish.c \
	daemon/ca/payload_fill.h daemon/ca/payload_fill.c \
	daemon/ca/grant.h daemon/ca/grant.c \
	daemon/ca/op.h daemon/ca/op_part.h daemon/ca/op_part.c \
	daemon/ca/op_assess.c daemon/ca/op_prepare.c daemon/ca/op_verify.c daemon/ca/op_make.c daemon/ca/pool.h daemon/ca/pool.c \
	daemon/ca/op_certify.c daemon/ca/op_item.c daemon/ca/op_revoke.c daemon/ca/op_crl.c daemon/ca/op_status.c daemon/ca/op_reconcile.c daemon/ca/op_check.c \
	daemon/ca/init.h daemon/ca/init_part.h daemon/ca/init.c daemon/ca/init_keys.c daemon/ca/init_read.c daemon/ca/init_resume.c \
	daemon/ca/init_config.c \
	daemon/ca/command.h daemon/ca/command_approve.c daemon/ca/command_crl.c daemon/ca/command_pins.c daemon/ca/command_backup.c daemon/ca/check.c daemon/ca/serve.c daemon/ca/serve_officer.c
CA_CFLAGS = $(PROTO_CFLAGS) $(CONFUSE_CFLAGS) $(SQLITE_CFLAGS)
CA_LIBS = daemon/ca/libca.a daemon/backup/libbackup.a $(EVIDENCE_LIBS) $(SQLITE_LIBS)
daemon_ca_libca_a_CFLAGS = $(AM_CFLAGS) $(CA_CFLAGS)

sbin_PROGRAMS += derivd-ca
derivd_ca_SOURCES = daemon/ca/main.c
derivd_ca_CFLAGS = $(AM_CFLAGS) $(CA_CFLAGS)
derivd_ca_LDADD = $(CA_LIBS)
dist_man_MANS += daemon/ca/derivd-ca.8 daemon/ca/ca.conf.5
