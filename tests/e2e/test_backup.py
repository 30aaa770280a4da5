#!/usr/bin/python3
"""derivctl backup while people enroll, what it refuses, and derivctl restore on another machine: a second directory with
nothing in it but the programs. The phones find their deployment there, and people enroll."""

import os
import shutil
import sqlite3
import stat
import sys
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, OFFICER, UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()


class Elsewhere(Kiosk):
    """Another machine, to which a backup is brought."""

    def __init__(self, backup, port):
        super().__init__(start=False)
        self.backup, self.port = backup, port

    def init(self):
        for d in ("run", "lib", "log", "devices"):
            os.makedirs(self.at(d), exist_ok=True)
        for program in ("derivd", "derivd-ca"):
            os.makedirs(self.at(f"lib/{program}"))
            os.chown(self.at(f"lib/{program}"), UIDS[program], UIDS[program])
        self.said = self.ctl("restore", self.backup, uid=0).stdout
        self.configure()


def root(*words, where=None, **how):
    return (where or kiosk).ctl(*words, uid=0, **how)


def refused(text, *words, where=None):
    done = root(*words, where=where, check=False)
    tap.check(done.returncode != 0, f"{words} is not refused")
    tap.contains(done.stderr, text)


def flip(path, text):
    """One bit, in the middle of what a file holds."""
    with open(path, "r+b") as f:
        at = f.read().index(text)
        f.seek(at)
        f.write(bytes([text[0] ^ 1]))


def changed(name):
    """A copy of the backup, to be damaged."""
    to = kiosk.at(f"backups/{name}")
    shutil.copytree(WHOLE, to)
    return to


kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
os.makedirs(kiosk.at("backups"))
WHOLE = kiosk.at("backups/whole")
phone = kiosk.device("phone")
kiosk.provision(phone)
PHONE = kiosk.ctl_json("device", "list")[0]["id"]


@tap.test("only root takes a backup, and of nothing that is there")
def _():
    tap.contains(kiosk.ctl("backup", WHOLE, uid=OFFICER, check=False).stderr, "only root")
    refused("is there already", "backup", kiosk.at("backups"))


@tap.test("under load: enrollments go on, and each backup is whole")
def _():
    over, errors = threading.Event(), []

    def load():
        try:
            for n in range(4):
                device = kiosk.device(f"load-{n}")
                kiosk.provision(device)
                for d in kiosk.ctl_json("device", "list"):
                    if d["id"] != PHONE and d["state"] == "enrolled" and n % 2:
                        kiosk.ctl("device", "revoke", d["id"], uid=OFFICER)
                        break
        except Exception as e:  # the test says so below
            errors.append(e)
        over.set()

    thread = threading.Thread(target=load)
    thread.start()
    n, rows = 0, []
    while not over.is_set() or n == 0:
        to = kiosk.at(f"backups/load-{n}")
        root("backup", to)
        for part in (".", "store", "ca"):
            run("sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS", cwd=f"{to}/{part}")
        db = sqlite3.connect(f"{to}/store/derivd.db")
        rows.append(db.execute("SELECT max(sequence) FROM audit").fetchone()[0])
        db.close()
        n += 1
    thread.join()
    tap.equal(errors, [])
    tap.check(n > 1 and rows == sorted(rows) and rows[-1] > rows[0], f"{n} backups, of {rows} rows")


@tap.test("what it holds is root's, and has the log, the keys, the store and the configuration")
def _():
    root("backup", WHOLE)
    found = {}
    for folder, _, files in os.walk(WHOLE):
        for path in (folder, *(os.path.join(folder, f) for f in files)):
            st = os.lstat(path)
            tap.equal((st.st_uid, stat.S_IMODE(st.st_mode) & 0o077), (0, 0), path)
            found[os.path.relpath(path, WHOLE)] = st.st_size
    for name in ("etc.tar", "SHA256SUMS", "store/derivd.db", "store/manifest", "ca/log.db", "ca/keys/ca.key", "ca/keys/serial.key",
                 "ca/keys/receipt.key", "ca/manifest", "ca/public/ca.crt"):
        tap.check(found.get(name), f"{name} is not in it: {sorted(found)}")
    tap.equal([f for f in os.listdir(kiosk.at("backups")) if f.endswith(".part")], [])


@tap.test("derivd-ca's log is not older than the store: every head that it knows, and none that the store lacks")
def _():
    store = sqlite3.connect(f"{WHOLE}/store/derivd.db")
    log = sqlite3.connect(f"{WHOLE}/ca/log.db")
    for (serial,) in store.execute("SELECT serial FROM credential WHERE serial IS NOT NULL"):
        tap.equal(log.execute("SELECT count(*) FROM certificate WHERE serial = ?", (bytes.fromhex(serial),)).fetchone()[0], 1)
    store.close()
    log.close()


