#!/usr/bin/python3
"""Where secrets are not. While a person enrolls, the memory of derivd and of derivd-gateway is read again and again; afterwards
all that the services wrote is searched, for the PIN, for the invitation's seed, and for every private key of the device."""

import base64
import hashlib
import os
import re
import stat
import sys
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from between import Between, fields, record, take_store  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from gateway import one  # noqa: E402
from kiosk import UIDS, WAIT, Kiosk, run, wait_for  # noqa: E402
from pki import openssl, read  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
PIN = "73915046"
SERVICES = ("derivd", "derivd-gateway")
SEALED_KEY = 2


# ---- looking

def memory(pid):
    """Everything that the process could read itself."""
    out = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if rights[0] != "r" or "[v" in line:  # the kernel's own pages
                continue
            mem.seek(int(begin, 16))
            out.append(mem.read(int(end, 16) - int(begin, 16)))
    return b"\n".join(out)


class Snapshots:
    """(moment, program, its memory)"""

    def __init__(self):
        self.taken = []

    def take(self, moment):
        for program in SERVICES:
            for pid in kiosk.pids(program):
                self.taken.append((moment, program, memory(pid)))

    def where(self, patterns, moments=None):
        return sorted({f"{program} at \"{moment}\"" for moment, program, image in self.taken
                       if (moments is None or moment in moments) and any(p in image for p in patterns)})


def written():
    """All files that the services wrote or that were written for them, and their bytes. What is renamed or removed while this
    looks, as SQLite's and the courier's files are, is found under its other name or is not there."""
    for top in ("lib/derivd", "lib/derivd-ca", "log", "run", "etc"):
        for d, _, names in os.walk(kiosk.at(top)):
            for name in names:
                path = os.path.join(d, name)
                try:
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        yield path, read(path)
                except FileNotFoundError:
                    continue
    yield kiosk.at("log/journal"), kiosk.services.said()


def files_with(patterns):
    return sorted(os.path.relpath(p, kiosk.dir) for p, data in written() if any(x in data for x in patterns))


def forms(secret):
    """Raw, as OpenSSL's numbers lie in memory, and in the usual writings."""
    return [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret).rstrip(b"="),
            base64.urlsafe_b64encode(secret).rstrip(b"=")]


def key_forms(key):
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    old = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    return [*forms(scalar), pem.split(b"\n")[1], old.split(b"\n")[1], old.split(b"\n")[2]]


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# ---- one enrollment, watched

with open(f"/proc/{kiosk.pids('derivd')[0]}/maps") as mapped:
    if "libasan" in mapped.read():
        print("1..0 # SKIP a sanitizer keeps gigabytes of memory that would all have to be searched")
        sys.exit(0)
kiosk.insert(kiosk.card("ada", name="Ada Lovelace", pin=PIN))
snapshots = Snapshots()
sealed = {}  # whom: bytes
opened = []
may_reveal = threading.Event()


def hear_ca(m):
    if m.name == "CA_MADE":
        f = fields(m.body)
        sealed.update(device=one(f, 2), history=one(f, 3), escrow=one(f, 4))
    return [m]


def hear_gateway(m):
    if m.inner == "DEVICE_REVEAL":
        may_reveal.wait(WAIT)
    if m.inner == "DEVICE_OPENED":
        opened.append(one(fields(m.inner_body), 1))
    if m.inner == "DEVICE_ITEMS" and m.inner_body:
        snapshots.take("items")
    return [m]


ca, gateway = tap.use(Between(kiosk, "ca")), tap.use(Between(kiosk, "gateway"))
ca.hook, gateway.hook = hear_ca, hear_gateway
phone = kiosk.device("phone")
with kiosk.session("--yes", pin=PIN) as session:
    uri = session.uri()
    snapshots.take("invited")
    phone.enroll(uri)
    session.expect("device")
    snapshots.take("statement")
    may_reveal.set()
    digits = phone.digits()
    snapshots.take("digits")
    session.type(digits)
    for event in ("signing", "committed", "step"):
        session.expect(event)
        snapshots.take(event)
    settled = session.finish()[-1]
