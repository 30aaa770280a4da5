"""What the benchmarks in Python share: the lines that they print, starting a service, a worker's Hello."""

import ctypes
import fcntl
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("abs_top_srcdir", os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
from gateway import NUMBERS, pb, unpb  # noqa: E402
from rig import build_dir, sanitized  # noqa: E402

WAIT = 60


def note(text):
    print(f"# {text}", flush=True)


def at_most(name, value, goal, unit=""):
    """figure NAME VALUE <=GOAL ok|short"""
    shown = f"{value:.2f}" if isinstance(value, float) else str(value)
    print(f"figure {name} {shown}{unit} <={goal}{unit} {'ok' if value <= goal else 'short'}", flush=True)


def at_least(name, value, goal):
    print(f"figure {name} {value:.2f} >={goal} {'ok' if value >= goal else 'short'}", flush=True)


def need_plain_build():
    if sanitized():
        sys.exit("bench: this build has sanitizers: its figures say nothing")


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def build_id():
    with open(os.path.join(build_dir(), "base/build-id.h")) as f:
        return f.read().split('"')[1]


class Worker:
    """A connection to a worker's socket, held open after Hello; .seconds: from connecting to its Hello."""

    def __init__(self, path, program):
        began = time.monotonic()
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(WAIT)
        self.s.connect(path)
        self.s.sendall(struct.pack(">HHI", NUMBERS["HELLO"], 0, 0) + pb((1, build_id()), (2, program)))
        answer = self.s.recv(65536)
        self.seconds = time.monotonic() - began
        if struct.unpack(">H", answer[:2])[0] != NUMBERS["HELLO"]:
            raise RuntimeError(f"{path}: {unpb(answer[8:])}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()


def _child(fds):
    def before():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
    return before


def start_seconds(program, env, sockets):
    """From before the fork to READY=1. sockets: {name: listening socket}. The service is ended again."""
    fds = [s.fileno() for s in sockets.values()]
    with tempfile.TemporaryDirectory(prefix="bench-") as top, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
        path = os.path.join(top, "notify")
        n.bind(path)
        n.settimeout(WAIT)
        env = dict(env, LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(sockets), NOTIFY_SOCKET=path)
        began = time.monotonic()
        child = subprocess.Popen(["sh", "-c", 'export LISTEN_PID=$$; exec "$0"', program], env=env,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 pass_fds=range(3, 3 + len(fds)), preexec_fn=_child(fds))
        try:
            while "READY=1" not in n.recv(4096).decode():
                pass
            return time.monotonic() - began
        finally:
            child.terminate()
            child.wait(WAIT)


def median_ms(values):
    return round(statistics.median(values) * 1000, 1)
