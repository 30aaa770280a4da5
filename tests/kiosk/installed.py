"""A kiosk as its users have it: Debian's packages on a machine of its own, everything under systemd, operators who log in,
phones and the card issuer's web server on the other end of a cable.

The card and its reader are virtual (tests/mock); pcscd and OpenSC are Debian's.
"""

import glob
import os
import re
import shutil
import sys
import tempfile

import system
from kiosk import AUDITOR, MAKE_CARD, NOBODY, OFFICER, OPERATOR, PIN, SOURCE, Kiosk, KioskError, Session, WebServer, run
from machine import KIOSK_DIR, Machine, Network
from rig import Reader, Rig, build_dir

PEOPLE = {0: "root", OPERATOR: "alice", OFFICER: "oscar", AUDITOR: "audrey", NOBODY: "norma"}
OUTSIDE, INSIDE = "192.0.2.1", "192.0.2.2"
WEB_PORT, DEVICE_PORT = 8000, 7443
PACKAGES = ("derivd", "derivd-gateway", "derivctl", "derivd-device", "libderivd-device0")
UNITS = ("derivd.service", "derivd-gateway.service", "derivd.socket", "derivd-uplink.socket", "derivd-gateway.socket",
         "derivd-ca.socket", "derivd-ca-officer.socket", "derivd-card.socket", "derivd-courier.socket", "derivd-notice.socket")

PCSCD = """[Service]
Environment=VREADER_DIR=/opt/rig LD_PRELOAD=/opt/rig/hotplug.so
"""


def package(name, directory=None):
    """In a directory; if none is given, the tree's."""
    directory = directory or os.environ.get("KIOSK_PACKAGES", os.path.join(SOURCE, "_build/package"))
    found = glob.glob(os.path.join(directory, f"{name}_*.deb"))
    if len(found) != 1:
        raise KioskError(f"{directory}: {len(found)} packages {name}: run contrib/package")
    return found[0]


def readme_setup():
    """The command that README.md gives an administrator, with this machine's address."""
    with open(os.path.join(SOURCE, "README.md")) as f:
        text = f.read().partition("## A kiosk")[2]
    line = re.search(r"\n    (derivctl setup --defaults (?:.*\\\n)*.*)\n", text).group(1)
    return line.replace("kiosk.example.org", INSIDE)


class MachineRig(Rig):
    """A reader that is plugged into the machine. The card is here, and stays when the machine goes down."""

    def __init__(self, machine):
        super().__init__(os.path.join(machine.root, "opt/rig"))
        self.machine = machine

    @property
    def socket(self):
        return self.machine.path("/run/pcscd/pcscd.comm")

    def running(self):
        return True  # or will be: systemd starts it

    def _save(self):
        pass

    def plug_in(self):
        self.make_directories()
        driver = self.at("drivers/virtual.bundle/Contents/Linux/ifd.so")
        os.unlink(driver)
        shutil.copy(os.path.join(self.build, "tests/mock/reader/ifd.so"), driver)
        shutil.copy(os.path.join(self.build, "tests/mock/reader/hotplug.so"), self.dir)
        with open(self.at("usb/r0"), "w"):
            pass
        self.readers["r0"] = Reader(self, "r0")
        dropin = os.path.join(self.machine.root, "etc/systemd/system/pcscd.service.d")
        os.makedirs(dropin)
        with open(os.path.join(dropin, "rig.conf"), "w") as f:
            f.write(PCSCD)

    def stop(self):
        for reader in self.readers.values():
            if reader.process:
                reader.process.end()


class TellingSession(Session):
    """Whose invitations can be looked for where they must not be."""

    def uri(self):
        text = super().uri()
        self.kiosk.secrets += [part for part in re.split(r"[^A-Za-z0-9_-]", text) if len(part) > 20]
        return text


