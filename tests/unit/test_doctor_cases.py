#!/usr/bin/python3
"""What derivctl doctor tells apart, and the tests in which each is provoked: none is forgotten. A kind that doctor.def names must be
here, and the tests that are named must look for it."""

import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from tap import Tap  # noqa: E402

tap = Tap()
DOCTOR, TROUBLES, KIOSK = "tests/e2e/test_doctor.py", "tests/kiosk/test_troubles.py", "tests/kiosk/test_kiosk.py"
ENDS = "tests/e2e/test_doctor_ends.py"
# What happened: (kind, where it is provoked). TROUBLES and KIOSK have a real systemd.
CASES = {
    "no pcscd": ("pcsc-unreachable", DOCTOR, TROUBLES),
    "pcscd refuses us": ("pcsc-denied", DOCTOR, TROUBLES),
    "no reader": ("no-reader", DOCTOR, TROUBLES),
    "mute card": ("card-mute", DOCTOR, TROUBLES),
    "card the wrong way round": ("card-wrong-way", DOCTOR),
    "unknown card": ("unknown-card", DOCTOR, TROUBLES),
    "last try of the PIN": ("pin-last-try", DOCTOR, TROUBLES),
    "locked PIN": ("pin-locked", DOCTOR, TROUBLES),
    "module not loadable": ("module", DOCTOR, TROUBLES),
    "CA key missing": ("ca-key-missing", DOCTOR, TROUBLES),
    "CRL unreachable": ("crl-unreachable", DOCTOR, TROUBLES),
    "CRL stale": ("crl-stale", DOCTOR, TROUBLES),
    "clock behind": ("clock-behind", DOCTOR, TROUBLES),
    "store full": ("store-full", DOCTOR, TROUBLES),
    "store read-only": ("store-read-only", DOCTOR, TROUBLES),
    "schema newer": ("store-newer", DOCTOR, TROUBLES),
    "queue blocked": ("queue-blocked", DOCTOR, TROUBLES),
    "no backup for a long time": ("backup-old", DOCTOR),
    "gateway away": ("gateway-away", DOCTOR, TROUBLES),
    "gateway not reached": ("gateway-unreachable", DOCTOR, TROUBLES),
    "gateway certificate about to expire": ("certificate-ends", DOCTOR, TROUBLES),
    "pinned key changed": ("pinned-key-changed", DOCTOR, TROUBLES),
    "journal rate-limited": ("journal-rate-limited", KIOSK, TROUBLES),
    "a unit failed": ("unit-failed", KIOSK, TROUBLES),
    "a unit is not there": ("unit-inactive", KIOSK, TROUBLES),
    "a program of another build": ("other-build", DOCTOR, TROUBLES),
    "the issuing CA about to expire": ("issuer-ends", ENDS),
    "the root's CRL about to expire": ("root-crl-ends", ENDS),
    "our own CRL out of date": ("own-crl-stale", ENDS),
}


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


@tap.test("each kind that doctor.def has a remedy for is among the cases")
def _():
    kinds = set(re.findall(r'^ADVICE\(\w+,\s*"([^"]+)"', read("client/ctl/doctor.def"), re.M))
    tap.check(len(kinds) > 8, f"only {kinds}")
    tap.equal(sorted(kinds - {c[0] for c in CASES.values()}), [], "kinds that nobody provokes")


@tap.test("each case is provoked where this says")
def _():
    for what, (kind, *where) in CASES.items():
        for path in where:
            tap.contains(read(path), f'"{kind}"', f"{path} ({what})")


tap.run()
