#!/usr/bin/python3
"""Whether machines can be made and run here: silent if so, else the reason in one line, and exit status 1.

A container has often no right to mount, no control groups, or no way to a mirror: that says nothing about derivd.
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import system  # noqa: E402
from kiosk import KioskError, run  # noqa: E402
from machine import ControlGroup, nspawn  # noqa: E402

PROGRAMS = ("debootstrap", "systemd-nspawn", "unshare", "nsenter", "ip", "apt-get", "dpkg-deb", "dpkg-buildpackage", "dh")
MINUTE = 60


def programs():
    missing = [p for p in PROGRAMS if not shutil.which(p, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    if missing:
        raise KioskError(f"not installed: {' '.join(missing)} (contrib/deps kiosk)")


def network():
    run("unshare", "--net", "--", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")


def container():
    """systemd-nspawn, called as for a machine: a root that has nothing but this machine's programs."""
    directory = tempfile.mkdtemp(prefix="derivd-probe-", dir="/tmp")
    group = None
    try:
        root = os.path.join(directory, "root")
        for d in ("usr", "etc", "proc", "sys", "dev", "run", "tmp", "var"):
            os.makedirs(f"{root}/{d}")
        for d in ("bin", "sbin", "lib", "lib64"):
            os.symlink(f"usr/{d}", f"{root}/{d}")
        group = ControlGroup(os.path.basename(directory))
        if not group.dirs:
            raise KioskError("no control groups that systemd can use")
        run(*nspawn(root, "probe", "--bind-ro=/usr", "--as-pid2", "/bin/true"), preexec_fn=group.enter, timeout=MINUTE)
    finally:
        if group:
            group.remove()
        shutil.rmtree(directory, ignore_errors=True)


def why_not():
    if os.geteuid() != 0:
        return "needs root: it makes a system, and boots it"
    for what, probe in (("programs", programs), ("a mirror", system.reach), ("networks", network), ("a container", container)):
        try:
            probe()
        except (KioskError, OSError, subprocess.SubprocessError) as e:
            said = str(e).partition("\n")[2] or str(e)
            return f"{what}: {' '.join(said.split())[-300:]}"
    return None


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print(reason)
        sys.exit(1)