@tap.test("restore --check looks at a backup while the services run")
def _():
    tap.contains(root("restore", "--check", WHOLE).stdout, "audit rows")
    tap.equal(os.path.exists(kiosk.at("lib/derivd-ca/restore")) or os.path.exists(kiosk.at("lib/derivd/derivd.db.restore")), False)


@tap.test("a restore over services that run is refused, and one over what is there without --replace")
def _():
    refused("is there already", "restore", WHOLE)
    refused("stop the services", "restore", "--replace", WHOLE)
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


@tap.test("a backup of a release that wrote no sum of the configuration is taken, and that is said")
def _():
    older = changed("older")
    os.unlink(f"{older}/SHA256SUMS")
    done = root("restore", "--check", older)
    tap.contains(done.stderr, "no checksum of its configuration")
    tap.equal(root("restore", "--check", WHOLE).stderr, "", "of a backup that has one")
    shutil.rmtree(older)


@tap.test("a backup that was changed, or did not get to its end, is refused by name")
def _():
    kiosk.halt()
    for name in ("store/derivd.db", "ca/log.db", "ca/keys/ca.key", "ca/manifest"):
        bad = changed("bad")
        with open(f"{bad}/{name}", "r+b") as f:
            f.seek(-1, os.SEEK_END)
            last = f.read(1)
            f.seek(-1, os.SEEK_END)
            f.write(bytes([last[0] ^ 1]))
        refused(f"{name.split('/', 1)[1]} was changed", "restore", "--replace", bad)
        shutil.rmtree(bad)
    bad = changed("bad")
    flip(f"{bad}/etc.tar", b"operator-group")
    for how in ("--check", "--replace"):
        refused("etc.tar was changed", "restore", how, bad)
    os.unlink(f"{bad}/SHA256SUMS")
    os.truncate(f"{bad}/etc.tar", 3 * 512 + 100)  # within what it holds; a file of its own size ends in nothing but zeros
    refused("the configuration", "restore", "--check", bad)
    os.unlink(f"{bad}/etc.tar")
    refused("etc.tar", "restore", "--check", bad)
    refused("etc.tar", "restore", "--replace", bad)
    shutil.rmtree(bad)
    for part in ("store", "ca"):
        bad = changed("bad")
        os.unlink(f"{bad}/{part}/SHA256SUMS")
        refused("not a whole backup", "restore", "--replace", bad)
        shutil.copy(f"{WHOLE}/{part}/SHA256SUMS", f"{bad}/{part}/whole")
        with open(f"{bad}/{part}/whole") as whole, open(f"{bad}/{part}/SHA256SUMS", "w") as cut:
            cut.writelines(whole.readlines()[:-1])
        refused("SHA256SUMS was cut off", "restore", "--replace", bad)
        shutil.rmtree(bad)
    tap.check(not any("before-" in f for d in ("derivd", "derivd-ca") for f in os.listdir(kiosk.at(f"lib/{d}"))),
              "something was changed, although the backup is bad")


@tap.test("where a service may put links root follows none: neither to take a backup, nor to put one back")
def _():
    state, elsewhere = kiosk.at("lib/derivd-ca"), kiosk.at("elsewhere")
    os.makedirs(elsewhere, 0o755)
    kiosk.write("elsewhere/log.db", "root's own")
    os.symlink(elsewhere, f"{state}/restore")
    root("restore", "--check", WHOLE)
    tap.equal(os.listdir(elsewhere), ["log.db"])
    tap.check(not os.path.lexists(f"{state}/restore"), "the link is still there")
    for program, name in (("derivd-ca", "log.db"), ("derivd", "derivd.db")):
        db, kept = kiosk.at(f"lib/{program}/{name}"), kiosk.at(f"elsewhere/{name}.kept")
        shutil.copy(db, kept)
        os.chown(kept, 0, 0)
        os.chmod(kept, 0o600)
        os.rename(db, f"{db}.away")
        os.symlink(kept, db)
        done = run(kiosk.program(program), "backup", kiosk.at(f"backups/{program}"), check=False, env=kiosk.environment(program))
        tap.check(done.returncode == 1 and "root" not in done.stdout, f"{program}: {done.stdout}{done.stderr}")
        tap.equal(os.stat(kiosk.at(f"backups/{program}")).st_uid, UIDS[program])
        os.rename(f"{db}.away", db)


@tap.test("a restore that was killed is not in the way of the next, which brings another backup")
def _():
    left = kiosk.at("lib/derivd-ca/restore")
    os.makedirs(f"{left}/keys")
    for name in ("log.db", "log.db-wal", "log.db.lock", "keys/of-another.key"):
        kiosk.write(f"lib/derivd-ca/restore/{name}", "left")
    run("chown", "-R", str(UIDS["derivd-ca"]), left)
    tap.contains(root("restore", "--check", WHOLE).stdout, "log rows")
    tap.check(not os.path.exists(left), "it is still there")


