"""A rig: a private pcscd with virtual readers, and a virtual PIV card for each that has one.

    with Rig() as rig:
        reader = rig.add_reader(card="/tmp/ada")
        subprocess.run(["pkcs11-tool", "-O"], env=rig.env)
        reader.pull(); reader.insert(); reader.ctl("slow 200")

Everything lives under one directory and needs no privilege; nothing of the machine's own pcscd, readers or
drivers is touched. tests/mock/reader says how. Nothing here sleeps: pcscd itself is asked.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pcsc

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
PATH_ROOM = 107  # of a unix socket's name
READER_NAME_MAX = 15
WAIT = 20

INFO_PLIST = """<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>CFBundleExecutable</key>
<string>ifd.so</string>
<key>ifdVendorID</key>
<array>
<string>0xffff</string>
</array>
<key>ifdProductID</key>
<array>
<string>0x0001</string>
</array>
<key>ifdFriendlyName</key>
<array>
<string>Virtual Reader</string>
</array>
</dict></plist>
"""


class RigError(Exception):
    pass


def build_dir():
    """Where the built programs are: the build directory of make check, or the one this was called from."""
    for d in (os.environ.get("abs_top_builddir"), os.getcwd(), SOURCE):
        if d and os.path.exists(os.path.join(d, "tests/mock/reader/ifd.so")):
            return d
    raise RigError("tests/mock/reader/ifd.so is not built here: run make, or set abs_top_builddir")


def sanitized():
    """Is this a build with sanitizers, where a crash is an exit and freed memory is kept?"""
    with open(os.path.join(build_dir(), "config.h")) as f:
        return "#define DERIVD_SANITIZED 1" in f.read()


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A process of the rig: known by its number and by when it started, so that a stranger who has the
    number later is never hit."""

    def __init__(self, pid, born, child=None):
        self.pid, self.born, self.child = pid, born, child

    @staticmethod
    def _born(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                after_name = f.read().rpartition(")")[2].split()
        except OSError:
            return None
        return None if after_name[0] == "Z" else after_name[19]

    @classmethod
    def start(cls, args, log, tied, before=None, **how):
        """before: called in the child, as its last act as this program."""
        def prepare():
            if tied:
                _die_with_parent()
            if before:
                before()

        with open(log, "ab") as out:
            child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     start_new_session=not tied, preexec_fn=prepare, **how)
        return cls(child.pid, cls._born(child.pid), child)

    def alive(self):
        if self.child and self.child.poll() is not None:
            return False
        return self.born is not None and self._born(self.pid) == self.born

    def end(self, patience=5):
        if not self.alive():
            return
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(fd, signal.SIGTERM)
            if not select.select([fd], [], [], patience)[0]:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                select.select([fd], [], [], patience)
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)
            if self.child:
                self.child.wait()


class Reader:
    """One virtual reader, and the card that belongs to it (in it or not)."""

    def __init__(self, rig, name, process=None):
        self.rig, self.name, self.process = rig, name, process

    def find(self, states):
        """This reader's (name in PC/SC, state) out of what pcscd says, or (None, None)."""
        for pcsc_name, state in states.items():
            if pcsc_name.startswith(f"Virtual Reader ({self.name}) "):
                return pcsc_name, state
        return None, None

    @property
    def pcsc_name(self):
        """As PC/SC and PKCS#11 show it; pcscd adds a number at the end."""
        return self.find(self.rig.states())[0]

    @property
    def control(self):
        return self.rig.at(f"ctl/{self.name}")

    def ctl(self, words):
        """Says a line to the card, returns the value of its answer; RigError if it says no."""
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.control)
            except OSError as e:
                raise RigError(f"reader {self.name}: no card answers ({e})") from e
            s.sendall(words.encode() + b"\n")
            with s.makefile() as f:
                answer = f.readline().strip()
        word, _, value = answer.partition(" ")
        if word != "ok":
            raise RigError(f"{words}: {value or 'no answer'}")
        return value

    def state(self):
        """(present, events so far, ATR in hex)"""
        return self.find(self.rig.states())[1]

    def wait(self, present, after=None):
        """Until pcscd sees the card (or sees that it is gone); after: and more events than so many."""
        def good(states):
            s = self.find(states)[1]
            later = after is None or s is not None and 0 < (s[1] - after) % 0x10000 < 0x8000
            return s is not None and s[0] == present and later
        self.rig.wait(good)

    def pull(self):
        self.ctl("pull")
        self.wait(False)

    def insert(self):
        self.ctl("insert")
        self.wait(True)

    def put(self, card):
        """Another card: takes the one that is in out, and puts this one in."""
        if not self.process:
            self.process = self.rig.start_card(self, card)
            self.wait(True)
            return
        was_in = self.ctl("status").startswith("in")
        events = self.state()[1]
        self.ctl(f"card {os.path.abspath(card)}")
        if was_in:
            self.wait(True, after=events + 1)
        else:
            self.insert()

    def reset(self):
        """As any program may: takes the power from the card for a moment, and with it the PIN's state."""
        name = self.pcsc_name
        pcsc.ask(self.rig.socket, lambda c: c.power_off(name))

    def hold(self, exclusive=False):
        """with reader.hold(): another program has the card."""
        return Holder(self, exclusive)

    def count(self):
        return int(self.ctl("count"))

    def verifies(self):
        return int(self.ctl("verifies"))

    def resets(self):
        return int(self.ctl("resets"))

    def tries(self):
        return int(self.ctl("tries"))


