#!/usr/bin/python3
"""What can go wrong at a kiosk, on a machine with systemd: derivctl doctor names it, and nothing else; what monitoring sees; and all
is well again when it is mended. tests/e2e/test_doctor.py has the same without systemd, and in more detail."""

import contextlib
import os
import re
import shutil
import sqlite3
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import journal  # noqa: E402
from kiosk import MAKE_CARD, KioskError, run, wait_for  # noqa: E402
from ready import ReadyKiosk  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(ReadyKiosk())
machine = kiosk.machine
ADA = kiosk.at("cards/ada")
STORE = "/var/lib/derivd/derivd.db"
WARNED, FAULTS = 8, 9
CRITICAL = {FAULTS: 2, WARNED: 1, 0: 0}  # exit status for monitoring


def named(pairs, words=(), besides=()):
    """Whether doctor finds these (check, kind) and nothing else; and says so with its exit status, to people and to monitoring."""
    found, status = kiosk.doctor(*words)
    if {p for p in found if p[0] not in besides} != set(pairs):
        return False
    verdicts = {r["verdict"] for r in found.values()}
    tap.equal(status, FAULTS if "fault" in verdicts else WARNED if verdicts else 0, f"exit status with {pairs}")
    for pair, row in found.items():
        tap.check(len(row["remedy"]) > 12, f"no remedy for {pair}")
    # Monitoring leaves people's cards alone.
    done = machine.run("derivctl", "doctor", "--monitor", check=False)
    return done.returncode == CRITICAL[kiosk.doctor("--no-card")[1]]


def names(*pairs, words=(), besides=()):
    try:
        wait_for(f"doctor to name {pairs}", lambda: named(pairs, words, besides), every=0.5)
    except KioskError:
        tap.note(f"doctor finds {kiosk.doctor(*words)[0]}")
        raise


def well():
    names()


@contextlib.contextmanager
def aside(path):
    """A file of the machine is not there for a while."""
    machine.run("mv", path, path + ".aside")
    try:
        yield
    finally:
        machine.run("mv", path + ".aside", path)


def ask_again(*programs):
    for program in programs:
        kiosk.kill(program)


CORE = ("derivd.socket", "derivd-uplink.socket", "derivd.service")


def start_core():
    """Its sockets are refused for as long as one that was about to start is not gone."""
    def started():
        machine.run("systemctl", "reset-failed", check=False)
        machine.run("systemctl", "start", *CORE, check=False)
        return kiosk.states(*CORE) == {u: "active" for u in CORE}
    wait_for("derivd's units", started, every=0.5)


def sql(text):
    """To the store, while derivd is stopped."""
    machine.run("systemctl", "stop", *CORE)
    with contextlib.closing(sqlite3.connect(machine.root + STORE)) as db, db:
        rows = db.execute(text).fetchall()
    machine.run("chown", "-R", "derivd:", os.path.dirname(STORE))
    machine.run("systemctl", "start", *CORE, check=False)
    return rows


@tap.test("nothing is wrong")
def _():
    kiosk.good_enrollment("ada-phone")
    well()


@tap.test("pcscd: none, and one without a reader")
def _():
    machine.run("systemctl", "mask", "--runtime", "--now", "pcscd.socket", "pcscd.service")
    names(("pcsc", "pcsc-unreachable"))
    machine.run("systemctl", "unmask", "--runtime", "pcscd.socket", "pcscd.service")
    machine.run("systemctl", "start", "pcscd.socket")
    well()
    kiosk.rig.remove_reader("r0")
    names(("pcsc", "no-reader"))
    kiosk.rig.add_reader("r0")
    kiosk.insert(ADA)
    well()


@tap.test("pcscd's socket is not for derivd-card")
def _():
    machine.run("chmod", "0600", "/run/pcscd/pcscd.comm")
    names(("pcsc", "pcsc-denied"))
    machine.run("chmod", "0666", "/run/pcscd/pcscd.comm")
    well()


