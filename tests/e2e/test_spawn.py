"""derivd-spawn with programs made of Python that tell what they were given."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

BUILD = os.environ.get("abs_top_builddir", os.getcwd())
SPAWN = os.path.join(BUILD, "derivd-spawn")
WAIT = 30
PER_USER = 32  # connections to card.sock at once, of one user
PROGRAMS = ("derivd", "derivd-gateway", "derivd-card", "derivd-ca", "derivd-courier")

# Each connection is answered with what the program sees of itself. Main programs accept on their first socket.
FAKE = """#!/usr/bin/python3
import json, os, signal, socket, sys, time
name = os.path.basename(sys.argv[0])
etc = os.environ["CONFIGURATION_DIRECTORY"]
def told(what):
    return os.path.exists(f"{etc}/{name}.{what}")
def facts():
    fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
    return json.dumps({"name": name, "pid": os.getpid(), "env": dict(os.environ), "uid": os.getresuid(),
        "gid": os.getresgid(), "groups": os.getgroups(), "fds": [f for f in fds if os.path.exists(f"/proc/self/fd/{f}")],
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "ignored": signal.getsignal(signal.SIGHUP) == signal.SIG_IGN}).encode()
def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"]); s.send(text.encode())
def serve(connection):
    for request in iter(lambda: connection.recv(100), b""):
        if request == b"die": os.kill(os.getpid(), signal.SIGKILL)
        if request == b"status": notify("STATUS=busy\\x1b[2J\\nX=1")
        if request == b"fork-ready":
            if os.fork() == 0: notify("STATUS=not me"); os._exit(0)
            os.wait()
        connection.send(facts())
print("hello from", name, "stdout", flush=True)
print("hello from", name, "stderr", file=sys.stderr, flush=True)
if told("fail"): sys.exit(7)
if told("stubborn"): signal.signal(signal.SIGTERM, signal.SIG_IGN)
def hup(*_):
    print(name, "reloads", flush=True)
signal.signal(signal.SIGHUP, hup)
first = socket.socket(fileno=3)
if os.environ["LISTEN_FDNAMES"] == "connection":
    serve(first)
else:
    if not told("slow"): notify("READY=1\\nSTATUS=fine")
    first.setblocking(True)
    while True: serve(first.accept()[0])
