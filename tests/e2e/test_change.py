#!/usr/bin/python3
"""Two persons for changes to the CA: root changes the configuration of derivd-ca, and nothing is issued under it before two
officers, each with a user of his own, have approved it. Revocation never waits."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, GROUPS, NOBODY, OFFICER, OFFICER2, OPERATOR, UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = Kiosk(crl="files", start=False)
tap.use(kiosk)
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
LOG = kiosk.at("lib/derivd-ca/log.db")


def rule(officers, more=""):
    """Written by root; another process of derivd-ca reads it."""
    kiosk.configure(ca=f'approval {{\n\tofficers = {officers}\n\tgroup = "{GROUPS[OFFICER]}"\n}}\n{more}')


def ca(*words, check=True):
    return run(kiosk.program("derivd-ca"), *words, env=kiosk.environment("derivd-ca"), check=check)


def show(uid=OFFICER):
    return kiosk.ctl_json("change", "show", uid=uid)[0]


def approve(uid, digest=None):
    """The kind of error, or what was answered."""
    done = kiosk.ctl("--json", "change", "approve", digest or show()["digest"], uid=uid, check=False)
    return done.stdout if done.returncode == 0 else re.search(r'"kind": *"([a-z-]+)"', done.stdout).group(1)


def doctor():
    """Verdict, kind and text of its check of changes."""
    lines = kiosk.ctl("--json", "doctor", "--no-card", uid=OFFICER, check=False).stdout.splitlines()
    return next((r["verdict"], r["kind"], r["text"]) for r in map(json.loads, lines) if r["check"] == "change")


def enroll(name):
    phone = kiosk.device(name)
    kiosk.provision(phone, "--label", name)
    return named(name)


def refused():
    with kiosk.session("--yes") as s:
        return s.error()


def in_crl():
    """How many serial numbers, once it has been published anew."""
    ca("crl", "--force")
    text = run("openssl", "crl", "-noout", "-text", "-inform", "DER", "-in", kiosk.at("lib/derivd-ca/public/ca.crl")).stdout
    return text.count("Serial Number:")


def told(event):
    """derivd's audit chain has it, and so the journal, and operators are told."""
    wait_for(event, lambda: event in [r["event"] for r in kiosk.ctl_json("audit", "show", uid=AUDITOR)], 120)


def named(label):
    """The device's id, once there is one."""
    return next((d["id"] for d in kiosk.ctl_json("device", "list") if d["label"] == label), None)


def of_device(device):
    return kiosk.ctl_json("credential", "list", "--open", "--device", device) if device else []


def states(label):
    return [c["state"] for c in of_device(named(label))]


rule(1)
kiosk.start()


@tap.test("where nobody is asked, root changes the CA alone; it is recorded, and said")
def _():
    enroll("first")
    tap.contains(kiosk.ctl("roles").stdout, "nobody has to approve")
    rule(1, 'nonce-lifetime = "4min"\n')
    kiosk.restart()
    enroll("second")
    rows = kiosk.ctl_json("change", "list", uid=OFFICER)
    tap.equal([r["how"] for r in rows], ["FIRST", "BY_ROOT"], "what the log has")
    tap.contains(kiosk.log("derivd-ca"), "nonce-lifetime: 5 min -> 4 min")
    tap.equal(approve(OFFICER), "wrong-state", "approving what nobody has to approve")


@tap.test("from the moment that two are asked for, derivctl says so")
def _():
    rule(2)
    tap.equal(show()["needed"], 2, "officers")
    kiosk.restart()
    tap.contains(kiosk.ctl("roles").stdout, "takes 2 officers")
    enroll("third")
    tap.equal(doctor()[0], "ok", "doctor")


@tap.test("anchors that root has swapped alone: nothing is issued, revocations and CRLs go on")
def _():
    kiosk.insert(kiosk.card("bob", name="Bob Builder"))
    away = kiosk.device("away")
    with kiosk.session("--yes", "--label", "away") as s:
        away.enroll(s.uri())
        s.type(away.digits())
        s.expect("step")
        away.stop()
        # Where it was quick, something has arrived already.
        wait_for("what waits for it", lambda: len(states("away")) == 3 and set(states("away")) <= {"queued", "active"})
    kiosk.insert(kiosk.at("cards/ada"))
    shutil.copy(kiosk.at("etc/card-root.pem"), kiosk.at("etc/kept.pem"))
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=Somebody Else", "-keyout", kiosk.at("other.key"), "-out", kiosk.at("etc/card-root.pem"))
    kiosk.restart()
    error = refused()
    tap.equal(error["kind"], "configuration-not-approved", "a session")
    tap.contains(error["text"], "0 of 2 officers")
    tap.equal(doctor()[:2], ("fault", "configuration-not-approved"), "doctor")
    told("ca-change-waits")
    away.start()
    wait_for("the delivery", lambda: states("away") == ["active"] * 3)
    before = in_crl()
    first = named("first")
    kiosk.ctl("device", "revoke", first, uid=OFFICER)
    wait_for("the revocations", lambda: not of_device(first))
    tap.check(in_crl() > before, "the CRL does not have them")


