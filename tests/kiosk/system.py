"""The file system of a Debian 12 that machines are copies of: debootstrap makes it, from the mirror that apt on this machine uses,
through the proxy that it uses.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile

from kiosk import KioskError, run
from machine import ENV

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What a Debian has that somebody installed from its medium, and a debootstrap has not.
PACKAGES = "systemd,systemd-sysv,dbus,util-linux,procps,openssl"
TARGETS = "$(REPO_URI) $(RELEASE) $(CODENAME) $(ORIGIN)"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


# ---- the mirror ----

def _targets(*options):
    rows = run("apt-get", *options, "indextargets", "--format", TARGETS).stdout.splitlines()
    return sorted({line for line in rows if line.endswith(" Debian")})


def _address(rows):
    for line in rows:
        address, release, codename, *_ = line.split()
        if codename == SUITE and "-" not in release:
            return address
    return None


def mirror():
    """This machine's own source of Debian packages: (address, everything that names it for apt)."""
    rows = _targets()
    if not _address(rows):
        # apt knows what it has lists of; images of containers are shipped without.
        with tempfile.TemporaryDirectory() as lists:
            os.chmod(lists, 0o755)
            run("apt-get", "-o", f"Dir::State::lists={lists}", "update", check=False, timeout=120)
            rows = _targets("-o", f"Dir::State::lists={lists}")
    if not _address(rows):
        raise KioskError(f"apt on this machine knows no mirror of Debian {SUITE} that it can reach")
    return _address(rows), rows


def reach():
    """Fetches something small, as apt would."""
    address, _ = mirror()
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        done = run("/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "download-file",
                   f"{address}dists/{SUITE}/Release", f"{d}/Release", check=False, timeout=120)
    if done.returncode != 0:
        raise KioskError(f"{address} cannot be reached: {' '.join((done.stdout + done.stderr).split())[-200:]}")


def _proxies():
    """apt's, for programs that do not read apt's configuration; what the environment says goes before."""
    found = {}
    for scheme in ("http", "https"):
        done = run("apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy")
        if done.stdout:
            found[f"{scheme}_proxy"] = run("sh", "-c", done.stdout + 'printf %s "$PROXY"').stdout
    return {k: v for k, v in found.items() if v != "DIRECT"} | {k: v for k, v in os.environ.items() if k.endswith("_proxy")}


def _sources(rows):
    lines = []
    for row in rows:
        address, release, *_ = row.split()
        if release.startswith((SUITE, "stable")) and "backports" not in release:
            lines.append(f"deb [signed-by={KEYRING}] {address} {release} main\n")
    return "".join(sorted(set(lines)))


# ---- the file system ----

def needs(packages):
    """What the packages ask for, other than each other."""
    fields = [run("dpkg-deb", "-f", p, "Depends", "Recommends").stdout for p in packages]
    return hashlib.sha256("".join(sorted(fields)).encode()).hexdigest()[:16]


def make(cache, packages, also=()):
    """A fresh system with all in apt's cache that the packages need. Kept in the cache directory: made anew when what the
    packages need has changed. also: Debian packages that are installed in it."""
    os.makedirs(cache, exist_ok=True)
    wanted = f"{SUITE} {PACKAGES} {needs(packages)}"
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = _kept(cache, "base", wanted, lambda d: (_debootstrap(d), _fetch(d, packages)))
        if not also:
            return base
        return _kept(cache, "more", f"{wanted} {' '.join(also)}", lambda d: _more(base, d, also))


def _kept(cache, name, wanted, fill):
    """The directory of that name, filled if it is not what is wanted."""
    there, mark = os.path.join(cache, name), os.path.join(cache, f"{name}.is")
    if os.path.exists(mark):
        with open(mark) as f:
            if f.read() == wanted:
                return there
        os.unlink(mark)
    shutil.rmtree(there, ignore_errors=True)
    fill(there)
    with open(mark, "w") as f:
        f.write(wanted)
    return there


def _debootstrap(base):
    address, rows = mirror()
    # Mounts of its own: what debootstrap mounts is gone with it, whatever becomes of it.
    run("unshare", "--mount", "--", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", f"--keyring={KEYRING}", SUITE, base,
        address, timeout=900, env=os.environ | _proxies())
    with open(f"{base}/etc/apt/sources.list", "w") as f:
        f.write(_sources(rows))
    with open(f"{base}/etc/dpkg/dpkg.cfg.d/quick", "w") as f:
        f.write("force-unsafe-io\n")
    # No password, no questions at the first start.
    for name, text in (("hostname", "kiosk\n"), ("hosts", "127.0.0.1 localhost kiosk\n"), ("machine-id", "")):
        with open(f"{base}/etc/{name}", "w") as f:
            f.write(text)


@contextlib.contextmanager
def _borrowed(base, *names):
    """What this machine knows of its network, for as long."""
    taken = [n for n in names if os.path.exists(f"/{n}") and not os.path.lexists(f"{base}/{n}")]
    for name in taken:
        os.makedirs(os.path.dirname(f"{base}/{name}"), exist_ok=True)
        shutil.copy(f"/{name}", f"{base}/{name}")
    try:
        yield
    finally:
        for name in taken:
            os.unlink(f"{base}/{name}")


def _inside(base):
    """In front of a command that is to run in it while nothing else does."""
    return ["unshare", "--mount", "--", "chroot", base, "env", "-i", *(f"{k}={v}" for k, v in (ENV | _proxies()).items())]


def _fetch(base, packages):
    """Not installed: that apt finds all that is needed is the test's to see."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{base}/etc/resolv.conf")  # debootstrap's copy of this machine's
    os.makedirs(f"{base}/root/fetch")
    for package in packages:
        shutil.copy(package, f"{base}/root/fetch")
    names = [f"/root/fetch/{os.path.basename(p)}" for p in packages]
    inside = _inside(base)
    with _borrowed(base, "etc/resolv.conf", CERTIFICATES):
        run(*inside, "apt-get", "-q", "update", timeout=300)
        run(*inside, "apt-get", "-q", "-y", "--download-only", "install", *names, timeout=300)
    shutil.rmtree(f"{base}/root/fetch")


def _more(base, there, also):
    """Another one with these packages, none of their services running yet."""
    run("cp", "-a", "--reflink=auto", base, there, timeout=300)
    policy = f"{there}/usr/sbin/policy-rc.d"
    with open(policy, "w") as f:
        f.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    with _borrowed(there, "etc/resolv.conf", CERTIFICATES):
        run(*_inside(there), "apt-get", "-q", "-y", "--no-install-recommends", "install", *also, timeout=600)
    os.unlink(policy)
