"""A whole kiosk for tests and for the demonstration: a PKI with cards, a rig, all services of derivd under derivd-spawn,
an operator who is nobody special, and devices.

    with Kiosk() as kiosk:
        card = kiosk.card("ada", name="Ada Lovelace")
        kiosk.insert(card)
        device = kiosk.device("phone")
        kiosk.provision(device)

The services run under user ids that exist nowhere, each under its own, as they do under systemd. Everything lives
under one directory; servers listen on loopback only.
"""

import fcntl
import functools
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time


HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
MAKE_CARD = os.path.join(SOURCE, "tests/fixtures/make-card")
PIN = "123456"
WAIT = 60

# User ids of the services, and of people: none of them is in /etc/passwd.
UIDS = {"derivd": 47101, "derivd-ca": 47102, "derivd-card": 47103, "derivd-courier": 47104, "derivd-gateway": 47105,
        "derivd-notice": 47106, "derivd-ca-officer": 47102}
OPERATOR, OFFICER, AUDITOR, MONITOR, NOBODY = 47201, 47202, 47203, 47204, 47209
OFFICER2 = 47206  # another person of the same group
GROUPS = {OPERATOR: 47301, OFFICER: 47302, OFFICER2: 47302, AUDITOR: 47303, MONITOR: 47304, NOBODY: 47309}


# LeakSanitizer attaches to the process that ends, which programs that are not dumpable forbid: now and then it fails over that.
# The unit tests look for leaks.
os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))


class KioskError(Exception):
    pass


