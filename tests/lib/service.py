"""A long-lived program of derivd started as systemd starts it, without systemd: its listening sockets are kept here, it is told
where to notify, and what it notifies is read.

    with Service(kiosk, "derivd") as derivd:
        derivd.told("READY=1")
"""

import os
import select
import signal
import socket
import subprocess
import threading
import time

from kiosk import UIDS, WAIT, KioskError, wait_for

LISTENERS = {"derivd": ("control", "gateway"), "derivd-gateway": ("device",)}


def listening(path, uid=0):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.path.exists(path):
        os.unlink(path)
    s.bind(path)
    s.listen(64)
    os.chmod(path, 0o666 if uid == 0 else 0o600)
    os.chown(path, uid, uid)
    return s


class Service:
    """start=False: only the sockets. watchdog: WatchdogSec=, in seconds. credentials: {name: content}, as LoadCredential= gives them."""

    def __init__(self, kiosk, program, start=True, watchdog=None, credentials=None):
        self.kiosk, self.program, self.watchdog = kiosk, program, watchdog
        self.credentials = credentials
        self.log = kiosk.at(f"log/{program}.log")
        self.want_start = start
        self.notices = []  # (when, "NAME=value")
        self.process = None
        self.sockets = [self._listen(name) for name in LISTENERS[program]]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_path = kiosk.at(f"run/notify-{program}")
        if os.path.exists(self.notify_path):
            os.unlink(self.notify_path)
        self.notify.bind(self.notify_path)
        os.chmod(self.notify_path, 0o666)
        threading.Thread(target=self._listen_for_notices, daemon=True).start()

    def _listen(self, name):
        if name == "device":
            return socket.create_server((self.kiosk.host, self.kiosk.port), backlog=64)
        uid = UIDS["derivd-gateway"] if name == "gateway" else 0
        return listening(self.kiosk.at(f"run/{name}.sock"), uid)

    def __enter__(self):
        if self.want_start:
            self.start()
        return self

    def __exit__(self, *_):
        self.end()
        self.notify.shutdown(socket.SHUT_RDWR)
        for s in self.sockets:
            s.close()

    def environment(self):
        env = self.kiosk.environment(self.program)
        env |= {"LISTEN_FDS": str(len(self.sockets)), "LISTEN_FDNAMES": ":".join(LISTENERS[self.program]),
                "NOTIFY_SOCKET": self.notify_path}
        if self.watchdog:
            env["WATCHDOG_USEC"] = str(int(self.watchdog * 1000000))
        if self.credentials is not None:
            env["CREDENTIALS_DIRECTORY"] = self._put_credentials()
        return env

    def _put_credentials(self):
        """As systemd does: at a start, for this user alone, and nobody writes there."""
        where = self.kiosk.at(f"run/credentials-{self.program}")
        os.makedirs(where, exist_ok=True)
        for name in os.listdir(where):
            os.unlink(os.path.join(where, name))
        for name, content in self.credentials.items():
            with open(os.path.join(where, name), "w") as f:
                f.write(content)
            os.chown(f.name, UIDS[self.program], UIDS[self.program])
            os.chmod(f.name, 0o400)
        os.chmod(where, 0o755)
        return where

    def start(self):
        """Does not wait for anything."""
        uid, fds = UIDS[self.program], [os.dup(s.fileno()) for s in self.sockets]

        def child():
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)

        self.notices.clear()
        with open(self.log, "a") as out:
            self.process = subprocess.Popen(
                ["sh", "-c", 'export LISTEN_PID=$$; exec "$0"', self.kiosk.program(self.program)], env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=child,
                pass_fds=range(3, 3 + len(fds)))
        for fd in fds:
            os.close(fd)
        return self

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def end(self):
        """In order; the exit status."""
        if self.process and self.alive():
            self.signal(signal.SIGCONT)
            self.process.terminate()
        return self.process and self.process.wait(WAIT)

    def said(self):
        with open(self.log) as f:
            return f.read()

    # ---- what it notified ----

    def _listen_for_notices(self):
        """All the time, as systemd does: who does not, stops those who notify."""
        while True:
            try:
                text = self.notify.recv(8192).decode()
            except OSError:
                break
            if not text:
                break
            self.notices += [(time.monotonic(), line) for line in text.split("\n")]
        self.notify.close()

    def lines(self):
        """Since the last start."""
        return [line for _, line in list(self.notices)]

    def told(self, start, after=0):
        """Waits for a line that begins so, behind that many lines; returns it."""
        def look():
            return next((line for line in self.lines()[after:] if line.startswith(start)), None)
        try:
            return wait_for(f"{self.program}: {start}", look)
        except KioskError as e:
            raise KioskError(f"{e}; there was {self.lines()}\n{self.said()[-3000:]}") from None

    def status(self):
        """The last STATUS."""
        return next((line[7:] for line in reversed(self.lines()) if line.startswith("STATUS=")), None)

    def has_status(self, *parts):
        return wait_for(f"a status with {parts}", lambda: all(p in (self.status() or "") for p in parts) and self.status())


class CaWorkers:
    """ca.sock with Accept=yes: a derivd-ca for each connection."""

    def __init__(self, kiosk):
        self.kiosk = kiosk
        self.listener = listening(kiosk.at("run/ca.sock"), UIDS["derivd"])
        self.workers = []

    def serve(self, seconds=0.0):
        """Those who wait, as long as somebody comes within that time."""
        while select.select([self.listener], [], [], seconds)[0]:
            self._start(self.listener.accept()[0])

    def _start(self, connection):
        uid = UIDS["derivd-ca"]
        env = self.kiosk.environment("derivd-ca") | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "connection"}

        def child():
            os.dup2(connection.fileno(), 3)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)

        with open(self.kiosk.at("log/derivd-ca.log"), "a") as out:
            self.workers.append(subprocess.Popen(
                ["sh", "-c", 'export LISTEN_PID=$$; exec "$0"', self.kiosk.program("derivd-ca")], env=env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=child, pass_fds=(3,)))
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for w in self.workers:
            w.kill()
            w.wait()