@tap.test("what differs is told in words, to officers")
def _():
    change = show()
    tap.equal((change["waits"], change["needed"], change["given"]), (True, 2, 0), "state")
    tap.equal(len(change["differences"]), 1, f"differences: {change['differences']}")
    tap.check(re.match(r'anchor "test-cards" certificate: CN.*, SHA-256 [0-9a-f]{64} -> CN=Somebody Else, SHA-256 [0-9a-f]{64}$',
                       change["differences"][0]), change["differences"][0])
    text = kiosk.ctl("change", "show", uid=OFFICER).stdout
    tap.contains(text, "Nothing is issued until then")
    tap.contains(text, f"derivctl change approve {change['digest'][:16]}")
    german = {**os.environ, "TEXTDOMAINDIR": kiosk.at("locale")}
    tap.contains(kiosk.ctl("--lang", "de", "change", "show", uid=OFFICER, env=german).stdout, "wartet auf Billigung")
    tap.contains(ca("approve").stdout, "Somebody Else")


@tap.test("nobody else approves: no operator, no auditor, not root, not derivd")
def _():
    digest = show()["digest"]
    for uid in (OPERATOR, AUDITOR, NOBODY, 0):
        tap.equal(approve(uid, digest), "denied", f"uid {uid}")
    # A derivd that somebody else has taken over: with its user, and on its own connection to derivd-ca.
    as_derivd = dict(user=UIDS["derivd"], group=UIDS["derivd"], extra_groups=[])
    done = run(*kiosk.ctl_command("--json", "change", "approve", digest), check=False, **as_derivd)
    tap.contains(done.stdout, '"denied"')
    os.rename(kiosk.at("run/officer.sock"), kiosk.at("run/officer.kept"))
    os.symlink(kiosk.at("run/ca.sock"), kiosk.at("run/officer.sock"))
    done = run(*kiosk.ctl_command("--json", "change", "approve", digest), check=False, **as_derivd)
    os.unlink(kiosk.at("run/officer.sock"))
    os.rename(kiosk.at("run/officer.kept"), kiosk.at("run/officer.sock"))
    tap.check(done.returncode != 0, "derivd's socket takes approvals")
    tap.contains(done.stdout, '"protocol"')
    tap.equal(show()["given"], 0, "approvals")


@tap.test("the same person twice is one person; a change in between voids what was said")
def _():
    tap.contains(approve(OFFICER), '"in_force"')
    tap.equal(approve(OFFICER), "wrong-state", "the same person again")
    tap.equal(show()["given"], 1, "approvals")
    before = show()["digest"]
    rule(2, 'offer-lifetime = "10min"\n')
    tap.equal(approve(OFFICER2, before), "wrong-state", "of what is not there any more")
    after = show(OFFICER2)
    tap.equal((after["given"], len(after["differences"])), (0, 2), "approvals, differences")
    tap.contains(approve(OFFICER2), '"in_force"')
    tap.equal(refused()["kind"], "configuration-not-approved", "after one of each")
    rule(2)


@tap.test("a restart of everything forgets nothing, and two officers let it go on")
def _():
    shutil.copy(kiosk.at("etc/kept.pem"), kiosk.at("etc/card-root.pem"))
    rule(2, 'nonce-lifetime = "3min"\n')
    tap.contains(approve(OFFICER), '"in_force"')
    kiosk.restart()
    tap.equal(show()["given"], 1, "approvals after the restart")
    tap.equal(refused()["kind"], "configuration-not-approved", "after one approval")
    tap.contains(approve(OFFICER2), "in_force")
    tap.equal(show()["in_force"], True, "in force")
    enroll("fourth")
    rows = kiosk.ctl_json("change", "list", uid=OFFICER)
    tap.equal([(r["how"], r["uid"]) for r in rows[-3:]],
              [("APPROVED", OFFICER), ("APPROVED", OFFICER2), ("BY_OFFICERS", OFFICER2)], "the end of the log")
    ca("check")


