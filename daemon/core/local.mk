# daemon/core: derivd. Everything but main and the links is a library, so that the simulator and the unit tests have it.
noinst_LIBRARIES += daemon/core/libengine.a
daemon_core_libengine_a_SOURCES = \
	daemon/core/request.def daemon/core/event.def \
	daemon/core/state.h daemon/core/state.c \
	daemon/core/settings.h daemon/core/settings.c \
	daemon/core/store.h daemon/core/store_sql.h \
	daemon/core/store_sqlite.c daemon/core/store_row.c daemon/core/store_schema.c \
	daemon/core/store_audit.c daemon/core/store_request.c daemon/core/store_device.c \
	daemon/core/store_credential.c daemon/core/store_papers.c daemon/core/store_job.c \
	daemon/core/store_item.c daemon/core/store_notice.c daemon/core/store_find.c daemon/core/store_count.c \
	daemon/core/store_calog.c daemon/core/store_backup.c \
	daemon/core/roles.h daemon/core/roles.c \
	daemon/core/audit.h daemon/core/audit.c daemon/core/audit_row.c \
	daemon/core/core.h daemon/core/core.c \
	daemon/core/metrics.h daemon/core/metrics.c daemon/core/mail.h daemon/core/mail.c \
	daemon/core/turn.h daemon/core/turn.c \
	daemon/core/presence.h daemon/core/presence.c \
	daemon/core/seats.h daemon/core/seats.c \
	daemon/core/policy.h daemon/core/policy.c \
	daemon/core/actions.h daemon/core/request.h daemon/core/request.c daemon/core/request_act.c \
	daemon/core/credential_act.c daemon/core/items.c \
	daemon/core/session.h daemon/core/session_seat.h \
	daemon/core/session_open.c daemon/core/session_life.c daemon/core/session_sign.c \
	daemon/core/session_device.c \
	daemon/core/verified.h daemon/core/verified.c \
	daemon/core/reconcile.h daemon/core/reconcile.c daemon/core/recall.h daemon/core/recall.c \
	daemon/core/calog.h daemon/core/calog.c \
	daemon/core/lifecycle.h daemon/core/lifecycle.c daemon/core/notice.h daemon/core/notice.c daemon/core/notice_send.c \
	daemon/core/ack.h daemon/core/ack.c daemon/core/delivery.h daemon/core/delivery.c \
	daemon/core/outbox.h daemon/core/outbox.c daemon/core/outbox_ask.c daemon/core/outbox_apply.c
daemon_core_libengine_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS) $(CONFUSE_CFLAGS)
ENGINE_LIBS = daemon/core/libengine.a daemon/backup/libbackup.a $(PROTO_LIBS) $(SQLITE_LIBS) $(CONFUSE_LIBS)

sbin_PROGRAMS += derivd
derivd_SOURCES = \
	daemon/core/main.c daemon/core/away.h daemon/core/away.c daemon/core/command.h daemon/core/command_backup.c daemon/core/loop.h daemon/core/loop.c \
	daemon/core/control.h daemon/core/control_client.h daemon/core/control.c \
	daemon/core/control_stream.c daemon/core/control_read.c daemon/core/control_metrics.c daemon/core/control_check.c \
	daemon/core/page.h daemon/core/control_list.c daemon/core/control_rows.c daemon/core/control_queue.c \
	daemon/core/gateway.h daemon/core/gateway.c \
	daemon/core/noticeworker.h daemon/core/noticeworker.c daemon/core/caworker.h daemon/core/caworker.c
derivd_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
derivd_LDADD = $(ENGINE_LIBS)
dist_man_MANS += daemon/core/derivd.8 daemon/core/derivd.conf.5
