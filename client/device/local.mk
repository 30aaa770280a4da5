# client/device: what this folder builds, tests and installs.
