#!/usr/bin/python3
"""Deliveries per second: a new TLS 1.3 connection with the device's key, one item, its acknowledgement committed; by the real
gateway and derivd. Beside it, in the same run and from the same client, handshakes of "openssl s_server" that asks for a
certificate, one process for each core.

The devices and their items are rows that are put into derivd's store beside those of a real enrollment."""

import hashlib
import os
import secrets
import sqlite3
import statistics
import struct
import subprocess
import time

from bench_gateway import QuickKey
from benchlib import at_least, need_plain_build, note
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kiosk import Kiosk, free_port, run
from rig import build_dir

AT_ONCE = 16
ROUNDS, EACH = 7, 20  # devices one after the other, in each of them, in a round; one round more warms up
DEVICES = (ROUNDS + 1) * EACH * AT_ONCE
PAYLOAD = 1500
APP = 5


class Phone:
    def __init__(self, directory, i):
        made = QuickKey(directory, f"quick{i}")
        with open(made.key, "rb") as key, open(made.cert, "rb") as cert, open(f"{directory}/{i}.pem", "wb") as f:
            certificate = cert.read()
            f.write(key.read() + certificate)
        self.spki = x509.load_pem_x509_certificate(certificate).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = hashlib.sha256(self.spki).digest()


def insert(db, table, model, **values):
    """A row like the model, but for these values."""
    row = {**dict(model), **values}
    row.pop("n")
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def item_body(phone, item, number, payload):
    """PROTOCOL.intent section 8."""
    values = (bytes(16), phone.id, item, struct.pack(">Q", number), bytes([APP]), b"\0", hashlib.sha256(payload).digest(),
              struct.pack(">Q", len(payload)), struct.pack(">Q", int(time.time() * 1000)))
    return b"".join(struct.pack(">I", len(v)) + v for v in values)


def queue(db, phone, like):
    """An item that is signed and waits, and its job."""
    number = 7
    item, payload = secrets.token_bytes(16), secrets.token_bytes(PAYLOAD)
    body = item_body(phone, item, number, payload)
    insert(db, "item", like, id=item, device=phone.id, number=number, kind=APP, purpose=0, credential=None, state="signed",
           body=body, signature=secrets.token_bytes(64), payload=payload, digest=hashlib.sha256(body).digest())
    db.execute("INSERT INTO job (id, what, state, rank, request, device, purpose, reason, attempts, next_boot_ms, number,"
               " created_ms) VALUES (?, 'deliver', 'waiting', 3, ?, ?, 0, 0, 0, 0, ?, ?)",
               (item, like["request"], phone.id, number, int(time.time() * 1000)))


def fill(path, phones):
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        device = db.execute("SELECT * FROM device").fetchone()
        like = db.execute("SELECT * FROM item WHERE kind = 3").fetchone()
        for phone in phones:
            insert(db, "device", device, id=phone.id, identity_public=phone.spki, last_number=7)
            queue(db, phone, like)
    db.close()


class Servers:
    """openssl s_server, one for each core."""

    def __init__(self, kiosk):
        self.children, self.ports = [], []
        for _ in range(os.cpu_count()):
            port = free_port()
            self.children.append(subprocess.Popen(
                ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", kiosk.at("etc/gateway/gateway.pem"), "-key",
                 kiosk.at("etc/gateway/gateway.key"), "-tls1_3", "-num_tickets", "0", "-Verify", "1", "-alpn", "derivd/1",
                 "-quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            self.ports.append(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.children:
            c.kill()
            c.wait()


def measure(kind, first, keys, *ports):
    seconds = run(os.path.join(build_dir(), "tests/bench/delivery_client"), kind, first, EACH, AT_ONCE, keys, *ports).stdout
    return EACH * AT_ONCE / float(seconds)


def compare(kiosk, keys):
    ours, theirs = [], []
    with Servers(kiosk) as servers:
        time.sleep(0.5)
        for i in range(ROUNDS + 1):
            first = i * EACH * AT_ONCE
            a, b = measure("deliver", first, keys, kiosk.port), measure("handshake", first, keys, *servers.ports)
            if i:
                ours.append(a)
                theirs.append(b)
    note(f"new connections, {AT_ONCE} devices at a time, one item each: {statistics.median(ours):.0f} items/s fetched and "
         f"acknowledged, each commit on the disk; {len(servers.ports)} x openssl s_server: {statistics.median(theirs):.0f} "
         "handshakes/s with the same certificates, nothing sent")
    at_least("delivery", statistics.median(a / b for a, b in zip(ours, theirs)), 0.7)


def main():
    need_plain_build()
    with Kiosk() as kiosk:
        kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
        kiosk.provision(kiosk.device("phone"))
        kiosk.halt()
        keys = kiosk.at("bench")
        os.makedirs(keys)
        phones = [Phone(keys, i) for i in range(DEVICES)]
        fill(kiosk.at("lib/derivd/derivd.db"), phones)
        kiosk.configure(gateway="new-per-address = 10000\n")
        kiosk.start()
        compare(kiosk, keys)
        with sqlite3.connect(kiosk.at("lib/derivd/derivd.db")) as db:
            left = db.execute("SELECT count(*) FROM item WHERE state = 'signed'").fetchone()[0]
            if left:
                raise RuntimeError(f"{left} items were not settled")


if __name__ == "__main__":
    main()
