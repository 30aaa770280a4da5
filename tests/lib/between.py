"""Somebody in between: programs of derivd that were broken into, played by tests.

    ca = Inside(kiosk, "ca")                    # a client of ca.sock, with derivd's uid and its build id
    ca.ask("CA_STATUS")                         # the answer, or Refused
    with Between(kiosk, "gateway") as between:  # sits on gateway.sock: all of it passes through
        between.hook = lambda m: [m]            # what goes on in place of each message; may hold it as long as it likes

Also what they would make of their loot: records taken apart and put together again, signatures by keys of their own.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import sqlite3
import struct
import tempfile
import threading
import traceback

from gateway import INLINE_MAX, NUMBERS, Closed, Core, Message, one, pb, unpb
from kiosk import UIDS, KioskError, wait_for

WAIT = 60
CLIENT = {"ca": "derivd", "gateway": "derivd-gateway"}
INTENT_HEAD = 64 + len("derivd intent v1") + 1


class Refused(Exception):
    def __init__(self, body):
        f = unpb(body)
        self.kind, self.text = one(f, 1).decode(), one(f, 3, b"").decode()
        super().__init__(f"{self.kind}: {self.text}")


def set_euid(uid):
    """Of this thread alone: os.seteuid changes all of them, also the one that starts a program or renames a socket just now."""
    number = {"x86_64": 117, "aarch64": 147}[os.uname().machine]  # setresuid
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, ctypes.c_long(-1), ctypes.c_long(uid), ctypes.c_long(-1)) != 0:
        raise OSError(ctypes.get_errno(), f"setresuid({uid})")


@contextlib.contextmanager
def acting_as(uid):
    set_euid(uid)
    try:
        yield
    finally:
        set_euid(0)


def connect(path, uid):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with acting_as(uid):
        s.connect(path)
    return s


class Inside(Core):
    """A client of a socket inside the machine, after both Hellos."""

    def __init__(self, kiosk, name):
        path = kiosk.at(f"run/{name}.sock")
        self.s = connect(path + ".real" if os.path.exists(path + ".real") else path, UIDS[CLIENT[name]])
        self.s.settimeout(WAIT)
        self.serial = 0
        self.build = one(self.receive().fields, 1)
        self.send("HELLO", pb((1, self.build), (2, CLIENT[name])))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, name, body=b""):
        self.serial += 1
        self.send(name, body, self.serial)
        m = self.receive(WAIT)
        if m.name == "ERROR":
            raise Refused(m.body)
        assert m.serial == self.serial, f"an answer to {m.serial}"
        return m


# ---- in the middle

class Passing:
    """A message on its way. up: from client to server. Relayed device messages have inner and inner_body."""

    def __init__(self, m, up, pair):
        self.m, self.up, self.pair = m, up, pair
        self.name, self.body, self.serial = m.name, m.body, m.serial
        self.inner = getattr(m, "inner", None)
        self.inner_body = getattr(m, "inner_body", None)
        self.connection = getattr(m, "connection", None)

    def altered(self, body):
        """The same message with another body; of a relayed one, the device message's."""
        if self.inner:
            body = pb((1, self.m.connection), (2, self.m.number), (3, self.m.inner_serial), (4, body))
        return Passing(Message(NUMBERS[self.name], self.serial, body), self.up, self.pair)


class Pair:
    """One connection that was let in, and ours to the real server."""

    def __init__(self, client, server):
        self.ends = {True: client, False: server}  # by the direction in which it sends: up, down
        self.locks = {True: threading.Lock(), False: threading.Lock()}

    def receive(self, up):
        core = Core.__new__(Core)
        core.s = self.ends[up]
        return core.receive(None)

    def send(self, up, name, body, serial=0):
        """To the server (up) or to the client."""
        core = Core.__new__(Core)
        core.s = self.ends[not up]
        with self.locks[up]:
            core.send(name, body, serial)

    def close(self):
        for s in self.ends.values():
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


