#!/usr/bin/python3
"""Sessions that go wrong between the person, the phone and the kiosk. Each ends with a reason, an unchanged card and
nothing issued; and the next session on the same kiosk works."""

import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, NOBODY, Kiosk, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
ADA = kiosk.card("ada", name="Ada Lovelace")
kiosk.insert(ADA)
names = iter(range(1000))


def phone(label="phone"):
    return kiosk.device(f"{label}-{next(names)}")


class Unchanged:
    """Around what must go wrong: the card keeps its tries, nothing is issued, no request stays open."""

    def __init__(self, pins=0):
        self.pins = pins

    def __enter__(self):
        self.tries, self.verifies = kiosk.reader.tries(), kiosk.reader.verifies()
        self.credentials = len(kiosk.ctl_json("credential", "list"))
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        tap.equal(kiosk.reader.tries(), self.tries, "PIN tries left")
        tap.equal(kiosk.reader.verifies() - self.verifies, self.pins, "PINs sent to the card")
        tap.equal(len(kiosk.ctl_json("credential", "list")), self.credentials, "credentials")
        wait_for("the request to end", lambda: not kiosk.ctl_json("request", "list", "--open"))


def good_enrollment():
    kiosk.insert(ADA)
    settled = kiosk.provision(phone("good"))[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3, "the enrollment after it")
    for device in kiosk.ctl_json("device", "list"):
        if device["state"] == "enrolled":
            kiosk.ctl("device", "revoke", device["id"], uid=0)


def last_request():
    return kiosk.ctl_json("request", "list")[-1]


@tap.test("wrong digits three times: the session ends before any PIN, for the phone too")
def _():
    with Unchanged(), kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        right = p.digits()
        wrong = "00 00 00" if right != "00 00 00" else "11 11 11"
        for _ in range(3):
            s.expect("digits-needed")
            s.type(wrong)
        tap.equal(s.error()["kind"], "digits-wrong")
        tap.check(p.wait() != 0, "the phone thinks that it is enrolled")
        tap.contains(p.said(), "digits")
    tap.contains(last_request()["cause"] + last_request()["state"], "cancelled")
    good_enrollment()


@tap.test("wrong digits twice, then the right ones")
def _():
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        right = p.digits()
        for answer in ("", "12345", right.replace(" ", "")):
            s.expect("digits-needed")
            s.type(answer)
        s.finish()
    p.wait()
    good_enrollment()


@tap.test("an invitation that expired: the phone is told, the code on the screen is worth nothing")
def _():
    kiosk.configure(derivd='invitation-time = "10s"\n')
    kiosk.restart()
    try:
        with Unchanged(), kiosk.session("--yes") as s:
            uri = s.uri()
            tap.equal(s.error()["kind"], "invitation-expired")
            p = phone().enroll(uri)
            tap.check(p.wait() != 0, "an expired invitation was accepted")
            tap.check(re.search("no longer valid|not valid|expired|unknown|never valid", p.said()), p.said())
    finally:
        os.unlink(kiosk.at("etc/derivd.conf.d/90-test.conf"))
        kiosk.restart()
    good_enrollment()


@tap.test("an invitation used again after the enrollment")
def _():
    with kiosk.session("--yes") as s:
        uri = s.uri()
        p = phone().enroll(uri)
        s.type(p.digits())
        s.finish()
    p.wait()
    second = phone("late").enroll(uri)
    tap.check(second.wait() != 0, "a used invitation was accepted")
    tap.equal(len([d for d in kiosk.ctl_json("device", "list") if d["state"] == "enrolled"]), 1, "devices")
    good_enrollment()


@tap.test("two phones scan one code: both are refused, loudly")
def _():
    with Unchanged(), kiosk.session("--yes") as s:
        uri = s.uri()
        first = phone("first").enroll(uri)
        first.digits()
        second = phone("second").enroll(uri)
        tap.equal(s.error()["kind"], "two-devices")
        tap.check(first.wait() != 0 and second.wait() != 0, "one of the two thinks that it is enrolled")
    rows = [r["event"] for r in kiosk.ctl_json("audit", "show", uid=AUDITOR)]
    tap.check(any("two" in r for r in rows), f"no audit row says so: {rows[-5:]}")
    good_enrollment()


