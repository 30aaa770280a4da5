# daemon/spawn: derivd-spawn, for development, tests and demonstrations; it is not installed.
noinst_PROGRAMS += derivd-spawn
derivd_spawn_SOURCES = \
	daemon/spawn/main.c \
	daemon/spawn/service.h daemon/spawn/service.c \
	daemon/spawn/options.h daemon/spawn/options.c \
	daemon/spawn/place.h daemon/spawn/place.c \
	daemon/spawn/launch.h daemon/spawn/launch.c \
	daemon/spawn/notify.h daemon/spawn/notify.c \
	daemon/spawn/keeper.h daemon/spawn/keeper.c
derivd_spawn_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
derivd_spawn_LDADD = $(BASE_LIBS)
EXTRA_DIST += daemon/spawn/derivd-spawn.8
TESTS += tests/e2e/test_spawn.py
EXTRA_DIST += tests/e2e/test_spawn.py
