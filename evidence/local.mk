# evidence: what this folder builds, tests and installs.
