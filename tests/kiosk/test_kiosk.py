#!/usr/bin/python3
"""The packages on a machine with systemd: installed, set up as README.md says, used by an operator who is not root, with each
service in its sandbox; killed, rebooted, upgraded, removed and purged. In that order: each test goes on where the last one ended."""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import journal  # noqa: E402
from installed import INSIDE, PACKAGES, PEOPLE, UNITS, InstalledKiosk, package, readme_setup  # noqa: E402
from kiosk import AUDITOR, NOBODY, OFFICER, OPERATOR, Terminal, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
DEV_NULL = stat.S_IMODE(os.stat("/dev/null").st_mode)
kiosk = tap.use(InstalledKiosk())
machine = kiosk.machine
PURPOSES = ["authentication", "encryption", "signing"]
DATA = ("/var/lib/derivd", "/var/lib/derivd-ca", "/etc/derivd")
ACCOUNTS = {"derivd": "derivd", "derivd-gateway": "derivd-gateway", "derivd-ca": "derivd-ca"}


def long(title):
    """A test that takes its time: not for the short mode."""
    return tap.test(title) if os.environ.get("KIOSK") == "long" else lambda function: function


def states(*units):
    return {u: machine.show(u, "ActiveState") for u in units}


def status():
    return kiosk.ctl_json("status")[0]


def serves():
    """All is up, and each knows the others."""
    wait_for("the services", lambda: set(states(*UNITS).values()) == {"active"})
    wait_for("derivd-ca", lambda: status()["ca_reachable"])
    wait_for("the gateway", lambda: status()["gateway_connected"])


def ours():
    """Processes of any program of derivd in the machine."""
    return {p: kiosk.service_pids(p) for p in ("derivd", "derivd-ca", "derivd-card", "derivd-courier", "derivd-gateway")
            if kiosk.service_pids(p)}


def clear():
    """The phones so far are given back, so that the person may have others."""
    for device in kiosk.ctl_json("device", "list"):
        if device["state"] == "enrolled":
            kiosk.ctl("device", "revoke", device["id"], uid=OFFICER)


def good_enrollment(name):
    clear()
    phone = kiosk.device(name)
    settled = kiosk.provision(phone)[-1]
    tap.equal(sorted((c["purpose"], c["state"]) for c in settled["credentials"]), [(p, "active") for p in PURPOSES])
    return phone


def process_facts(pid):
    with open(machine.path(f"/proc/{pid}/status")) as f:
        return dict(re.findall(r"(\w+):\s+(.*)", f.read()))


def rebuild(tree, version):
    """Gives the programs the build id that another source would have."""
    for path in run("find", tree, "-path", "*bin/*", "-type", "f").stdout.split():
        with open(path, "rb") as f:
            program = f.read()
        with open(path, "wb") as f:
            f.write(program.replace(BUILD, hashlib.sha1(version.encode()).hexdigest().encode()))


def build_id():
    """The 40 digits that all programs of a kiosk have."""
    found = []
    for name in ("derivd", "derivd-gateway", "derivctl"):
        tree = kiosk.at(f"look-{name}")
        run("dpkg-deb", "-x", package(name), tree)
        for path in run("find", tree, "-path", "*bin/*", "-type", "f").stdout.split():
            with open(path, "rb") as f:
                found.append(set(re.findall(rb"(?<=\0)[0-9a-f]{40}(?=\0)", f.read())))
    return set.intersection(*found).pop()


BUILD = build_id()


def repack(version):
    """The same programs as a later version, and another build."""
    where = tempfile.mkdtemp(prefix="repack-", dir=kiosk.dir)
    old = run("dpkg-deb", "-f", package("derivd"), "Version").stdout.strip()
    found = []
    for name in PACKAGES:
        tree = os.path.join(where, name)
        run("dpkg-deb", "-R", package(name), tree)
        rebuild(tree, version)
        with open(f"{tree}/DEBIAN/control") as f:
            text = f.read()
        with open(f"{tree}/DEBIAN/control", "w") as f:
            f.write(re.sub(rf"(Version: |[<>=] ){re.escape(old)}\b", rf"\g<1>{version}", text))
        found.append(f"{where}/{name}_{version}_all.deb")
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, found[-1])
    return found