@tap.test("a card that is silent, one that nobody knows, one with a last try, one whose PIN is locked")
def _():
    kiosk.insert(kiosk.card("silent", atr="none"))
    names(("card", "card-mute"))
    kiosk.write("cards/empty/card.conf", "")
    with open(kiosk.at("cards/empty/5FC107"), "wb") as f:
        f.write(bytes.fromhex("5302FE00"))
    kiosk.insert(kiosk.at("cards/empty"))
    names(("card", "unknown-card"))
    kiosk.insert(ADA)
    kiosk.reader.ctl("tries 1")
    names(("card", "pin-last-try"))
    kiosk.reader.ctl("lock")
    names(("card", "pin-locked"))
    kiosk.reader.ctl("tries 3")
    well()


@tap.test("a module that cannot be loaded")
def _():
    machine.write("/etc/derivd/card.conf.d/90-test.conf", 'module = "/nowhere/none.so"\n')
    names(("module", "module"), ("card", "module"))
    os.unlink(kiosk.file("/etc/derivd/card.conf.d/90-test.conf"))
    well()


@tap.test("the CA's key is missing; what is enrolled meanwhile waits in the queue, and goes on when it is told to")
def _():
    with aside("/var/lib/derivd-ca/keys/ca.key"):
        ask_again("derivd-ca")
        names(("ca", "ca-key-missing"))
        phone = kiosk.commit("waits")
        names(("ca", "ca-key-missing"), ("queue", "queue-blocked"))
    ask_again("derivd-ca")
    names(("queue", "queue-blocked"))
    kiosk.ctl("queue", "retry")
    phone.start()
    wait_for("the credentials", lambda: not kiosk.ctl_json("request", "list", "--open"))
    phone.stop()
    well()


@tap.test("the cards' CRL cannot be fetched, and is out of date")
def _():
    machine.run("sh", "-c", "rm -f /var/lib/derivd-ca/cache/*.crl")
    kiosk.web.down()
    names(("crl", "crl-unreachable"))
    with kiosk.network.inside():
        kiosk.web.up()
    run(MAKE_CARD, "crl", kiosk.at("pki"), "--hours", 1, "--ago", 2)
    kiosk.publish()
    names(("crl", "crl-stale"))
    run(MAKE_CARD, "crl", kiosk.at("pki"))
    kiosk.publish()
    well()


@tap.test("the gateway's certificate is about to end; its key is another one; it is away")
def _():
    conf = machine.run("sh", "-c", "cat /etc/derivd/gateway.conf /etc/derivd/gateway.conf.d/*", check=False).stdout
    pem, key = (re.search(rf'^{what} = "([^"]+)"', conf, re.M) for what in ("certificate", "key"))
    pem, key = (m.group(1) if m else f"/etc/derivd/gateway.{end}" for m, end in ((pem, "pem"), (key, "key")))
    for path in (pem, key):
        machine.run("cp", "-a", path, path + ".kept")

    def certificate(days):
        machine.run("sh", "-ec", f"openssl req -x509 -key {key} -days {days} -subj /CN=gateway -out /root/new.pem && "
                    f"cat /root/new.pem >{pem} && systemctl restart derivd-gateway")

    certificate(5)
    names(("certificate", "certificate-ends"))
    machine.run("sh", "-ec", f"openssl ecparam -genkey -name prime256v1 -noout -out /root/new.key && cat /root/new.key >{key}")
    certificate(365)
    names(("certificate", "pinned-key-changed"))
    for path in (pem, key):
        machine.run("cp", "-a", path + ".kept", path)
    machine.run("systemctl", "restart", "derivd-gateway")
    well()
    machine.run("systemctl", "stop", "derivd-gateway.socket", "derivd-gateway.service")
    # derivd notices by and by; who asks in that moment hears that the other side hung up.
    names(("certificate", "gateway-unreachable"), besides=("units", "gateway"))
    tap.check({("gateway", "gateway-away"), ("gateway", "gone")} & set(kiosk.doctor()[0]), "nothing is said of the gateway")
    machine.run("systemctl", "start", "derivd-gateway.socket", "derivd-gateway.service")
    well()


@tap.test("the clock stands behind the newest record")
def _():
    sql("UPDATE audit SET newest_ms = newest_ms + 3600000 WHERE sequence = (SELECT max(sequence) FROM audit)")
    names(("clock", "clock-behind"))
    sql("UPDATE audit SET newest_ms = newest_ms - 3600000 WHERE newest_ms > 1000 * unixepoch() + 1800000")
    well()


