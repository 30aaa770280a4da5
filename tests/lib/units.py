"""The services of a kiosk as Debian's packages install them: systemd's units, in the places that these know, on a machine of its
own where nothing else uses them. The tests run in that machine (tests/kiosk/test_inside.py); the users and groups of derivd have
the numbers there that the tests know.
"""

import glob
import json
import os
import shutil

from kiosk import KioskError, run
from rig import Rig

PRISTINE = "/srv/etc-derivd"  # as the packages brought it
PLACES = {"etc/gateway": "/etc/derivd", "etc": "/etc/derivd", "run": "/run/derivd", "lib": "/var/lib", "credentials": "/etc/derivd",
          "locale": "/usr/share/locale"}
STATES = ("derivd", "derivd-ca", "derivd-metrics")
SOCKETS = ("derivd", "derivd-uplink", "derivd-gateway", "derivd-ca", "derivd-ca-officer", "derivd-card", "derivd-courier",
           "derivd-notice")
SERVICES = ("derivd", "derivd-gateway", "derivd-ca@", "derivd-ca-officer@", "derivd-card@", "derivd-courier@", "derivd-notice@")
SYSTEM = "/run/systemd/system"
PLAIN = {"PRIORITY", "MESSAGE", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "SYSLOG_TIMESTAMP", "CODE_FILE", "CODE_LINE",
         "CODE_FUNC"}


def systemctl(*words, check=True):
    return run("systemctl", *words, check=check, timeout=150)


def dropin(unit, text):
    """Until the next start of the machine. None: as it was."""
    path = f"{SYSTEM}/{unit}.d/60-test.conf"
    if text is None:
        if os.path.exists(path):
            os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


class Pcscd:
    """Debian's pcscd.service."""

    def alive(self):
        return True  # or will be: its socket starts it

    def end(self):
        systemctl("stop", "pcscd.service", "pcscd.socket")


class UnitRig(Rig):
    """Virtual readers at the machine's own pcscd."""

    socket = "/run/pcscd/pcscd.comm"

    def _start_pcscd(self):
        preload = os.path.join(self.build, "tests/mock/reader/hotplug.so")
        dropin("pcscd.service", f"[Service]\nEnvironment=VREADER_DIR={self.dir} LD_PRELOAD={preload}\n")
        systemctl("daemon-reload")
        systemctl("restart", "pcscd.socket")
        self.pcscd = Pcscd()

    def _save(self):
        pass


class Run:
    """The services, started."""

    def __init__(self):
        self.on = True

    def alive(self):
        return self.on

    def end(self, _patience=0):
        halt()
        self.on = False


def halt():
    systemctl("stop", "derivd*.socket", "derivd*.service")
    systemctl("reset-failed", "derivd*", check=False)


class Units:
    """What spawned.Spawned is for derivd-spawn."""

    port, bin = 7443, "/usr/bin"
    taken = False

    def __init__(self, kiosk):
        self.kiosk = kiosk
        self.own = {name: "" for name in SERVICES}  # of each drop-in, beside what all have
        Units.taken = True
        self.cursor = run("journalctl", "--quiet", "-n", "0", "--show-cursor").stdout.rpartition("cursor: ")[2].strip()

    def at(self, name):
        for short, place in PLACES.items():
            if name == short or name.startswith(short + "/"):
                return place + name[len(short):]
        return os.path.join(self.kiosk.dir, name)

    def program(self, name):
        found = shutil.which(name, path="/usr/sbin:/usr/bin")
        if not found:
            raise KioskError(f"{name} is in none of the packages that are installed here")
        return found

    def ctl(self):
        return ["/usr/bin/derivctl"]

    def rig(self, readers):
        return UnitRig("/opt/rig").start(readers)

    def may_write(self, service, path):
        self.own[service] += f"ReadWritePaths={path}\n"

    def gateway_owner(self):
        return []  # root's: systemd gives it to the service

    def gateway_conf(self):
        return ""

    def install(self):
        """Everything as it was before anybody set it up."""
        self.stop()
        os.makedirs(os.path.join(self.kiosk.dir, "log"))

    def stop(self):
        halt()
        for name in SERVICES:
            dropin(f"{name}.service", None)
        for path in (*(f"/var/lib/{s}" for s in STATES), "/etc/derivd", *glob.glob("/run/derivd/*.sock*")):
            shutil.rmtree(path) if os.path.isdir(path) else os.path.lexists(path) and os.unlink(path)
        run("cp", "-a", PRISTINE, "/etc/derivd")
        run("systemd-tmpfiles", "--create", "derivd.conf")

    def start(self):
        # Credentials are systemd's to bring.
        settings = "".join(f'Environment="{name}={value}"\n' for name, value in self.kiosk.setenv.items()
                           if name != "CREDENTIALS_DIRECTORY")
        for name in SERVICES:
            text = settings + self.own[name]
            dropin(f"{name}.service", f"[Service]\n{text}" if text else None)
        systemctl("daemon-reload")
        sockets = [f"{name}.socket" for name in SOCKETS]
        done = systemctl("start", *sockets, "derivd.service", "derivd-gateway.service", check=False)
        started = Run()
        started.on = done.returncode == 0
        return started

    def ready(self):
        return systemctl("is-active", "--quiet", "derivd.service", "derivd-gateway.service", check=False).returncode == 0

    def _entries(self, *words):
        run("journalctl", "--sync")
        out = run("journalctl", "--quiet", "--all", "--output=json", f"--after-cursor={self.cursor}", *words).stdout
        return [json.loads(line) for line in out.splitlines()]

    def log(self, program):
        """As it would stand on standard error."""
        lines = []
        for entry in self._entries(f"SYSLOG_IDENTIFIER={program}"):
            fields = "".join(f' {k}="{v}"' for k, v in sorted(entry.items()) if k[0] != "_" and k not in PLAIN)
            lines.append(f"<{entry['PRIORITY']}>{entry['MESSAGE']}{fields}\n")
        return "".join(lines)

    def logs(self):
        run("journalctl", "--sync")
        return run("journalctl", "--quiet", "--no-pager", f"--after-cursor={self.cursor}", "-n", "80", "-o", "short-monotonic").stdout

    def said(self):
        """All of it, with its fields, and what systemd said of it."""
        values = (str(v) for entry in self._entries() for k, v in sorted(entry.items()) if k[0] != "_")
        return "\n".join(values).encode()

    def pids(self, program):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cgroup") as f:
                    unit = "/derivd" in f.read()
                if unit and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program:
                    found.append(int(pid))
            except OSError:
                continue
        return found
