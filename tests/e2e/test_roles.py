#!/usr/bin/python3
"""derivctl roles: who may do what, told to everybody, and true."""

import grp
import os
import pwd
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, GROUPS, MONITOR, NOBODY, OFFICER, OPERATOR, Kiosk  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = Kiosk(start=False, crl="files")
tap.use(kiosk)
# A group that every system has, with a user whose own group it is.
DAEMON = pwd.getpwnam("daemon")
kiosk.configure(derivd='monitor-group = "daemon"\n', ca=f'approval {{\n\tgroup = "{GROUPS[OFFICER]}"\n}}\n')
kiosk.start()

PEOPLE = {"operator": OPERATOR, "officer": OFFICER, "auditor": AUDITOR}
# A command behind each thing that a role may allow, on something that is not there.
NONE = "0" * 32
TRIES = {
    "request, device, credential, queue: list, show; pins": ("pins",),
    "request cancel": ("request", "cancel", NONE),
    "queue retry": ("queue", "retry", NONE),
    "device revoke": ("device", "revoke", NONE),
    "credential revoke": ("credential", "revoke", NONE),
    "change show, change approve, change list": ("change", "show"),
    "evidence show, evidence verify": ("evidence", "show", NONE),
    "audit checkpoint": ("audit", "checkpoint", "--output", "/dev/null/x"),
}


def roles(uid):
    return {r["role"]: r for r in kiosk.ctl_json("roles", uid=uid)}


def denied(uid, words):
    return '"denied"' in kiosk.ctl("--json", *words, uid=uid, check=False).stdout


@tap.test("everybody is told, and which roles they have")
def _():
    for name, uid in PEOPLE.items():
        tap.equal([r for r, row in roles(uid).items() if row["yours"]], [name], f"roles of the {name}")
    tap.equal([r for r, row in roles(NOBODY).items() if row["yours"]], [], "roles of nobody")
    tap.equal([r for r, row in roles(0).items() if row["yours"]], ["operator", "officer", "auditor", "monitor"], "of root")
    text = kiosk.ctl("roles", uid=OPERATOR).stdout
    tap.contains(text, "operator (you are)")
    tap.contains(text, "device revoke")
    tap.contains(text, "root has all roles")


@tap.test("the members of a group are those that it names and those whose own group it is")
def _():
    row = roles(NOBODY)["monitor"]
    tap.equal(row["group"], "daemon", "group")
    tap.check("daemon" in row["members"], f"members: {row['members']}")
    there = GROUPS[OFFICER] in {g.gr_gid for g in grp.getgrall()}
    tap.equal(roles(NOBODY)["officer"]["members"], [] if there else None, "members of a group that is not there, or empty")


@tap.test("what is said is what derivd does: allowed is not refused, and the rest is")
def _():
    said = roles(NOBODY)
    for name, uid in PEOPLE.items():
        for what, words in TRIES.items():
            tap.equal(denied(uid, words), what not in said[name]["may"], f"{name} refused for {what}")
    tap.check(all(denied(NOBODY, words) for words in TRIES.values()), "somebody without a role may do something")
    tap.check(denied(MONITOR, ("pins",)), "who is in no group any more is let in")


tap.run()