class Between:
    """Takes the place of a socket. hook(message) gives the list of what goes on; it is called in a thread for each direction
    of each connection. pairs: the connections there are. trouble: exceptions in hooks."""

    def __init__(self, kiosk, name):
        self.kiosk, self.name = kiosk, name
        self.path = kiosk.at(f"run/{name}.sock")
        self.hook = lambda m: [m]
        self.pairs, self.trouble = [], []

    def __enter__(self):
        was = os.stat(self.path)
        os.rename(self.path, self.path + ".real")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        os.chown(self.path, was.st_uid, was.st_gid)
        os.chmod(self.path, was.st_mode & 0o777)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()
        wait_for(f"{self.name} to come by", self._come_by)
        self._settle()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.kiosk.spawn:
            os.rename(self.path + ".real", self.path)
        for pair in self.pairs:
            pair.close()
        if self.kiosk.spawn:
            self._settle()

    def _reconnect(self):
        """Connections that go past us end: the worker of ca.sock, or the client of gateway.sock."""
        self.kiosk.kill("derivd-ca" if self.name == "ca" else "derivd-gateway")

    def _come_by(self):
        """Again, if it does not: what was only about to connect when the others ended goes past us."""
        self._reconnect()
        with contextlib.suppress(KioskError):
            wait_for("a connection", lambda: self.pairs, 10)
        return self.pairs

    def _settle(self):
        wait_for("derivd-ca", lambda: self.kiosk.ctl_json("status", uid=0)[0]["ca_reachable"])
        wait_for("the gateway", lambda: self.kiosk.ctl_json("status", uid=0)[0]["gateway_connected"])

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
                server = connect(self.path + ".real", UIDS[CLIENT[self.name]])
            except OSError:
                return
            pair = Pair(client, server)
            self.pairs.append(pair)
            for up in (True, False):
                threading.Thread(target=self._pass, args=(pair, up), daemon=True).start()

    def _pass(self, pair, up):
        while True:
            try:
                m = pair.receive(up)
            except (Closed, OSError, ValueError):
                pair.close()
                return
            try:
                onward = [Passing(m, up, pair)] if m.name == "HELLO" else self.hook(Passing(m, up, pair))
            except Exception:  # the test reports it
                self.trouble.append(traceback.format_exc())
                onward = [Passing(m, up, pair)]
            for p in onward:
                with contextlib.suppress(OSError):
                    pair.send(p.up, p.name, p.body, p.serial)


# ---- loot

def take_store(kiosk, program="derivd", name="derivd.db"):
    """A copy of the store as it is now, opened."""
    where = tempfile.mkdtemp(dir=kiosk.dir)
    for suffix in ("", "-wal"):
        path = kiosk.at(f"lib/{program}/{name}{suffix}")
        if os.path.exists(path):
            shutil.copy(path, f"{where}/{name}{suffix}")
    db = sqlite3.connect(f"{where}/{name}")
    db.row_factory = sqlite3.Row
    return db


# ---- making other things of it

def fields(message):
    """A protobuf message as {number: [values]}, to be changed and put together by pack()."""
    return unpb(message)


def pack(f):
    return pb(*sorted(f.items()))


def with_field(message, number, *values):
    """The message with other values of this field; none: without it."""
    f = unpb(message)
    f.pop(number, None)
    if values:
        f[number] = list(values)
    return pack(f)


def flip(data, at):
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def record(data):
    """The values of a record's fields (PROTOCOL.intent section 2)."""
    values, at = [], 0
    while at < len(data):
        length = struct.unpack(">I", data[at:at + 4])[0]
        values.append(data[at + 4:at + 4 + length])
        at += 4 + length
    return values


def unrecord(values):
    return b"".join(struct.pack(">I", len(v)) + v for v in values)


def with_value(data, n, value, head=0):
    """The record with another value in its n-th field; head: bytes before it."""
    values = record(data[head:])
    values[n] = value
    return data[:head] + unrecord(values)
