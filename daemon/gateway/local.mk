# daemon/gateway: derivd-gateway. All but main is a library, for the unit tests.
noinst_LIBRARIES += daemon/gateway/libgateway.a
daemon_gateway_libgateway_a_SOURCES = \
	daemon/gateway/settings.h daemon/gateway/settings.c \
	daemon/gateway/tls.h daemon/gateway/tls.c \
	daemon/gateway/init.h daemon/gateway/init.c \
	daemon/gateway/due.h daemon/gateway/due.c \
	daemon/gateway/poller.h daemon/gateway/poller.c \
	daemon/gateway/stream.h daemon/gateway/stream_part.h daemon/gateway/stream.c daemon/gateway/stream_io.c \
	daemon/gateway/roster.h daemon/gateway/roster.c \
	daemon/gateway/uplink.h daemon/gateway/uplink.c \
	daemon/gateway/conn.h daemon/gateway/conn.c \
	daemon/gateway/hub.h daemon/gateway/hub.c \
	daemon/gateway/door.h daemon/gateway/door.c
daemon_gateway_libgateway_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS) $(CONFUSE_CFLAGS)
GATEWAY_LIBS = daemon/gateway/libgateway.a $(PROTO_LIBS) $(BASE_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

sbin_PROGRAMS += derivd-gateway
derivd_gateway_SOURCES = daemon/gateway/main.c
derivd_gateway_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
derivd_gateway_LDADD = $(GATEWAY_LIBS)
dist_man_MANS += daemon/gateway/derivd-gateway.8 daemon/gateway/gateway.conf.5
