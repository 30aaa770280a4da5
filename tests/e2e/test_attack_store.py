#!/usr/bin/python3
"""The store was tampered with while nobody looked: rewritten, truncated, put back to an older state. derivd-ca has logged heads
of the audit chain with what it certified, so an auditor finds it, and derivd issues nothing before somebody has looked."""

import hashlib
import os
import shutil
import sqlite3
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, OFFICER, UIDS, Kiosk, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
STORE = kiosk.at("lib/derivd")
names = iter(range(100))


def enroll():
    settled = kiosk.provision(kiosk.device(f"phone-{next(names)}"))[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)


def keep(name):
    """A copy of the store, with derivd halted."""
    kiosk.halt()
    shutil.copytree(STORE, kiosk.at(name))


def put_back(name):
    kiosk.halt()
    shutil.rmtree(STORE)
    shutil.copytree(kiosk.at(name), STORE)
    for path in (STORE, *(os.path.join(STORE, f) for f in os.listdir(STORE))):
        os.chown(path, UIDS["derivd"], UIDS["derivd"])


def change(*steps):
    """Does this to the store with derivd halted, and starts it."""
    kiosk.halt()
    db = sqlite3.connect(f"{STORE}/derivd.db")
    for step in steps:
        step(db)
    db.commit()
    db.close()
    kiosk.start()


def refuses_to_issue():
    tap.equal(kiosk.ctl_error("audit", "verify", uid=AUDITOR), "audit-broken")
    with kiosk.session("--yes") as s:
        tap.equal(s.error()["kind"], "wrong-state")


def row_changed(db):
    """An event that somebody does not want to have happened."""
    rows = db.execute("SELECT sequence, body FROM audit ORDER BY sequence DESC").fetchall()
    n, body = next(r for r in rows if b"session to enroll" in r[1])
    db.execute("UPDATE audit SET body = ? WHERE sequence = ?", (body.replace(b"enroll", b"nobody"), n))


def chain_recomputed(db):
    """So that each row follows from the one before."""
    before = bytes(32)
    for n, body in db.execute("SELECT sequence, body FROM audit ORDER BY sequence").fetchall():
        before = hashlib.sha256(b"derivd audit v1\0" + before + body).digest()
        db.execute("UPDATE audit SET hash = ? WHERE sequence = ?", (before, n))


def cut(n):
    def step(db):
        db.execute("DELETE FROM audit WHERE sequence > (SELECT max(sequence) FROM audit) - ?", (n,))
    return step


def middle_cut(db):
    db.execute("DELETE FROM audit WHERE sequence = (SELECT max(sequence) / 2 FROM audit)")


enroll()
keep("older")
kiosk.start()
for d in kiosk.ctl_json("device", "list"):
    kiosk.ctl("device", "revoke", d["id"], uid=OFFICER)
wait_for("the revocations", lambda: all(c["state"] == "revoked" for c in kiosk.ctl_json("credential", "list")))
enroll()
keep("good")


@tap.test("untouched: the chain is good, and what is recomputed is what was there")
def _():
    change(chain_recomputed)
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


@tap.test("a row that was changed: verify says so, doctor too, and no backup of it counts as one")
def _():
    change(row_changed)
    tap.equal(kiosk.ctl_error("audit", "verify", uid=AUDITOR), "audit-broken")
    tap.contains(kiosk.ctl("doctor", check=False).stdout, "(audit-broken)", "doctor")
    done = kiosk.ctl("backup", kiosk.at("damaged"), uid=0, check=False)
    tap.check(done.returncode != 0, f"a backup: {done.stdout}")
    tap.check(not os.path.exists(kiosk.at("damaged")) and not os.path.exists(kiosk.at("damaged.part")), "nothing is left")
    tap.equal(kiosk.ctl_json("status")[0].get("backup_ms", 0), 0, "no backup")


@tap.test("a row that was changed, and the chain recomputed after it: nothing is issued")
def _():
    put_back("good")
    change(row_changed, chain_recomputed)
    refuses_to_issue()


@tap.test("a row taken out of the middle, and the chain recomputed")
def _():
    put_back("good")
    change(middle_cut, chain_recomputed)
    tap.equal(kiosk.ctl_error("audit", "verify", uid=AUDITOR), "audit-broken")


@tap.test("the last rows cut off: nothing is issued, and revoking still works")
def _():
    put_back("good")
    change(cut(20))
    refuses_to_issue()


@tap.test("the whole store put back to an older state: noticed at the start, nothing is issued, but revoking works")
def _():
    put_back("older")
    kiosk.start()
    refuses_to_issue()
    device = kiosk.ctl_json("device", "list")[0]
    kiosk.ctl("device", "revoke", device["id"], uid=OFFICER)
    wait_for("the device", lambda: kiosk.ctl_json("device", "show", device["id"])[0]["state"] == "revoked")


@tap.test("a store that begins anew beside a log that does not: nothing is issued")
def _():
    kiosk.halt()
    for f in os.listdir(STORE):
        os.unlink(os.path.join(STORE, f))
    kiosk.start()
    refuses_to_issue()


@tap.test("the right store put back: people enroll as ever")
def _():
    put_back("good")
    kiosk.start()
    enroll()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


tap.run()
