#!/usr/bin/python3
"""A store that is older than derivd-ca's log: people enrolled, got successors and lost phones since the backup was taken. derivd issues
nothing before it knows all of that again, and afterwards everything goes on as if the store had never been away."""

import os
import re
import shutil
import sqlite3
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, OFFICER, UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
phones = {}


def enroll(name, *words):
    phones[name] = kiosk.device(name)
    kiosk.provision(phones[name], "--label", name, *words)
    return next(d["id"] for d in kiosk.ctl_json("device", "list") if d["label"] == name)


def credentials():
    """Serial number: state."""
    return {c["serial"]: c["state"] for c in kiosk.ctl_json("credential", "list") if c["serial"]}


def devices():
    return {d["id"]: d["state"] for d in kiosk.ctl_json("device", "list")}


def status():
    return kiosk.ctl_json("status", uid=0)[0]["state"]


def caught_up():
    wait_for("derivd to catch up", lambda: "catching up" not in status() and "NOTHING" not in status())


def settle():
    """All phones are connected until nothing is on its way any more."""
    for phone in phones.values():
        phone.start()
    try:
        wait_for("everything to arrive", lambda: not [c for c in kiosk.ctl_json("credential", "list") if c["state"] in (
            "wanted", "made", "certified", "queued", "revoking")])
    finally:
        for phone in phones.values():
            phone.stop()


def put_back():
    kiosk.halt()
    return run(kiosk.program("derivd"), "restore", "--replace", f"{BACKUP}/store", env=kiosk.environment("derivd")).stdout


old, lost = enroll("old"), enroll("lost")
BACKUP = kiosk.at("backup")
kiosk.ctl("backup", BACKUP, uid=0)
kiosk.insert(kiosk.card("bob", name="Bob Builder"))
bobs = enroll("bob")
kiosk.insert(kiosk.card("cid", name="Cid Campeador"))
cids = enroll("cid")
kiosk.ctl("device", "revoke", lost, uid=OFFICER)
kiosk.ctl("device", "revoke", cids, uid=OFFICER)
one = next(c for c in kiosk.ctl_json("credential", "list") if c["device"].startswith(bobs[:8]) and c["purpose"] == "signing")
kiosk.ctl("credential", "revoke", one["id"], uid=OFFICER)
settle()
THEN, DEVICES = credentials(), devices()
ROWS = kiosk.ctl_json("status")[0]["audit"]["sequence"]


def as_it_was():
    caught_up()
    settle()
    tap.equal(devices(), DEVICES)
    tap.equal(credentials(), THEN)
    troubled = [j for j in kiosk.ctl_json("queue", "list") if j["state"] in ("blocked", "failed")]
    tap.equal(troubled, [])


@tap.test("the store from the backup: it catches up, and knows every device and certificate in the state that it had")
def _():
    tap.contains(put_back(), "is back")
    db = sqlite3.connect(kiosk.at("lib/derivd/derivd.db"))
    tap.check(db.execute("SELECT count(*) FROM device").fetchone()[0] < len(DEVICES), "the backup is older")
    db.close()
    kiosk.start()
    as_it_was()


@tap.test("it is in the audit chain which rows are lost; an auditor who is told so finds the rest good")
def _():
    rows = kiosk.ctl_json("audit", "show")
    row, text = next((r["sequence"], r["text"]) for r in rows if r["event"] == "restored")
    first, last = map(int, re.search(r"audit rows (\d+)-(\d+) are lost", text).groups())
    tap.check(first <= last <= ROWS, text)
    tap.check(any(r["event"] == "reconciled" for r in rows), "the end of it")
    tap.equal(kiosk.ctl_error("audit", "verify", uid=AUDITOR), "audit-broken")
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR, check=False).stderr, f"Audit row {row} tells of a backup")
    tap.contains(kiosk.ctl("audit", "verify", "--lost", f"{first}-{last}", uid=AUDITOR).stdout, "good")
    tap.equal(kiosk.ctl_error("audit", "verify", "--lost", f"{last}-{first}", uid=AUDITOR), "usage")


@tap.test("nobody is told a second time: there is no channel here, so the chain would name each who should have been")
def _():
    rows = [r["event"] for r in kiosk.ctl_json("audit", "show")]
    tap.check("notice-nobody" in rows[:rows.index("restored")], "before the backup each was named")
    tap.equal([e for e in rows[rows.index("restored"):] if e == "notice-nobody"], [])


