#!/usr/bin/python3
"""The units under a real systemd: the watchdog, a reload that nobody notices, secrets that are root's alone, and what becomes of a
service that cannot start. In that order, on one machine."""

import contextlib
import os
import re
import socket
import stat
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from installed import INSIDE, UNITS, DEVICE_PORT, InstalledKiosk, readme_setup  # noqa: E402
from kiosk import wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(InstalledKiosk())
machine = kiosk.machine
PROGRAMS = ("derivd", "derivd-gateway")


def show(unit, *what):
    values = tuple(machine.show(unit, w) for w in what)
    return values[0] if len(values) == 1 else values


def serves():
    wait_for("the services", lambda: {show(u, "ActiveState") for u in UNITS} == {"active"})
    wait_for("derivd-ca", lambda: kiosk.ctl_json("status")[0]["ca_reachable"])
    wait_for("the gateway", lambda: kiosk.ctl_json("status")[0]["gateway_connected"])


def phone_connected():
    return any(d["connected"] for d in kiosk.ctl_json("device", "list"))


def journal_of(unit):
    return machine.run("journalctl", "-b", "-u", unit).stdout


def starts(unit):
    return re.findall(r"systemd\[1\]: Starting ", journal_of(unit))


def knock():
    """A phone's connection, from outside."""
    with kiosk.network.inside(), socket.socket() as s:
        s.settimeout(60)
        s.connect((INSIDE, DEVICE_PORT))
        with contextlib.suppress(OSError):
            s.recv(1)


