# client/device: derivd-device. All but main is a library, for the unit tests.
noinst_LIBRARIES += client/device/libdevice.a
client_device_libdevice_a_SOURCES = \
	client/device/fault.h client/device/fault.c \
	client/device/state.h client/device/state.c client/device/state_file.c \
	client/device/home.h client/device/home.c \
	client/device/make.h client/device/make.c \
	client/device/say.h client/device/say.c \
	client/device/wire.h client/device/wire.c client/device/wire_tls.h client/device/wire_tls.c \
	client/device/offer_answer.h client/device/offer_answer.c \
	client/device/apply.h client/device/apply.c client/device/apply_kind.h client/device/apply_kind.c \
	client/device/talk.h client/device/talk_part.h client/device/talk.c \
	client/device/talk_enroll.c client/device/talk_items.c \
	client/device/enroll.h client/device/enroll.c \
	client/device/repin.h client/device/repin.c client/device/run.h client/device/run.c \
	client/device/show.h client/device/show.c \
	client/device/export.h client/device/export.c
client_device_libdevice_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS) $(JANSSON_CFLAGS)
DEVICE_LIBS = client/device/libdevice.a $(EVIDENCE_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS)

bin_PROGRAMS += derivd-device
derivd_device_SOURCES = client/device/main.c
derivd_device_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS) $(JANSSON_CFLAGS)
derivd_device_LDADD = $(DEVICE_LIBS)
dist_man_MANS += client/device/derivd-device.1
