#!/usr/bin/python3
"""derivd-ca's disk was put back: its log is older than derivd's store. derivd notices at once, issues nothing until derivd.conf accepts
the loss, and makes again at once what the log has forgotten of revocations; CRL numbers go up all the same."""

import os
import re
import shutil
import sqlite3
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, OFFICER, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
LOG, KEPT = kiosk.at("lib/derivd-ca/log.db"), kiosk.at("kept")
ids = {}


def enroll(name):
    kiosk.insert(kiosk.card(name, name=f"{name.capitalize()} Test"))
    kiosk.provision(kiosk.device(name), "--label", name)
    ids[name] = next(d["id"] for d in kiosk.ctl_json("device", "list") if d["label"] == name)


def credentials(name, *states):
    return [c for c in kiosk.ctl_json("credential", "list") if c["device"].startswith(ids[name][:8]) and c["state"] in states]


def status():
    return kiosk.ctl_json("status", uid=0)[0]["state"]


def crl():
    """Number and serials of what anybody gets."""
    text = run("openssl", "crl", "-inform", "DER", "-in", kiosk.at("lib/derivd-ca/public/ca.crl"), "-noout", "-text").stdout
    number = int(re.search(r"X509v3 CRL Number:\s*(\d+)", text).group(1))
    return number, {s.lower() for s in re.findall(r"Serial Number: ([0-9A-F]+)", text)}


def log(sql):
    db = sqlite3.connect(LOG)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def files():
    return [f for f in os.listdir(os.path.dirname(LOG)) if f.startswith("log.db")]


def put_back():
    """The log as it was kept, whatever else stands there now."""
    for f in files():
        os.unlink(os.path.join(os.path.dirname(LOG), f))
    for f in os.listdir(KEPT):
        shutil.copy(os.path.join(KEPT, f), os.path.dirname(LOG))
        shutil.chown(os.path.join(os.path.dirname(LOG), f), *[os.stat(os.path.dirname(LOG)).st_uid] * 2)


def revoked():
    return {c["serial"] for name in ids for c in credentials(name, "revoked")}


enroll("ada")
kiosk.halt()
os.makedirs(KEPT)
for name in files():
    shutil.copy(os.path.join(os.path.dirname(LOG), name), KEPT)
kiosk.start()
enroll("bob")
enroll("cid")
kiosk.ctl("credential", "revoke", credentials("ada", "active")[0]["id"], uid=OFFICER)
kiosk.ctl("credential", "revoke", credentials("bob", "active")[0]["id"], uid=OFFICER)
kiosk.ctl("device", "revoke", ids["cid"], uid=OFFICER)
wait_for("five revocations", lambda: len(revoked()) == 5)
wait_for("a CRL with them", lambda: revoked() <= crl()[1])
REVOKED, THEN = revoked(), crl()
ROWS = log("SELECT count(*) FROM chain")[0][0]
def heard():
    """How far derivd knows that the log had come."""
    db = sqlite3.connect(kiosk.at("lib/derivd/derivd.db"))
    try:
        return db.execute("SELECT lower(hex(bytes)) FROM meta WHERE key = 'ca log'").fetchone()[0]
    finally:
        db.close()


wait_for("derivd to hear of it", lambda: heard() == log("SELECT lower(hex(hash)) FROM chain ORDER BY row DESC LIMIT 1")[0][0])
kiosk.halt()
LOST = heard()


def seen_again():
    """What is published meanwhile is the CRL of before, or a later one with all that was revoked."""
    number, serials = crl()
    if number < THEN[0] or not REVOKED <= serials:
        raise AssertionError(f"CRL {number} lacks {REVOKED - serials}")
    return number > THEN[0]


@tap.test("an older log: nothing is issued, which the status, the chain and the person in front of it hear")
def _():
    put_back()
    tap.check(log("SELECT count(*) FROM chain")[0][0] < ROWS, "it is older")
    kiosk.start()
    wait_for("derivd to notice", lambda: "NOTHING IS ISSUED" in status())
    tap.contains(status(), "put back to an earlier state")
    row = next(r for r in kiosk.ctl_json("audit", "show", uid=AUDITOR) if r["event"] == "ca-log-older")
    tap.contains(row["text"], LOST, "the head to accept")
    tap.contains(kiosk.ctl("doctor", uid=0, check=False).stdout, "accept-log-head", "doctor")
    with kiosk.session("--yes") as s:
        tap.equal(s.error()["kind"], "wrong-state")


@tap.test("its revocations are made again, of certificates that it has lost too, before there is a CRL; whose number is higher")
def _():
    wait_for("a new CRL", seen_again)
    tap.equal(revoked(), REVOKED)
    tap.equal({r[0] for r in log("SELECT lower(hex(serial)) FROM revoked")}, REVOKED, "the log")
    tap.equal(log("SELECT lower(hex(device_id)) FROM device_revoked")[0][0], ids["cid"], "the lost device")
    kiosk.halt()
    tap.contains(run(kiosk.program("derivd-ca"), "check", env=kiosk.environment("derivd-ca")).stdout, "hold")
    kiosk.start()


@tap.test("put back once more, and killed again and again meanwhile: the same comes of it")
def _():
    before = crl()[0]
    kiosk.halt()
    put_back()
    kiosk.start()
    for _ in range(4):
        kiosk.kill("derivd-ca")
        kiosk.kill("derivd")
        wait_for("derivd", lambda: kiosk.ctl("status", uid=0, check=False).returncode == 0)
    wait_for("a new CRL", lambda: seen_again() and crl()[0] > before)
    tap.equal({r[0] for r in log("SELECT lower(hex(serial)) FROM revoked")}, REVOKED)


@tap.test("accepted in derivd.conf: people enroll again, and what the log has lost can still be revoked")
def _():
    kiosk.configure(derivd=f'accept-log-head = "{LOST}"\n')
    kiosk.restart()
    wait_for("derivd to go on", lambda: any(r["event"] == "ca-log-loss-accepted" for r in kiosk.ctl_json("audit", "show", uid=AUDITOR)))
    tap.check("NOTHING" not in status(), status())
    enroll("dan")
    lost = credentials("bob", "active")[0]
    kiosk.ctl("credential", "revoke", lost["id"], uid=OFFICER)
    wait_for("it on the CRL", lambda: lost["serial"] in crl()[1])
    kiosk.configure(derivd="")
    kiosk.restart()
    tap.check("NOTHING" not in status(), "the acceptance was forgotten")
    enroll("eve")


tap.run()
