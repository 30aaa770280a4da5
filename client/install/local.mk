# client/install: derivd-device-install, which puts what a device has into NSS databases and PKCS#11 tokens.
bin_PROGRAMS += derivd-device-install
derivd_device_install_SOURCES = client/install/main.c client/install/install.h client/install/install.c \
	client/install/record.h client/install/record.c client/agent/bring.h client/agent/bring.c \
	client/agent/place.h client/agent/place.c \
	client/agent/trouble.h client/agent/trouble.c client/agent/say.h client/agent/say.c
derivd_device_install_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(NSS_CFLAGS)
derivd_device_install_LDADD = libderivd-device.so.0 $(BASE_LIBS) $(JANSSON_LIBS) $(NSS_LIBS)
derivd_device_install_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$$ORIGIN'
dist_man_MANS += client/install/derivd-device-install.1
relink-install: $(derivd_device_install_OBJECTS) libderivd-device.so.0
	$(call relink,derivd-device-install,derivd_device_install)
