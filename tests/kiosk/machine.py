"""A Debian 12 of its own to install packages on: debootstrap makes it, systemd-nspawn boots it, commands run in it.

    with Machine(make_base(cache, packages)) as machine:
        machine.boot()
        machine.run("systemctl", "--failed")

It has no network but the one that connect() gives it. It is not registered anywhere, and everything of it is in one directory
and one control group, which are gone afterwards.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile

from kiosk import KioskError, run, wait_for
from rig import Process

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENV = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}
# What a Debian has that somebody installed from its medium, and a debootstrap has not.
BASE_PACKAGES = "systemd,systemd-sysv,dbus,util-linux,procps,openssl"
BOOT_WAIT = 120
CLONE_NEWNET = 0x40000000


# ---- the file system, from the mirror ----

def mirror():
    """The host's own source of Debian packages: (address, everything that names it for apt)."""
    done = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(CODENAME) $(ORIGIN)")
    rows = sorted({line for line in done.stdout.splitlines() if " Debian" in line})
    for line in rows:
        address, release, codename, *_ = line.split()
        if codename == SUITE and "-" not in release:
            return address, rows
    raise KioskError(f"apt on this machine knows no mirror of Debian {SUITE}:\n{done.stdout}")


def sources(rows):
    lines = []
    for row in rows:
        address, release, *_ = row.split()
        if release.startswith((SUITE, "stable")) and "backports" not in release:
            lines.append(f"deb [signed-by={KEYRING}] {address} {release} main\n")
    return "".join(sorted(set(lines)))


def needs(packages):
    """What the packages ask for, other than each other."""
    fields = [run("dpkg-deb", "-f", p, "Depends", "Recommends").stdout for p in packages]
    return hashlib.sha256("".join(sorted(fields)).encode()).hexdigest()[:16]


def make_base(cache, packages):
    """A fresh system with all in apt's cache that the packages need. Kept in the cache directory: made anew when what the
    packages need has changed."""
    os.makedirs(cache, exist_ok=True)
    wanted = f"{SUITE} {BASE_PACKAGES} {needs(packages)}"
    base, mark = os.path.join(cache, "base"), os.path.join(cache, "base.is")
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(mark):
            with open(mark) as f:
                if f.read() == wanted:
                    return base
            os.unlink(mark)
        shutil.rmtree(base, ignore_errors=True)
        _debootstrap(base)
        _fetch(base, packages)
        with open(mark, "w") as f:
            f.write(wanted)
    return base


def _debootstrap(base):
    address, rows = mirror()
    # Mounts of its own: what debootstrap mounts is gone with it, whatever becomes of it.
    run("unshare", "--mount", "--", "debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}",
        f"--keyring={KEYRING}", SUITE, base, address, timeout=900)
    with open(f"{base}/etc/apt/sources.list", "w") as f:
        f.write(sources(rows))
    with open(f"{base}/etc/dpkg/dpkg.cfg.d/quick", "w") as f:
        f.write("force-unsafe-io\n")
    # No password, no questions at the first start.
    for name, text in (("hostname", "kiosk\n"), ("hosts", "127.0.0.1 localhost kiosk\n"), ("machine-id", "")):
        with open(f"{base}/etc/{name}", "w") as f:
            f.write(text)


def _fetch(base, packages):
    """Not installed: that apt finds all that is needed is the test's to see."""
    shutil.copy("/etc/resolv.conf", f"{base}/etc/resolv.conf")
    os.makedirs(f"{base}/root/fetch")
    for package in packages:
        shutil.copy(package, f"{base}/root/fetch")
    names = [f"/root/fetch/{os.path.basename(p)}" for p in packages]
    inside = ["unshare", "--mount", "--", "chroot", base, "env", "-i", *(f"{k}={v}" for k, v in _fetch_env().items())]
    run(*inside, "apt-get", "-q", "update", timeout=300)
    run(*inside, "apt-get", "-q", "-y", "--download-only", "install", *names, timeout=300)
    shutil.rmtree(f"{base}/root/fetch")
    os.unlink(f"{base}/etc/resolv.conf")


def _fetch_env():
    return ENV | {k: v for k, v in os.environ.items() if k.endswith("_proxy")}


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


def _child(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return next(iter(f.read().split()), None)
    except OSError:
        return None


class Machine:
    def __init__(self, base, directory=None):
        self.dir = directory or tempfile.mkdtemp(prefix="machine-", dir="/tmp")
        self.name = "derivd-" + secrets.token_hex(4)
        self.root = os.path.join(self.dir, "root")
        self.holder = None
        self.group = None
        self.link = None
        run("cp", "-a", "--reflink=auto", base, self.root, timeout=300)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def boot(self):
        self.group = ControlGroup(self.name)
        # All dies with the first process, whose /run nobody else sees. @memlock: secrets are kept out of the swap.
        self.holder = Process.start(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c",
             'mount -t tmpfs run /run && exec "$@"', "sh", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot",
             "--system-call-filter=@memlock", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
             "--console=pipe", f"--machine={self.name}", "-D", self.root],
            os.path.join(self.dir, "console"), True, before=self.group.enter)
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
        """In order, as somebody would do it. systemd-nspawn ends then, and leaves it to others to start it again."""
        self.run("systemctl", "reboot", check=False)
        wait_for("the machine to go down", lambda: not self.holder.alive(), BOOT_WAIT)
        self._kill()
        self.boot()

    def crash(self):
        """As when the power fails: nothing is told to anybody. It is started again."""
        self._kill()
        self.boot()

    def _kill(self):
        leader = self.leader
        self.holder.end()
        wait_for("the machine's end", lambda: not leader or not os.path.exists(f"/proc/{leader}"))
        self.group.remove()

    def destroy(self):
        if self.holder:
            self._kill()
        shutil.rmtree(self.dir, ignore_errors=True)
