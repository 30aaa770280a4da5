# daemon/courier: derivd-courier.
sbin_PROGRAMS += derivd-courier
noinst_LIBRARIES += daemon/courier/libcourier.a
daemon_courier_libcourier_a_SOURCES = \
	daemon/courier/address.h daemon/courier/address.c \
	daemon/courier/settings.h daemon/courier/settings.c \
	daemon/courier/fetch.h daemon/courier/fetch.c \
	daemon/courier/smtp.h daemon/courier/smtp.c daemon/courier/hook.h daemon/courier/hook.c \
	daemon/courier/notice.h daemon/courier/notice.c daemon/courier/notice_text.c
COURIER_CFLAGS = $(PROTO_CFLAGS) $(CURL_CFLAGS) $(CONFUSE_CFLAGS) $(JANSSON_CFLAGS)
daemon_courier_libcourier_a_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
derivd_courier_SOURCES = daemon/courier/main.c
derivd_courier_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
COURIER_LIBS = daemon/courier/libcourier.a $(EVIDENCE_LIBS) $(PROTO_LIBS) $(BASE_LIBS) $(CURL_LIBS) $(JANSSON_LIBS)
derivd_courier_LDADD = $(COURIER_LIBS)
dist_man_MANS += daemon/courier/derivd-courier.8 daemon/courier/courier.conf.5