@tap.test("what came back proves itself: evidence, receipt, ticket and chain")
def _():
    for c in kiosk.ctl_json("credential", "list"):
        if c["device"].startswith(bobs[:8]) and c["state"] == "active":
            tap.contains(kiosk.ctl("evidence", "verify", c["id"], uid=AUDITOR).stdout, "good")


@tap.test("people enroll, get successors and lose phones as ever, also after another start")
def _():
    kiosk.restart()
    tap.check("catching up" not in status(), status())
    kiosk.insert(kiosk.card("dan", name="Dan Dare"))
    enroll("dan")
    kiosk.ctl("device", "revoke", bobs, uid=OFFICER)
    wait_for("the revocation", lambda: devices()[bobs] == "revoked")
    phones.pop("bob")
    settle()
    tap.equal([c["state"] for c in kiosk.ctl_json("credential", "list") if c["device"].startswith(bobs[:8])], ["revoked"] * 3)


@tap.test("killed again and again while it catches up: in the end it knows the same")
def _():
    before = credentials(), devices()
    put_back()
    kiosk.start()
    for _ in range(4):
        kiosk.kill("derivd")
        kiosk.kill("derivd-ca")
        wait_for("derivd", lambda: kiosk.ctl("status", uid=0, check=False).returncode == 0)
    caught_up()
    settle()
    tap.equal((credentials(), devices()), before)


def older_by_hand():
    """The backup's store without the command that would say so. Returns the head that derivd-ca has seen and the store has not."""
    kiosk.halt()
    for f in os.listdir(kiosk.at("lib/derivd")):
        os.unlink(kiosk.at(f"lib/derivd/{f}"))
    shutil.copy(f"{BACKUP}/store/derivd.db", kiosk.at("lib/derivd/derivd.db"))
    os.chown(kiosk.at("lib/derivd/derivd.db"), UIDS["derivd"], UIDS["derivd"])
    kiosk.start()
    tap.contains(status(), "NOTHING IS ISSUED")
    text = next(r["text"] for r in kiosk.ctl_json("audit", "show") if r["event"] == "audit-chain-broken")
    return re.search(r"head is ([0-9a-f]{64})", text).group(1)


def accept(head):
    kiosk.configure(derivd=f'accept-audit-head = "{head}"\n')
    kiosk.restart()
    caught_up()


def forget_acceptance():
    kiosk.configure(derivd="")
    kiosk.restart()
    tap.check("NOTHING" not in status(), "the acceptance was forgotten")


@tap.test("an older store that nobody put back by command: nothing is issued until derivd.conf accepts it, then it catches up")
def _():
    before = credentials(), devices()
    head = older_by_hand()
    with kiosk.session("--yes") as s:
        tap.equal(s.error()["kind"], "wrong-state")
    accept(head)
    settle()
    tap.equal((credentials(), devices()), before)
    forget_acceptance()
    enroll("last")


def revoke(purpose):
    c = next(c for c in kiosk.ctl_json("credential", "list") if c["device"] == old and c["purpose"] == purpose)
    kiosk.ctl("credential", "revoke", c["id"], uid=OFFICER)
    wait_for("the revocation", lambda: credentials()[c["serial"]] == "revoked")
    return c["serial"]


def items():
    return [j for j in kiosk.ctl_json("queue", "list") if j["what"] == "sign-item"]


@tap.test("what is queued for a phone before the store has caught up waits, says why, and goes on by itself afterwards")
def _():
    # The phone has an item that the backup's store will not know: its number is taken.
    removed = [revoke("signing")]
    settle()
    head = older_by_hand()
    removed.append(revoke("authentication"))
    waiting = wait_for("the phone's item", items)
    tap.equal([j["state"] for j in waiting], ["waiting"], f"{waiting}")
    tap.contains(waiting[0]["cause"], "head is")
    accept(head)
    settle()
    wait_for("the queue to be empty", lambda: not items())
    tap.equal([j for j in kiosk.ctl_json("queue", "list") if j["state"] in ("blocked", "failed")], [])
    tap.equal([credentials()[serial] for serial in removed], ["revoked", "revoked"])
    phones["old"].start()
    wait_for("the phone to have removed both", lambda: phones["old"].status()["credentials"] == 1)
    phones["old"].stop()
    forget_acceptance()


tap.run()