@tap.test("a phone that vanishes after its statement and comes back goes on with the same statement")
def _():
    with kiosk.session("--yes") as s:
        uri = s.uri()
        p = phone().enroll(uri)
        digits = p.digits()
        p.stop()
        p.enroll(uri)
        tap.equal(p.digits(), digits, "digits after it came back")
        s.type(digits)
        s.finish()
    p.wait()
    good_enrollment()


@tap.test("a phone that vanishes after the signature gets its credentials when it is back")
def _():
    with kiosk.session("--yes", "--wait", "2") as s:
        p = phone().enroll(s.uri())
        digits = p.digits()
        p.stop()
        s.type(digits)
        s.expect("committed")
        s.rest()
        tap.equal(s.status, 7, "exit status of derivctl: pending")
    request = last_request()
    waiting = wait_for("items in the queue", lambda: [q for q in kiosk.ctl_json("queue", "list")
                                                       if q["what"] == "deliver" and q["request"] == request["id"]])
    tap.check(all(q["state"] and q["unblock"] is not None for q in waiting), "the queue says how it stands")
    p.start()
    wait_for("the credentials", lambda: kiosk.ctl_json("request", "show", request["id"])[0]["state"] == "complete")
    p.stop()
    good_enrollment()


@tap.test("derivctl killed before the signature: the session ends by itself and the phone is told")
def _():
    kiosk.configure(derivd='grace = "1s"\n')
    kiosk.restart()
    try:
        with Unchanged(), kiosk.session("--yes") as s:
            p = phone().enroll(s.uri())
            p.digits()
            s.process.kill()
            tap.check(p.wait() != 0, "the phone thinks that it is enrolled")
    finally:
        os.unlink(kiosk.at("etc/derivd.conf.d/90-test.conf"))
        kiosk.restart()
    good_enrollment()


@tap.test("derivctl killed after the evidence was committed: nothing is lost")
def _():
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        s.type(p.digits())
        s.expect("committed")
        s.process.kill()
    p.wait()
    wait_for("the credentials", lambda: last_request()["state"] == "complete")
    good_enrollment()


@tap.test("the person stops at the keyboard: said on both sides, nothing remains")
def _():
    with Unchanged():
        terminal = kiosk.terminal("provision", "--plain", "--show-uri")
        try:
            terminal.expect("Type yes to go on: ")
            terminal.type("\x03")
            tap.equal(terminal.end(), 6, "exit status")
        finally:
            terminal.kill()
        terminal = kiosk.terminal("provision", "--plain", "--show-uri")
        try:
            terminal.expect("Type yes to go on: ")
            terminal.type("no\n")
            tap.equal(terminal.end(), 6, "exit status")
        finally:
            terminal.kill()
    good_enrollment()


@tap.test("the nonce expires before derivd-ca verifies: it says so, and nothing is issued")
def _():
    kiosk.configure(ca='nonce-lifetime = "10s"\n')
    kiosk.restart()
    try:
        with kiosk.session("--yes") as s:
            p = phone().enroll(s.uri())
            digits = p.digits()
            s.expect("digits-needed")
            # Each answer of the card takes so long that the signature comes too late.
            kiosk.reader.ctl("slow 4000")
            s.type(digits)
            events = s.rest()
            tap.equal([e["error"]["kind"] for e in events if "error" in e], ["nonce-expired"], f"errors in {events}")
        tap.check(p.wait() != 0, "the phone thinks that it is enrolled")
    finally:
        kiosk.reader.ctl("slow 0")
        os.unlink(kiosk.at("etc/ca.conf.d/90-test.conf"))
        kiosk.restart()
    tap.contains(last_request()["state"] + " " + last_request()["cause"], "nonce")
    good_enrollment()


@tap.test("an operator without the role cannot start; one with it can")
def _():
    with Unchanged():
        tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri", uid=NOBODY), "denied")
    good_enrollment()


@tap.test("a second derivctl at the same reader is told that the card is in use; the first one goes on")
def _():
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        digits = p.digits()
        tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri"), "reader-in-use")
        s.type(digits)
        s.finish()
    p.wait()
    good_enrollment()


tap.run()
