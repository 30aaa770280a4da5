#!/usr/bin/python3
"""derivd-card with real pcscd, real OpenSC and the virtual PIV card: reading and signing."""

import os
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("abs_top_srcdir", os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
from card import Card  # noqa: E402
from rig import Rig, build_dir  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
build = build_dir()
top = tap.use(tempfile.TemporaryDirectory(prefix="card-"))
PIN, WRONG = "123456", "654321"


def make_card(name, *options):
    """A card's directory; the PKI comes with the first."""
    tool = [os.path.join(SOURCE, "tests/fixtures/make-card")]
    pki, out = os.path.join(top, "pki"), os.path.join(top, name)
    if not os.path.exists(pki):
        subprocess.run(tool + ["pki", pki], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(out):
        subprocess.run(tool + ["card", "--ca", pki, out, *options], check=True, stdout=subprocess.DEVNULL)
    return out


def ada():
    return make_card("ada", "--name", "Ada Lovelace", "--alg", "rsa2048")


def bob():
    return make_card("bob", "--name", "Bob Example", "--alg", "p256")


sessions = 0


def session(rig, conf=""):
    """A new derivd-card."""
    global sessions
    sessions += 1
    return Card(build, os.path.join(top, f"etc{sessions}"), rig.env, conf)


def expect_error(answer, kind, *parts):
    tap.equal(answer.get("error"), kind, f"error in {answer}")
    for part in parts:
        tap.contains(answer["text"], part, "text")


def expect_signed(answer):
    tap.check(answer.get("intent") and answer.get("signature"), f"not signed: {answer}")


@tap.test("no reader, then one that is plugged in later")
def _():
    with Rig() as rig, session(rig) as card:
        expect_error(card.open(), "no-reader")
        tap.equal(card.ask(do="readers")["readers"], [], "readers")
        rig.add_reader(card=bob())
        tap.equal([r["state"] for r in card.ask(do="readers")["readers"]], ["present"], "states")
        tap.equal(card.open().get("label"), "Bob Example", "label")


@tap.test("an RSA card is read and signs")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=ada())
        facts = card.open()
        tap.equal((facts["type"], facts["label"], facts["pin"], facts["tries"]), ("piv", "Ada Lovelace", "ok", 3),
                  "facts")
        tap.equal([c["slot"] for c in facts["certs"]], ["9A", "9C", "9D", "9E"], "slots")
        expect_signed(card.sign("9A", PIN))
        tap.contains(reader.ctl("status"), "pin=unverified")
        tap.equal(card.close(), {"ok": True}, "close")


if __name__ == "__main__":
    tap.run()
