# tests/sim: derivd's engine under a fake clock, with crashes. clock_fake.c comes before base/libbase.a, whose clock.c is then not taken.
check_PROGRAMS += tests/sim/test_sim
TESTS += tests/sim/test_sim
tests_sim_test_sim_SOURCES = \
	tests/sim/test_sim.c tests/sim/sim.h tests/sim/sim.c tests/sim/sim_kiosk.c tests/sim/sim_device.c \
	tests/sim/sim_officer.c tests/sim/sim_ca.c tests/sim/sim_log.c tests/sim/sim_past.c tests/sim/sim_check.c tests/sim/clock_fake.h tests/sim/clock_fake.c
tests_sim_test_sim_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS)
tests_sim_test_sim_LDADD = $(ENGINE_LIBS)
