# pkcs11: what this folder builds, tests and installs.