@tap.test("the store is of a newer release")
def _():
    schema = sql("PRAGMA user_version")[0][0]
    sql("PRAGMA user_version = 999")
    # systemd tries again and again: its unit has failed, or is about to start.
    names(("derivd", "store-newer"), besides=("units",))
    sql(f"PRAGMA user_version = {schema}")
    start_core()
    well()


@contextlib.contextmanager
def small_disk():
    """For derivd's store, of which it is nearly full."""
    machine.run("systemctl", "stop", *CORE)
    machine.run("sh", "-ec", "cp -a /var/lib/derivd /root/kept && "
                "mount -t tmpfs -o size=24m,mode=0700,uid=derivd,gid=derivd store /var/lib/derivd && "
                "cp -a /root/kept/. /var/lib/derivd")
    try:
        start_core()
        yield "/var/lib/derivd/ballast"
    finally:
        machine.run("systemctl", "stop", *CORE)
        machine.run("sh", "-ec", "rm -rf /root/kept; cp -a /var/lib/derivd /root/kept; "
                    "umount /var/lib/derivd; cp -a /root/kept/. /var/lib/derivd; rm -rf /root/kept")
        start_core()


@tap.test("the store's disk is full, and cannot be written")
def _():
    with small_disk() as ballast:
        well()
        machine.run("sh", "-c", f"dd if=/dev/zero of={ballast} bs=4096", check=False)
        names(("store", "store-full"))
        machine.run("rm", ballast)
        well()
        machine.run("chmod", "0400", STORE)
        ask_again("derivd")
        names(("derivd", "store-read-only"), besides=("units",))
        machine.run("chmod", "0600", STORE)
    well()


def other_build(program):
    build = re.search(r"build (\w{40})", machine.run("derivctl", "--version").stdout).group(1).encode()
    path = kiosk.file(f"/usr/sbin/{program}")
    with open(path, "rb") as f:
        text = f.read()
    tap.check(build in text, f"{program} has no build id")
    shutil.copy2(path, path + ".right")
    shutil.copy2(path, path + ".new")
    with open(path + ".new", "wb") as f:
        f.write(text.replace(build, build[::-1]))
    os.rename(path + ".new", path)
    ask_again(program)


@tap.test("a program of another build, whichever it is")
def _():
    for program, check in (("derivd-ca", "ca"), ("derivd-gateway", "gateway"), ("derivd-card", "pcsc"), ("derivd", "derivd")):
        other_build(program)
        try:
            wait_for(f"{program} of another build", lambda c=check: (c, "other-build") in kiosk.doctor()[0], every=0.5)
        finally:
            path = kiosk.file(f"/usr/sbin/{program}")
            os.replace(path + ".right", path)
            ask_again(program)
        machine.run("systemctl", "reset-failed", check=False)
        well()


@tap.test("a unit that failed, a socket that is not there")
def _():
    machine.run("systemd-run", "--unit=derivd-broken", "--wait", "false", check=False)
    names(("units", "unit-failed"))
    machine.run("systemctl", "reset-failed", "derivd-broken")
    machine.run("systemctl", "stop", "derivd-card.socket")
    names(("units", "unit-inactive"), ("pcsc", "unreachable"), ("module", "unreachable"))
    machine.run("systemctl", "start", "derivd-card.socket")
    well()


@tap.test("entries that journald dropped")
def _():
    machine.run("systemd-run", "--unit=derivd-flood", "--wait", "-p", "LogRateLimitIntervalSec=1", "-p", "LogRateLimitBurst=5",
                "sh", "-c", "for i in $(seq 50); do echo flood; done; sleep 3; echo again")
    names(("journal", "journal-rate-limited"))


@tap.test("after all that: what is in the journal is explained, and no secret is in it; people enroll")
def _():
    kiosk.good_enrollment("after-all")
    journal.explain(tap, machine)
    journal.keeps_secrets(tap, machine, kiosk.secrets, [ADA])


tap.run()
