#!/usr/bin/python3
"""The journal's catalogue against what the programs log: each message id has an entry, each entry a cause and a remedy, nothing is
logged without an id, and journald's own compiler takes the file."""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from tap import Tap  # noqa: E402

tap = Tap()
CATALOG = os.path.join(SOURCE, "systemd/derivd.catalog")
# daemon/spawn is for development and never logs to a journal.
PRODUCT = ("base", "proto", "evidence", "pkcs11", "daemon/core", "daemon/ca", "daemon/courier", "daemon/gateway")


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def entries():
    """Message id: (header fields, body)."""
    found = {}
    for part in re.split(r"^-- (?=[0-9a-f]{32}$)", read(CATALOG), flags=re.M)[1:]:
        number, rest = part.split("\n", 1)
        header, body = rest.split("\n\n", 1)
        tap.check(number not in found, f"{number} is there twice")
        found[number] = (dict(line.split(": ", 1) for line in header.splitlines()), body)
    return found


def logged():
    """Message id: what has it."""
    found = {}
    for path, pattern in (("daemon/core/event.def", r'^EVENT\((\w+),\s*"[^"]+",\s*\w+,\s*"([^"]+)"\)'),
                          ("base/note.def", r'^NOTE\((\w+),\s*\w+,\s*"([^"]+)"\)'),
                          ("base/note.def", r'^FAULT\("([^"]*)",\s*"([^"]+)"\)')):
        for name, number in re.findall(pattern, read(path), re.M):
            tap.check(re.fullmatch("[0-9a-f]{32}", number), f"{name}: {number} is no message id")
            tap.check(number not in found, f"{name} has the id of {found.get(number)}")
            found[number] = name
    return found


@tap.test("each message id has an entry, and each entry is of a message id")
def _():
    have, want = entries(), logged()
    tap.check(len(want) > 100, f"only {len(want)} message ids are found in the tables")
    for number, name in want.items():
        tap.check(number in have, f"{name} ({number}) has no entry")
    for number, (header, _) in have.items():
        tap.check(number in want, f"nothing logs {number}: {header['Subject']}")


@tap.test("each entry says what it is, why it comes and what to do")
def _():
    for number, (header, body) in entries().items():
        tap.check(5 < len(header.get("Subject", "")) < 130, f"{number}: subject {header.get('Subject')}")
        tap.equal(header.get("Defined-By"), "derivd", number)
        tap.check(re.search(r"^Cause: \S", body, re.M), f"{number} has no cause")
        tap.check(re.search(r"^Remedy: \S", body, re.M), f"{number} has no remedy")


@tap.test("each error kind has an id of its own")
def _():
    kinds = set(re.findall(r'^KIND\(\w+,\s*"([^"]+)"', read("proto/kind.def"), re.M))
    kinds |= set(re.findall(r'struct err_kind ERR_\w+ = \{ "([^"]+)"', read("base/err.c")))
    faults = re.findall(r'^FAULT\("([^"]*)"', read("base/note.def"), re.M)
    tap.equal(sorted(faults), sorted(kinds | {""}), "kinds in note.def")
    tap.equal(faults[-1], "", "the last one stands for what is not in the list")


@tap.test("nothing is logged without an id")
def _():
    n = 0
    for room in PRODUCT:
        for name in sorted(os.listdir(os.path.join(SOURCE, room))):
            if not name.endswith(".c") or f"{room}/{name}" == "base/log.c":
                continue
            text = read(f"{room}/{name}")
            bare = re.findall(r"\blog_(?:info|warning)\(|\blog_event\([^;]*?NULL, NULL,", text)
            tap.equal(bare, [], f"{room}/{name}")
            n += len(re.findall(r"\blog_(?:note|error|event)\(", text))
    tap.check(n > 30, f"only {n} places that log were found")


@tap.test("fields that the entries name are fields that are logged")
def _():
    fields = set()
    for room in PRODUCT:
        for name in sorted(os.listdir(os.path.join(SOURCE, room))):
            if name.endswith(".c"):
                fields |= set(re.findall(r'\{ "([A-Z_]+)", ', read(f"{room}/{name}")))
    for part in re.findall(r"\bDERIVD_([A-Z_]+)|@DERIVD_([A-Z_]+)@", read(CATALOG)):
        tap.check((part[0] or part[1]) in fields, f"DERIVD_{part[0] or part[1]} is logged nowhere")


@tap.test("journalctl compiles it, and finds each entry again")
def _():
    tap.need("journalctl")
    with tempfile.TemporaryDirectory() as root:
        # A root of its own has its own database; the systemd that builds it need not run.
        os.makedirs(f"{root}/usr/lib/systemd/catalog")
        os.makedirs(f"{root}/var/lib/systemd/catalog")
        with open(f"{root}/usr/lib/systemd/catalog/derivd.catalog", "w", encoding="utf-8") as f:
            f.write(read(CATALOG))
        done = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, text=True, timeout=60)
        tap.equal((done.returncode, done.stderr), (0, ""), "journalctl --update-catalog")
        done = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], capture_output=True, text=True, timeout=60)
        listed = dict(line.split(" derivd: ", 1) for line in done.stdout.splitlines())
        tap.equal({k: v.strip() for k, v in listed.items()}, {k: v[0]["Subject"] for k, v in entries().items()}, "the database")


tap.run()
