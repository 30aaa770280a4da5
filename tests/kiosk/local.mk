# tests/kiosk: the Debian packages on machines with systemd as their first process. Not part of "make check": it needs root, the
# packages of contrib/deps kiosk, and a mirror of Debian the first time. KIOSK=long for all of it.
EXTRA_DIST += tests/kiosk/run tests/kiosk/probe.py tests/kiosk/test_kiosk.py tests/kiosk/test_units.py tests/kiosk/installed.py tests/kiosk/machine.py \
	tests/kiosk/system.py tests/kiosk/journal.py tests/kiosk/ready.py tests/kiosk/test_troubles.py tests/kiosk/test_moves.py \
	tests/kiosk/test_inside.py tests/kiosk/test_upgrade.py tests/kiosk/earlier.py

check-kiosk: all
	abs_top_builddir='$(abs_top_builddir)' $(SHELL) $(srcdir)/tests/kiosk/run $(KIOSK_PART)

.PHONY: check-kiosk
