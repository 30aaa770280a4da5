# daemon/core: what this folder builds, tests and installs.
