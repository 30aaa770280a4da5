#!/usr/bin/python3
"""An earlier release, with an earlier schema of the store and of derivd-ca's log, in use when this one comes: upgraded, gone back
from, and cut off by the power in the middle. The machine and its phones are kept as they were under the earlier release, and come
back so for each test."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import uuid

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import earlier  # noqa: E402
import journal  # noqa: E402
from earlier import LOG  # noqa: E402
from installed import PACKAGES, PEOPLE, package  # noqa: E402
from kiosk import AUDITOR, OFFICER, OPERATOR, SOURCE, KioskError, run, wait_for  # noqa: E402
from ready import PURPOSES  # noqa: E402
from tap import Tap  # noqa: E402

CACHE = os.environ.get("KIOSK_CACHE", os.path.join(SOURCE, "_build/kiosk"))
STORE = "/var/lib/derivd/derivd.db"
BACKUP = "/var/backups/before"
SWOLLEN = 128 * 1024 * 1024
ROLES = {OPERATOR: "operator", OFFICER: "officer", AUDITOR: "auditor"}


def earlier_kiosk():
    try:
        return earlier.OldKiosk(earlier.packages(CACHE))
    except earlier.NoHistory as why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)


tap = Tap()
kiosk = tap.use(earlier_kiosk())
NEW = kiosk.packages
THIS, ARCH = (run("dpkg-deb", "-f", package("derivd"), field).stdout.strip() for field in ("Version", "Architecture"))
STATE = {}


# ---- what is on the disk ----

@contextlib.contextmanager
def database(path):
    """As it is on the machine's disk now: of a copy, so that nobody is kept waiting."""
    with tempfile.TemporaryDirectory(dir=kiosk.dir) as d:
        for part in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{kiosk.machine.root}{path}{part}", f"{d}/db{part}")
        with contextlib.closing(sqlite3.connect(f"{d}/db")) as db:
            yield db


def asked(path, sql):
    with database(path) as db:
        return db.execute(sql).fetchall()


def schema(path):
    return asked(path, "PRAGMA user_version")[0][0]


def certificates():
    """All that derivd-ca has ever issued."""
    return sorted(asked(LOG, "SELECT serial FROM certificate"))


# ---- what must be so ----

def verified():
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    kiosk.machine.run("runuser", "-u", "derivd-ca", "derivd-ca", "check")


def well():
    wait_for("doctor to find nothing", lambda: not kiosk.doctor()[0], every=0.5)


def version():
    return kiosk.machine.run("dpkg-query", "-W", "-f", "${Version}", "derivd").stdout


def live(device):
    return sorted((c["purpose"], c["state"]) for c in kiosk.ctl_json("credential", "list", "--device", device))


def delivered(name):
    """The phone of that label comes back, and gets all that it was promised."""
    phone = next(d for d in kiosk.devices if d.name == name).start()
    device = next(d["id"] for d in kiosk.ctl_json("device", "list") if d["label"] == name)
    wait_for(f"what {name} waits for", lambda: live(device) == [(p, "active") for p in PURPOSES])
    phone.stop()


