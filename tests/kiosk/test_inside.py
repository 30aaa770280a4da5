#!/usr/bin/python3
"""The suites of tests/e2e once more, the same files, with the services as people have them: Debian's packages on a machine with
systemd, each program in its unit with its user, its socket, its sandbox and its credentials. tests/lib/units.py is what is
different; what a suite says is said here too, case by case.

    tests/kiosk/run SUITE[,SUITE…][: PART]      without the others; PART is one of a title
"""

import glob
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import system  # noqa: E402
from installed import PACKAGES, package  # noqa: E402
from kiosk import AUDITOR, GROUPS, MONITOR, OFFICER, OPERATOR, SOURCE, UIDS, KioskError  # noqa: E402
from machine import Machine  # noqa: E402
from rig import build_dir  # noqa: E402
from units import PRISTINE  # noqa: E402

# What the suites need that derivd does not.
TOOLS = ("curl", "iproute2", "libnss3-tools", "opensc", "pcscd", "postfix", "prometheus", "python3", "python3-cryptography",
         "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db", "softhsm2", "sqlite3", "zbar-tools", "zsh")
TESTS, BUILD = "/srv/derivd-tests", "/srv/derivd-build"
ROLES = {"derivd-operator": OPERATOR, "derivd-officer": OFFICER, "derivd-auditor": AUDITOR, "derivd-monitor": MONITOR}
SUITE_TIME = 1200

# These test a program before services that they play themselves, in Python: there are no units to run it in.
NOT_INSIDE = {
    "card": "derivd-card alone, started by the test",
    "card_module": "derivd-card alone, with a lying PKCS#11 module",
    "card_tokens": "derivd-card alone, with tokens of software",
    "device": "derivd-device before a gateway and a derivd that cheat",
    "gateway": "derivd-gateway alone, before a derivd that the test plays",
    "journal": "derivd alone, with a journald of its own that is restarted",
    "polkit": "the rule alone, with a polkitd of its own",
    "service": "derivd and derivd-gateway alone: the test plays systemd, and looks at what they tell it",
    "setup": "derivctl setup with -C, killed between its steps; test_kiosk has it on a machine",
    "spawn": "derivd-spawn itself",
}

# Of the other suites, these cases: a part of the title, and why.
CASES_NOT_INSIDE = {
    "backup": {"on another machine": "there is one machine here; test_moves brings a backup to another one"},
}

SHORT = {"enroll"}  # what the short mode has time for


def suites():
    names = (os.path.basename(f)[5:-3] for f in glob.glob(os.path.join(SOURCE, "tests/e2e/test_*.py")))
    return sorted(set(names) - set(NOT_INSIDE))


class Results:
    """The cases of all suites in one list."""

    def __init__(self):
        self.count = 0
        self.good = True

    def add(self, good, title):
        self.count += 1
        self.good = self.good and good
        print(f"{'ok' if good else 'not ok'} {self.count} - {title}", flush=True)

    def suite(self, name, lines):
        """Of what a suite says; each case that it planned must come."""
        planned, came, said = 0, 0, ""
        for line in lines:
            word, _, title = line.rstrip("\n").partition(" - ")
            if line.startswith("1.."):
                planned = int(line[3:].split()[0])
                print(f"# {name}: {line}", end="", flush=True)
            elif word.startswith(("ok ", "not ok ")):
                came, said = came + 1, said + line
                self.add(word.startswith("ok "), f"{name}: {title}")
            else:
                print(line if line.startswith("#") else f"# {line}", end="", flush=True)
        if not planned or came != planned:
            self.add(False, f"{name}: {came} cases of {planned} came")
        return said


def prepare(machine):
    """Installed with apt. The accounts have been made before, with the numbers that the tests know; the packages find them."""
    for role, person in ROLES.items():
        machine.run("groupadd", "--system", "--gid", GROUPS[person], role)
    for name in ("derivd", "derivd-ca", "derivd-card", "derivd-courier", "derivd-notice", "derivd-gateway"):
        machine.run("useradd", "--system", "--user-group", "--uid", UIDS[name], "--no-create-home", name)
    names = []
    for path in map(package, PACKAGES):
        names.append(f"/root/{os.path.basename(path)}")
        with open(path, "rb") as f, open(machine.path(names[-1]), "wb") as out:
            out.write(f.read())
    machine.run("apt-get", "-q", "-y", "install", *names, timeout=300)
    machine.run("cp", "-a", "/etc/derivd", PRISTINE)


def run_suite(machine, name, part):
    command = machine.command("env", "KIOSK_SERVICES=units", f"abs_top_builddir={BUILD}", "PYTHONDONTWRITEBYTECODE=1", "TERM=xterm",
                              f"TAP_LEFT_OUT={json.dumps(CASES_NOT_INSIDE.get(name, {}))}",
                              f"TAP_TIMES={os.environ.get('TAP_TIMES', '')}", "timeout", SUITE_TIME,
                              "python3", f"{TESTS}/tests/e2e/test_{name}.py", *part)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as process:
        yield from process.stdout


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the machine goes too
    chosen, _, part = (sys.argv[1] if len(sys.argv) > 1 else "").partition(": ")
    some = set(chosen.split(",")) if chosen else SHORT if os.environ.get("KIOSK") != "long" else set(suites())
    wanted = [name for name in suites() if name in some]
    if not wanted:
        print("1..0")
        return 0
    cache = os.environ.get("KIOSK_CACHE", os.path.join(SOURCE, "_build/kiosk"))
    base = system.make(cache, list(map(package, PACKAGES)), TOOLS)
    results = Results()
    with Machine(base, lent={SOURCE: TESTS, build_dir(): BUILD}) as machine:
        try:
            machine.boot()
        except KioskError as e:
            print(f"1..0 # SKIP no machine boots here: {' '.join(str(e).split())[-300:]}")
            return 0
        prepare(machine)
        for name in wanted:
            said = results.suite(name, run_suite(machine, name, [part] if part else []))
            for title in CASES_NOT_INSIDE.get(name, {}):
                if not part and title not in said:
                    results.add(False, f"{name}: no case \"{title}\", which is left out")
    print(f"1..{results.count}")
    return 0 if results.good else 1


sys.exit(main())