class InstalledKiosk(Kiosk):
    first = None  # the directory of the packages that come first, if not the tree's

    def __init__(self):
        super().__init__(tempfile.mkdtemp(prefix="kiosk-", dir=KIOSK_DIR), start=False, host=INSIDE)
        self.machine = self.network = None
        self.packages = [package(p) for p in PACKAGES]
        self.secrets = [PIN]

    # ---- setting up ----

    def install(self):
        """Phones have the packaged program too."""
        for name in ("derivd-device", "libderivd-device0"):
            run("dpkg-deb", "-x", package(name, self.first), self.at("phone"))
        self.bin = self.at("phone/usr/bin")

    def prepare(self):
        self.install()
        os.makedirs(self.at("devices"))
        self.network = Network(OUTSIDE)
        library = glob.glob(self.at("phone/usr/lib/*/libderivd-device.so.0"))[0]
        self.outside = [*self.network.prefix, "env", f"LD_LIBRARY_PATH={os.path.dirname(library)}"]
        self.new_machine("kiosk")
        self._issuer()

    def new_machine(self, name, machine_id=""):
        """With nothing of derivd on it, but the reader and the cable. machine_id: systemd makes one if none is given."""
        cache = os.environ.get("KIOSK_CACHE", os.path.join(SOURCE, "_build/kiosk"))
        os.makedirs(self.at(name))
        self.machine = Machine(system.make(cache, self.packages), self.at(name))
        with open(f"{self.machine.root}/etc/hostname", "w") as f:
            f.write(name + "\n")
        with open(f"{self.machine.root}/etc/machine-id", "w") as f:
            f.write(machine_id and machine_id + "\n")
        self.rig = MachineRig(self.machine)
        self.rig.plug_in()
        self._first_boot()
        self.machine.connect(self.network, INSIDE)

    def lose_machine(self):
        """With its disk. The card stays with the person."""
        self.rig.stop()
        self.machine.destroy()

    def _first_boot(self):
        """Nothing of derivd is on it yet: if it does not come up, it is not for derivd."""
        try:
            self.machine.boot()
        except KioskError as e:
            self.stop()
            print(f"1..0 # SKIP no machine boots here: {' '.join(str(e).split())[-300:]}")
            sys.exit(0)

    def _issuer(self):
        """Of the cards, with its CRLs on the web."""
        os.makedirs(self.at("web"))
        os.makedirs(self.at("etc"))
        self.web = WebServer(self.at("web"), OUTSIDE, WEB_PORT)
        with self.network.inside():
            self.web.up()
        run(MAKE_CARD, "pki", self.at("pki"), "--alg", self.alg, "--url", self.web.url)
        self.publish()

    def put_packages(self, packages):
        """Where apt in the machine finds them; their names there."""
        names = []
        for path in packages:
            names.append(f"/opt/packages/{os.path.basename(path)}")
            os.makedirs(f"{self.machine.root}/opt/packages", exist_ok=True)
            shutil.copy(path, self.machine.root + names[-1])
        return names

    def apt(self, *words, **how):
        return self.machine.run("apt-get", "-q", "-y", *words, timeout=300, **how)

    def apt_install(self, packages=None):
        return self.apt("install", *self.put_packages(packages or self.packages))

    def hire(self):
        """Everybody. Their roles come with the set-up."""
        for uid, who in PEOPLE.items():
            if uid:
                self.machine.run("useradd", "--create-home", who)

    def bring_certificates(self):
        """Of the cards' CAs, where README.md has them."""
        for name in ("root", "ca"):
            with open(self.at(f"pki/{name}.pem")) as f:
                self.machine.write(f"/root/card-cas/{name}.pem", f.read())

    def stop(self):
        for device in self.devices:
            device.stop()
        if self.rig:
            self.rig.stop()
        if self.machine:
            self.machine.destroy()
        if self.web:
            self.web.down()
        if self.network:
            self.network.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- what the tests of whole kiosks use ----

    def as_person(self, uid):
        return {}  # ctl_command logs in

    def session(self, *words, uid=OPERATOR, pin=PIN, command="provision"):
        return TellingSession(self, words, uid, pin, command)

    def ctl_command(self, *words, uid=OPERATOR):
        return self.machine.login(PEOPLE[uid], "derivctl", *words)

    def logs(self):
        return self.machine.run("journalctl", "--no-pager", "-n", "60", "-o", "short-monotonic").stdout

    def service_pids(self, program):
        """Of the processes of one program in the machine, as numbered there."""
        out = self.machine.run("pidof", f"/usr/sbin/{program}", check=False).stdout
        return [int(pid) for pid in out.split()]

    def kill(self, program, how=9):
        """Those that end by themselves meanwhile are not missed."""
        pids = self.service_pids(program)
        done = [self.machine.run("kill", f"-{how}", pid, check=False) for pid in pids]
        return len([d for d in done if d.returncode == 0])
