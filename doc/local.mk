# doc: what this folder builds, tests and installs.
EXTRA_DIST += doc/PRIVSEP.md
EXTRA_DIST += doc/TOUR.md
EXTRA_DIST += doc/FIGURES.md
EXTRA_DIST += doc/BACKUP.md doc/GATEWAY-KEY.md
