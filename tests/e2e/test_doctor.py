#!/usr/bin/python3
"""derivctl doctor: each cause that can be provoked at a kiosk is named, apart from all others, with a remedy, and is gone when it is
mended."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, NOBODY, OFFICER, OPERATOR, UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
ADA = kiosk.card("ada", name="Ada Lovelace")
CHECKS = ["units", "derivd", "store", "clock", "audit", "ca", "crl", "change", "backup", "notices", "queue", "gateway", "certificate", "pcsc", "module",
          "card", "journal"]
OK, MONITOR_WARNING, MONITOR_CRITICAL, MONITOR_UNKNOWN, WARNED, FAULTS = 0, 1, 2, 3, 8, 9


def doctor(*words, uid=OPERATOR):
    done = kiosk.ctl("doctor", "--json", *words, uid=uid, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    seen = [r["check"] for r in rows if "check" in r]
    tap.equal(sorted(set(seen), key=seen.index), CHECKS, f"checks: {done.stdout}{done.stderr}")
    return done.returncode, rows


def found(*words, **how):
    """{(check, kind)} of all that is no good."""
    status, rows = doctor(*words, **how)
    bad = [r for r in rows if r["verdict"] in ("warning", "fault")]
    faults = [r for r in bad if r["verdict"] == "fault"]
    tap.equal(status, FAULTS if faults else WARNED if bad else OK, f"exit status with {bad}")
    for r in bad:
        tap.check(len(r["remedy"]) > 12, f"no remedy: {r}")
        tap.check(len(r["text"]) > 8, f"no text: {r}")
        tap.note(f"{r['check']}: {r['kind']}: {r['text']} | {r['remedy']}")
    return {(r["check"], r["kind"]) for r in bad}


def expect(*pairs, words=(), **how):
    tap.equal(found(*words, **how), set(pairs), "what doctor finds")


def expect_soon(*pairs, words=()):
    """What the services notice by themselves, a moment later."""
    wait_for(f"{pairs}", lambda: found(*words) == set(pairs), every=0.5)


@contextlib.contextmanager
def aside(path):
    os.rename(path, path + ".aside")
    try:
        yield path
    finally:
        if os.path.lexists(path):
            os.unlink(path)
        os.rename(path + ".aside", path)


@tap.test("a kiosk where all is well: nothing is found, for people, for programs, for monitoring")
def _():
    kiosk.insert(ADA)
    expect()
    done = kiosk.ctl("doctor")
    tap.contains(done.stdout, "0 faults, 0 warnings")
    done = kiosk.ctl("doctor", "--monitor")
    tap.equal(done.stdout, "DERIVD OK: nothing is wrong\n", "for monitoring")


@tap.test("somebody without a role learns less, and is not told that something is broken")
def _():
    _, rows = doctor(uid=NOBODY)
    tap.contains({(r["check"], r["verdict"], r["kind"]) for r in rows}, ("store", "skipped", "denied"), "rows")
    expect(uid=NOBODY)
    done = kiosk.ctl("doctor", "--monitor", uid=NOBODY, check=False)
    tap.equal((done.returncode, done.stdout), (MONITOR_UNKNOWN, "DERIVD UNKNOWN: derivd did not check itself\n"), "for monitoring")


@tap.test("roles that are not let to the readers are told so, once, and their monitoring is not woken by it")
def _():
    mode = stat.S_IMODE(os.stat(kiosk.at("run/card.sock")).st_mode)
    os.chmod(kiosk.at("run/card.sock"), 0o600)  # as its unit has it for all but operators
    for uid in (AUDITOR, OFFICER):
        _, rows = doctor(uid=uid)
        skipped = {(r["check"], r["text"].partition(",")[0]) for r in rows if r["verdict"] == "skipped" and r.get("kind") == "denied"}
        tap.contains(skipped, ("pcsc", "card readers are for members of the group derivd-operator"), "rows")
        expect(uid=uid)
        done = kiosk.ctl("doctor", "--monitor", uid=uid, check=False)
        tap.equal((done.returncode, done.stdout), (OK, "DERIVD OK: nothing is wrong\n"), "for monitoring")
    os.chmod(kiosk.at("run/card.sock"), mode)


@tap.test("where nothing was set up there is one fault, with the command that does it")
def _():
    empty = kiosk.at("nowhere")
    os.makedirs(empty)
    env = {**os.environ, "CONFIGURATION_DIRECTORY": empty, "RUNTIME_DIRECTORY": empty, "LC_ALL": "C"}
    done = run(kiosk.program("derivctl"), "doctor", "--json", check=False, env=env)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    tap.equal([(r["check"], r["kind"]) for r in rows if r["verdict"] == "fault"], [("derivd", "not-set-up")], "faults")
    tap.contains(done.stdout, "derivctl setup", "what to do")


@tap.test("no pcscd, a pcscd that refuses us, no reader: three causes")
def _():
    name = kiosk.rig.socket
    with aside(name):
        expect(("pcsc", "pcsc-unreachable"))
        # As pcscd does when polkit says no: the connection is taken, and ended.
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(name)
            os.chmod(name, 0o666)
            s.listen()

            def refuse():
                with contextlib.suppress(OSError):
                    while True:
                        s.accept()[0].close()

            thread = threading.Thread(target=refuse, daemon=True)
            thread.start()
            expect(("pcsc", "pcsc-denied"))
            done = kiosk.ctl("doctor", "--monitor", check=False)
            tap.equal(done.returncode, MONITOR_CRITICAL, "exit status for monitoring")
            tap.check(re.fullmatch(r"DERIVD CRITICAL: pcsc-denied: .*\n", done.stdout), done.stdout)
            s.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    mode = stat.S_IMODE(os.stat(name).st_mode)
    os.chmod(name, 0o600)
    expect(("pcsc", "pcsc-denied"))
    os.chmod(name, mode)
    expect()
    kiosk.rig.remove_reader("r0")
    expect(("pcsc", "no-reader"))
    kiosk.rig.add_reader("r0")
    kiosk.insert(ADA)
    expect()


@tap.test("a silent card: turning it tells whether it lay the wrong way round or is broken")
def _():
    silent = kiosk.card("silent", atr="none")
    kiosk.insert(silent)
    expect(("card", "card-mute"))
    # Somebody turns it, and it answers; somebody turns one that does not.
    for card, pair in ((ADA, ("card", "card-wrong-way")), (silent, ("card", "card-mute"))):
        kiosk.insert(silent)
        timer = threading.Timer(2, lambda c=card: kiosk.insert(c))
        timer.start()
        expect(pair, words=("--turn-card", "30"))
        timer.join()
    kiosk.insert(ADA)
    expect()


@tap.test("an unknown card, one whose PIN is locked, one with a last try, one that another program holds")
def _():
    kiosk.write("cards/empty/card.conf", "")
    with open(kiosk.at("cards/empty/5FC107"), "wb") as f:
        f.write(bytes.fromhex("5302FE00"))
    kiosk.insert(kiosk.at("cards/empty"))
    expect(("card", "unknown-card"))
    kiosk.insert(ADA)
    kiosk.reader.ctl("tries 1")
    expect(("card", "pin-last-try"))
    kiosk.reader.ctl("lock")
    expect(("card", "pin-locked"))
    expect(words=("--no-card",))
    kiosk.reader.ctl("tries 3")
    with kiosk.reader.hold(True):
        expect()
    expect()


@tap.test("a module that is not there, and one that is none")
def _():
    for module in ("/nowhere/none.so", "/bin/true", "/usr/lib/x86_64-linux-gnu/libc.so.6"):
        kiosk.configure(card=f'module = "{module}"')
        if module == "/usr/lib/x86_64-linux-gnu/libc.so.6" and not os.path.exists(module):
            continue
        for words in ((), ("--no-card",)):
            pairs = found(*words)
            tap.check(("module", "module") in pairs and pairs <= {("module", "module"), ("card", "module")}, f"{module}: {pairs}")
    kiosk.configure(card="")
    expect()


@tap.test("a key of derivd-ca is missing")
def _():
    for name in ("ca.key", "delivery.key"):
        with aside(kiosk.at(f"lib/derivd-ca/keys/{name}")):
            kiosk.kill("derivd-ca")
            expect_soon(("ca", "ca-key-missing"))
        kiosk.kill("derivd-ca")
        expect_soon()


@tap.test("a CRL that cannot be fetched, and one that is out of date")
def _():
    device = kiosk.device("phone")
    kiosk.provision(device)
    cache = kiosk.at("lib/derivd-ca/cache")
    for name in os.listdir(cache):
        if name.endswith(".crl"):
            os.unlink(f"{cache}/{name}")
    expect()
    kiosk.web.down()
    expect(("crl", "crl-unreachable"))
    kiosk.web.up()
    run(os.path.join(HERE, "../fixtures/make-card"), "crl", kiosk.at("pki"), "--hours", 1, "--ago", 2)
    kiosk.publish()
    expect(("crl", "crl-stale"))
    run(os.path.join(HERE, "../fixtures/make-card"), "crl", kiosk.at("pki"))
    kiosk.publish()
    expect()


@tap.test("the gateway: away, its certificate about to end, its key another one")
def _():
    pem, key = kiosk.at("etc/gateway/gateway.pem"), kiosk.at("etc/gateway/gateway.key")
    kept = kiosk.at("kept")
    os.makedirs(kept)
    for f in (pem, key):
        shutil.copy2(f, kept)

    def certificate(by, days):
        run("openssl", "req", "-x509", "-key", by, "-days", days, "-subj", "/CN=gateway", "-out", pem)
        os.chmod(pem, 0o644)
        kiosk.kill("derivd-gateway")

    try:
        certificate(key, 5)
        expect_soon(("certificate", "certificate-ends"))
        run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key)
        os.chown(key, UIDS["derivd-gateway"], UIDS["derivd-gateway"])
        os.chmod(key, 0o600)
        certificate(key, 365)
        expect_soon(("certificate", "pinned-key-changed"))
        os.chmod(key, 0o644)
        os.unlink(key)
        kiosk.kill("derivd-gateway")
        wait_for("a gateway that is away", lambda: {("gateway", "gateway-away"), ("gateway", "gone")} & found(), every=0.5)
        pairs = found()
        tap.check(("certificate", "gateway-unreachable") in pairs, f"{pairs}")
    finally:
        for name in ("gateway.pem", "gateway.key"):
            shutil.copy2(f"{kept}/{name}", kiosk.at(f"etc/gateway/{name}"))
        os.chown(key, UIDS["derivd-gateway"], UIDS["derivd-gateway"])
        kiosk.kill("derivd-gateway")
    wait_for("the gateway", lambda: not found(), every=0.5)


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def rewrite(program):
    """The program, as if built from other sources."""
    path = kiosk.program(program)
    shutil.copy2(path, path + ".right")
    build = re.search(r"build (\w{40})", run(kiosk.program("derivctl"), "--version").stdout).group(1).encode()
    with open(path, "rb") as f:
        text = f.read()
    tap.check(build in text, f"{program} has no build id")
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(text.replace(build, build[::-1]))
    os.chmod(path, 0o755)


@tap.test("a program of another build, whichever it is")
def _():
    for program, check in (("derivd-ca", "ca"), ("derivd-gateway", "gateway"), ("derivd-card", "pcsc"), ("derivd", "derivd")):
        old = kiosk.pids(program)
        rewrite(program)
        try:
            kill(old)
            wait_for(f"{program} of another build", lambda c=check: (c, "other-build") in found(), every=0.5)
        finally:
            old = kiosk.pids(program)
            os.replace(kiosk.program(program) + ".right", kiosk.program(program))
            kill(old)
        wait_for("all to be well", lambda: not found(), every=0.5)


def store(sql):
    kiosk.kill("derivd", signal.SIGSTOP)  # nobody else writes
    with contextlib.closing(sqlite3.connect(kiosk.at("lib/derivd/derivd.db"))) as db, db:
        db.execute(sql)
        value = db.execute("PRAGMA user_version").fetchone()[0]
    kiosk.kill("derivd")
    return value


@tap.test("a store of a newer release, and one that cannot be written: said although derivd cannot come up")
def _():
    version = store("PRAGMA user_version = 999")
    tap.equal(version, 999, "schema")
    expect_soon(("derivd", "store-newer"))
    tap.equal(kiosk.ctl_error("queue", "list"), "store-newer", "what other commands say")
    store("PRAGMA user_version = %d" % SCHEMA)
    expect_soon()
    path = kiosk.at("lib/derivd/derivd.db")
    os.chmod(path, 0o400)
    kiosk.kill("derivd")
    expect_soon(("derivd", "store-read-only"))
    os.chmod(path, 0o600)
    kiosk.kill("derivd")
    expect_soon()


@tap.test("the clock behind the newest record")
def _():
    newest = "(SELECT max(sequence) FROM audit)"
    store(f"UPDATE audit SET newest_ms = newest_ms + 3600000 WHERE sequence = {newest}")
    # derivd records its start, as of now: the newest time stays the one of before.
    expect_soon(("clock", "clock-behind"))
    store("UPDATE audit SET newest_ms = newest_ms - 3600000 WHERE newest_ms > 1000 * unixepoch() + 1800000")
    expect_soon()


@tap.test("there is no backup, then there is one, then it is too old; status and metrics say the same")
def _():
    tap.equal(kiosk.ctl_json("status")[0].get("backup_ms", 0), 0, "never")
    # The chain counts where there is no backup: this kiosk is older than a second.
    kiosk.configure(derivd='backup-age = "1s"\n')
    kiosk.kill("derivd", signal.SIGHUP)
    expect_soon(("backup", "backup-old"))
    kiosk.configure(derivd="")
    kiosk.kill("derivd", signal.SIGHUP)
    kiosk.ctl("backup", kiosk.at("backup"), uid=0)
    expect()
    taken = kiosk.ctl_json("status")[0]["backup_ms"]
    tap.check(abs(taken / 1000 - time.time()) < 3600, f"{taken} is now")
    # As it will be in a month.
    kiosk.write("lib/derivd/last-backup", f"{taken - 30 * 86400 * 1000}\n")
    expect(("backup", "backup-old"))
    tap.contains(kiosk.ctl("doctor", check=False).stdout, "derivctl backup", "remedy")
    os.unlink(kiosk.at("lib/derivd/last-backup"))
    expect()


@tap.test("something in the queue waits for somebody")
def _():
    with aside(kiosk.at("lib/derivd-ca/keys/ca.key")):
        kiosk.kill("derivd-ca")
        expect_soon(("ca", "ca-key-missing"))
        device = kiosk.device("second")
        with kiosk.session("--yes", "--no-wait") as s:
            device.enroll(s.uri())
            s.type(device.digits())
            s.rest()
        expect_soon(("ca", "ca-key-missing"), ("queue", "queue-blocked"))
    kiosk.kill("derivd-ca")
    expect_soon(("queue", "queue-blocked"))
    kiosk.ctl("queue", "retry")
    device.wait()
    expect_soon()


@tap.test("a full disk")
def _():
    lib, kept = kiosk.at("lib/derivd"), kiosk.at("lib/kept")
    for d in kiosk.devices:
        d.stop()
    kiosk.halt()
    run("cp", "-a", lib, kept)
    run("mount", "-t", "tmpfs", "-o", f"size=24m,mode=0700,uid={UIDS['derivd']},gid={UIDS['derivd']}", "none", lib)
    run("cp", "-a", kept + "/.", lib)
    try:
        kiosk.start()
        with open(f"{lib}/ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))

        def filled():
            # What SQLite has of the disk already is used first.
            kiosk.ctl("queue", "retry", check=False)
            return found() == {("store", "store-full")}

        wait_for("a full store", filled)
        os.unlink(f"{lib}/ballast")
        expect_soon()
    finally:
        kiosk.halt()
        shutil.rmtree(kept)
        run("cp", "-a", lib, kept)
        run("umount", lib)
        shutil.rmtree(lib)
        os.rename(kept, lib)
        kiosk.start()


@tap.test("nothing is left behind by all this")
def _():
    expect()


SCHEMA = kiosk.ctl_json("status")[0]["schema"]
tap.run()
