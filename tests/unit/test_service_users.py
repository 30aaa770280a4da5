#!/usr/bin/python3
"""Each service has a user of its own, which the packages make: what one of them holds, its neighbours cannot look into."""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from tap import Tap  # noqa: E402

tap = Tap()
# One room, two ways in: officers' and derivd's questions are answered from the same log. And one exporter, two ways out.
SHARED = {"derivd-ca": {"derivd-ca@", "derivd-ca-officer@"}, "derivd-metrics": {"derivd-metrics", "derivd-metrics@"}}


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def services():
    """Unit to its User=, Group= (which is absent where it is the user's)."""
    found = {}
    for path in glob.glob(os.path.join(SOURCE, "systemd/*.service.in")):
        text = read(path)
        names = [re.findall(rf"^{key}=(.*)$", text, re.M) for key in ("User", "Group")]
        found[os.path.basename(path)[:-len(".service.in")]] = [n[0] if n else None for n in names]
    return found


@tap.test("no two services share a user, but those that are one room")
def _():
    users = {}
    for unit, (user, group) in services().items():
        tap.check(user and user != "root", f"{unit} has no user")
        tap.check(group in (user, None), f"{unit}: group {group}")
        users.setdefault(user, set()).add(unit)
    tap.check(len(users) >= 7, f"{users}")
    tap.equal({u: s for u, s in users.items() if len(s) > 1}, SHARED, "who shares a user")


@tap.test("sysusers.d makes each of them, and no other")
def _():
    made = set(re.findall(r"^u (\S+)", read("systemd/sysusers.conf"), re.M))
    tap.equal(made, {user for user, _ in services().values()}, "users")


@tap.test("the mail server's password is handed to who mails, and to nobody else")
def _():
    units = [os.path.basename(p) for p in glob.glob(os.path.join(SOURCE, "systemd/*.service.in")) if "smtp-password" in read(p)]
    tap.equal(units, ["derivd-notice@.service.in"], "units")


tap.run()
