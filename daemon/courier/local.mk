# daemon/courier: derivd-courier.
sbin_PROGRAMS += derivd-courier
noinst_LIBRARIES += daemon/courier/libcourier.a
daemon_courier_libcourier_a_SOURCES = \
	daemon/courier/address.h daemon/courier/address.c \
	daemon/courier/fetch.h daemon/courier/fetch.c
COURIER_CFLAGS = $(PROTO_CFLAGS) $(CURL_CFLAGS) $(CONFUSE_CFLAGS)
daemon_courier_libcourier_a_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
derivd_courier_SOURCES = daemon/courier/main.c
derivd_courier_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
COURIER_LIBS = daemon/courier/libcourier.a $(PROTO_LIBS) $(BASE_LIBS) $(CURL_LIBS)
derivd_courier_LDADD = $(COURIER_LIBS)
dist_man_MANS += daemon/courier/derivd-courier.8
