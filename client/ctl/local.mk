# client/ctl: what this folder builds, tests and installs.
