#!/usr/bin/python3
"""derivctl in the hands of an operator who never read the manual: each command with too little, too much and nonsense, without
the role, with services that are away or misconfigured, into a pipe that closes and onto a full disk."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, NOBODY, OFFICER, OPERATOR, Kiosk  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk(crl="files"))
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
COMMANDS = ("status", "doctor", "readers", "card show", "provision", "issue", "request list", "request show", "request cancel",
            "device list", "device show", "device revoke", "credential list", "credential show", "credential revoke",
            "queue list", "queue show", "queue retry", "evidence show", "evidence verify", "audit show", "audit verify",
            "watch")


def says(words, status, *parts, uid=OPERATOR, **how):
    """Ends so, and says so: a person in words, a program in JSON."""
    done = kiosk.ctl(*words, uid=uid, check=False, **how)
    tap.equal(done.returncode, status, f"exit status of {words}: {done.stdout}{done.stderr}")
    for part in parts:
        tap.contains(done.stdout + done.stderr, part, f"{words}")
    done = kiosk.ctl("--json", *words, uid=uid, check=False, **how)
    tap.equal(done.returncode, status, f"exit status of {words} with --json: {done.stdout}{done.stderr}")
    last = [json.loads(line) for line in done.stdout.splitlines()][-1:]
    tap.check(status == 0 or last and last[0]["error"]["text"], f"{words} with --json: {done.stdout}")


def shell(line):
    """A line of bash; ctl is derivctl."""
    ctl = " ".join(kiosk.ctl_command())
    return subprocess.run(["bash", "-c", f"ctl() {{ {ctl} \"$@\"; }}; {line}"], capture_output=True, text=True, timeout=60,
                          **kiosk.as_person(AUDITOR))


@tap.test("help, wherever it is asked for")
def _():
    for words in ((), ("--help",), ("-h",), ("help",), ("device", "--help"), ("device", "-h")):
        done = kiosk.ctl(*words)
        for command in COMMANDS:
            tap.contains(done.stdout, f"  {command} ", f"{words}")
    for command in COMMANDS:
        for how in ("-h", "--help"):
            tap.contains(kiosk.ctl(*command.split(), how).stdout, f"usage: derivctl {command} ", command)


@tap.test("too few words, too many, unknown ones: said, with the usage, and with status 2")
def _():
    for command in COMMANDS:
        says(command.split() + ["--nonsense"], 2, "--nonsense", f"usage: derivctl {command}", uid=0)
        says(command.split() + ["a", "b"], 2, "one word too many", f"usage: derivctl {command}", uid=0)
        if command.split()[-1] in ("show", "cancel", "revoke") and command not in ("card show", "audit show"):
            says(command.split(), 2, "something is missing", f"usage: derivctl {command}", uid=0)
    for words, part in ((("nonsense",), "no command 'nonsense'"), (("device",), "list, show, revoke"),
                        (("device", "nonsense"), "list, show, revoke"), (("--nonsense",), "--nonsense"),
                        (("request", "show", "xyz"), "no id"), (("issue",), "--device"),
                        (("card", "show", "--reader", "a\tb"), "--reader"), (("card", "show", "--uri", "x" * 2000), "--uri"),
                        (("provision", "--show-uri", "--purposes", "signing,nonsense"), "nonsense"),
                        (("provision", "--show-uri", "--pin-fd", "88"), "--pin-fd"),
                        (("provision", "--wait-card", "soon"), "--wait-card"), (("provision",), "--show-uri"),
                        (("evidence", "verify", "no/file"), "neither a file nor"),
                        (("credential", "revoke", "ab", "--reason", "nonsense"), "nonsense")):
        says(words, 2, part)


@tap.test("what is not there, and what is not what it should be")
def _():
    for words in (("request", "show"), ("request", "cancel"), ("device", "show"), ("credential", "show"), ("queue", "show"),
                  ("evidence", "show"), ("device", "revoke"), ("credential", "revoke")):
        says(words + ("abcd",), 3, "abcd", uid=0)
    says(("evidence", "verify", "/etc/passwd"), 3, "no evidence file")
    says(("readers", "--plain"), 0, "PRESENT")
    says(("card", "show", "--reader", "nonsense"), 3, "derivctl readers")


@tap.test("without the role: refused with the group to ask for; status is for everybody")
def _():
    groups = {"operator": "47301", "officer": "47302", "auditor": "47303"}
    for words, who, role in (("request list", NOBODY, "operator"), ("watch", NOBODY, "auditor"),
                             ("queue retry", NOBODY, "operator"), ("device revoke ab", OPERATOR, "officer"),
                             ("credential revoke ab", AUDITOR, "officer"), ("audit verify", OFFICER, "auditor"),
                             ("evidence show ab", OPERATOR, "auditor")):
        says(words.split(), 3, groups[role], "derivd-" + role, uid=who)
    says(("status",), 0, "CA ready", uid=NOBODY)


@tap.test("a pipe whose reader has enough ends the command; a full disk is said")
def _():
    for line in ("ctl audit show", "ctl --json audit show", "ctl watch", "ctl --json watch"):
        done = shell(f"set -o pipefail; {line} | head -1")
        tap.equal(done.stdout.count("\n"), 1, f"lines of {line}")
        tap.check(done.returncode in (0, 6), f"exit status of {line}: {done.returncode} {done.stderr}")
    done = shell("ctl watch | head -1; echo ${PIPESTATUS[0]}")
    tap.equal(done.stdout.split()[-1], "6", "exit status of a watch that nobody reads")
    for line in ("ctl audit show", "ctl --json audit show"):
        done = shell(f"{line} > /dev/full")
        tap.equal(done.returncode, 1, f"exit status of {line}")
        tap.contains(done.stderr, "cannot be written", line)


@tap.test("a card.conf that is wrong, and services that are away: what and where")
def _():
    kiosk.write("etc/card.conf", "modul = x\n")
    for words in (("readers",), ("card", "show"), ("provision", "--show-uri")):
        says(words, 5, "card.conf:1", "modul")
    kiosk.write("etc/card.conf", "")
    says(("readers",), 0)
    kiosk.halt()
    for words in (("status",), ("request", "list"), ("watch",), ("readers",), ("provision", "--show-uri")):
        says(words, 4, "not running", "systemctl status")


tap.run()
