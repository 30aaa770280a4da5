# base: the lowest room. Programs link $(BASE_LIBS).
noinst_LIBRARIES += base/libbase.a
base_libbase_a_SOURCES = \
	base/def.h \
	base/err.h base/err.c \
	base/buf.h base/buf.c \
	base/secret.h base/secret.c \
	base/text.h base/text.c base/text_safe.c \
	base/clock.h base/clock.c \
	base/rate.h base/rate.c \
	base/alive.h base/alive.c \
	base/log.h base/log.c base/note.def \
	base/io.h base/io.c \
	base/credential.h base/credential.c \
	base/url.h base/url.c \
	base/proc.h base/proc.c base/build_id.c \
	base/conf.h base/conf.c
nodist_base_libbase_a_SOURCES = base/build-id.h
base_libbase_a_CFLAGS = $(SHARED_CFLAGS) $(SYSTEMD_CFLAGS) $(CONFUSE_CFLAGS)
BASE_LIBS = base/libbase.a $(SYSTEMD_LIBS) $(CONFUSE_LIBS)

# The build id is a hash over the sources and over how they are compiled. It is computed in each run of make,
# but the header changes only when the id does. (automake's list of sources would miss what others include.)
EXTRA_DIST += base/build-id.sh
CLEANFILES += base/build-id.h
base/build-id.h: build-id-always
	$(AM_V_at)$(MKDIR_P) base && $(SHELL) $(srcdir)/base/build-id.sh $(srcdir) $@ \
		"$(CC) $(CFLAGS) $(CPPFLAGS) $(HARDEN_CPPFLAGS) $(HARDEN_CFLAGS) $(HARDEN_LDFLAGS)" \
		"$(VERSION) $(sysconfdir) $(localstatedir) $(pkgdatadir) $(opensc_module)"
base/libbase_a-build_id.$(OBJEXT): base/build-id.h
build-id-always:
.PHONY: build-id-always
