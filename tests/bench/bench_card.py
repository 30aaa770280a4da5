#!/usr/bin/python3
"""APDUs of one session of derivd-card (read, PIN, sign) beside pkcs11-tool listing and signing, on the same card."""

import os
import subprocess
import tempfile

from benchlib import SOURCE, at_most, build_dir, need_plain_build, note
from card import PIN_FOR_COUNTING, count_apdus
from rig import Rig

MAKE_CARD = os.path.join(SOURCE, "tests/fixtures/make-card")


def make_card(top, alg):
    pki, out = os.path.join(top, "pki"), os.path.join(top, alg)
    if not os.path.exists(pki):
        subprocess.run([MAKE_CARD, "pki", pki], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([MAKE_CARD, "card", "--ca", pki, out, "--pin", PIN_FOR_COUNTING, "--name", "Ada Lovelace", "--alg",
                    alg], check=True, stdout=subprocess.DEVNULL)
    return out


def main():
    need_plain_build()
    with tempfile.TemporaryDirectory(prefix="bench-card-") as top, Rig() as rig:
        reader = rig.add_reader()
        for alg in ("rsa2048", "p256"):
            ours, tool = count_apdus(rig, reader, build_dir(), top, make_card(top, alg), alg)
            note(f"APDUs, PIV card with {alg}: derivd-card reads, takes the PIN and signs: {ours}; "
                 f"pkcs11-tool -O, then --login --sign: {tool}")
            at_most(f"card-apdus-{alg}", ours / tool, 0.75)


if __name__ == "__main__":
    main()
