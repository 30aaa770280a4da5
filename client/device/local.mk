# client/device: libderivd-device, the device's side of derivd for apps. libdevice.a is the same for the unit tests, with all that is
# inside of it.
noinst_LIBRARIES += client/device/libdevice.a
client_device_libdevice_a_SOURCES = \
	client/device/fault.h client/device/fault.c \
	client/device/state.h client/device/state.c client/device/state_file.c \
	client/device/home.h client/device/home.c \
	client/device/make.h client/device/make.c \
	client/device/tell.h client/device/tell.c \
	client/device/wire.h client/device/wire.c client/device/wire_tls.h client/device/wire_tls.c \
	client/device/wire_bio.h client/device/wire_bio.c \
	client/device/offer_answer.h client/device/offer_answer.c \
	client/device/apply.h client/device/apply.c client/device/apply_kind.h client/device/apply_kind.c \
	client/device/talk.h client/device/talk_part.h client/device/talk.c \
	client/device/talk_enroll.c client/device/talk_items.c \
	client/device/enroll.h client/device/enroll.c \
	client/device/repin.h client/device/repin.c client/device/run.h client/device/run.c \
	client/device/export.h client/device/export.c \
	client/device/api.h client/device/api.c client/device/api_error.c client/device/api_read.c \
	client/device/api_export.c
client_device_libdevice_a_CFLAGS = $(SHARED_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
DEVICE_LIBS = client/device/libdevice.a $(EVIDENCE_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

include_HEADERS = client/device/derivd-device.h
pkgconfig_DATA = client/device/libderivd-device.pc
dist_man_MANS += client/device/libderivd-device.3
EXTRA_DIST += client/device/libderivd-device.map

# Made here and not by libtool: everything in it is compiled once, for programs and library, and a program in the build directory is
# the program, not a script that stands for it. Linux is all that derivd runs on.
DEVICE_SONAME = libderivd-device.so.0
DEVICE_FILE = $(DEVICE_SONAME).0.0
DEVICE_PARTS = client/device/libdevice.a evidence/libevidence.a proto/libproto.a proto/libwire.a base/libbase.a
DEVICE_LINK = -Wl,--whole-archive client/device/libdevice.a -Wl,--no-whole-archive \
	evidence/libevidence.a proto/libproto.a proto/libwire.a base/libbase.a
# What was compiled with other flags, perhaps not for a library, is compiled again.
$(client_device_libdevice_a_OBJECTS) $(evidence_libevidence_a_OBJECTS) $(proto_libproto_a_OBJECTS) \
	$(proto_libwire_a_OBJECTS) $(base_libbase_a_OBJECTS): $(top_srcdir)/Makefile.am
$(DEVICE_SONAME): $(DEVICE_PARTS) client/device/libderivd-device.map
	$(AM_V_CCLD)$(CC) $(AM_CFLAGS) -fPIC $(CFLAGS) -shared $(filter-out -pie,$(AM_LDFLAGS)) $(LDFLAGS) \
		-Wl,-soname,$(DEVICE_SONAME) -Wl,--version-script,$(srcdir)/client/device/libderivd-device.map -Wl,-z,defs \
		-o $@ $(DEVICE_LINK) $(SSL_LIBS) $(CRYPTO_LIBS) $(PROTOBUF_C_LIBS) $(SYSTEMD_LIBS) $(CONFUSE_LIBS)

# One object, in which only what is exported has a name.
libderivd-device.a: $(DEVICE_PARTS)
	$(AM_V_AR)$(CC) -r -nostdlib -o libderivd-device.o $(DEVICE_LINK) && \
		$(OBJCOPY) --localize-hidden libderivd-device.o && rm -f $@ && \
		$(AR) $(ARFLAGS) $@ libderivd-device.o && rm -f libderivd-device.o
all-local: $(DEVICE_SONAME) libderivd-device.a
CLEANFILES += $(DEVICE_SONAME) libderivd-device.a libderivd-device.o

install-exec-local: install-libdevice
install-libdevice: $(DEVICE_SONAME) libderivd-device.a
	$(MKDIR_P) "$(DESTDIR)$(libdir)"
	$(INSTALL_DATA) $(DEVICE_SONAME) "$(DESTDIR)$(libdir)/$(DEVICE_FILE)"
	ln -sf $(DEVICE_FILE) "$(DESTDIR)$(libdir)/$(DEVICE_SONAME)"
	ln -sf $(DEVICE_SONAME) "$(DESTDIR)$(libdir)/libderivd-device.so"
	$(INSTALL_DATA) libderivd-device.a "$(DESTDIR)$(libdir)/libderivd-device.a"
uninstall-local: uninstall-libdevice
uninstall-libdevice:
	cd "$(DESTDIR)$(libdir)" && rm -f $(DEVICE_FILE) $(DEVICE_SONAME) libderivd-device.so libderivd-device.a
.PHONY: install-libdevice uninstall-libdevice