@tap.test("two officers at the same moment, from several processes: each counts once")
def _():
    rule(2, 'nonce-lifetime = "2min"\n')
    digest = show()["digest"]
    rows = len(kiosk.ctl_json("change", "list", uid=OFFICER))
    crowd = [subprocess.Popen(kiosk.ctl_command("change", "approve", digest), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              **kiosk.as_person(uid)) for uid in (OFFICER, OFFICER2) * 2]
    done = sorted(p.wait() for p in crowd)
    tap.equal([status == 0 for status in done].count(True), 2, f"approvals that were taken: {done}")
    more = kiosk.ctl_json("change", "list", uid=OFFICER)[rows:]
    tap.equal(sorted((r["how"], r["uid"]) for r in more if r["how"] == "APPROVED"),
              [("APPROVED", OFFICER), ("APPROVED", OFFICER2)], "approvals in the log")
    tap.equal(len(more), 3, "rows")


@tap.test("the rule itself: root alone does not take it away")
def _():
    rule(1)
    kiosk.restart()
    error = refused()
    tap.equal(error["kind"], "configuration-not-approved", "a session")
    tap.contains(error["text"], "approval officers: 2 -> 1")
    rule(2, 'nonce-lifetime = "2min"\n')
    kiosk.restart()
    enroll("fifth")


@tap.test("one officer in the night: root says so alone, loudly, until officers have approved it")
def _():
    rule(2, 'nonce-lifetime = "1min"\n')
    kiosk.restart()
    tap.equal(refused()["kind"], "configuration-not-approved", "a session")
    tap.contains(ca("approve", "--alone", check=False).stderr, "--reason")
    done = ca("approve", "--alone", "--reason", "the second officer is in hospital")
    tap.contains(done.stderr, "without 2 officers: the second officer is in hospital")
    enroll("sixth")
    told("ca-changed-alone")
    verdict, kind, text = doctor()
    tap.equal((verdict, kind), ("warning", "approved-alone"), "doctor")
    tap.contains(text, "in hospital")
    tap.contains(kiosk.ctl("change", "list", uid=OFFICER).stdout, "ROOT SAID SO ALONE: the second officer")
    approve(OFFICER)
    tap.equal(doctor()[0], "warning", "doctor after one approval")
    approve(OFFICER2)
    tap.equal(doctor()[0], "ok", "doctor after two")
    told("ca-change-settled")


def certifying(state, cause):
    """Is something to be certified in that state of the queue, and for that cause?"""
    return [j for j in kiosk.ctl_json("queue", "list", "--open")
            if j["what"] == "certify" and j["state"] == state and cause in j["cause"]]


@tap.test("what was committed before waits in the queue, and goes on by itself when officers have approved")
def _():
    key = kiosk.at("lib/derivd-ca/keys/ca.key")
    os.rename(key, kiosk.at("ca.key"))
    kiosk.restart()
    kiosk.insert(kiosk.card("cid", name="Cid Campeador"))
    phone = kiosk.device("waits")
    with kiosk.session("--yes", "--no-wait", "--label", "waits") as s:
        phone.enroll(s.uri())
        s.type(phone.digits())
        s.rest()
    wait_for("what is blocked", lambda: certifying("blocked", "ca.key"))
    os.rename(kiosk.at("ca.key"), key)
    rule(2, 'nonce-lifetime = "70s"\n')
    kiosk.restart()
    kiosk.ctl("queue", "retry")
    wait_for("what waits for officers", lambda: certifying("retry", "officers have approved"))
    for uid in (OFFICER, OFFICER2):
        approve(uid)
    wait_for("its credentials", lambda: states("waits") == ["active"] * 3, 120)


@tap.test("an older log is put back: what was approved since has to be approved again")
def _():
    kiosk.halt()
    with sqlite3.connect(LOG) as db, sqlite3.connect(kiosk.at("older.db")) as older:
        db.backup(older)
    kiosk.start()
    rule(2, 'nonce-lifetime = "90s"\n')
    for uid in (OFFICER, OFFICER2):
        approve(uid)
    tap.equal(show()["in_force"], True, "in force")
    kiosk.halt()
    for name in (LOG, LOG + "-wal", LOG + "-shm"):
        if os.path.exists(name):
            os.unlink(name)
    shutil.copy(kiosk.at("older.db"), LOG)
    os.chown(LOG, UIDS["derivd-ca"], UIDS["derivd-ca"])
    kiosk.start()
    tap.equal(show()["waits"], True, "waits")
    tap.contains(show()["differences"][0], "nonce-lifetime: 70 s -> 90 s")
    for uid in (OFFICER, OFFICER2):
        approve(uid)
    ca("check")


tap.run()