phone.wait()
snapshots.take("end")

seed = re.search(r"[?&]s=([A-Za-z0-9_-]+)", uri).group(1)
seed = base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4))
keys = {}
for name in os.listdir(f"{phone.state}/keys"):
    keys[name] = serialization.load_pem_private_key(read(f"{phone.state}/keys/{name}"), None)
phone.run("export", "--pem", kiosk.at("export"))
encryption = serialization.load_pem_private_key(read(kiosk.at("export/encryption/key.pem")), None)


@tap.test("the search finds what is there: names in memory and store, keys in the device's files")
def _():
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)
    tap.equal(len(seed), 32, "length of the seed")
    tap.equal(len(keys), 5, "keys of the device: identity, sealing, and one for each purpose")
    tap.check(encryption.private_numbers() in [k.private_numbers() for k in keys.values()], "the encryption key is not there")
    for program in SERVICES:
        found = snapshots.where([kiosk.at("etc").encode()])
        tap.check(any(w.startswith(program + " ") for w in found), f"the memory of {program} was not read: {found}")
    certificate = openssl("x509", "-in", kiosk.at("export/signing/certificate.pem"), "-outform", "DER")
    store = os.path.relpath(kiosk.at("lib/derivd/derivd.db-wal"), kiosk.dir)
    tap.check(store in files_with([certificate]), "the certificate is not in derivd's store")
    scalar = forms(encryption.private_numbers().private_value.to_bytes(32, "big"))
    der = openssl("pkey", "-in", kiosk.at("export/encryption/key.pem"), "-outform", "DER")
    tap.check(scalar[0] in der, "the form in which keys are searched for")


@tap.test("the PIN is in no file, and never in the memory of derivd or the gateway")
def _():
    tap.equal(files_with([PIN.encode()]), [])
    tap.equal(snapshots.where([PIN.encode()]), [])


@tap.test("the invitation's seed is in no file, and never in the memory of derivd or the gateway")
def _():
    tap.equal(files_with(forms(seed)), [])
    tap.equal(snapshots.where(forms(seed)), [])


@tap.test("the device's random number is nowhere before the device opens it")
def _():
    tap.equal(len({*opened}), 1, "random numbers that the device opened")
    tap.equal(snapshots.where(forms(opened[0]), ("invited", "statement")), [])


@tap.test("no private key of the device is in a file or in memory, neither one that it made nor the one that was made for it")
def _():
    for name, key in keys.items():
        tap.equal(files_with(key_forms(key)), [], f"files with key {name}")
        tap.equal(snapshots.where(key_forms(key)), [], f"memory with key {name}")


@tap.test("the device's own files are the device's alone")
def _():
    for d, directories, names in os.walk(phone.state):
        tap.equal(stat.S_IMODE(os.stat(d).st_mode), 0o700, d)
        for name in names:
            tap.equal(stat.S_IMODE(os.stat(os.path.join(d, name)).st_mode), 0o600, name)
    for purpose in ("authentication", "signing", "encryption"):
        tap.equal(stat.S_IMODE(os.stat(kiosk.at(f"export/{purpose}/key.pem")).st_mode), 0o600, f"the exported {purpose} key")


@tap.test("the device's sealed copy is gone from both stores after its acknowledgement; history and escrow copies stay")
def _():
    db = take_store(kiosk)
    tap.equal(sorted(r[0] for r in db.execute("SELECT whom FROM sealed")), ["escrow", "history"])
    tap.equal([r[0] for r in db.execute("SELECT payload FROM item WHERE kind = ?", (SEALED_KEY,))], [None])
    digest = hashlib.sha256(sealed["device"]).digest()
    log = take_store(kiosk, "derivd-ca", "log.db")
    copies = [hashlib.sha256(data).digest() for (data,) in log.execute("SELECT data FROM piece")]
    tap.check(digest not in copies, "derivd-ca's log has the device's copy still")
    left = files_with([sealed["device"][-200:-100]])
    tap.note(f"the sealed bytes are still in: {left or 'no file'}")
    tap.check(all(p.endswith("-wal") for p in left), f"the sealed copy is still in {left}")


