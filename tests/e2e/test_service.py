#!/usr/bin/python3
"""derivd and derivd-gateway as services: when they say that they are ready, what they say that they do, when they feed the
watchdog and when they do not, and how they end when they cannot start. With systemd's part played here: tests/kiosk has systemd."""

import os
import signal
import socket
import sqlite3
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import UIDS, Kiosk, wait_for  # noqa: E402
from service import CaWorkers, Service, listening  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk(start=False))
CONFIG = 78  # EX_CONFIG
WATCHDOG = 2  # seconds; each turn of the loop feeds it after a quarter of that


def silent_ca():
    """Somebody listens on ca.sock, and never says a word."""
    return listening(kiosk.at("run/ca.sock"), UIDS["derivd"])


def no_ca():
    if os.path.exists(kiosk.at("run/ca.sock")):
        os.unlink(kiosk.at("run/ca.sock"))


def feeds(service):
    return [when for when, line in service.notices if line == "WATCHDOG=1"]


def goes_on_feeding(service):
    n = len(feeds(service))
    wait_for("the watchdog to be fed", lambda: len(feeds(service)) >= n + 3)


def standing(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


def stops_feeding(service):
    """What was on its way is read first; then nothing comes for two intervals."""
    wait_for("the program to stand still", lambda: standing(service.pid))
    time.sleep(0.5)
    n = len(feeds(service))
    time.sleep(2 * WATCHDOG)
    tap.equal(len(feeds(service)) - n, 0, "fed while it was stuck")


@tap.test("derivd is ready when derivd-ca has answered, and its first status says so")
def _():
    with CaWorkers(kiosk) as ca, Service(kiosk, "derivd") as derivd:
        def ready():
            ca.serve()
            return "READY=1" in derivd.lines()
        wait_for("derivd to be ready", ready)
        lines = derivd.lines()
        at = lines.index("READY=1")
        tap.lacks(" ".join(lines), "CA unreachable", "status")
        tap.contains(lines[at + 1], "STATUS=0 devices connected", "status that came with READY")
        tap.contains(lines[at + 1], "CA ready", "status that came with READY")


@tap.test("a derivd-ca that says nothing: derivd is not ready before it knows, and then says what is wrong")
def _():
    with silent_ca() as ca, Service(kiosk, "derivd") as derivd:
        derivd.told("STATUS=waiting for derivd-ca")
        connections = [ca.accept()[0]]
        time.sleep(0.5)
        tap.check("READY=1" not in derivd.lines(), "ready although derivd-ca has not been heard")
        for s in connections:
            s.close()
        ca.close()
        no_ca()
        derivd.told("READY=1")
        tap.contains(derivd.told("STATUS=0 devices"), "CA unreachable: ", "status")


@tap.test("a derivd-ca that says nothing for ever does not keep derivd from serving")
def _():
    with silent_ca(), Service(kiosk, "derivd") as derivd:
        derivd.told("READY=1")
        tap.contains(derivd.told("STATUS=0 devices"), "CA unreachable", "status")
        tap.contains(kiosk.ctl("status", uid=0).stdout, "CA unreachable", "derivctl status")
    no_ca()


@tap.test("the gateway is ready when it listens with its certificate, and says whether derivd is there")
def _():
    no_ca()
    with Service(kiosk, "derivd-gateway") as gateway:
        gateway.told("READY=1")
        gateway.has_status("0 devices connected, derivd has not been reached yet")
        with Service(kiosk, "derivd"):
            gateway.has_status("0 devices connected")
            wait_for("derivd", lambda: gateway.status() == "0 devices connected")
        gateway.has_status("derivd is away")
        tap.check(gateway.alive(), "the gateway ended")


@tap.test("the watchdog is fed while the loop turns, idle or busy; not while it does not, and again when it goes on")
def _():
    no_ca()
    with Service(kiosk, "derivd", watchdog=WATCHDOG) as derivd, Service(kiosk, "derivd-gateway", watchdog=WATCHDOG) as gateway:
        for service in (derivd, gateway):
            service.told("READY=1")
        for service in (derivd, gateway):
            goes_on_feeding(service)
            service.signal(signal.SIGSTOP)
            stops_feeding(service)
            service.signal(signal.SIGCONT)
            goes_on_feeding(service)
        n, until = len(feeds(derivd)), time.monotonic() + 2 * WATCHDOG
        while time.monotonic() < until:
            kiosk.ctl("request", "list", uid=0)
        tap.check(len(feeds(derivd)) - n >= 3, "not fed while it had much to do")


@tap.test("an upgrade of a large store is no hang: derivd says that it advances, and at what")
def _():
    no_ca()
    store = kiosk.at("lib/derivd/derivd.db")
    for name in os.listdir(os.path.dirname(store)):
        os.unlink(os.path.join(os.path.dirname(store), name))
    source = os.path.join(HERE, "../fixtures/schema")
    name = sorted(n for n in os.listdir(source) if n.startswith("store-1"))[0]
    with sqlite3.connect(store) as db, open(os.path.join(source, name)) as f:
        db.executescript(f.read())
    db.close()
    os.chown(store, UIDS["derivd"], UIDS["derivd"])
    with Service(kiosk, "derivd") as derivd:
        derivd.told("READY=1")
        lines = derivd.lines()
        ready = lines.index("READY=1")
        upgrade = next(i for i, line in enumerate(lines) if line.startswith("STATUS=upgrading the store from schema 1 to "))
        extended = [i for i, line in enumerate(lines) if line.startswith("EXTEND_TIMEOUT_USEC=")]
        tap.check(extended and upgrade < extended[0] < ready, f"{lines}")


def knock(address, family=socket.AF_UNIX, kind=socket.SOCK_SEQPACKET):
    s = socket.socket(family, kind)
    s.settimeout(60)
    s.connect(address)
    return s


@tap.test("a mistake in derivd.conf: status and exit say that a restart does not mend it, and nobody is left at a socket")
def _():
    kiosk.configure(derivd="nonsense = 1\n")
    with Service(kiosk, "derivd", start=False) as derivd:
        gateway = knock(kiosk.at("run/gateway.sock"))
        derivd.start()
        tap.contains(derivd.told("STATUS=cannot start: "), "90-test.conf:1:", "status")
        tap.contains(kiosk.ctl("status", uid=0, check=False).stderr, "90-test.conf:1:", "derivctl")
        tap.equal(gateway.recv(100), b"", "the gateway")
        tap.equal(derivd.process.wait(60), CONFIG, "exit status")
        tap.lacks(" ".join(derivd.lines()), "READY=1", "notified")
    kiosk.configure(derivd="")


@tap.test("a store that is of a newer release: the same; one that cannot be opened: a restart may mend it")
def _():
    store = kiosk.at("lib/derivd/derivd.db")
    with sqlite3.connect(store) as db:
        schema = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA user_version = 999")
    db.close()
    with Service(kiosk, "derivd") as derivd:
        tap.contains(derivd.told("STATUS=cannot start: "), "schema 999", "status")
        tap.equal(derivd.process.wait(60), CONFIG, "exit status")
    with sqlite3.connect(store) as db:
        db.execute(f"PRAGMA user_version = {schema}")
    db.close()
    os.chmod(kiosk.at("lib/derivd"), 0)
    try:
        with Service(kiosk, "derivd") as derivd:
            derivd.told("STATUS=cannot start: ")
            tap.equal(derivd.process.wait(60), 1, "exit status")
            # Told to stop while it tells others why, it stops.
            derivd.start()
            derivd.told("STATUS=cannot start: ")
            derivd.signal(signal.SIGTERM)
            tap.equal(derivd.process.wait(60), -signal.SIGTERM, "how it ended")
    finally:
        os.chmod(kiosk.at("lib/derivd"), 0o755)


@tap.test("a mistake in gateway.conf: the same, and phones are hung up on")
def _():
    kiosk.configure(gateway="nonsense = 1\n")
    with Service(kiosk, "derivd-gateway", start=False) as gateway:
        phone = knock((kiosk.host, kiosk.port), socket.AF_INET, socket.SOCK_STREAM)
        gateway.start()
        tap.contains(gateway.told("STATUS=cannot start: "), "90-test.conf:1:", "status")
        tap.equal(phone.recv(100), b"", "the phone")
        tap.equal(gateway.process.wait(60), CONFIG, "exit status")
        tap.lacks(" ".join(gateway.lines()), "READY=1", "notified")
    kiosk.configure(gateway="")


def key_and_certificate():
    with open(kiosk.at("etc/gateway/gateway.key")) as key, open(kiosk.at("etc/gateway/gateway.pem")) as certificate:
        return {"gateway.key": key.read(), "gateway.pem": certificate.read()}


@tap.test("the gateway's key as a credential: the file can be root's alone; what is missing is said")
def _():
    good = key_and_certificate()
    no_key = {"gateway.pem": good["gateway.pem"]}
    kiosk.write("etc/gateway.conf", "")
    with Service(kiosk, "derivd-gateway", credentials=good) as gateway:
        gateway.told("READY=1")
        gateway.signal(signal.SIGHUP)
        wait_for("the word about a new key", lambda: "for a new one restart this service" in gateway.said())
    for credentials, part in ((no_key, 'no credential "gateway.key": its unit needs LoadCredential=gateway.key:FILE'),
                              (good | {"gateway.key": "\n"}, 'the credential "gateway.key" is empty'),
                              (good | {"gateway.pem": ""}, 'the credential "gateway.pem" is empty'),
                              (None, "etc/gateway.pem")):
        with Service(kiosk, "derivd-gateway", credentials=credentials) as gateway:
            tap.contains(gateway.told("STATUS=cannot start: "), part, "status")
            gateway.process.kill()
    # Without systemd they lie beside the configuration.
    for name, content in good.items():
        kiosk.write(f"etc/{name}", content, 0o600)
        os.chown(kiosk.at(f"etc/{name}"), UIDS["derivd-gateway"], -1)
    with Service(kiosk, "derivd-gateway") as gateway:
        gateway.told("READY=1")
    for name in good:
        os.unlink(kiosk.at(f"etc/{name}"))


@tap.test("the mail server's password comes the same way, and it is said where it belongs")
def _():
    mail = 'smtp = "smtp://127.0.0.1:1"\nsmtp-user = "kiosk"\nfrom = "kiosk@example.org"\n'
    kiosk.configure(courier=mail)
    kiosk.start()
    try:
        def status():
            return kiosk.ctl_json("status")[0]["notices"]
        wait_for("the word about it", lambda: status().startswith("not known") and "etc/smtp-password" in status())
        kiosk.write("etc/smtp-password", "secret\n", 0o600)
        os.chown(kiosk.at("etc/smtp-password"), UIDS["derivd-notice"], -1)
        kiosk.kill("derivd", signal.SIGHUP)
        wait_for("a channel", lambda: status().startswith("smtp://") or " smtp://" in status())
    finally:
        kiosk.halt()
        kiosk.configure(courier="")


@tap.test("reloaded again and again during an enrollment, with and without a mistake: no connection is lost, nobody notices")
def _():
    kiosk.start()
    kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
    first, second = kiosk.device("first"), kiosk.device("second")
    kiosk.provision(first)
    first.start()
    wait_for("a connected device", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))
    pids, before = [kiosk.pids(p) for p in ("derivd", "derivd-gateway")], first.said().count('"connected"')

    def reload(text):
        kiosk.configure(derivd=text, gateway=text)
        for program in ("derivd", "derivd-gateway"):
            n = kiosk.log(program).count("read again") + kiosk.log(program).count("new configuration")
            m = kiosk.log(program).count("stays")
            kiosk.kill(program, signal.SIGHUP)
            wait_for(f"{program} to have read it", lambda p=program, n=n, m=m: kiosk.log(p).count("stays") > m if text else
                     kiosk.log(p).count("read again") + kiosk.log(p).count("new configuration") > n)

    with kiosk.session("--yes", "--wait", "60") as s:
        uri = s.uri()
        reload("")
        second.enroll(uri)
        digits = second.digits()
        reload("nonsense = 1\n")
        tap.contains(kiosk.ctl("status").stdout, "the configuration is not in force", "derivctl status")
        s.type(digits)
        s.expect("committed")
        reload("")
        tap.equal(s.rest()[-1].get("event"), "settled", "the enrollment's end")
    tap.lacks(kiosk.ctl("status").stdout, "not in force", "derivctl status")
    tap.equal([kiosk.pids(p) for p in ("derivd", "derivd-gateway")], pids, "processes")
    tap.equal(first.said().count('"connected"'), before, "how often the device had to connect")
    tap.check(any(d["connected"] for d in kiosk.ctl_json("device", "list")), "the device is gone")


tap.run()