def run(*args, check=True, **how):
    how.setdefault("capture_output", True)
    how.setdefault("timeout", WAIT)
    how.setdefault("stdin", subprocess.DEVNULL if "input" not in how else None)
    if how["stdin"] is None:
        del how["stdin"]
    done = subprocess.run([str(a) for a in args], text=True, **how)
    if check and done.returncode != 0:
        raise KioskError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_for(what, condition, timeout=WAIT, every=0.05):
    """Until condition() is true. The machine may be slow: the limit says that something hangs, not how fast it is."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise KioskError(f"waited {timeout} s in vain for {what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class WebServer:
    """The PKI's CRLs over HTTP. down() and up() to be unreachable for a while."""

    def __init__(self, directory, host="127.0.0.1", port=None):
        self.directory = directory
        self.host, self.port = host, port or free_port()
        self.server = None

    def up(self):
        http.server.ThreadingHTTPServer.allow_reuse_address = True
        handler = functools.partial(QuietFiles, directory=self.directory)
        self.server = http.server.ThreadingHTTPServer((self.host, self.port), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"


class Terminal:
    """A program at a terminal, typed to and read as a person would."""

    CLEAR = "\033[H\033[2J\033[3J"

    def __init__(self, args, env=None, rows=60, columns=120, **how):
        self.seen = ""  # since the last expect
        self.all = ""
        self.master, slave = pty.openpty()
        self.before = self.modes()
        self.resize(rows, columns)

        def child():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        env = env or {**os.environ, "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen([str(a) for a in args], stdin=slave, stdout=slave, stderr=slave,
                                        env={"TERM": "xterm", **env}, preexec_fn=child, **how)
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        """Echo and the like, as the program set them."""
        return termios.tcgetattr(self.master)

    def _read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        if not data:
            return None
        # A character may come in two parts.
        self.partial = getattr(self, "partial", b"") + data
        text = self.partial.decode("utf-8", "ignore")
        self.partial = self.partial[len(text.encode()):] if self.partial.startswith(text.encode()) else b""
        self.seen += text
        self.all += text
        return True

    def expect(self, pattern, timeout=WAIT):
        """Reads until the pattern is in what came since the last expect; returns the match."""
        until = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            if self._read(0.2) is None or time.monotonic() > until:
                raise KioskError(f"\"{pattern}\" did not come; there was:\n{self.seen}")

    def screen(self):
        """What stands on the screen, scrollback included: all since it was cleared."""
        return self.all.rpartition(self.CLEAR)[2]

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, timeout=WAIT):
        """Reads the rest; returns the exit status."""
        until = time.monotonic() + timeout
        while self._read(0.2) is not None:
            if time.monotonic() > until:
                self.process.kill()
                raise KioskError(f"it does not end; there was:\n{self.seen}")
        return self.process.wait(timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Device:
    """A phone: derivd-device with a state directory of its own."""

    def __init__(self, kiosk, name):
        self.kiosk, self.name = kiosk, name
        self.state = kiosk.at(f"devices/{name}")
        self.process = None
        self.log = kiosk.at(f"devices/{name}.log")

    def command(self, *words):
        return [*self.kiosk.outside, self.kiosk.program("derivd-device"), "--state", self.state, *map(str, words)]

    def run(self, *words, **how):
        return run(*self.command(*words), **how)

    def enroll(self, uri, *words):
        """Starts enrolling; the process goes on."""
        out = open(self.log, "w")
        self.process = subprocess.Popen(self.command("enroll", "--json", "--wait", *words, "-"), stdin=subprocess.PIPE,
                                        stdout=out, stderr=out, text=True)
        out.close()
        self.process.stdin.write(uri + "\n")
        self.process.stdin.close()
        return self

    def said(self):
        with open(self.log) as f:
            return f.read()

    def digits(self):
        return wait_for("the digits on the device", lambda: re.search(r"\b(\d\d \d\d \d\d)\b", self.said())).group(1)

    def start(self):
        """Stays connected, as an app does."""
        out = open(self.log, "a")
        self.process = subprocess.Popen(self.command("run", "--json"), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        return self

    def wait(self, timeout=WAIT):
        return self.process.wait(timeout)

    def stop(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(WAIT)

    def status(self):
        return json.loads(self.run("status", "--json").stdout)


def kiosk_home():
    """Where the services can read what a test makes: they have a /tmp of their own in a unit."""
    return "/srv" if os.environ.get("KIOSK_SERVICES") == "units" else "/tmp"


def services_of(kiosk):
    """KIOSK_SERVICES=units: the machine's own ones, installed. It has them once: another kiosk of the same test has others."""
    import spawned  # they need what is here
    import units
    installed = os.environ.get("KIOSK_SERVICES") == "units" and not units.Units.taken
    return units.Units(kiosk) if installed else spawned.Spawned(kiosk)


class Kiosk:
    """real: the machine's own pcscd and readers in place of a rig and made-up cards.
    crl: "http" (through derivd-courier) or "files" (read from the disk). setenv: variables for the services. init: further options of
    derivd-ca init."""

    outside = []  # what phones are run with, to be where the kiosk is not

    def __init__(self, directory=None, readers=1, alg="p256", start=True, real=False, crl="http", host="127.0.0.1", setenv=None, init=()):
        self.own = directory is None
        self.dir = directory and os.path.realpath(directory)
        self.services = services_of(self)
        self.dir = self.dir or tempfile.mkdtemp(prefix="kiosk-", dir=kiosk_home())
        self.bin = self.services.bin
        self.alg = alg
        self.n_readers = readers
        self.want_start = start
        self.setenv = setenv or {}
        self.init_options = init
        self.real = real
        self.host = host  # of the gateway: a loopback address
        self.crl = crl
        self.rig = None
        self.web = None
        self.spawn = None
        self.devices = []
        self.port = self.services.port or free_port()

    def __enter__(self):
        if os.geteuid() != 0:
            print("1..0 # SKIP needs root: the services run under user ids of their own")
            sys.exit(0)
        try:
            self.prepare()
            if self.want_start:
                self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def at(self, name):
        return self.services.at(name)

    def program(self, name):
        return self.services.program(name)

    def write(self, name, text, mode=0o644):
        path = self.at(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    # ---- setting up ----

    def install(self):
        self.services.install()

    def prepare(self):
        os.chmod(self.dir, 0o711)
        self.install()
        os.makedirs(self.at("etc"), exist_ok=True)
        if not self.real:
            os.makedirs(self.at("web"), exist_ok=True)
            self.web = WebServer(self.at("web"))
            self.web.up()
            run(MAKE_CARD, "pki", self.at("pki"), "--alg", self.alg, "--url", self.web.url)
            self.publish()
            shutil.copy(self.at("pki/root.pem"), self.at("etc/card-root.pem"))
            shutil.copy(self.at("pki/ca.pem"), self.at("etc/card-ca.pem"))
            self.rig = self.services.rig(self.n_readers)
        self.init()

    def publish(self):
        """The PKI's CRLs and certificates, where the web server finds them."""
        for name in os.listdir(self.at("pki")):
            if name.endswith((".crl", ".p7c", ".cer", ".crt")):
                shutil.copy(self.at(f"pki/{name}"), self.at(f"web/{name}"))
                if name.endswith(".crl"):
                    shutil.copy(self.at(f"pki/{name}"), self.at(f"etc/{name}"))

    def environment(self, program=None):
        env = dict(self.rig.env if self.rig else os.environ)
        env["CONFIGURATION_DIRECTORY"] = self.at("etc")
        env["RUNTIME_DIRECTORY"] = self.at("run")
        if program:
            env["STATE_DIRECTORY"] = self.at(f"lib/{program}")
        return env

    def init(self):
        """What an administrator does once: keys of the gateway, the CA, configuration."""
        for d in ("etc", "run", "lib", "log", "devices"):
            os.makedirs(self.at(d), exist_ok=True)
        for program in ("derivd", "derivd-ca"):
            os.makedirs(self.at(f"lib/{program}"), exist_ok=True)
            os.chown(self.at(f"lib/{program}"), UIDS[program], UIDS[program])
        escrow = self.at("escrow")
        os.makedirs(escrow, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
            "-subj", "/CN=Escrow Officer", "-keyout", f"{escrow}/officer.key", "-out", f"{escrow}/officer.pem")
        run(self.program("derivd-gateway"), "init", *self.services.gateway_owner(), self.at("etc/gateway"), env=self.environment())
        run(self.program("derivd-ca"), "init", "--organization", "Example Agency", "--host", self.host, "--port",
            self.port, "--pin", self.at("etc/gateway/gateway.pem"), "--escrow", f"{escrow}/officer.pem", "--owner",
            f"{UIDS['derivd-ca']}:{UIDS['derivd-ca']}", *self.init_options, env=self.environment("derivd-ca"))
        self.configure()

    def configure(self, **changes):
        """Writes the configuration files; changes: file=text appended to that file's drop-in."""
        intermediates, fetch = f"\"{self.at('etc/card-ca.pem')}\"", "http://127.0.0.1:*"
        if self.real:
            intermediates, fetch = "", "http://*"
        crl_files = "" if self.crl == "http" else f"\"{self.at('etc/root.crl')}\", \"{self.at('etc/ca.crl')}\""
        self.write("etc/ca.conf.d/10-test.conf", f"""
anchor "test-cards" {{
	certificate = "{self.at('etc/card-root.pem')}"
	intermediates = {{ {intermediates} }}
	revocation = "crl"
	other-certificates = "same-subject"
	crl-files = {{ {crl_files} }}
}}
fetch-allow = {{ "{fetch}" }}
""")
        self.write("etc/courier.conf", f'allow = {{ "{fetch}" }}\n')
        self.write("etc/derivd.conf", f"""
operator-group = "{GROUPS[OPERATOR]}"
officer-group = "{GROUPS[OFFICER]}"
auditor-group = "{GROUPS[AUDITOR]}"
monitor-group = "{GROUPS[MONITOR]}"
""")
        self.write("etc/gateway.conf", self.services.gateway_conf())
        if not os.path.exists(self.at("etc/card.conf")):
            self.write("etc/card.conf", "")
        for name, text in changes.items():
            self.write(f"etc/{name}.conf.d/90-test.conf", text)

    # ---- services ----

    def start(self):
        self.spawn = self.services.start()
        try:
            wait_for("the services", lambda: self.services.ready() or not self.spawn.alive())
        except KioskError as e:
            raise KioskError(f"{e}\n{self.logs()}") from None
        if not self.spawn.alive():
            raise KioskError(f"the services do not start:\n{self.logs()}")
        wait_for("derivd-ca", lambda: self.ctl_json("status", uid=0)[0]["ca_reachable"])
        return self

    def halt(self):
        if self.spawn:
            self.spawn.end(20)
        self.spawn = None

    def restart(self):
        self.halt()
        return self.start()

    def stop(self):
        for device in self.devices:
            device.stop()
        self.halt()
        if self.rig:
            self.rig.stop()
        if self.web:
            self.web.down()
        self.services.stop()
        if self.own and not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def logs(self):
        return self.services.logs()

    def log(self, program):
        return self.services.log(program)

    def pids(self, program):
        """Of a running service of this kiosk."""
        return self.services.pids(program)

    def kill(self, program, how=signal.SIGKILL):
        pids = self.pids(program)
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass
        return len(pids)

    # ---- people ----

    def as_person(self, uid):
        """For a process: this person, with no other group than the role's."""
        return {"user": uid, "group": uid, "extra_groups": [GROUPS[uid]]} if uid else {}

    def ctl_command(self, *words, uid=OPERATOR):
        """uid: who it will be run by, see as_person()."""
        return [*self.services.ctl(), *map(str, words)]

    def ctl(self, *words, uid=OPERATOR, **how):
        return run(*self.ctl_command(*words, uid=uid), **self.as_person(uid), **how)

    def ctl_json(self, *words, uid=OPERATOR):
        out = self.ctl("--json", *words, uid=uid).stdout
        return [json.loads(line) for line in out.splitlines()]

    def ctl_error(self, *words, uid=OPERATOR):
        """The kind of error that a command ends with."""
        done = self.ctl("--json", *words, uid=uid, check=False)
        for line in done.stdout.splitlines():
            if "error" in json.loads(line):
                return json.loads(line)["error"]["kind"]
        raise KioskError(f"no error: {done.stdout}{done.stderr}")

    def terminal(self, *words, uid=OPERATOR, **how):
        return Terminal(self.ctl_command(*words, uid=uid), **self.as_person(uid), **how)

    # ---- cards and devices ----

    def card(self, who, ca="pki", **options):
        """Makes a card; options as of make-card (name=…, alg=…, expired=True, pin=…)."""
        args = [MAKE_CARD, "card", "--ca", self.at(ca), "--alg", options.pop("alg", self.alg)]
        options.setdefault("name", who.capitalize() + " Test")
        options.setdefault("mail", f"{who}@example.org")
        options.setdefault("upn", f"{who}@example.org")
        for key, value in options.items():
            args.append("--" + key.replace("_", "-"))
            if value is not True:
                args.append(value)
        run(*args, self.at(f"cards/{who}"))
        self.publish()
        return self.at(f"cards/{who}")

    @property
    def reader(self):
        return self.rig.readers["r0"]

    def insert(self, card):
        self.reader.put(card)

    def device(self, name):
        device = Device(self, name)
        self.devices.append(device)
        return device

    # ---- the main job ----

    def session(self, *words, uid=OPERATOR, pin=PIN, command="provision"):
        return Session(self, words, uid, pin, command)

    def provision(self, device, *words, pin=PIN, **how):
        """A whole enrollment, as a person would do it. Returns derivctl's events."""
        with self.session("--yes", *words, pin=pin, **how) as s:
            device.enroll(s.uri())
            s.type(device.digits())
            events = s.finish()
        device.wait()
        return events


class Session:
    """derivctl provision --json, with pipes in place of a person's eyes and hands."""

    def __init__(self, kiosk, words, uid, pin, command):
        pin_read, pin_write = os.pipe()
        if pin is not None:
            os.write(pin_write, pin.encode() + b"\n")
        os.close(pin_write)
        fds, args = (pin_read,), ["--pin-fd", pin_read]
        self.uri_read = None
        if command == "provision":
            self.uri_read, uri_write = os.pipe()
            fds, args = (pin_read, uri_write), args + ["--uri-fd", uri_write]
        self.process = subprocess.Popen(kiosk.ctl_command("--json", command, *args, *words, uid=uid), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=fds,
                                        **kiosk.as_person(uid))
        for fd in fds:
            os.close(fd)
        self.events = []
        self.kiosk = kiosk

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # what it did not read any more
        self.process.stdout.close()
        if self.uri_read is not None:
            os.close(self.uri_read)

    def uri(self):
        """The invitation, as the QR code has it."""
        if not select.select([self.uri_read], [], [], WAIT)[0]:
            raise KioskError("no invitation came")
        data = os.read(self.uri_read, 4096).decode().strip()
        if not data:
            raise KioskError(f"derivctl ended before it invited: {self.rest()}")
        return data

    def next(self):
        line = self.process.stdout.readline()
        if not line:
            return None
        try:
            event = json.loads(line)
        except ValueError:
            raise KioskError(f"derivctl said: {line}{self.process.stdout.read()}") from None
        self.events.append(event)
        return event

    def expect(self, name):
        """Reads events up to that one."""
        while True:
            event = self.next()
            if event is None:
                raise KioskError(f"\"{name}\" did not come; there was: {self.events}\n{self.kiosk.logs()}")
            if event.get("event") == name:
                return event

    def type(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def rest(self):
        while self.next() is not None:
            pass
        self.status = self.process.wait(WAIT)
        return self.events

    def error(self):
        """The error that ends it."""
        for event in self.rest():
            if "error" in event:
                return event["error"]
        raise KioskError(f"no error came, but: {self.events}")

    def finish(self):
        self.rest()
        if self.status != 0:
            raise KioskError(f"derivctl ended with {self.status}: {self.events}\n{self.kiosk.logs()}")
        return self.events