def upgraded():
    """The new release serves; its schema is there, and a good copy of what there was before."""
    kiosk.serves()
    for path in (STORE, LOG):
        old = STATE["schema"][path]
        tap.check(schema(path) > old, f"{path} has schema {schema(path)} still")
        tap.equal(schema(f"{path}.schema-{old}"), old, f"the copy of {path}")
        tap.equal(asked(f"{path}.schema-{old}", "PRAGMA integrity_check"), [("ok",)], f"the copy of {path}")
    tap.equal(kiosk.machine.run("dpkg", "--audit").stdout, "")
    tap.equal(kiosk.machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")


def whole():
    """Nothing was lost by the upgrade, nothing done twice; the phone that was away gets what was promised."""
    upgraded()
    for name in ("away", "waits"):
        delivered(name)
    serials = certificates()
    tap.equal(len(serials), 3 * len(PURPOSES), "certificates that were issued")
    tap.check(set(STATE["serials"]) <= set(serials), "a certificate is missing in the log")
    tap.equal(live(STATE["kept"]), [(p, "active") for p in PURPOSES], "the credentials of the phone that was there")
    verified()
    well()


def begin_upgrade():
    """As an operator would. The process."""
    words = kiosk.machine.command("apt-get", "-q", "-y", "install", *kiosk.put_packages(NEW))
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# ---- the earlier release ----

@contextlib.contextmanager
def session(name):
    """Of another person, up to where the digits stand on the phone."""
    kiosk.insert(kiosk.card(name, name=f"{name.capitalize()} Test"))
    kiosk.sees("PRESENT")
    phone = kiosk.device(name)
    with kiosk.session("--yes", "--no-wait", "--label", name) as s:
        phone.enroll(s.uri())
        s.digits = phone.digits()
        s.expect("digits-needed")
        yield s
        phone.stop()


def commit(name, before=lambda: None):
    """An enrollment up to where nothing needs the person. The phone then goes away."""
    with session(name) as s:
        before()
        s.type(s.digits)
        s.expect("committed")


def swell():
    """The store has room that was needed once: to copy it takes long enough for the power to fail meanwhile."""
    with contextlib.closing(sqlite3.connect(kiosk.kept + STORE, isolation_level=None)) as db:
        db.execute("CREATE TABLE swollen(x BLOB)")
        db.execute("INSERT INTO swollen VALUES(zeroblob(?))", (SWOLLEN,))
        db.execute("DROP TABLE swollen")


def waiting():
    return {job["what"] for job in kiosk.ctl_json("queue", "list")}


@tap.test("the earlier release is installed and set up; a person is enrolled, and a phone goes away before it has anything")
def _():
    tap.equal(version(), earlier.VERSION)
    kiosk.provision(kiosk.device("kept"), "--label", "kept")
    STATE["kept"] = kiosk.ctl_json("device", "list")[0]["id"]
    commit("away")
    wait_for("only the phone to be waited for", lambda: waiting() == {"deliver"})
    kiosk.machine.run("derivctl", "backup", BACKUP)
    shutil.copytree(kiosk.file(BACKUP), kiosk.at("backup"))


@tap.test("another phone goes away while derivd-ca can write nothing: its certificates wait in the outbox")
def _():
    commit("waits", kiosk.hold)
    tap.check(waiting() - {"deliver"}, "nothing waits for derivd-ca")
    STATE["serials"] = certificates()
    STATE["schema"] = {path: schema(path) for path in (STORE, LOG)}
    kiosk.keep()
    kiosk.release()
    swell()
    tap.equal(len(STATE["serials"]), 2 * len(PURPOSES), "certificates so far")
    tap.note(f"schemas: {STATE['schema']}")


# ---- this one ----

@tap.test("upgraded with a session under way, a phone connected, certificates waiting: that session ends with the reason, all else goes on")
def _():
    kiosk.back()
    here = kiosk.devices[0].start()
    wait_for("the phone", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))
    old = kiosk.service_pids("derivd")
    with session("stood") as s:
        apt = begin_upgrade()
        wait_for("the end of the earlier derivd", lambda: not set(kiosk.service_pids("derivd")) & set(old))
        kiosk.release()
        tap.equal(apt.wait(300), 0, "exit status of apt")
        s.type(s.digits)
        last = s.rest()[-1]
        tap.equal(last.get("error", {}).get("kind"), "other-build", f"its end: {last}")
    tap.equal(version(), THIS)
    wait_for("the phone", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))
    here.stop()
    whole()
    commit("after")
    delivered("after")
    journal.explain(tap, kiosk.machine)


