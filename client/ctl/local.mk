# client/ctl: derivctl, the operator's command.
bin_PROGRAMS += derivctl
dist_man_MANS += client/ctl/derivctl.1
noinst_LIBRARIES += client/ctl/libctl.a
CTL_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(QRENCODE_CFLAGS) $(PROTOBUF_C_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS) $(SYSTEMD_CFLAGS)
CTL_LIBS = client/ctl/libctl.a $(EVIDENCE_LIBS) $(PROTO_LIBS) $(BASE_LIBS) $(SSL_LIBS) $(JANSSON_LIBS) $(QRENCODE_LIBS)
# Everything but main, so that unit tests can link it too.
client_ctl_libctl_a_SOURCES = \
	client/ctl/doctor.c client/ctl/doctor.h client/ctl/doctor.def client/ctl/doctor_core.c \
	client/ctl/doctor_card.c client/ctl/doctor_gateway.c client/ctl/doctor_system.c \
	client/ctl/audit.c client/ctl/backup.c client/ctl/backup_sums.c client/ctl/backup_sums.h client/ctl/restore_machine.c client/ctl/restore_machine.h client/ctl/checkpoint.c client/ctl/program.c client/ctl/program.h client/ctl/change.c client/ctl/ctl.c client/ctl/ctl.h client/ctl/evidence.c \
	client/ctl/json.c client/ctl/json.h client/ctl/lang.c client/ctl/lang.h client/ctl/options.c client/ctl/options.h client/ctl/officer.c client/ctl/person.c \
	client/ctl/person.h client/ctl/pins.c client/ctl/qr.c client/ctl/qr.h client/ctl/roles.c client/ctl/session.c client/ctl/session.h \
	client/ctl/setup.c client/ctl/setup.h client/ctl/setup_part.h client/ctl/setup_anchor.c client/ctl/setup_anchor.h client/ctl/setup_anchor_part.h \
	client/ctl/setup_ask.c client/ctl/setup_check.c client/ctl/setup_do.c client/ctl/setup_found.c client/ctl/setup_host.c \
	client/ctl/setup_keys.c client/ctl/setup_load.c client/ctl/setup_questions.c client/ctl/setup_system.c client/ctl/setup_write.c \
	client/ctl/session_call.c client/ctl/session_card.c client/ctl/session_device.c \
	client/ctl/session_end.c client/ctl/session_open.c client/ctl/session_wait.c client/ctl/show.c \
	client/ctl/status.c client/ctl/table.c client/ctl/table.h client/ctl/term.c client/ctl/term.h \
	client/ctl/words.c client/ctl/words.def client/ctl/words.h
client_ctl_libctl_a_CFLAGS = $(CTL_CFLAGS)
derivctl_SOURCES = client/ctl/main.c
derivctl_CFLAGS = $(CTL_CFLAGS)
derivctl_LDADD = $(CTL_LIBS)