@tap.test("apt installs the packages on a fresh system; nothing starts, nothing fails, nothing is tried again and again")
def _():
    kiosk.apt_install()
    tap.equal(set(states(*UNITS).values()), {"inactive"}, "states of the units")
    tap.equal(ours(), {})
    tap.equal(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")
    tap.equal(machine.show("derivd.service", "ConditionResult"), "no")
    tap.equal(machine.show("derivd.service", "NRestarts"), "0")
    for user in ("derivd", "derivd-ca", "derivd-card", "derivd-courier", "derivd-notice", "derivd-gateway"):
        machine.run("id", user)
    for name in PACKAGES:
        tap.equal(machine.run("dpkg-query", "-W", "-f", "${Conffiles}", name).stdout, "", f"conffiles of {name}")
        tap.equal(machine.run("dpkg", "--verify", name).stdout, "", f"files of {name}")
    tap.equal(machine.run("dpkg", "--audit").stdout, "")
    tap.check(not machine.exists("/usr/sbin/derivd-spawn"), "derivd-spawn is for development")


@tap.test("before there is a CA derivctl says so, and how to go on")
def _():
    done = machine.run("derivctl", "status", check=False)
    tap.check(done.returncode != 0, done.stdout)
    tap.contains(done.stderr, "derivctl setup")


@tap.test("set up as README.md says, it serves")
def _():
    kiosk.hire()
    kiosk.bring_certificates()
    said = machine.run("sh", "-e", "-c", readme_setup()).stdout
    tap.contains(said, "0 faults, 0 warnings")
    serves()
    tap.equal(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")
    machine.run("runuser", "-u", "derivd-ca", "derivd-ca", "check")
    tap.equal(machine.run("ls", "/root/derivd-keys").stdout.split(), ["escrow.key", "escrow.pem", "history.key", "root.key"])


@tap.test("set up again: all is there, nothing is done")
def _():
    before = machine.run("sh", "-c", "cd /etc/derivd && find . -type f | sort | xargs sha256sum").stdout
    tap.contains(machine.run("derivctl", "setup", "--defaults").stdout, "nothing is to be done")
    tap.equal(machine.run("sh", "-c", "cd /etc/derivd && find . -type f | sort | xargs sha256sum").stdout, before)


@tap.test("who may do what is what the groups say: an operator, an officer, an auditor, and somebody without a role")
def _():
    for who, roles in ((NOBODY, []), (OFFICER, ["officer"]), (AUDITOR, ["auditor"])):
        row = kiosk.ctl_json("status", uid=who)[0]
        tap.equal(row["roles"], roles, PEOPLE[who])
    tap.equal(kiosk.ctl_error("device", "list", uid=NOBODY), "denied")
    done = machine.run("su", "-s", "/bin/sh", "-c", "derivctl readers", PEOPLE[NOBODY], check=False)
    tap.check(done.returncode != 0, "somebody without a role reads cards")
    for secret in ("/var/lib/derivd", "/var/lib/derivd-ca/keys", "/etc/derivd/gateway.key"):
        done = machine.run("su", "-s", "/bin/sh", "-c", f"test -r {secret}", PEOPLE[OPERATOR], check=False)
        tap.check(done.returncode != 0, f"the operator reads {secret}")


@tap.test("a person is enrolled by an operator who is not root; the phone, on another network, has three credentials")
def _():
    kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
    wait_for("the card", lambda: "PRESENT" in kiosk.ctl("readers").stdout)
    phone = good_enrollment("ada-phone")
    phone.run("export", "--pem", kiosk.at("export"))
    for purpose in PURPOSES:
        leaf = kiosk.at(f"export/{purpose}/certificate.pem")
        run("openssl", "verify", "-x509_strict", "-CAfile", kiosk.at(f"export/{purpose}/chain.pem"), leaf)
        tap.contains(run("openssl", "x509", "-in", leaf, "-noout", "-subject").stdout, "Ada Lovelace")
        key = run("openssl", "pkey", "-in", kiosk.at(f"export/{purpose}/key.pem"), "-pubout").stdout
        tap.equal(run("openssl", "x509", "-in", leaf, "-noout", "-pubkey").stdout, key, f"the key of {purpose}")
    tap.check(os.listdir(machine.path("/var/lib/derivd-ca/cache")), "no CRL came through derivd-courier")


@tap.test("each service runs as itself: no privilege, no way to any, a filter of system calls, its own view of files and network")
def _():
    own = os.readlink(machine.path("/proc/1/ns/net"))
    for program, account in ACCOUNTS.items():
        uid = int(machine.run("id", "-u", account).stdout)
        pids = kiosk.service_pids(program)
        tap.check(pids, f"no {program} runs")
        for pid in pids:
            facts = process_facts(pid)
            tap.equal(facts["Uid"].split(), [str(uid)] * 4, f"user of {program}")
            tap.equal([int(facts[c], 16) for c in ("CapEff", "CapPrm", "CapBnd", "CapAmb")], [0] * 4, program)
            tap.equal((facts["NoNewPrivs"], facts["Seccomp"]), ("1", "2"), program)
            tap.check(os.readlink(machine.path(f"/proc/{pid}/ns/net")) != own, f"{program} has a network")
            root = machine.path(f"/proc/{pid}/root")
            others = [d for d in ("/var/lib/derivd", "/var/lib/derivd-ca") if d != f"/var/lib/{program}"]
            if program != "derivd":
                for other in others:
                    tap.equal(stat.S_IMODE(os.stat(root + other).st_mode), 0, f"{program} sees {other}")


@tap.test("what proves the credentials verifies, on this machine and on another one that has derivctl only")
def _():
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    row = kiosk.ctl_json("credential", "list")[0]
    proof = "/home/audrey/proof"
    kiosk.ctl("evidence", "show", row["id"], "--output", proof, uid=AUDITOR)
    shutil.copy(machine.path(proof), kiosk.at("proof"))
    run("dpkg-deb", "-x", package("derivctl"), kiosk.at("auditor"))
    elsewhere = kiosk.at("auditor/usr/bin/derivctl")
    # It has been told by the kiosk's administrators whom to believe.
    os.makedirs(kiosk.at("auditor/etc"), exist_ok=True)
    shutil.copy(machine.path("/etc/derivd/deployment.conf"), kiosk.at("auditor/etc"))
    run(*kiosk.outside, elsewhere, "-C", kiosk.at("auditor"), "evidence", "verify", kiosk.at("proof"), "--anchor", kiosk.at("pki/root.pem"),
        "--intermediate", kiosk.at("pki/ca.pem"))


@tap.test("the journal has each row of the audit chain, with fields to ask for; no error")
def _():
    rows = kiosk.ctl_json("audit", "show", uid=AUDITOR)
    entries = machine.journal("-t", "derivd")
    numbers = {e["DERIVD_AUDIT"] for e in entries if "DERIVD_AUDIT" in e}
    tap.equal(sorted(int(n) for n in numbers), sorted(int(r["sequence"]) for r in rows), "rows in the journal")
    tap.check(all("MESSAGE_ID" in e for e in entries if "DERIVD_AUDIT" in e), "an audit entry without a message id")
    request = kiosk.ctl_json("request", "list")[0]["id"]
    tap.check(len(machine.journal(f"DERIVD_REQUEST={request}")) > 5, "too little about the request")
    errors = [e["MESSAGE"] for e in machine.journal("-p", "err") if "derivd" in e.get("SYSLOG_IDENTIFIER", "")]
    tap.equal(errors, [])


def found(*words):
    """{(check, kind)} of what derivctl doctor warns of."""
    rows = [json.loads(line) for line in machine.run("derivctl", "doctor", "--json", *words, check=False).stdout.splitlines()]
    return {(r["check"], r["kind"]) for r in rows if r["verdict"] in ("warning", "fault")}, {r["check"]: r for r in rows}


@tap.test("derivctl doctor: nothing is wrong; then a unit that failed, a socket that is not there")
def _():
    bad, rows = found()
    tap.equal(bad, set(), "what is wrong")
    for check in ("units", "journal", "certificate"):
        tap.equal(rows[check]["verdict"], "ok", f"{rows[check]}")
    machine.run("systemd-run", "--unit=derivd-broken", "--wait", "false", check=False)
    tap.equal(found()[0], {("units", "unit-failed")}, "with a unit that failed")
    machine.run("systemctl", "reset-failed", "derivd-broken")
    machine.run("systemctl", "stop", "derivd-card.socket")
    tap.equal(found()[0], {("units", "unit-inactive"), ("pcsc", "unreachable"), ("module", "unreachable")}, "without a socket")
    machine.run("systemctl", "start", "derivd-card.socket")
    tap.equal(found()[0], set(), "all there again")


@tap.test("each service killed: systemd starts it again, nobody has to do anything")
def _():
    phone = kiosk.devices[0].start()
    wait_for("the phone", lambda: kiosk.ctl_json("device", "list")[0]["connected"])
    for program in ("derivd", "derivd-gateway", "derivd-ca"):
        before = kiosk.service_pids(program)
        tap.check(kiosk.kill(program), f"no {program} runs")
        wait_for(f"a new {program}", lambda p=program, b=before: set(kiosk.service_pids(p)) - set(b))
        serves()
        wait_for("the phone", lambda: kiosk.ctl_json("device", "list")[0]["connected"])
    machine.run("systemctl", "kill", "--signal=KILL", "pcscd.service")
    wait_for("the card", lambda: "PRESENT" in kiosk.ctl("readers", check=False).stdout)
    phone.stop()
    good_enrollment("after-kills")


@long("killed as soon as it is there, again and again, it is not given up")
def _():
    for _ in range(8):
        wait_for("derivd", lambda: kiosk.service_pids("derivd"))
        kiosk.kill("derivd")
    serves()
    tap.equal(states("derivd.socket", "derivd.service"), {"derivd.socket": "active", "derivd.service": "active"})


@long("connected to more often than anybody needs, no socket is closed for good")
def _():
    for name in ("card", "ca", "courier", "control", "gateway"):
        for _ in range(600):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(10)
                s.connect(machine.path(f"/run/derivd/{name}.sock"))
    serves()
    wait_for("the card", lambda: "PRESENT" in kiosk.ctl("readers", check=False).stdout)
    tap.equal(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")


@tap.test("a mistake in derivd.conf: the journal says where, people are not left waiting for ever, and mended is all it needs")
def _():
    machine.write("/etc/derivd/derivd.conf", "# one of ours\nnonsense = 1\n")
    try:
        machine.run("systemctl", "restart", "derivd", check=False)
        tap.contains(machine.run("journalctl", "-b", "-u", "derivd", "-n", "20").stdout, "/etc/derivd/derivd.conf:2:")
        done = kiosk.ctl("status", check=False)
        tap.check(done.returncode != 0, done.stdout)
        # derivd, which cannot come up, says it to whoever asks.
        tap.contains(done.stderr, "/etc/derivd/derivd.conf:2:")
    finally:
        os.unlink(machine.path("/etc/derivd/derivd.conf"))
    serves()


@tap.test("services killed in the middle of an enrollment: it ends well, or with a word; the next one is good")
def _():
    for victim, moment in (("derivd", "device"), ("derivd-card", "digits-right"), ("derivd-gateway", "committed")):
        clear()
        phone = kiosk.device(f"middle-{victim}")
        with kiosk.session("--yes", "--wait", "60") as s:
            phone.enroll(s.uri())
            s.type(phone.digits())
            while (event := s.next()) is not None:
                if event.get("event") == moment:
                    kiosk.kill(victim)
            last = s.events[-1]
            tap.check(last.get("event") == "settled" or last.get("error", {}).get("remedy") is not None, str(last))
            tap.note(f"{victim} killed at \"{moment}\": {last.get('event') or last['error']['kind']}")
        wait_for("the request to end", lambda: not kiosk.ctl_json("request", "list", "--open"))
        phone.stop()
        serves()
    good_enrollment("after-middle")


@tap.test("rebooted after the card has signed: it comes up by itself, and the phone gets what was promised")
def _():
    clear()
    phone = kiosk.device("reboot-phone")
    with kiosk.session("--yes", "--no-wait") as s:
        phone.enroll(s.uri())
        s.type(phone.digits())
        s.expect("committed")
        machine.reboot()
        s.process.kill()
    serves()
    phone.stop()
    phone.start()
    wait_for("the credentials", lambda: not kiosk.ctl_json("request", "list", "--open"))
    request = kiosk.ctl_json("request", "list")[-1]["id"]
    row = kiosk.ctl_json("request", "show", request)[0]
    tap.equal(sorted((c["purpose"], c["state"]) for c in row["credentials"]), [(p, "active") for p in PURPOSES])
    phone.stop()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


@tap.test("the power fails: it comes up by itself, and nothing that was said is forgotten")
def _():
    before = kiosk.ctl_json("credential", "list")
    machine.crash()
    serves()
    tap.equal(kiosk.ctl_json("credential", "list"), before)
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    wait_for("the card", lambda: "PRESENT" in kiosk.ctl("readers").stdout)
    good_enrollment("after-crash")


@tap.test("an upgrade: the sockets stay, the services are new, phones come back, what was there is there")
def _():
    phone = kiosk.devices[-1].start()
    wait_for("the phone", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))
    sockets = {s: os.stat(machine.path(f"/run/derivd/{s}")).st_ino for s in os.listdir(machine.path("/run/derivd"))}
    before, pids = kiosk.ctl_json("credential", "list"), kiosk.service_pids("derivd")
    kiosk.apt_install(repack("99.1"))
    serves()
    wait_for("the phone", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))
    phone.stop()
    tap.equal({s: os.stat(machine.path(f"/run/derivd/{s}")).st_ino for s in sockets}, sockets, "sockets")
    tap.check(kiosk.service_pids("derivd") != pids, "derivd was not restarted")
    tap.equal(kiosk.ctl_json("credential", "list"), before)
    good_enrollment("after-upgrade")


@tap.test("an upgrade in the middle of an enrollment: that session ends with the reason, nothing of it lasts, the next one is good")
def _():
    clear()
    phone = kiosk.device("upgrade-phone")
    with kiosk.session("--yes", "--wait", "60") as s:
        phone.enroll(s.uri())
        digits = phone.digits()
        s.expect("digits-needed")
        kiosk.apt_install(repack("99.2"))
        s.type(digits)
        last = s.rest()[-1]
        # A session cannot go on with another build; what the card has signed goes on without it (see the reboot).
        tap.equal(last.get("error", {}).get("kind"), "other-build", f"its end: {last}")
    phone.stop()
    wait_for("the request to end", lambda: not kiosk.ctl_json("request", "list", "--open"))
    good_enrollment("after-upgrade-2")


@tap.test("removed, while derivd starts again and again: no process, no socket, no unit; the CA's keys, its log and the store are untouched")
def _():
    before = machine.run("sh", "-c", f"find {' '.join(DATA)} -type f ! -name '*-wal' ! -name '*-shm' | sort").stdout
    machine.write("/etc/derivd/derivd.conf", "nonsense = 1\n")
    machine.run("systemctl", "restart", "derivd", check=False)
    kiosk.apt("remove", *PACKAGES)
    os.unlink(machine.path("/etc/derivd/derivd.conf"))
    wait_for("the processes' end", lambda: not ours())
    tap.equal(machine.run("sh", "-c", f"find {' '.join(DATA)} -type f ! -name '*-wal' ! -name '*-shm' | sort").stdout, before)
    tap.equal(machine.run("systemctl", "list-units", "--plain", "--no-legend", "derivd*").stdout, "")
    tap.lacks(machine.run("cat", "/proc/net/unix").stdout, "/run/derivd", "listening sockets")


@tap.test("installed again: it serves what it served before, at once")
def _():
    kiosk.apt_install()
    serves()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    good_enrollment("after-reinstall")


@tap.test("the journal of all that: each entry of ours has an id that the catalogue explains; no PIN, no invitation, no card's number")
def _():
    tap.check(len(journal.explain(tap, machine)) > 200, "that is too little")
    journal.keeps_secrets(tap, machine, kiosk.secrets, [kiosk.at("cards/ada")])


@tap.test("purged: what the package made is gone; the CA's keys and log stay, and it says so")
def _():
    done = kiosk.apt("purge", *PACKAGES)
    tap.contains(done.stdout + done.stderr, "left in place")
    tap.check(machine.exists("/var/lib/derivd-ca/keys") and machine.exists("/var/lib/derivd-ca/log.db"), "the CA is gone")
    tap.check(machine.exists("/etc/derivd/gateway.key"), "the key that phones know is gone")
    tap.equal(ours(), {})
    left = machine.run("sh", "-c", "find /etc/systemd /var/lib/systemd/deb-systemd-helper* /run/derivd -name '*derivd*'",
                       check=False).stdout
    tap.equal(left, "")
    tap.equal(machine.run("dpkg", "-l", "derivd*", check=False).stdout.count("\nrc "), 0)


@tap.test("purged by somebody who said yes: nothing is left")
def _():
    kiosk.apt_install()
    serves()
    # Whoever sits at a terminal is asked: debconf has the question since the installation.
    tap.contains(machine.run("debconf-show", "derivd").stdout, "derivd/purge-data")
    machine.run("debconf-set-selections", input="derivd derivd/purge-data boolean true\n")
    drop_in = "/etc/systemd/system/derivd-gateway.socket.d"
    machine.write(f"{drop_in}/10-setup.conf", "# What setup writes for another port.\n[Socket]\n")
    kiosk.apt("purge", *PACKAGES)
    tap.equal([d for d in (*DATA, drop_in) if machine.exists(d)], [])
    tap.equal(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")


@tap.test("installed after that, and set up at a terminal, with another port and an officer's certificate: phones find it there")
def _():
    kiosk.apt_install()
    run("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-subj", "/CN=Escrow", "-addext",
        "keyUsage=critical,keyEncipherment", "-keyout", kiosk.at("officer.key"), "-out", kiosk.at("officer.pem"))
    with open(kiosk.at("officer.pem")) as f:
        machine.write("/root/officer.pem", f.read())
    # Groups outlive a purge.
    for who, group in (("alice", "derivd-operator"), ("oscar", "derivd-officer"), ("audrey", "derivd-auditor")):
        machine.run("gpasswd", "--delete", who, group, check=False)
    answers = (("Organization", "Example Agency"), ("Host name", "192.0.2.200"), ("Host name", INSIDE), ("Port", "8443"),
               ("CA certificates", "/root/card-cas/ca.pem"), ("CA certificates", "/root/card-cas"), ("Policies", ""),
               ("other certificates", "yes"), ("escrow officer", "/root/officer.pem"), ("CRLs", ""), ("keys that leave", "/root/again"),
               ("Operators", "alcie"), ("Operators", "alice"), ("Officers", "oscar"), ("Auditors", ""), ("Mail server", "localhost"),
               ("Sender", "kiosk@example.org"), ("Mail addresses", ""), ("Do it", ""))
    with Terminal(machine.command("derivctl", "setup")) as t:
        for question, answer in answers:
            t.expect(rf"{question}[^\n]*: $")
            t.type(answer + "\n")
        tap.equal(t.end(), 0, t.all)
        for text in ("no address of this machine", "give that certificate too", "no user \"alcie\"", "0 faults"):
            tap.contains(t.all, text)
    serves()
    good_enrollment("another-port")
    tap.equal(machine.run("ls", "/root/again").stdout.split(), ["history.key", "root.key"])
    tap.contains(machine.run("id", "-nG", "oscar").stdout, "derivd-officer")


@tap.test("derivctl doctor says that journald dropped entries; that lies in the journal for a day, so it is the last thing done here")
def _():
    tap.equal(found()[0], set(), "what is wrong")
    # journald says how many it dropped with the next entry of the unit, when the interval is over.
    machine.run("systemd-run", "--unit=derivd-flood", "--wait", "-p", "LogRateLimitIntervalSec=1", "-p", "LogRateLimitBurst=5",
                "sh", "-c", "for i in $(seq 50); do echo flood; done; sleep 3; echo again")
    wait_for("journald to say so", lambda: found()[0] == {("journal", "journal-rate-limited")}, every=0.5)


@tap.test("nothing of it is left on this machine")
def _():
    group, directory = machine.group, kiosk.dir
    kiosk.stop()
    kiosk.devices.clear()
    kiosk.rig = kiosk.machine = kiosk.web = kiosk.network = None
    tap.equal(group.left(), [], "control groups")
    tap.check(not os.path.exists(directory), directory)
    with open("/proc/mounts") as f:
        tap.lacks(f.read(), directory, "mounts")
    tap.lacks(subprocess.run(["ip", "link"], capture_output=True, text=True).stdout, "kiosk0", "links")
    tap.equal(stat.S_IMODE(os.stat("/dev/null").st_mode), DEV_NULL, "mode of /dev/null")


tap.run()
