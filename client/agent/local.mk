# client/agent: derivd-device, a phone's agent for Linux: the words around libderivd-device. In the build directory it finds the
# library beside itself; where it is installed the system does, or, below an unusual prefix, it knows the place.
bin_PROGRAMS += derivd-device
derivd_device_SOURCES = client/agent/main.c client/agent/trouble.h client/agent/trouble.c client/agent/say.h client/agent/say.c \
	client/agent/place.h client/agent/place.c client/agent/bring.h client/agent/bring.c client/agent/show.h client/agent/show.c \
	client/agent/export.h client/agent/export.c
derivd_device_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
derivd_device_LDADD = libderivd-device.so.0 $(BASE_LIBS) $(JANSSON_LIBS)
derivd_device_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$$ORIGIN'
dist_man_MANS += client/agent/derivd-device.1

# Where they are installed, programs find the library otherwise than in the build directory.
install-exec-hook: relink-agent relink-install
# $(1): the program, $(2): its name in make's variables.
relink = case '$(libdir)' in /usr/lib | /usr/lib/*) rpath= ;; *) rpath='-Wl,-rpath,$(libdir)' ;; esac; \
	$(CC) $($(2)_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) $$rpath -o "$(DESTDIR)$(bindir)/$(1)" $($(2)_OBJECTS) $($(2)_LDADD) $(LIBS)
relink-agent: $(derivd_device_OBJECTS) libderivd-device.so.0
	$(call relink,derivd-device,derivd_device)
.PHONY: relink-agent relink-install
