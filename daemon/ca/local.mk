# daemon/ca: what this folder builds, tests and installs.
