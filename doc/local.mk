# doc: what this folder builds, tests and installs.
EXTRA_DIST += doc/PRIVSEP.md
