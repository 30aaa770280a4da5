# daemon/courier: what this folder builds, tests and installs.
