"""derivd-gateway under test: the real program, a derivd made of Python behind it, and devices made of Python before it.

    with Gateway() as g:
        core = g.core()                 # derivd: accepts the gateway's connection, says Hello
        phone = g.device()              # TLS 1.3 with a key of its own
        phone.hello(); up, relay = core.expect("GATEWAY_UP"), core.expect("GATEWAY_RELAY")

Messages are written here byte by byte, after proto/*.proto and PROTOCOL.device alone.
"""

import array
import ctypes
import fcntl
import hashlib
import os
import queue
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from pki import openssl

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
WAIT = 20
INLINE_MAX = 32768
ALPN = "derivd/1"


def build_dir():
    for d in (os.environ.get("abs_top_builddir"), os.getcwd(), SOURCE):
        if d and os.path.exists(os.path.join(d, "derivd-gateway")):
            return d
    raise RuntimeError("derivd-gateway is not built here: run make, or set abs_top_builddir")


def read_numbers():
    with open(os.path.join(SOURCE, "proto/messages.def")) as f:
        rows = re.findall(r"^MSG\((0x[0-9a-f]+), +(\w+),", f.read(), re.M)
    return {name: int(number, 16) for number, name in rows}


NUMBERS = read_numbers()
NAMES = {number: name for name, number in NUMBERS.items()}


# ---- protobuf: varints (numbers), length-delimited fields (bytes, text, messages)

def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def pb(*fields):
    """pb((1, 5), (2, b"x")): a message of these fields; lists give a field several times."""
    out = b""
    for number, value in fields:
        for v in value if isinstance(value, list) else [value]:
            if isinstance(v, str):
                v = v.encode()
            if isinstance(v, int):
                out += varint(number << 3) + varint(v)
            else:
                out += varint(number << 3 | 2) + varint(len(v)) + v
    return out


def unpb(data):
    """{field number: [values]}; numbers as int, the rest as bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        elif key & 7 == 2:
            length = number()
            value, at = data[at:at + length], at + length
        else:
            raise ValueError(f"wire type {key & 7}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def one(fields, number, default=None):
    return fields.get(number, [default])[0]


# ---- derivd

class Message:
    def __init__(self, number, serial, body):
        self.name, self.serial, self.body = NAMES.get(number, hex(number)), serial, body
        self.fields = unpb(body) if self.name != "GATEWAY_RELAY" else {}
        if self.name == "GATEWAY_RELAY":
            f = unpb(body)
            self.connection, self.number = one(f, 1), one(f, 2)
            self.inner, self.inner_serial = NAMES.get(self.number), one(f, 3, 0)
            self.inner_body = one(f, 4, b"")

    def __repr__(self):
        if self.name == "GATEWAY_RELAY":
            return f"<relay {self.inner} on {self.connection:x}>"
        return f"<{self.name} {self.fields}>"


class Closed(Exception):
    pass


class Core:
    """derivd's end of gateway.sock."""

    def __init__(self, connection):
        self.s = connection
        self.s.settimeout(WAIT)
        hello = self.receive()
        # Both must be of one build: say what the gateway said.
        self.build = one(hello.fields, 1)
        self.send("HELLO", pb((1, self.build), (2, "derivd")))

    def send(self, name, body, serial=0):
        number = NUMBERS[name]
        if len(body) <= INLINE_MAX:
            self.s.sendall(struct.pack(">HHI", number, 0, serial) + body)
            return
        fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, body)
        fcntl.fcntl(fd, 1033, 0xf)  # F_ADD_SEALS: write, grow, shrink, seal
        head = struct.pack(">HHII", number, 1, serial, len(body))
        self.s.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)

    def receive(self, wait=WAIT):
        if not select.select([self.s], [], [], wait)[0]:
            raise TimeoutError("nothing from the gateway")
        data, control, _, _ = self.s.recvmsg(65536, socket.CMSG_SPACE(4))
        if not data:
            raise Closed("the gateway hung up")
        number, flags, serial = struct.unpack(">HHI", data[:8])
        body = data[8:]
        if flags & 1:
            fd = array.array("i", control[0][2])[0]
            body = os.pread(fd, struct.unpack(">I", body)[0], 0)
            os.close(fd)
        return Message(number, serial, body)

    def expect(self, name, inner=None, wait=WAIT):
        """The next message must be this one."""
        m = self.receive(wait)
        if m.name != name or (inner and m.inner != inner):
            raise AssertionError(f"got {m!r}, wanted {name} {inner or ''}")
        return m

    def until(self, name, inner=None, wait=WAIT):
        """Throws away what comes before."""
        end = time.monotonic() + wait
        while True:
            m = self.receive(max(0, end - time.monotonic()))
            if m.name == name and (inner is None or m.inner == inner):
                return m

    def quiet(self, seconds=0.3):
        return not select.select([self.s], [], [], seconds)[0]

    def relay(self, connection, name, body=b"", serial=0):
        number = NUMBERS[name] if isinstance(name, str) else name
        self.send("GATEWAY_RELAY", pb((1, connection), (2, number), (3, serial), (4, body)))

    def drop(self, connection, reason="test"):
        self.send("GATEWAY_DROP", pb((1, connection), (2, reason)))

    def welcome(self, relay, **kw):
        """Answers a relayed Hello."""
        self.relay(relay.connection, "DEVICE_WELCOME", welcome_body(**kw), relay.inner_serial)

    def greet(self):
        """Up, Hello, Welcome: returns the connection's number."""
        self.until("GATEWAY_UP")
        hello = self.expect("GATEWAY_RELAY", "DEVICE_HELLO")
        self.welcome(hello)
        return hello.connection

    def close(self):
        self.s.close()


