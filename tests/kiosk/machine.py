"""A Debian 12 of its own to install packages on: systemd-nspawn boots it, commands run in it.

    with Machine(system.make(cache, packages)) as machine:
        machine.boot()
        machine.run("systemctl", "--failed")

It has no network but the one that connect() gives it. It is not registered anywhere, and everything of it is in one directory
and one control group, which are gone afterwards.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import tempfile

from kiosk import KioskError, run, wait_for
from rig import Process

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENV = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}
BOOT_WAIT = 120
# Of this run: tests/kiosk/run looks after what is left of it.
KIOSK_DIR = os.environ.get("KIOSK_DIR", "/tmp")
CLONE_NEWNET = 0x40000000


# ---- control groups ----

def _hierarchies():
    """Where this process is in each hierarchy that systemd uses, as directories."""
    found = []
    with open("/proc/self/cgroup") as f:
        for line in f:
            number, controllers, path = line.rstrip("\n").split(":", 2)
            if number == "0":
                tops = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
            elif controllers == "name=systemd":
                tops = ("/sys/fs/cgroup/systemd",)
            else:
                continue
            found += [t + path.rstrip("/") for t in tops if os.path.exists(f"{t}{path}/cgroup.procs")][:1]
    return found


class ControlGroup:
    """For one machine: systemd-nspawn puts it below its own, where two machines would share one."""

    def __init__(self, name):
        self.dirs = [os.path.join(d, name) for d in _hierarchies()]
        for d in self.dirs:
            os.mkdir(d)

    def enter(self):
        for d in self.dirs:
            with open(f"{d}/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def remove(self):
        for top in self.dirs:
            for d, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(d)

    def left(self):
        return [d for d in self.dirs if os.path.exists(d)]


# ---- the machine ----

class Network:
    """A network namespace without a machine: where phones and web servers are."""

    def __init__(self, address):
        self.address = address
        self.holder = Process.start(["unshare", "--net", "--", "sleep", "infinity"], "/dev/null", True)
        wait_for("a network of its own", lambda: os.readlink(self.path) != os.readlink("/proc/self/ns/net"))
        run(*self.prefix, "ip", "link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{self.holder.pid}/ns/net"

    @property
    def prefix(self):
        """In front of a command that is to run there."""
        return ["nsenter", f"--net={self.path}", "--"]

    @contextlib.contextmanager
    def inside(self):
        """This thread, for as long: the sockets that it makes stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as own, open(self.path) as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(own.fileno(), CLONE_NEWNET)

    def stop(self):
        self.holder.end()


def nspawn(root, name, *how):
    """All dies with the first process, whose /run nobody else sees. @memlock: secrets are kept out of the swap."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c",
            'mount -t tmpfs run /run && exec "$@"', "sh", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit",
            "--private-network", "--system-call-filter=@memlock", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
            "--console=pipe", f"--machine={name}", "-D", root, *how]


def _child(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return next(iter(f.read().split()), None)
    except OSError:
        return None


class Machine:
    def __init__(self, base, directory=None, lent=None):
        """lent: directories of this machine that can be read there, {here: there}."""
        self.dir = directory or tempfile.mkdtemp(prefix="machine-", dir=KIOSK_DIR)
        self.name = f"{os.path.basename(KIOSK_DIR)}-{secrets.token_hex(4)}"
        self.root = os.path.join(self.dir, "root")
        self.holder = None
        self.group = None
        self.link = None
        self.lent = [f"--bind-ro={here}:{there}" for here, there in (lent or {}).items()]
        run("cp", "-a", "--reflink=auto", base, self.root, timeout=300)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def boot(self):
        self.group = ControlGroup(self.name)
        self.holder = Process.start(nspawn(self.root, self.name, "--boot", *self.lent), os.path.join(self.dir, "console"), True,
                                    before=self.group.enter)
        self.up()

    @property
    def leader(self):
        """The machine's first process, as numbered here; None while there is none."""
        nspawn = _child(self.holder.pid)
        return nspawn and _child(nspawn)

    def up(self):
        """Until it has started; links it to the network that it had."""
        def ready():
            if not self.holder.alive():
                raise KioskError(f"the machine does not start:\n{self.console()}")
            if not self.leader or not os.path.exists(self.path("/run/systemd/private")):
                return False
            return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
        wait_for("the machine", ready, BOOT_WAIT, 0.2)
        if self.link:
            self.connect(*self.link)

    def path(self, inside):
        """A file of the machine as it is now, with what is mounted there."""
        return f"/proc/{self.leader}/root{inside}"

    def console(self):
        with open(os.path.join(self.dir, "console"), errors="replace") as f:
            return f.read()[-3000:]

    def command(self, *words, network=None):
        """A command line that runs something in the machine. network: "inside", or another's path."""
        env = [f"{k}={v}" for k, v in ENV.items()]
        return ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", f"--net{'=' + network if network else ''}",
                "--pid", "--root", "--wd", "--", "env", "-i", *env, *map(str, words)]

    def run(self, *words, **how):
        return run(*self.command(*words), **how)

    def login(self, who, *words):
        """The same as somebody who has logged in."""
        return self.command("su", "-s", "/bin/sh", "-c", 'exec "$@"', "--", who, "sh", *words)

    def write(self, path, text, mode=0o644):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def exists(self, path):
        return os.path.lexists(self.path(path))

    # ---- its network ----

    def connect(self, network, address):
        """A cable between the machine and a network; addresses of one /24."""
        self.link = (network, address)
        run("ip", "link", "add", "kiosk0", "netns", network.holder.pid, "type", "veth", "peer", "name", "wire0", "netns",
            self.leader)
        for prefix, device, own in ((network.prefix, "kiosk0", network.address),
                                    (["nsenter", f"--net=/proc/{self.leader}/ns/net", "--"], "wire0", address)):
            run(*prefix, "ip", "addr", "add", f"{own}/24", "dev", device)
            run(*prefix, "ip", "link", "set", device, "up")

    # ---- systemd ----

    def show(self, unit, what):
        return self.run("systemctl", "show", "--value", "-p", what, unit).stdout.strip()

    def journal(self, *words):
        out = self.run("journalctl", "--quiet", "--output=json", "--all", *words).stdout
        return [json.loads(line) for line in out.splitlines()]

    def reboot(self):
        """In order, as somebody would do it."""
        self.off("reboot")
        self.boot()

    def off(self, how="poweroff"):
        """In order. After a reboot, too, systemd-nspawn ends, and leaves it to others to start the machine again."""
        self.run("systemctl", how, check=False)
        wait_for("the machine to go down", lambda: not self.holder.alive(), BOOT_WAIT)
        self._kill()

    def crash(self, meanwhile=lambda: None):
        """As when the power fails: nothing is told to anybody. It is started again. meanwhile: what is done while it is off."""
        self._kill()
        meanwhile()
        self.boot()

    def _kill(self):
        leader = self.leader
        if leader:
            # At once: unshare lets no SIGTERM disturb it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(leader), signal.SIGKILL)
        self.holder.end()
        wait_for("the machine's end", lambda: not leader or not os.path.exists(f"/proc/{leader}"))
        self.group.remove()

    def destroy(self):
        if self.holder:
            self._kill()
        shutil.rmtree(self.dir, ignore_errors=True)
