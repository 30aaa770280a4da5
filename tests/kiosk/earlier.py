"""An earlier release, and a machine that had it first: its packages are built from the tree's own history, of the last
commit that knew neither the newest step of the store's schema nor that of derivd-ca's log.
"""

import fcntl
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile

from installed import INSIDE, PACKAGES, UNITS, MachineRig, package
from kiosk import SOURCE, KioskError, run
from machine import Machine
from ready import ReadyKiosk

VERSION = "0.0.9"
SCHEMAS = ("daemon/core/store_schema.c", "daemon/ca/ledger_schema.c")
BUILD_TIME = 1800
LOG = "/var/lib/derivd-ca/log.db"


# ---- its packages ----

class NoHistory(Exception):
    """Why there is no earlier release to be had here."""


def git(*words, check=True):
    # The tree may be another user's: root runs this.
    return run("git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, *words, check=check)


def _added(path):
    """The commit that added the newest step of a schema."""
    with open(os.path.join(SOURCE, path)) as f:
        newest = re.findall(r"^\t/\* (\d+)(?=: | \*/)", f.read(), re.M)[-1]
    commits = git("log", "--reverse", "--format=%H", f"-S/* {newest}: ", "--", path).stdout.split()
    if not commits:
        raise NoHistory(f"no commit has step {newest} of {path} yet")
    return commits[0]


def commit():
    """Of the earlier release."""
    if not shutil.which("git") or git("rev-parse", "HEAD", check=False).returncode != 0:
        raise NoHistory("this is no clone of the repository: its history has the earlier release")
    store, log = (_added(path) for path in SCHEMAS)
    first = log if git("merge-base", "--is-ancestor", log, store, check=False).returncode == 0 else store
    found = git("rev-parse", "--verify", "--quiet", f"{first}^", check=False).stdout.strip()
    if not found:
        raise NoHistory("the history of this clone is cut off before the earlier release: git fetch --unshallow")
    return found


def _replace(path, old, new):
    with open(path) as f:
        text = f.read()
    if old not in text:
        raise KioskError(f"{path}: no {old}")
    with open(path, "w") as f:
        f.write(text.replace(old, new, 1))


def _build(release, there):
    with tempfile.TemporaryDirectory(prefix="earlier-", dir=os.path.dirname(there)) as tree:
        archive = os.path.join(tree, "tree.tar")
        git("archive", "--output", archive, release)
        run("tar", "-x", "-f", archive, "-C", tree)
        os.unlink(archive)
        with open(f"{tree}/contrib/debian/changelog") as f:
            version = re.match(r"\S+ \((.*)\)", f.read()).group(1)
        _replace(f"{tree}/contrib/debian/changelog", f"({version})", f"({VERSION})")
        _replace(f"{tree}/configure.ac", f"[derivd], [{version}]", f"[derivd], [{VERSION}]")
        done = subprocess.run([f"{tree}/contrib/package", "--quick"], capture_output=True, text=True, timeout=BUILD_TIME)
        if done.returncode != 0:
            raise KioskError(f"the packages of {release} cannot be built:\n{done.stderr[-3000:]}")
        os.rename(f"{tree}/_build/package", there)


def packages(cache):
    """The directory of its packages. Kept in the cache, for as long as it is this commit."""
    release = commit()
    there = os.path.join(cache, f"earlier-{release}")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in glob.glob(os.path.join(cache, "earlier-*")):
            if old != there:
                shutil.rmtree(old, ignore_errors=True)
        if not os.path.exists(there):
            print(f"# building the packages of {release}", flush=True)
            _build(release, there)
    return there


# ---- the machine ----

class OldKiosk(ReadyKiosk):
    """Set up with the earlier release."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        self.old = [package(name, first) for name in PACKAGES]
        self.kept = None
        self.held = None

    def apt_install(self, packages=None):
        return super().apt_install(packages or self.old)

    def downgrade(self):
        return self.apt("install", "--allow-downgrades", *self.put_packages(self.old))

    def units(self):
        """A release knows the units that it brought."""
        return [u for u in UNITS if self.machine.exists(f"/lib/systemd/system/{u}")]

    def keep(self):
        """The machine, in good order, and the phones: what back() comes back to."""
        for phone in self.devices:
            phone.stop()
        self.machine.off()
        self.kept = self.machine.root
        shutil.copytree(self.at("devices"), self.at("devices.kept"))
        self.rig.stop()

    def phones_back(self):
        for phone in self.devices:
            phone.stop()
        shutil.rmtree(self.at("devices"))
        shutil.copytree(self.at("devices.kept"), self.at("devices"))

    def hold(self):
        """derivd-ca can write nothing from now on: somebody else has its log."""
        self.held = sqlite3.connect(self.machine.root + LOG, isolation_level=None)
        self.held.execute("BEGIN IMMEDIATE")

    def release(self):
        self.held.close()

    def back(self):
        """What waited in the outbox waits until release()."""
        self.phones_back()
        self.rig.stop()
        if self.machine.root != self.kept:
            self.machine.destroy()
        self.machine = Machine(self.kept, tempfile.mkdtemp(prefix="m", dir=self.dir))
        for path in ("opt/rig", "etc/systemd/system/pcscd.service.d"):
            shutil.rmtree(f"{self.machine.root}/{path}")
        self.rig = MachineRig(self.machine)
        self.rig.plug_in()
        self.hold()
        self.machine.boot()
        self.machine.connect(self.network, INSIDE)
        self.serves()
