"""What tests with apps of other makers share: an app as a process, and connections without one."""

import json
import os
import signal
import ssl
import subprocess
import sys

import wire
from keeper import Keeper, make_key
from kiosk import run, wait_for
from wire import device

HERE = os.path.dirname(os.path.realpath(__file__))
DIED = 70


class AppError(Exception):
    pass


class App:
    """device_client.py as a process; Kiosk.provision takes it for a device."""

    def __init__(self, kiosk, name, program="device_client.py"):
        self.dir = kiosk.at(f"apps/{name}")
        self.log = self.dir + ".log"
        self.program = os.path.join(HERE, program)
        os.makedirs(self.dir)
        self.process = None
        kiosk.devices.append(self)

    def _start(self, *words, uri=""):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen([sys.executable, self.program, self.dir, *words], stdin=subprocess.PIPE, stdout=out,
                                            stderr=out, text=True)
        self.process.stdin.write(uri + "\n")
        self.process.stdin.close()
        return self

    def enroll(self, uri, *words):
        return self._start("enroll", *words, uri=uri)

    def go_on(self, *words):
        """With the same enrollment, after it was ended."""
        return self._start("enroll", *words)

    def start(self, *words):
        return self._start("run", *words)

    def events(self, name=None):
        with open(self.log, encoding="utf-8") as f:
            lines = f.read().splitlines()
        for line in lines:
            if not line.startswith("{"):
                raise AppError("the app broke off:\n" + "\n".join(lines))
        return [e for e in map(json.loads, lines) if name in (None, e["event"])]

    def has_said(self, event, more=0, **fields):
        """Waits for such an event beyond the first "more" ones; returns it."""
        def look():
            good = [e for e in self.events(event) if all(e[k] == v for k, v in fields.items())]
            return good[more:] and good[-1]
        return wait_for(f"{event} of the app", look)

    def digits(self):
        return self.has_said("digits")["digits"]

    def wait(self):
        return self.process.wait(60)

    def stop(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()

    @property
    def state(self):
        return Keeper(self.dir).state

    @property
    def id(self):
        return self.state["identity"]

    def export(self):
        Keeper(self.dir).export(self.dir + "-pem")
        return self.dir + "-pem"


def identity(kiosk, name, key=None):
    """A file with an identity key and its certificate, for Raw."""
    keeper = Keeper(kiosk.at(f"raw/{name}"))
    return keeper.at(f"keys/{keeper.store_identity(key or make_key('p256'))}.tls")


class Raw(wire.Connection):
    """A connection to do on it what no app of ours would."""

    def __init__(self, kiosk, identity_file):
        pem = run("openssl", "x509", "-in", kiosk.at("etc/gateway/gateway.pem")).stdout
        super().__init__(kiosk.host, kiosk.port, [wire.spki_hash(ssl.PEM_cert_to_DER_cert(pem))], identity_file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, name, serial, body=b""):
        self.send(name, serial, body)
        return self.receive(30)

    def hello(self, versions=(1,), extra=b"", serial=1):
        message = device.Hello(versions=versions, program="raw", platform="raw")
        return self.ask("HELLO", serial, message.SerializeToString() + extra)

    def welcome(self):
        name, _, message = self.hello()
        if name != "WELCOME":
            raise AppError(f"{name} in answer to Hello: {message}")
        return message

    def last_word(self):
        """What the server says before it hangs up: (name, serial, message)."""
        last = None
        try:
            while True:
                got = self.receive(40)
                if got is None:
                    raise AppError(f"the server does not hang up, having said {last}")
                last = got
        except wire.Closed:
            return last