def welcome_body(deployment=bytes(16), delivery=bytes(32), enrolled=0):
    return pb((1, 1), (2, deployment), (3, delivery), (4, int(time.time() * 1000)), (5, enrolled))


# ---- devices

class Key:
    """A P-256 key in a self-signed certificate, as TLS wants it."""

    def __init__(self, directory, name, algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        self.key, self.cert = (os.path.join(directory, f"{name}.{e}") for e in ("key", "pem"))
        openssl("req", "-x509", "-newkey", *algorithm, "-nodes", "-keyout", self.key,
                "-out", self.cert, "-subj", "/CN=device", "-days", "2")

    @property
    def identity(self):
        public = openssl("x509", "-in", self.cert, "-noout", "-pubkey")
        spki = openssl("pkey", "-pubin", "-outform", "DER", stdin=public)
        return hashlib.sha256(spki).digest()


def context(key=None, alpn=ALPN, newest=ssl.TLSVersion.TLSv1_3, oldest=ssl.TLSVersion.TLSv1_2):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.minimum_version, c.maximum_version = oldest, newest
    if alpn:
        c.set_alpn_protocols([alpn])
    if key:
        c.load_cert_chain(key.cert, key.key)
    return c


class Device:
    def __init__(self, port, ctx, source="127.0.0.1", receive_buffer=None):
        raw = socket.socket()
        raw.settimeout(WAIT)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.bind((source, 0))
        raw.connect(("127.0.0.1", port))
        self.s = ctx.wrap_socket(raw)
        self.s.settimeout(WAIT)
        self.got = b""

    def send(self, name, body=b"", serial=0):
        number = NUMBERS[name] if isinstance(name, str) else name
        self.raw(struct.pack(">IHHI", len(body) + 8, number, 0, serial) + body)

    def raw(self, data):
        self.s.sendall(data)

    def receive(self, wait=WAIT):
        self.s.settimeout(wait)
        while True:
            if len(self.got) >= 4:
                length = struct.unpack(">I", self.got[:4])[0]
                if len(self.got) >= 4 + length:
                    frame, self.got = self.got[4:4 + length], self.got[4 + length:]
                    number, _, serial = struct.unpack(">HHI", frame[:8])
                    return NAMES.get(number, hex(number)), serial, frame[8:]
            try:
                more = self.s.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError) as e:
                raise Closed(str(e)) from e
            if not more:
                raise Closed("the gateway hung up")
            self.got += more

    def expect(self, name, wait=WAIT):
        got = self.receive(wait)
        if got[0] != name:
            raise AssertionError(f"got {got}, wanted {name}")
        return got

    def closed(self, wait=WAIT):
        """Reads to the end; the last error's text, if any."""
        text = ""
        while True:
            try:
                name, _, body = self.receive(wait)
            except Closed:
                return text
            if name == "DEVICE_ERROR":
                text = one(unpb(body), 3, b"").decode()

    def hello(self, serial=1):
        self.send("DEVICE_HELLO", pb((1, [1]), (2, "test 1"), (3, "linux")), serial)

    def close(self):
        self.s.close()