@tap.test("the escrow copy opens with the officer's key and openssl alone, and is the device's key")
def _():
    path = kiosk.at("escrow/copy.der")
    with open(path, "wb") as f:
        f.write(take_store(kiosk).execute("SELECT body FROM sealed WHERE whom = 'escrow'").fetchone()[0])
    tap.equal(read(path), sealed["escrow"], "the copy that derivd keeps")
    content = openssl("cms", "-decrypt", "-inform", "DER", "-in", path, "-binary", "-inkey", kiosk.at("escrow/officer.key"),
                      "-recip", kiosk.at("escrow/officer.pem"))
    values = record(content)
    tap.equal(values[0], b"derivd sealed key v1", "its label")
    key = serialization.load_der_private_key(values[5], None)
    tap.equal(key.private_numbers(), encryption.private_numbers(), "the key in escrow")
    tap.equal(values[4], hashlib.sha256(spki(encryption)).digest(), "its hash")


# ---- the processes

def descriptors(pid):
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]


def network_sockets(pid):
    """Those of its sockets that are not Unix sockets."""
    inodes = {m.group(1) for m in (re.match(r"socket:\[(\d+)\]", d) for d in descriptors(pid)) if m}
    unix = set()
    for whose in (pid, "self"):  # its own network's, and those that it was given from this one
        with open(f"/proc/{whose}/net/unix") as f:
            unix |= {line.split()[6] for line in f.readlines()[1:]}
    return inodes - unix


@tap.test("services run as nobody special: no capability, no new privileges, no core dump, not to be traced")
def _():
    for program in (*SERVICES, "derivd-ca"):
        for pid in kiosk.pids(program):
            with open(f"/proc/{pid}/status") as f:
                status = {name: value.strip() for name, value in (line.split(":", 1) for line in f)}
            tap.equal(status["NoNewPrivs"], "1", f"NoNewPrivs of {program}")
            tap.equal(int(status["CapEff"], 16) | int(status["CapPrm"], 16), 0, f"capabilities of {program}")
            tap.equal(status["Uid"].split(), [str(UIDS[program])] * 4, f"uid of {program}")
            with open(f"/proc/{pid}/limits") as f:
                limit = next(line for line in f if line.startswith("Max core file size"))
            tap.equal(limit.split()[4:6], ["0", "0"], f"core size of {program}")
            # What belongs to root here belongs to the process's user when it may be dumped and traced.
            tap.equal(os.stat(f"/proc/{pid}/fd").st_uid, 0, f"the owner of the memory of {program}")


@tap.test("derivd and derivd-ca have no network socket, and the gateway has no file of a store")
def _():
    for program in ("derivd", "derivd-ca"):
        for pid in kiosk.pids(program):
            tap.equal(network_sockets(pid), set(), f"network sockets of {program}")
    pid = kiosk.pids("derivd-gateway")[0]
    tap.check(network_sockets(pid), "the gateway's own listening socket is not found")
    tap.equal([d for d in descriptors(pid) if d.startswith(kiosk.at("lib"))], [], "files of a store")
    tap.check(any(d.startswith(kiosk.at("lib")) for d in descriptors(kiosk.pids("derivd")[0])), "derivd's own are not found")


@tap.test("the files of the stores are readable for their own service alone")
def _():
    for program in ("derivd", "derivd-ca"):
        for path, _ in written():
            if not path.startswith(kiosk.at(f"lib/{program}/")) or "/public/" in path or "/ceremony/" in path:
                continue
            s = os.stat(path)
            tap.equal((s.st_uid, s.st_mode & 0o077), (UIDS[program], 0), os.path.relpath(path, kiosk.dir))


@tap.test("once derivd has ended, nothing of the sealed copy is in its store")
def _():
    kiosk.halt()
    left = files_with([sealed["device"][-200:-100]])
    tap.note(f"the sealed bytes are in: {left or 'no file'}")
    tap.equal([p for p in left if p.startswith(os.path.relpath(kiosk.at("lib/derivd"), kiosk.dir) + "/")], [])
    tap.equal(files_with([PIN.encode(), *forms(seed)]), [])


tap.run()