@tap.test("one whose sums were made to fit again: the chain inside does not")
def _():
    bad = changed("bad")
    db = sqlite3.connect(f"{bad}/store/derivd.db")
    db.execute("UPDATE audit SET body = zeroblob(length(body)) WHERE sequence = 2")
    db.commit()
    db.close()
    db = sqlite3.connect(f"{bad}/ca/log.db")
    db.execute("UPDATE certificate SET not_after = not_after + 1")
    db.commit()
    db.close()
    for part, program in (("ca", "derivd-ca"), ("store", "derivd")):
        names = [line.split("  ", 1)[1] for line in open(f"{bad}/{part}/SHA256SUMS").read().splitlines()]
        sums = run("sha256sum", *names, cwd=f"{bad}/{part}").stdout
        with open(f"{bad}/{part}/SHA256SUMS", "w") as f:
            f.write(sums)
        done = run(kiosk.program(program), "restore", "--replace", f"{bad}/{part}", check=False,
                   env=kiosk.environment(program))
        tap.check(done.returncode == 1, done.stdout)
        tap.check("was changed" in done.stderr or "does not fit the chain" in done.stderr, done.stderr)
    shutil.rmtree(bad)


@tap.test("on another machine: the phone finds its deployment, and people enroll")
def _():
    with Elsewhere(WHOLE, kiosk.port) as other:
        other.start()
        tap.contains(other.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
        before = {d["id"] for d in other.ctl_json("device", "list")}
        tap.equal(len(before), 5)
        phone.start()
        wait_for("the phone", lambda: other.ctl_json("status")[0]["devices_connected"] == 1)
        other.insert(kiosk.card("bob", name="Bob Builder"))
        settled = other.provision(other.device("second"))[-1]
        tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)
        check = run(other.program("derivd-ca"), "check", env=other.environment("derivd-ca"), check=False)
        tap.contains(check.stdout, "rows hold together")
        device = next(d for d in other.ctl_json("device", "list") if d["state"] == "enrolled" and d["id"] in before)
        other.ctl("device", "revoke", device["id"], uid=OFFICER)
        wait_for("the revocation", lambda: other.ctl_json("device", "show", device["id"])[0]["state"] == "revoked")
        phone.stop()


@tap.test("on another machine it is said which files there the configuration misses, and what no backup has")
def _():
    with Elsewhere(WHOLE, kiosk.port) as other:
        tap.lacks(other.said, "missing on this machine")
        tap.contains(other.said, "Never in a backup")
    kiosk.configure(card='module = "/nowhere/vendor.so"\n')
    root("backup", kiosk.at("backups/vendor"))
    kiosk.configure(card="")
    with Elsewhere(kiosk.at("backups/vendor"), kiosk.port) as other:
        tap.contains(other.said, "missing on this machine")
        tap.contains(other.said, "/nowhere/vendor.so")


@tap.test("back in its own place with --replace, and what was there is kept")
def _():
    tap.lacks(root("restore", "--replace", WHOLE).stdout, "Never in a backup")
    tap.check(any(f.startswith("derivd.db.before-") for f in os.listdir(kiosk.at("lib/derivd"))), "the store before")
    tap.check(any(f.startswith("log.db.before-") for f in os.listdir(kiosk.at("lib/derivd-ca"))), "the log before")
    kiosk.start()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    kiosk.provision(kiosk.device("after"))


@tap.test("both put back to an earlier state together: what was kept elsewhere tells, and nothing else does")
def _():
    mark = kiosk.at("etc/mark.checkpoint")
    out = kiosk.ctl("audit", "checkpoint", uid=AUDITOR).stdout
    kiosk.write("etc/mark.checkpoint", out)
    tap.contains(kiosk.ctl("audit", "verify", "--checkpoint", mark, uid=AUDITOR).stdout, "1 checkpoints are in the chain")
    env = kiosk.environment("derivd-ca")
    tap.contains(run(kiosk.program("derivd-ca"), "check", "--checkpoint", mark, env=env, check=False).stdout,
                 "has grown from the checkpoint")
    at = out.index('body = "') + 200
    forged = kiosk.write("etc/forged.checkpoint", out[:at] + ("1" if out[at] == "0" else "0") + out[at + 1:])
    tap.equal(kiosk.ctl_error("audit", "verify", "--checkpoint", forged, uid=AUDITOR), "signature-invalid")
    tap.equal(kiosk.ctl_error("audit", "checkpoint", "--output", "/nowhere", uid=OFFICER), "denied")
    kiosk.halt()
    root("restore", "--replace", WHOLE)
    kiosk.start()
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")
    tap.equal(kiosk.ctl_error("audit", "verify", "--checkpoint", mark, uid=AUDITOR), "audit-broken")
    said = run(kiosk.program("derivd-ca"), "check", "--checkpoint", mark, env=env, check=False)
    tap.contains(said.stdout + said.stderr, "earlier state")


tap.run()