# ---- the gateway

def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Gateway:
    """etc, run and the listening socket outlive the process, so that it can be killed and started again."""

    def __init__(self, conf="", start=True):
        self.dir = tempfile.mkdtemp(prefix="derivd-gateway-")
        self.etc, self.run = os.path.join(self.dir, "etc"), os.path.join(self.dir, "run")
        self.program = os.path.join(build_dir(), "derivd-gateway")
        os.mkdir(self.etc)
        os.mkdir(self.run)
        self.pin = self.command("init", self.etc).stdout.strip()
        self.configure(conf)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.core_path = os.path.join(self.run, "gateway.sock")
        self.core_socket = None
        self.log = os.path.join(self.dir, "log")
        self.child = None
        self.keys = 0
        self.core_listen()
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir)

    def command(self, *args):
        env = dict(os.environ, CONFIGURATION_DIRECTORY=self.etc)
        return subprocess.run([self.program, *args], capture_output=True, text=True, env=env)

    def configure(self, conf):
        with open(os.path.join(self.etc, "gateway.conf"), "w") as f:
            f.write(conf)

    def start(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.dir, "notify")
        if os.path.exists(path):
            os.unlink(path)
        notify.bind(path)
        env = dict(os.environ, CONFIGURATION_DIRECTORY=self.etc, RUNTIME_DIRECTORY=self.run,
                   LISTEN_FDS="1", LISTEN_FDNAMES="device", NOTIFY_SOCKET=path, DERIVD_DEBUG="1")
        listener = self.listener.fileno()

        def before():
            _die_with_parent()
            os.dup2(listener, 3)

        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                ["sh", "-c", 'export LISTEN_PID=$$; exec "$0"', self.program], env=env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=(3,), preexec_fn=before)
        self.readies = queue.Queue()
        threading.Thread(target=self._listen, args=(notify, self.readies), daemon=True).start()
        self.wait_ready()

    @staticmethod
    def _listen(notify, readies):
        """Reads all that is notified: who does not, stops the gateway, as it waits for its reader."""
        while True:
            try:
                if "READY=1" in notify.recv(4096).decode():
                    readies.put(True)
            except OSError:
                return

    def wait_ready(self):
        """After a start or a reload."""
        self.readies.get(timeout=WAIT)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self):
        """In order; returns the exit status."""
        if not self.child or self.child.poll() is not None:
            return self.child.returncode if self.child else None
        self.child.terminate()
        return self.child.wait(WAIT)

    def alive(self):
        return self.child.poll() is None

    def read_log(self):
        with open(self.log) as f:
            return f.read()

    def private_kb(self):
        with open(f"/proc/{self.child.pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))

    def core_listen(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(self.core_path):
            os.unlink(self.core_path)
        s.bind(self.core_path)
        s.listen(5)
        s.settimeout(WAIT)
        self.core_socket = s

    def core_leave(self):
        """derivd is not there: nobody listens."""
        self.core_socket.close()
        os.unlink(self.core_path)

    def core(self):
        return Core(self.core_socket.accept()[0])

    def key(self, **kw):
        self.keys += 1
        return Key(self.dir, f"key{self.keys}", **kw)

    def device(self, key=None, source="127.0.0.1"):
        return Device(self.port, context(key or self.key()), source)