class Holder:
    """Another program, connected to the card and doing nothing."""

    CODE = ("import sys; sys.path.insert(0, sys.argv[1]); import pcsc; c = pcsc.Client();"
            "c.connect(sys.argv[2], bool(int(sys.argv[3]))); print('held', flush=True); sys.stdin.read()")

    def __init__(self, reader, exclusive):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, HERE, reader.pcsc_name, str(int(exclusive))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=reader.rig.env, text=True)

    def __enter__(self):
        if self.process.stdout.readline() != "held\n":
            raise RigError("the other program does not get the card")
        return self

    def __exit__(self, *_):
        self.process.communicate()


class Rig:
    """tied: the rig's processes die with this one, or rather with the thread that started them (tests);
    otherwise stop() ends them (the rig command)."""

    def __init__(self, directory=None, build=None, tied=True):
        self.dir = directory and os.path.realpath(directory)
        self.build = build or build_dir()
        self.tied = tied
        self.pcscd = None
        self.readers = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def at(self, name):
        return os.path.join(self.dir, name)

    @property
    def socket(self):
        return self.at("pcscd.comm")

    @property
    def env(self):
        """The environment with which a program talks to this rig's pcscd."""
        return {**os.environ, "PCSCLITE_CSOCK_NAME": self.socket}

    # ---- start and stop ----

    def start(self, readers=0, cards=()):
        self.dir = self.dir or tempfile.mkdtemp(prefix="rig-")
        if len(self.at("ctl/") + "x" * READER_NAME_MAX) > PATH_ROOM:
            raise RigError(f"{self.dir}: too long for the sockets in it; choose a shorter directory")
        if os.path.exists(self.at("rig.json")):
            raise RigError(f"{self.dir}: a rig is (or was) there: rig stop {self.dir}")
        try:
            self.make_directories()
            self._start_pcscd()
            for i in range(max(readers, len(cards))):
                self.add_reader(card=cards[i] if i < len(cards) else None)
            self.wait(lambda states: len(states) >= len(self.readers))
        except BaseException:
            self.stop()
            raise
        return self

    def make_directories(self):
        contents = self.at("drivers/virtual.bundle/Contents")
        for d in ("usb", "slot", "ctl", "run", "log", "etc", contents + "/Linux"):
            os.makedirs(self.at(d), exist_ok=True)
        # Programs of other users connect to the socket in here; the rest is nobody's business.
        os.chmod(self.dir, 0o711)
        with open(contents + "/Info.plist", "w") as f:
            f.write(INFO_PLIST)
        os.symlink(os.path.join(self.build, "tests/mock/reader/ifd.so"), contents + "/Linux/ifd.so")

    def _start_pcscd(self):
        """With its socket made here and handed over as systemd would do it."""
        pcscd = shutil.which("pcscd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not pcscd:
            raise RigError("pcscd is not installed (apt-get install pcscd)")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.socket)
        os.chmod(self.socket, 0o666)
        listener.listen(64)
        # Not sh: dash knows no descriptor above 9, and a test may hold many.
        become = 'exec 3<&"$1"; shift; export LISTEN_FDS=1 LISTEN_PID=$$; export LD_PRELOAD; exec "$@"'
        env = {**os.environ, "VREADER_DIR": self.dir,
               "LD_PRELOAD": os.path.join(self.build, "tests/mock/reader/hotplug.so")}
        level = ["--debug", "--apdu"] if os.environ.get("RIG_DEBUG") else ["--error"]
        self.pcscd = Process.start(
            ["/bin/bash", "-c", become, "bash", str(listener.fileno()), pcscd, "--foreground", *level,
             "--config", self.at("etc")],
            self.at("log/pcscd"), self.tied, env=env, pass_fds=(listener.fileno(),))
        listener.close()
        self._save()

    def stop(self):
        """Ends everything and removes what the rig made; the directory too, if nothing else is in it."""
        for reader in self.readers.values():
            if reader.process:
                reader.process.end()
        self.readers = {}
        if self.pcscd:
            self.pcscd.end()
        self.pcscd = None
        for name in ("usb", "slot", "ctl", "run", "log", "etc", "drivers"):
            shutil.rmtree(self.at(name), ignore_errors=True)
        for name in ("pcscd.comm", "rig.json"):
            if os.path.lexists(self.at(name)):
                os.unlink(self.at(name))
        if os.path.isdir(self.dir) and not os.listdir(self.dir):
            os.rmdir(self.dir)

    # ---- readers ----

    def add_reader(self, name=None, card=None):
        """Plugs a reader in, with a card in it if one is given. pcscd may run already, with none or some."""
        name = name or next(f"r{i}" for i in range(16) if f"r{i}" not in self.readers)
        if not name.isalnum() or len(name) > READER_NAME_MAX or name in self.readers:
            raise RigError(f"\"{name}\" is taken, or not 1 to {READER_NAME_MAX} letters and digits")
        reader = self.readers[name] = Reader(self, name)
        with open(self.at(f"usb/.{name}"), "w"):
            pass
        os.rename(self.at(f"usb/.{name}"), self.at(f"usb/{name}"))
        self.wait(lambda states: reader.find(states)[0])
        self._save()
        if card:
            reader.put(card)
        return reader

    def remove_reader(self, name):
        """Pulls the reader's plug, with the card that is in it."""
        reader = self.readers.pop(name)
        if reader.process:
            reader.process.end()
        os.unlink(self.at(f"usb/{name}"))
        self.wait(lambda states: not reader.find(states)[0])
        self._save()

    def start_card(self, reader, card):
        vcard = os.path.join(self.build, "tests/mock/vcard/vcard")
        log = self.at(f"log/{reader.name}")
        process = Process.start(
            [vcard, "--connect", self.at(f"slot/{reader.name}"), "--control", reader.control,
             os.path.abspath(card)], log, self.tied)
        end = time.monotonic() + WAIT
        while True:
            try:
                reader.ctl("status")
                break
            except RigError:
                if not process.alive() or time.monotonic() > end:
                    process.end()
                    with open(log) as f:
                        raise RigError(f.read().strip() or "vcard does not answer") from None
                time.sleep(0.005)
        reader.process = process
        self._save()
        return process

    # ---- pcscd's view ----

    def states(self):
        """{PC/SC name: (present, events, ATR in hex)}"""
        text = pcsc.ask(self.socket, lambda c: json.dumps(
            {n: (s[0], s[1], s[2].hex()) for n, s in c.states().items()}))
        return {n: tuple(s) for n, s in json.loads(text).items()}

    def running(self):
        return self.pcscd and self.pcscd.alive()

    def wait(self, good, timeout=WAIT):
        if not self.running():
            raise RigError(f"pcscd is not running: {self._log()}")
        try:
            pcsc.ask(self.socket, lambda c: c.wait(good, timeout) and "")
        except RuntimeError as e:
            raise RigError(f"{e}; pcscd says: {self._log()}") from e

    def _log(self):
        try:
            with open(self.at("log/pcscd"), errors="replace") as f:
                return f.read()[-2000:].strip() or "nothing"
        except OSError:
            return "nothing"

    # ---- for the rig command: what runs, across calls ----

    def _save(self):
        facts = {"build": self.build, "pcscd": [self.pcscd.pid, self.pcscd.born],
                 "readers": {r.name: r.process and [r.process.pid, r.process.born]
                             for r in self.readers.values()}}
        with open(self.at("rig.json.part"), "w") as f:
            json.dump(facts, f)
        os.rename(self.at("rig.json.part"), self.at("rig.json"))

    @classmethod
    def find(cls, directory):
        """A rig that an earlier command started."""
        try:
            with open(os.path.join(directory, "rig.json")) as f:
                facts = json.load(f)
        except OSError as e:
            raise RigError(f"{directory}: no rig there") from e
        rig = cls(directory, build=facts["build"], tied=False)
        rig.pcscd = Process(*facts["pcscd"])
        for name, process in facts["readers"].items():
            rig.readers[name] = Reader(rig, name, Process(*process) if process else None)
        return rig
