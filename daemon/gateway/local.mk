# daemon/gateway: what this folder builds, tests and installs.
