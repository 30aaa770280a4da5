#!/usr/bin/python3
"""Services that are away, die or are talked nonsense to. Nothing is lost, nothing is issued twice, and the queue says at any
time what it waits for."""

import os
import random
import shutil
import signal
import socket
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from between import Between, Passing  # noqa: E402
from gateway import NUMBERS, Message, pb  # noqa: E402
from kiosk import AUDITOR, UIDS, Kiosk, KioskError, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
ADA = kiosk.card("ada", name="Ada Lovelace")
kiosk.insert(ADA)
names = iter(range(1000))
SEED = int(os.environ.get("KILL_SEED", random.randrange(1 << 32)))
ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))


def phone():
    return kiosk.device(f"phone-{next(names)}")


def clear():
    """Ada's devices go, so that she may have others."""
    for device in kiosk.ctl_json("device", "list"):
        if device["state"] == "enrolled":
            kiosk.ctl("device", "revoke", device["id"], uid=0)


def good_enrollment():
    settled = kiosk.provision(phone())[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3, "the enrollment after it")
    clear()


class Away:
    """A service that is not there: its socket is gone and its processes are killed."""

    def __init__(self, name):
        self.path, self.program = kiosk.at(f"run/{name}.sock"), f"derivd-{name}"

    def __enter__(self):
        os.rename(self.path, self.path + ".away")
        kiosk.kill(self.program)

    def __exit__(self, *_):
        os.rename(self.path + ".away", self.path)


@tap.test("derivd-ca away after the evidence: the queue shows why and when, and delivers when it is back")
def _():
    with kiosk.session("--yes", "--no-wait") as s:
        p = phone().enroll(s.uri())
        digits = p.digits()
        # From here on derivd-ca has given its nonce with the PIN; it goes away when the evidence comes.
        s.type(digits)
        s.expect("committed")
        with Away("ca"):
            s.rest()
            tap.equal(s.status, 7, "exit status: pending")
            request = kiosk.ctl_json("request", "list")[-1]["id"]
            if kiosk.ctl_json("request", "show", request)[0]["state"] != "complete":
                row = wait_for("the queue to say why", lambda: next(
                    (q for q in kiosk.ctl_json("queue", "list") if q["state"] == "retry" and q["next_ms"]), None))
                tap.check(row["cause"] and row["unblock"].startswith("derivctl queue retry"), str(row))
    kiosk.ctl("queue", "retry")
    p.wait()
    wait_for("the credentials", lambda: kiosk.ctl_json("request", "show", request)[0]["state"] == "complete")
    clear()
    good_enrollment()


@tap.test("derivd-ca away before the session: refused at once, before any question")
def _():
    verifies = kiosk.reader.verifies()
    with Away("ca"):
        wait_for("derivd to notice", lambda: not kiosk.ctl_json("status")[0]["ca_reachable"])
        tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri"), "ca-unreachable")
    wait_for("derivd-ca", lambda: kiosk.ctl_json("status")[0]["ca_reachable"])
    tap.equal(kiosk.reader.verifies(), verifies, "PINs sent")
    good_enrollment()


@tap.test("ca.conf gets a mistake and is mended: derivd says so each time it reads its configuration, and works without a restart")
def _():
    core = kiosk.pids("derivd")
    path = kiosk.write("etc/ca.conf.d/99-mistake.conf", "nonsense = 1\n")
    kiosk.kill("derivd", signal.SIGHUP)
    wait_for("derivd to notice", lambda: not kiosk.ctl_json("status")[0]["ca_reachable"])
    status = kiosk.ctl_json("status")[0]
    tap.contains(status["ca_trouble"], "99-mistake.conf:1")
    tap.contains(status["state"], "CA unreachable")
    tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri"), "ca-misconfigured")
    os.unlink(path)
    # Nobody tells derivd: who asks meets a derivd-ca that has read the files as they are.
    good_enrollment()
    kiosk.kill("derivd", signal.SIGHUP)
    wait_for("derivd-ca", lambda: kiosk.ctl_json("status")[0]["ca_reachable"])
    tap.equal(kiosk.pids("derivd"), core, "derivd's process")


@tap.test("derivd-ca answers with something else: that connection ends, the queue says why, and it goes on by itself")
def _():
    core, wrong = kiosk.pids("derivd"), []

    def other_answer(m):
        if m.name not in ("CA_VERIFIED", "CA_CERTIFIED") or m.name in wrong:
            return [m]
        wrong.append(m.name)
        return [Passing(Message(NUMBERS["CA_NONCE"], m.serial, pb((1, bytes(40)), (2, 1))), False, m.pair)]

    with Between(kiosk, "ca") as between:
        between.hook = other_answer
        with kiosk.session("--yes", "--wait", "60") as s:
            p = phone().enroll(s.uri())
            s.type(p.digits())
            row = wait_for("the queue to say why", lambda: next(
                (q for q in kiosk.ctl_json("queue", "list") if "answered" in q["cause"]), None), every=0.05)
            tap.contains(row["cause"], "CA_NONCE")
            s.rest()
            tap.equal(s.status, 0, "exit status")
        p.stop()
    tap.equal(sorted(wrong), ["CA_CERTIFIED", "CA_VERIFIED"], "answers altered")
    tap.equal(kiosk.pids("derivd"), core, "derivd's process")
    clear()