@tap.test("gone back to the earlier release: it does not touch what is newer, and says what to do; upgraded again, nothing is lost")
def _():
    before, serials = kiosk.ctl_json("credential", "list"), certificates()
    schemas = {path: schema(path) for path in (STORE, LOG)}
    kiosk.downgrade()
    tap.equal(version(), earlier.VERSION)
    done = kiosk.ctl("status", check=False)
    tap.check(done.returncode != 0, done.stdout)
    tap.contains(done.stderr, "newer release")
    kinds = {row["kind"] for row in kiosk.doctor()[0].values()}
    tap.check("store-newer" in kinds, f"doctor finds {kinds}")
    done = kiosk.machine.run("runuser", "-u", "derivd-ca", "derivd-ca", "check", check=False)
    tap.check(done.returncode != 0, done.stdout)
    tap.contains(done.stdout + done.stderr, "newer release")
    tap.equal({path: schema(path) for path in (STORE, LOG)}, schemas)
    kiosk.apt_install(NEW)
    upgraded()
    tap.equal(kiosk.ctl_json("credential", "list"), before)
    tap.equal(certificates(), serials)
    verified()
    well()


def fresh(word):
    """Whether dpkg has logged that since the upgrade began."""
    def reached():
        with open(f"{kiosk.machine.root}/var/log/dpkg.log") as f:
            f.seek(STATE["logged"])
            return word in f.read()
    return reached


def there(path):
    return lambda: os.path.exists(kiosk.machine.root + path)


def copies():
    return f"{STORE}.schema-{STATE['schema'][STORE]}"


POINTS = {
    "while derivd is unpacked": lambda: fresh(f"status half-installed derivd:{ARCH} {earlier.VERSION}"),
    "when all is unpacked": lambda: fresh(f"status unpacked derivd-device:{ARCH} {THIS}"),
    "while derivd is configured": lambda: fresh(f"status half-configured derivd:{ARCH} {THIS}"),
    "while the store is copied": lambda: there(f"{copies()}.part"),
    "when the store has been copied": lambda: there(copies()),
}


def power_fails(point):
    """In the middle of the upgrade, as soon as it is there."""
    def meanwhile():
        tap.note(f"the store had schema {schema(STORE)}")
        kiosk.release()

    STATE["logged"] = os.path.getsize(f"{kiosk.machine.root}/var/log/dpkg.log")
    first_process = int(kiosk.machine.leader)
    apt = begin_upgrade()
    # Without a pause: what is to be cut off may be over soon.
    while not point():
        if apt.poll() is not None:
            raise KioskError(f"apt ended with {apt.returncode} before that")
    os.kill(first_process, signal.SIGKILL)
    kiosk.machine.crash(meanwhile)
    apt.wait()


for when, how in POINTS.items():
    @tap.test(f"the power fails {when}: dpkg installs the same packages again, and all is as if nothing had been")
    def _(how=how):
        kiosk.back()
        power_fails(how())
        tap.note(kiosk.machine.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}, ", *PACKAGES).stdout)
        # As doc/OPERATE.md says. apt would not: a package that is of the new release already depends on one that is not.
        kiosk.machine.run("dpkg", "--install", *kiosk.put_packages(NEW), timeout=300)
        whole()


@tap.test("the earlier release's backup, put back on another machine with this one: the phone that is away gets what was promised")
def _():
    kiosk.lose_machine()
    kiosk.phones_back()
    kiosk.new_machine("second", uuid.uuid4().hex)
    kiosk.apt_install(NEW)
    kiosk.hire()
    machine = kiosk.machine
    shutil.copytree(kiosk.at("backup"), f"{machine.root}{BACKUP}")
    machine.run("derivctl", "restore", BACKUP)
    for who in (OPERATOR, OFFICER, AUDITOR):
        machine.run("usermod", "-aG", f"derivd-{ROLES[who]}", PEOPLE[who])
    machine.run("systemctl", "start", "derivd.service", "derivd-gateway.service")
    kiosk.serves()
    tap.equal({path: schema(path) > old for path, old in STATE["schema"].items()}, {STORE: True, LOG: True}, "upgraded")
    # It is still the earlier release's, to be put back again.
    tap.contains(machine.run("derivctl", "restore", "--check", BACKUP).stdout, "audit rows")
    delivered("away")
    tap.equal(certificates(), STATE["serials"])
    verified()
    well()


tap.run()