@contextlib.contextmanager
def drop_in(unit, text):
    """The unit is started again with it, and without it."""
    path = f"/run/systemd/system/{unit}.d/90-test.conf"
    machine.write(path, text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", unit)
    try:
        yield
    finally:
        os.unlink(machine.path(path))
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", unit)


kiosk.apt_install()
kiosk.hire()
kiosk.bring_certificates()
machine.run("sh", "-e", "-c", readme_setup())
serves()
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
wait_for("the card", lambda: "PRESENT" in kiosk.ctl("readers").stdout)
PHONE = kiosk.device("phone")
kiosk.provision(PHONE)


@tap.test("a start ends when the service can serve: the status says so from the first moment")
def _():
    for unit, part in (("derivd", "CA ready"), ("derivd-gateway", "connected")):
        machine.run("systemctl", "restart", unit)
        tap.contains(show(unit, "StatusText"), part, f"status of {unit}")
        tap.lacks(show(unit, "StatusText"), "unreachable", f"status of {unit}")
    wait_for("the gateway", lambda: show("derivd-gateway", "StatusText") == "0 devices connected")
    PHONE.start()
    for unit in PROGRAMS:
        wait_for("the count of phones", lambda u=unit: show(u, "StatusText").startswith("1 device"))
    PHONE.stop()
    serves()


@tap.test("a service that is stuck is killed and started again; one that has much to do is not")
def _():
    for program in PROGRAMS:
        tap.check(show(program, "WatchdogUSec") not in ("0", "infinity", ""), f"{program} has no watchdog")
        with drop_in(f"{program}.service", "[Service]\nWatchdogSec=10s\n"):
            pids, until = kiosk.service_pids(program), time.monotonic() + 21
            while time.monotonic() < until:
                kiosk.ctl_json("request", "list")
                knock()
            tap.equal(kiosk.service_pids(program), pids, f"{program} after more than two intervals of work")
            kiosk.kill(program, 19)
            wait_for(f"another {program}", lambda p=program, b=pids: set(kiosk.service_pids(p)) - set(b))
            tap.contains(journal_of(program), "Watchdog timeout", "journal")
            serves()
    serves()


@tap.test("reloaded in the middle of an enrollment, with a phone connected, and with a mistake in each file: nobody notices")
def _():
    PHONE.start()
    wait_for("the phone", phone_connected)
    pids, before = {p: kiosk.service_pids(p) for p in PROGRAMS}, PHONE.said().count('"connected"')

    def reload(mistaken):
        machine.run("systemctl", "reload", *PROGRAMS)
        for p in PROGRAMS:
            wait_for(f"the status of {p}", lambda u=p: mistaken == ("not in force" in show(u, "StatusText")))

    other = kiosk.device("other")
    with kiosk.session("--yes", "--wait", "60") as s:
        other.enroll(s.uri())
        digits = other.digits()
        reload(False)
        for name in ("derivd", "gateway"):
            machine.write(f"/etc/derivd/{name}.conf.d/90-test.conf", "nonsense = 1\n")
        reload(True)
        tap.contains(show("derivd", "StatusText"), "/etc/derivd/derivd.conf.d/90-test.conf:1:", "status")
        s.type(digits)
        tap.equal(s.rest()[-1].get("event"), "settled", "the enrollment's end")
    for name in ("derivd", "gateway"):
        os.unlink(machine.path(f"/etc/derivd/{name}.conf.d/90-test.conf"))
    reload(False)
    tap.equal({p: kiosk.service_pids(p) for p in PROGRAMS}, pids, "processes")
    tap.equal(PHONE.said().count('"connected"') - before, 0, "connections that the phone had to make again")
    tap.check(phone_connected(), "the phone is gone")
    PHONE.stop()
    other.stop()


@tap.test("the gateway's key is root's alone; a new one comes with a restart; without one the gateway says what is missing")
def _():
    key = machine.path("/etc/derivd/gateway.key")
    tap.equal((os.stat(key).st_uid, stat.S_IMODE(os.stat(key).st_mode)), (0, 0o600), "owner and mode")
    done = machine.run("runuser", "-u", "derivd-gateway", "cat", "/etc/derivd/gateway.key", check=False)
    tap.check(done.returncode != 0, "the service's user reads the key by its name")
    machine.run("systemctl", "reload", "derivd-gateway")
    wait_for("the word about it", lambda: "restart this service" in journal_of("derivd-gateway"))
    os.rename(key, key + ".away")
    try:
        done = machine.run("systemctl", "restart", "derivd-gateway", check=False)
        tap.check(done.returncode != 0, "it starts without a key")
        tap.equal(show("derivd-gateway", "ActiveState", "ExecMainStatus"), ("failed", "78"))
        tap.contains(machine.run("systemctl", "status", "derivd-gateway", check=False).stdout, 'the credential "gateway.key" is empty')
    finally:
        os.rename(key + ".away", key)
    tap.equal(show("derivd-gateway.socket", "ActiveState"), "active")
    knock()
    serves()


@tap.test("phones that knock at a gateway with a mistake in its file do not make systemd start it without end")
def _():
    machine.write("/etc/derivd/gateway.conf.d/90-test.conf", "nonsense = 1\n")
    machine.run("systemctl", "restart", "derivd-gateway", check=False)
    before, began = len(starts("derivd-gateway")), time.monotonic()
    while time.monotonic() < began + 12:
        knock()
    took = time.monotonic() - began
    after = len(starts("derivd-gateway"))
    # Each start hangs up on everybody for five seconds.
    tap.check(0 < after - before <= took / 5 + 2, f"{after - before} starts in {took:.0f} s")
    tap.equal(show("derivd-gateway.socket", "ActiveState"), "active")
    os.unlink(machine.path("/etc/derivd/gateway.conf.d/90-test.conf"))
    wait_for("the gateway", lambda: knock() or show("derivd-gateway", "ActiveState") == "active")
    serves()


@tap.test("a mistake in derivd.conf: not tried again and again; the socket brings it back as soon as it is mended")
def _():
    machine.write("/etc/derivd/derivd.conf.d/90-test.conf", "nonsense = 1\n")
    try:
        done = machine.run("systemctl", "restart", "derivd", check=False)
        tap.check(done.returncode != 0, "it starts")
        # The gateway, which wants it back, keeps knocking too.
        machine.run("systemctl", "stop", "derivd-gateway.socket", "derivd-gateway")
        wait_for("the end of it", lambda: show("derivd", "ActiveState") == "failed")
        tap.contains(machine.run("systemctl", "status", "derivd", check=False).stdout, "derivd.conf.d/90-test.conf:1:", "status")
        before = len(starts("derivd"))
        time.sleep(5)
        tap.equal((len(starts("derivd")), show("derivd", "NRestarts")), (before, "0"), "starts")
        tap.equal((show("derivd.socket", "ActiveState"), show("derivd-uplink.socket", "ActiveState")), ("active", "active"))
        tap.contains(kiosk.ctl("status", check=False).stderr, "derivd.conf.d/90-test.conf:1:", "derivctl")
    finally:
        os.unlink(machine.path("/etc/derivd/derivd.conf.d/90-test.conf"))
    wait_for("derivd", lambda: kiosk.ctl("status", check=False).returncode == 0)
    machine.run("systemctl", "start", "derivd-gateway.socket", "derivd-gateway")
    serves()


@tap.test("deployment.conf goes away under services that were set up: who connects hears of it, and systemd does not try without end")
def _():
    there = machine.path("/etc/derivd/deployment.conf")
    before = len(machine.journal("-b", "_PID=1"))
    os.rename(there, there + ".away")
    machine.run("systemctl", "stop", *PROGRAMS, check=False)
    try:
        tap.contains(kiosk.ctl("status", check=False).stderr, "deployment.conf", "derivctl")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(machine.path("/run/derivd/control.sock"))
            knock()
            time.sleep(5)
        lines = len(machine.journal("-b", "_PID=1")) - before
        tap.check(lines < 200, f"systemd wrote {lines} lines")
    finally:
        os.rename(there + ".away", there)
    wait_for("derivd", lambda: kiosk.ctl("status", check=False).returncode == 0)
    knock()
    serves()


@tap.test("no socket is closed for good, however often somebody connects")
def _():
    for name in ("notice", "control", "gateway"):
        for _ in range(400):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(60)
                s.connect(machine.path(f"/run/derivd/{name}.sock"))
    serves()
    for unit in ("derivd-notice.socket", "derivd.socket", "derivd-uplink.socket"):
        tap.equal(show(unit, "ActiveState", "TriggerLimitIntervalUSec"), ("active", "0"), unit)


@tap.test("one by one, for the least that is asked of them: exposure of each service as systemd rates it")
def _():
    units = machine.run("systemctl", "list-unit-files", "--no-legend", "derivd*.service").stdout.split("\n")
    names = [u.split()[0] for u in units if u]
    tap.check(len(names) > 5, f"only {names}")
    for name in names:
        limit = 12 if "courier" in name or "notice" in name else 10
        machine.run("systemd-analyze", "--no-pager", f"--threshold={limit}", "security", name.replace("@.", "@x."))


tap.run()
