#!/usr/bin/python3
"""derivd and a real journald, in a mount namespace of their own: journalctl -x explains what is there, the fields find it, and
nothing is lost when journald is restarted."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import UIDS, Kiosk, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

JOURNALD = "/lib/systemd/systemd-journald"
tap = Tap()
tap.need("unshare", "journalctl")
if os.geteuid() != 0 or not os.path.exists(JOURNALD):
    print(f"1..0 # SKIP needs root and {JOURNALD}")
    sys.exit(0)
if os.environ.get("IN_NAMESPACE") != "yes":
    os.environ["IN_NAMESPACE"] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def shell(line):
    return subprocess.run(["sh", "-ec", line], capture_output=True, text=True, timeout=60, check=True).stdout


class Journal:
    """journald, which finds here no kernel log and no other clients."""

    def __enter__(self):
        # What is mounted here is seen by nobody else.
        shell("mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib/systemd; mount -t tmpfs tmpfs /usr/lib/systemd/catalog; "
              "mkdir -p /run/systemd/journald.conf.d /var/lib/systemd/catalog; "
              "printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nRateLimitIntervalSec=0\\n' "
              "> /run/systemd/journald.conf.d/test.conf; "
              f"cp {SOURCE}/systemd/derivd.catalog /usr/lib/systemd/catalog/; journalctl --update-catalog")
        self.start()
        return self

    def start(self):
        self.process = subprocess.Popen([JOURNALD], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("journald", lambda: os.path.exists("/run/systemd/journal/socket"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        # Without systemd, which keeps it, the socket would be left as a name that nobody listens to.
        os.unlink("/run/systemd/journal/socket")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def entries(self, *matches):
        shell("journalctl --sync 2>/dev/null || true")
        out = shell("journalctl -o json --no-pager " + " ".join(f"'{m}'" for m in matches))
        return [json.loads(line) for line in out.splitlines()]


class Derivd:
    """The core alone, started as systemd does it, but for the isolation."""

    def __init__(self, kiosk):
        self.kiosk = kiosk
        self.log = kiosk.at("derivd.stderr")

    def __enter__(self):
        sockets = []
        for name in ("control", "gateway"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.bind(self.kiosk.at(f"run/{name}.sock"))
            s.listen()
            os.chmod(self.kiosk.at(f"run/{name}.sock"), 0o666)
            sockets.append(s)
        err = open(self.log, "w")
        st = os.fstat(err.fileno())
        env = self.kiosk.environment("derivd")
        env.update(JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}", LISTEN_FDS="2", LISTEN_FDNAMES="control:gateway")
        fds = [os.dup(s.fileno()) for s in sockets]

        def child():
            os.dup2(fds[0], 3)
            os.dup2(fds[1], 4)
            os.setgroups([])
            os.setgid(UIDS["derivd"])
            os.setuid(UIDS["derivd"])

        line = f'export LISTEN_PID=$$; exec {self.kiosk.program("derivd")}'
        self.process = subprocess.Popen(["sh", "-c", line], stdin=subprocess.DEVNULL, stderr=err, env=env, preexec_fn=child,
                                        pass_fds=(3, 4))
        for s in sockets:
            s.close()
        for fd in fds:
            os.close(fd)
        return self

    def stderr(self):
        with open(self.log) as f:
            return f.read()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


journal = tap.use(Journal())
kiosk = tap.use(Kiosk(start=False))
derivd = tap.use(Derivd(kiosk))
RELOADED = [line.split('"')[1] for line in open(os.path.join(SOURCE, "base/note.def")) if line.startswith("NOTE(RELOADED")][0]
STARTED = [line.split('"')[3] for line in open(os.path.join(SOURCE, "daemon/core/event.def")) if line.startswith("EVENT(STARTED")][0]


def reload():
    """derivd reads its configuration again, and says so."""
    before = len(journal.entries(f"MESSAGE_ID={RELOADED}")) + derivd.stderr().count(RELOADED)
    derivd.process.send_signal(signal.SIGHUP)
    wait_for("the entry", lambda: len(journal.entries(f"MESSAGE_ID={RELOADED}")) + derivd.stderr().count(RELOADED) > before)


@tap.test("what derivd says is in the journal, with id and fields, and journalctl -x explains it")
def _():
    entry = wait_for("the first entry", lambda: journal.entries(f"MESSAGE_ID={STARTED}"))[0]
    tap.equal((entry["SYSLOG_IDENTIFIER"], entry["DERIVD_EVENT"], entry["DERIVD_ACTOR"]), ("derivd", "started", "derivd"), "fields")
    text = shell(f"journalctl -x --no-pager MESSAGE_ID={STARTED}")
    tap.contains(text, "Subject: derivd has started", "journalctl -x")
    tap.contains(text, "Remedy: None is needed", "journalctl -x")


@tap.test("an error has the id of its kind")
def _():
    # No derivd-ca runs here.
    entry = wait_for("the error", lambda: journal.entries("DERIVD_ERROR_KIND=ca-unreachable"))[0]
    text = shell(f"journalctl -x --no-pager MESSAGE_ID={entry['MESSAGE_ID']}")
    tap.contains(text, "Subject: Error ca-unreachable", "journalctl -x")
    tap.contains(text, "systemctl status derivd-ca.socket", "journalctl -x")


@tap.test("what a person asks for names the operator")
def _():
    kiosk.ctl("queue", "retry", uid=0)
    wait_for("the entry", lambda: journal.entries("DERIVD_OPERATOR=0", "DERIVD_EVENT=queue-retry"))


@tap.test("a restart of journald loses nothing that comes after it, and what comes meanwhile goes to standard error")
def _():
    reload()
    tap.lacks(derivd.stderr(), RELOADED, "standard error while journald runs")
    journal.stop()
    derivd.process.send_signal(signal.SIGHUP)
    wait_for("the line on standard error", lambda: RELOADED in derivd.stderr())
    journal.start()
    n = len(journal.entries(f"MESSAGE_ID={RELOADED}"))
    reload()
    tap.equal(len(journal.entries(f"MESSAGE_ID={RELOADED}")), n + 1, "entries after the restart")
    journal.process.kill()
    journal.process.wait()
    journal.start()
    time.sleep(0.2)
    reload()
    tap.check(derivd.process.poll() is None, "derivd has ended")


@tap.test("all that was said has an entry in the catalogue")
def _():
    for entry in journal.entries("SYSLOG_IDENTIFIER=derivd"):
        tap.check("MESSAGE_ID" in entry, f"without an id: {entry['MESSAGE']}")
        text = shell(f"journalctl --no-pager -x MESSAGE_ID={entry['MESSAGE_ID']} -n 1")
        tap.contains(text, "-- Defined-By: derivd" if "-- Defined-By" in text else "Defined-By: derivd", entry["MESSAGE"])


tap.run()
