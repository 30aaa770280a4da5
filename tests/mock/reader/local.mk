# tests/mock/reader: a virtual reader for a private pcscd: its driver, and what makes pcscd find it.
# Both are loaded by Debian's pcscd, so they are built without sanitizers, and as shared objects.
noinst_PROGRAMS += tests/mock/reader/ifd.so tests/mock/reader/hotplug.so
EXTRA_DIST += tests/mock/reader/README.md

reader_cflags = -std=gnu11 -fPIC -fvisibility=default $(WARN_CFLAGS)
tests_mock_reader_ifd_so_SOURCES = \
	tests/mock/reader/ifd.c \
	tests/mock/reader/pad.c \
	tests/mock/reader/pad.h
tests_mock_reader_ifd_so_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE $(PCSCLITE_CFLAGS)
tests_mock_reader_ifd_so_CFLAGS = $(reader_cflags) -Wno-missing-prototypes
tests_mock_reader_ifd_so_LDFLAGS = -shared
tests_mock_reader_hotplug_so_SOURCES = tests/mock/reader/hotplug.c
tests_mock_reader_hotplug_so_CPPFLAGS = -D_GNU_SOURCE -U_FORTIFY_SOURCE
tests_mock_reader_hotplug_so_CFLAGS = $(reader_cflags) -Wno-missing-prototypes
tests_mock_reader_hotplug_so_LDFLAGS = -shared
