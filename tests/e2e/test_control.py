#!/usr/bin/python3
"""derivd's control socket and those who mean it no good: people without a role who ask and ask, clients that read nothing, that
leave at once, that come in crowds. Whoever has a role is served all the same, and derivd does not grow. A clock that is set back."""

import os
import socket
import sqlite3
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from between import connect  # noqa: E402
from gateway import Closed, Core, one, pb  # noqa: E402
from kiosk import AUDITOR, NOBODY, OPERATOR, Kiosk, wait_for  # noqa: E402
from rig import sanitized  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))


class Client(Core):
    """A connection to the control socket, as this uid. greeted: derivd let it in."""

    def __init__(self, uid):
        self.s = connect(kiosk.at("run/control.sock"), uid)
        self.s.settimeout(20)
        self.serial = 0
        try:
            self.build = one(self.receive().fields, 1)
            self.send("HELLO", pb((1, self.build), (2, "test")))
            self.greeted = True
        except (Closed, OSError):
            self.greeted = False

    def ask(self, name, body=b""):
        self.serial += 1
        self.send(name, body, self.serial)


def memory():
    with open(f"/proc/{kiosk.pids('derivd')[0]}/smaps_rollup") as f:
        fields = dict(line.split(":") for line in f.read().splitlines()[1:])
    return int(fields["Private_Dirty"].split()[0]) * 1024


def descriptors():
    return len(os.listdir(f"/proc/{kiosk.pids('derivd')[0]}/fd"))


def denials():
    return [r for r in kiosk.ctl_json("audit", "show", uid=AUDITOR) if r["event"] == "denied"]


@tap.test("who has no role and asks again and again: refused each time, one row of the audit chain")
def _():
    before, rows = len(denials()), len(kiosk.ctl_json("audit", "show", uid=AUDITOR))
    for _ in range(40):
        c = Client(NOBODY)
        for _ in range(10):
            c.ask("LIST", pb((1, 1)))
            tap.equal(c.receive().name, "ERROR", "answer")
        c.close()
    tap.equal(len(denials()) - before, 1, "rows of refusals")
    # Another one is seen all the same, and that some were not recorded.
    c = Client(AUDITOR)
    c.ask("QUEUE_RETRY")
    tap.equal(one(c.receive().fields, 1), b"denied", "kind")
    c.close()
    last = denials()[-1]
    tap.equal(last["actor"], f"uid {AUDITOR}", "actor")
    tap.contains(last["text"], "399 refusals before it were not recorded")
    tap.check(len(kiosk.ctl_json("audit", "show", uid=AUDITOR)) - rows < 5, "other rows were written")


@tap.test("a crowd without a role takes no operator's place")
def _():
    crowd = [Client(NOBODY + 10 + i % 8) for i in range(80)]
    tap.equal(sum(c.greeted for c in crowd), 16, "let in")
    tap.check(kiosk.ctl_json("status", uid=OPERATOR)[0]["ca_reachable"], "the operator")
    for c in crowd:
        c.close()
    wait_for("room again", lambda: Client(NOBODY).greeted)


@tap.test("a client that never reads: derivd stops reading from it and serves the others")
def _():
    before = memory()
    c = Client(OPERATOR)
    c.s.setblocking(False)
    sent, until = 0, time.monotonic() + 60
    # Answers of some size: audit rows.
    while time.monotonic() < until and sent < 200000:
        try:
            c.ask("LIST", pb((1, 5), (6, 100)))
            sent += 1
            quiet = time.monotonic()
        except BlockingIOError:
            if time.monotonic() - quiet > 1:
                break
            time.sleep(0.01)
    tap.check(sent < 200000, "everything was read, and answered nowhere")
    # A sanitizer keeps what was freed.
    tap.check(sanitized() or memory() - before < 8 << 20, f"{memory() - before} bytes for one client")
    tap.check(kiosk.ctl_json("request", "list") == [], "the others")
    c.close()
    wait_for("the memory", lambda: kiosk.ctl_json("status")[0])


@tap.test("clients that come and go at once leave nothing behind")
def _():
    pid, before = kiosk.pids("derivd"), descriptors()
    for i in range(300):
        s = connect(kiosk.at("run/control.sock"), OPERATOR)
        if i % 3:
            s.send(os.urandom(i % 50 + 1))
        s.close()
    wait_for("the descriptors", lambda: descriptors() <= before)
    tap.equal(kiosk.pids("derivd"), pid, "derivd's process")
    lines = kiosk.log("derivd").count("a control connection ends")
    tap.check(lines <= 30, f"{lines} lines of the journal")


@tap.test("the clock is set back: nothing is issued, and everybody can see why; it goes on when it is right")
def _():
    kiosk.halt()
    # As good as a clock that was set back: the newest row is of later today.
    with sqlite3.connect(kiosk.at("lib/derivd/derivd.db")) as db:
        head = db.execute("SELECT max(sequence) FROM audit").fetchone()[0]
        db.execute("UPDATE audit SET newest_ms = newest_ms + 7200000 WHERE sequence = ?", (head,))
    db.close()
    kiosk.start()
    tap.contains(kiosk.ctl_json("status")[0]["state"], "NOTHING IS ISSUED, the clock is behind")
    tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri"), "clock-behind")
    tap.equal([r["event"] for r in kiosk.ctl_json("audit", "show", uid=AUDITOR)].count("clock-behind"), 1, "rows")
    tap.contains(kiosk.log("derivd"), "bdd641606cc3431e99359c85d5cec0f3")
    kiosk.halt()
    with sqlite3.connect(kiosk.at("lib/derivd/derivd.db")) as db:
        db.execute("UPDATE audit SET newest_ms = newest_ms - 7200000 WHERE sequence >= ?", (head,))
    db.close()
    kiosk.start()
    tap.equal(kiosk.provision(kiosk.device("phone"))[-1]["credentials"][0]["state"], "active", "credential")


tap.run()