@tap.test("derivd-courier away: what is cached is used, what is not is refused, and it works again after")
def _():
    with Away("courier"):
        good_enrollment()
        for name in os.listdir(kiosk.at("lib/derivd-ca/cache")):
            os.unlink(kiosk.at(f"lib/derivd-ca/cache/{name}"))
        tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri"), "revocation-unknown")
    # A CRL that could not be had is not asked for again at once.
    wait_for("the CRL", lambda: "revocation-unknown" not in probe(), every=1)
    good_enrollment()


def probe():
    """How a session would begin; it is left at once."""
    with kiosk.session("--yes") as s:
        try:
            s.uri()
        except KioskError as e:
            return str(e)
    return ""


@tap.test("each service killed at random moments: three credentials in the end, never more")
def _():
    rng = random.Random(SEED)
    tap.note(f"KILL_SEED={SEED} KILL_ROUNDS={ROUNDS}")
    for _ in range(ROUNDS):
        p = phone()
        with kiosk.session("--yes", "--wait", "60") as s:
            victims = [rng.choice(["derivd", "derivd-ca", "derivd-gateway", "derivd-courier"]) for _ in range(3)]
            moments = sorted(rng.choice(["device", "digits-right", "signing", "committed", "step", "step"])
                             for _ in range(3))
            p.enroll(s.uri())
            s.type(p.digits())
            while True:
                event = s.next()
                if event is None:
                    break
                if event.get("event") in moments:
                    moments.remove(event["event"])
                    kiosk.kill(victims[len(moments)])
            s.status = s.process.wait()
            if s.status != 0:
                tap.note(f"ended with {s.status}: {s.events[-1]}")
        request = kiosk.ctl_json("request", "list")[-1]
        wait_for("the request to end", lambda: not kiosk.ctl_json("request", "list", "--open"))
        p.stop()
        row = kiosk.ctl_json("request", "show", request["id"])[0]
        states = sorted((c["purpose"], c["state"]) for c in row["credentials"])
        if row["state"] == "cancelled":
            tap.equal(states, [], "credentials of a cancelled request")
        else:
            tap.equal(states, [("authentication", "active"), ("encryption", "active"), ("signing", "active")])
        serials = [c["serial"] for c in kiosk.ctl_json("credential", "list")]
        tap.equal(len(serials), len(set(serials)), "serial numbers")
        clear()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    good_enrollment()


@tap.test("the store is full: said clearly, nothing half done, and it goes on by itself when there is room")
def _():
    store, aside = kiosk.at("lib/derivd"), kiosk.at("lib/aside")
    for d in kiosk.devices:
        d.stop()
    kiosk.halt()
    # The same store on a small disk and back again: derivd-ca would notice another one.
    run("cp", "-a", store, aside)
    run("mount", "-t", "tmpfs", "-o", f"size=24m,mode=0700,uid={UIDS['derivd']},gid={UIDS['derivd']}", "none", store)
    run("cp", "-a", aside + "/.", store)
    try:
        kiosk.start()
        ballast = os.open(f"{store}/ballast", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(ballast, bytes(4096))
        except OSError:
            os.close(ballast)
        # What SQLite has of the disk already is used first.
        wait_for("the store to say so", lambda: "store-full" in probe(), every=0.5)
        tap.check(kiosk.pids("derivd"), "derivd died of it")
        os.unlink(f"{store}/ballast")
        wait_for("room", lambda: "store-full" not in probe(), every=1)
        good_enrollment()
    finally:
        for d in kiosk.devices:
            d.stop()
        kiosk.halt()
        shutil.rmtree(aside)
        run("cp", "-a", store, aside)
        run("umount", store)
        # Not over what was there: a WAL of before is not this database's.
        shutil.rmtree(store)
        os.rename(aside, store)
        kiosk.start()


def talk(path, data, kind=socket.SOCK_SEQPACKET):
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.settimeout(5)
        s.connect(path)
        try:
            for packet in data:
                s.send(packet)
            while s.recv(65536):
                pass
        except OSError:
            pass


@tap.test("garbage on each socket ends that connection and nothing else")
def _():
    rng = random.Random(SEED)
    before = {name: kiosk.pids(name) for name in ("derivd", "derivd-gateway")}
    for name in ("control", "gateway", "card", "ca", "courier"):
        for size in (0, 1, 7, 8, 100, 5000, 32776, 60000):
            talk(kiosk.at(f"run/{name}.sock"), [rng.randbytes(size), rng.randbytes(size)])
        header = bytes([0x02, 0x01, 0, 0, 0, 0, 0, 1])
        talk(kiosk.at(f"run/{name}.sock"), [header + rng.randbytes(64)] * 3)
    for size in (1, 100, 100000):
        with socket.create_connection(("127.0.0.1", kiosk.port), 5) as s:
            try:
                s.sendall(rng.randbytes(size))
                s.settimeout(5)
                s.recv(100)
            except OSError:
                pass
    tap.equal({name: kiosk.pids(name) for name in before}, before, "the services")
    good_enrollment()


tap.run()