"""

tap = Tap()
top = tap.use(tempfile.TemporaryDirectory(prefix="derivd-spawn-", dir="/tmp"))
os.chmod(top, 0o755)
fakes = os.path.join(top, "bin")
os.mkdir(fakes)
for program in PROGRAMS:
    with open(os.path.join(fakes, program), "w") as f:
        f.write(FAKE)
    os.chmod(os.path.join(fakes, program), 0o755)


def until(what, condition):
    end = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {WAIT} s in vain: {what}")
        time.sleep(0.02)


class Spawn:
    """derivd-spawn in a directory of its own; ready=False: do not wait for it."""

    def __init__(self, *args, ready=True, told=(), directory=None, env=None):
        self.dir = directory or tempfile.mkdtemp(dir=top)
        os.chmod(self.dir, 0o755)
        os.makedirs(self.at("etc"), exist_ok=True)
        for name in told:
            open(self.at(f"etc/{name}"), "w").close()
        self.process = subprocess.Popen([SPAWN, "--bin", fakes, *args, self.dir], stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(env or {})))
        self.err = ""
        if ready:
            until("ready", lambda: self.ready() or self.process.poll() is not None)

    def ready(self):
        """That of one that was killed may still lie there."""
        return os.path.exists(self.at("run/ready")) and self.read("run/ready") == f"{self.process.pid}\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def at(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.at(name)) as f:
            return f.read()

    def mode(self, name):
        return stat.S_IMODE(os.lstat(self.at(name)).st_mode)

    def wait(self):
        _, err = self.process.communicate(timeout=WAIT)
        self.err += err
        return self.process.returncode

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        if self.process.stderr and not self.process.stderr.closed:
            self.wait()
        return self.process.returncode

    def connect(self, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(WAIT)
        s.connect(self.at(f"run/{name}"))
        return s

    def ask(self, name, request=b"facts"):
        with self.connect(name) as s:
            return ask(s, request)


def ask(s, request=b"facts"):
    s.send(request)
    return json.loads(s.recv(65536))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def refused(*args):
    done = subprocess.run([SPAWN, *args], stderr=subprocess.PIPE, text=True, timeout=WAIT)
    tap.check(done.returncode != 0, "accepted")
    return done.stderr


@tap.test("all services come up, and ready says so")
def _():
    with Spawn() as s:
        tap.contains(s.read("run/ready"), str(s.process.pid))
        names = {s.ask(n)["name"] for n in ("control.sock", "card.sock", "ca.sock", "courier.sock")}
        tap.equal(names, {"derivd", "derivd-card", "derivd-ca", "derivd-courier"})
        subprocess.run([SPAWN, "--wait", s.dir], check=True, timeout=WAIT)
        tap.equal(s.end(), 0, "exit status")
        tap.contains(s.err, "isolates nothing")


@tap.test("a main service has its sockets, its directories and nothing else")
def _():
    with Spawn(env={"SECRET_OF_THE_SHELL": "x", "PCSCLITE_CSOCK_NAME": "/x/pcscd"}) as s:
        f = s.ask("control.sock")
        env = f["env"]
        tap.equal(env["LISTEN_FDS"], "2")
        tap.equal(env["LISTEN_PID"], str(f["pid"]))
        tap.equal(env["LISTEN_FDNAMES"], "control:gateway")
        tap.equal(env["CONFIGURATION_DIRECTORY"], s.at("etc"))
        tap.equal(env["RUNTIME_DIRECTORY"], s.at("run"))
        tap.equal(env["STATE_DIRECTORY"], s.at("lib/derivd"))
        tap.equal(env["PCSCLITE_CSOCK_NAME"], "/x/pcscd")
        tap.check("SECRET_OF_THE_SHELL" not in env, "the shell's environment came along")
        # 5: the connection.
        tap.equal(f["fds"], [0, 1, 2, 3, 4, 5], "descriptors")
        tap.equal(f["blocked"], 0, "blocked signals")
        tap.equal(s.mode("lib/derivd"), 0o700)
        tap.equal(s.mode("lib/derivd-ca"), 0o700)
        tap.check(not os.path.exists(s.at("lib/derivd-card")), "derivd-card has a state directory")


@tap.test("each connection to a worker is a process of its own")
def _():
    with Spawn() as s, s.connect("ca.sock") as one, s.connect("ca.sock") as two:
        first, second = ask(one), ask(two)
        tap.check(first["pid"] != second["pid"], "one process for two connections")
        env = first["env"]
        tap.equal(env["LISTEN_FDS"], "1")
        tap.equal(env["LISTEN_FDNAMES"], "connection")
        tap.equal(env["STATE_DIRECTORY"], s.at("lib/derivd-ca"))
        tap.check("NOTIFY_SOCKET" not in env, "a worker is asked to notify")
        tap.equal(first["fds"], [0, 1, 2, 3], "descriptors")
        tap.equal(ask(one)["pid"], first["pid"])
        one.close()
        until("the worker ends", lambda: not alive(first["pid"]))
        tap.equal(ask(two)["pid"], second["pid"])
        tap.check("STATE_DIRECTORY" not in s.ask("courier.sock")["env"], "the courier has a state")


@tap.test("the gateway gets the TCP socket, whose port is told")
def _():
    with Spawn("--listen", "[::1]:0") as s:
        port = int(s.read("run/port"))
        with socket.create_connection(("::1", port), WAIT) as c:
            f = ask(c)
        tap.equal(f["name"], "derivd-gateway")
        tap.equal(f["env"]["LISTEN_FDNAMES"], "device")
        with socket.create_connection(("::1", port), WAIT):
            tap.contains(refused("--bin", fakes, "--listen", f"[::1]:{port}", tempfile.mkdtemp(dir=top)), "in use")


@tap.test("sockets have their modes")
def _():
    with Spawn("--mode", "card.sock=0666") as s:
        modes = {n: s.mode(f"run/{n}.sock") for n in ("control", "gateway", "card", "ca", "courier")}
        tap.equal(modes, {"control": 0o666, "gateway": 0o600, "card": 0o666, "ca": 0o600, "courier": 0o600})
    with Spawn() as s:
        tap.equal(s.mode("run/card.sock"), 0o660)


@tap.test("programs run as their users, and sockets belong to who connects")
def _():
    if os.geteuid() != 0:
        tap.skip("only root can change users")
    users = {p: 46100 + i for i, p in enumerate(PROGRAMS)}
    args = [x for p, u in users.items() for x in ("--user", f"{p}={u}:{u + 50}")]
    with Spawn(*args) as s:
        for name in ("control.sock", "card.sock", "ca.sock", "courier.sock"):
            f = s.ask(name)
            uid = users[f["name"]]
            tap.equal((f["uid"], f["gid"], f["groups"]), ([uid] * 3, [uid + 50] * 3, []), f["name"])
        owners = {n: os.stat(s.at(f"run/{n}.sock")).st_uid for n in ("gateway", "ca", "courier")}
        tap.equal(owners, {"gateway": users["derivd-gateway"], "ca": users["derivd"], "courier": users["derivd-ca"]})
        tap.equal(os.stat(s.at("lib/derivd-ca")).st_uid, users["derivd-ca"])
        tap.contains(s.read("run/status-derivd"), "fine")
    with Spawn("--user", "derivd-ca=46103") as s:
        tap.equal(s.ask("ca.sock")["gid"], [46103] * 3)


@tap.test("output goes to a log for each program")
def _():
    with Spawn() as s:
        s.ask("ca.sock")
        s.ask("ca.sock")
        tap.equal(s.read("log/derivd-ca.log").count("hello from derivd-ca stderr"), 2)
        tap.contains(s.read("log/derivd.log"), "hello from derivd stdout")


@tap.test("a status is shown, harmless, and only from the service itself")
def _():
    with Spawn() as s:
        tap.equal(s.read("run/status-derivd"), "fine\n")
        s.ask("control.sock", b"status")
        until("the status", lambda: s.read("run/status-derivd") == "busy\\x1b[2J\n")
        s.ask("control.sock", b"fork-ready")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as me:
            me.connect(s.at("run/notify"))
            me.send(b"STATUS=from a stranger")
            me.send(b"STATUS=" + b"x" * 60000)
            me.send(b"")
        s.ask("control.sock", b"status")
        tap.equal(s.read("run/status-derivd"), "busy\\x1b[2J\n")


@tap.test("what is killed is started again, and no connection is refused meanwhile")
def _():
    with Spawn() as s:
        first = s.ask("control.sock")["pid"]
        with s.connect("control.sock") as c:
            c.send(b"die")
        second = s.ask("control.sock")["pid"]
        tap.check(first != second, "the same process answers")
        # The old one is removed before the new one is written.
        until("the pid file", lambda: os.path.exists(s.at("run/pid-derivd")) and s.read("run/pid-derivd") == f"{second}\n")
        tap.equal(s.end(), 0)
        tap.contains(s.err, "was killed by Killed")


@tap.test("a worker that dies takes nothing with it")
def _():
    with Spawn() as s:
        core = s.ask("control.sock")["pid"]
        with s.connect("card.sock") as c:
            c.send(b"die")
            tap.equal(c.recv(10), b"", "after the death")
        tap.equal(s.ask("card.sock")["name"], "derivd-card")
        tap.equal(s.ask("control.sock")["pid"], core)


@tap.test("one user cannot have all workers")
def _():
    with Spawn() as s:
        held = [s.connect("card.sock") for _ in range(32)]
        for c in held:
            ask(c)
        with s.connect("card.sock") as c:
            try:
                c.send(b"facts")
                tap.equal(c.recv(10), b"", "a connection more")
            except (BrokenPipeError, ConnectionResetError):
                pass
        held.pop().close()
        end = time.monotonic() + WAIT
        while True:
            try:
                tap.equal(s.ask("card.sock")["name"], "derivd-card")
                break
            except (BrokenPipeError, ConnectionResetError, ValueError):
                tap.check(time.monotonic() < end, "the place of an ended worker is not free again")
        for c in held:
            c.close()


@tap.test("a program that cannot start ends it all, with the reason")
def _():
    with Spawn(told=["derivd-gateway.fail"]) as s:
        tap.equal(s.wait(), 1, "exit status")
        tap.contains(s.err, "derivd-gateway does not start; see")
        tap.contains(s.err, "ended with status 7")
        tap.check(not os.path.exists(s.at("run/ready")), "ready is there")
    with Spawn("--bin", top) as s:
        tap.equal(s.wait(), 1, "exit status")
        tap.contains(s.read("log/derivd.log"), "No such file or directory")


@tap.test("not ready before all are")
def _():
    with Spawn(told=["derivd-gateway.slow"], ready=False) as s:
        until("derivd", lambda: os.path.exists(s.at("run/status-derivd")))
        until("the gateway", lambda: os.path.exists(s.at("log/derivd-gateway.log")) and "hello" in
              s.read("log/derivd-gateway.log"))
        tap.check(not os.path.exists(s.at("run/ready")), "ready is there")


@tap.test("SIGTERM ends everything, SIGHUP reaches the main services")
def _():
    with Spawn() as s, s.connect("ca.sock") as c:
        pids = [ask(c)["pid"], s.ask("control.sock")["pid"]]
        s.process.send_signal(signal.SIGHUP)
        until("the reload", lambda: "derivd reloads" in s.read("log/derivd.log")
              and "derivd-gateway reloads" in s.read("log/derivd-gateway.log"))
        tap.equal(s.end(), 0)
        tap.equal([p for p in pids if alive(p)], [], "left over")
        left = set(os.listdir(s.at("run"))) - {"lock"}
        tap.equal(left, set(), "files left in run")


@tap.test("what does not end is killed")
def _():
    with Spawn(told=["derivd.stubborn"]) as s:
        pid = s.ask("control.sock")["pid"]
        began = time.monotonic()
        tap.equal(s.end(), 0)
        tap.check(8 < time.monotonic() - began < 25, "not after ten seconds")
        tap.check(not alive(pid), "it lives")


@tap.test("the services do not outlive a derivd-spawn that is killed")
def _():
    with Spawn() as s, s.connect("ca.sock") as c:
        pids = [ask(c)["pid"], s.ask("control.sock")["pid"]]
        s.process.kill()
        until("they die", lambda: not any(alive(p) for p in pids))
        directory = s.dir
        tap.check(os.path.exists(s.at("run/ready")), "ready was removed by a dead process")
    with Spawn(directory=directory, ready=False) as s:
        subprocess.run([SPAWN, "--wait", s.dir], check=True, timeout=WAIT)
        tap.equal(s.ask("control.sock")["name"], "derivd")


@tap.test("only one in a directory")
def _():
    with Spawn() as s:
        tap.contains(refused("--bin", fakes, s.dir), "another derivd-spawn")
        tap.equal(s.ask("ca.sock")["name"], "derivd-ca")


@tap.test("wrong command lines are refused with what is wrong")
def _():
    for args, part in (
            ([], "one directory"), ([top, top], "one directory"), (["--nosuch", top], "--help"), (["--user"], "--help"),
            (["--user", "sshd=1", top], "--user sshd=1"), (["--user", "derivd", top], "--user derivd"),
            (["--user", "derivd=x", top], "\"x\""), (["--user", "derivd=4294967295", top], "4294967295"),
            (["--mode", "other.sock=0666", top], "other.sock"), (["--mode", "ca.sock=0999", top], "0999"),
            (["--mode", "ca.sock=", top], "no mode"), (["--listen", "1234", top], "HOST:PORT"),
            (["--listen", "127.0.0.1:70000", top], "70000"), (["--listen", "nohost:1", "--bin", fakes, top], "nohost"),
            (["--setenv", "X", top], "NAME=VALUE"), ([os.path.join(top, "none")], "none"),
            (["--bin", "/none", top], "/none")):
        tap.contains(refused(*args), part)
    shown = subprocess.run([SPAWN, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    tap.check(re.search(r"isolates nothing", shown), "--help does not say that it isolates nothing")


@tap.test("--setenv reaches the programs")
def _():
    with Spawn("--setenv", "A=b=c", "--setenv", "EMPTY=") as s:
        env = s.ask("card.sock")["env"]
        tap.equal((env["A"], env["EMPTY"]), ("b=c", ""))


tap.run()
