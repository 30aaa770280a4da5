#!/usr/bin/python3
"""derivd was broken into. Here the attacker has its uid, its socket to derivd-ca, its store and all that passes; derivd-ca is
the real one. The attacker gets no certificate that a card did not sign for, and no item that does not belong to the device.
(What an attacker at the gateway can do is in test_attack_gateway.py.)"""

import hashlib
import os
import queue
import secrets
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from between import (INTENT_HEAD, Between, Inside, Refused, fields, flip, record, take_store, unrecord,  # noqa: E402
                     with_field, with_value)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from gateway import Closed, one, pb  # noqa: E402
from handmade import APP, CERTIFICATE, CHAIN, PINS, REMOVAL, SEALED_KEY  # noqa: E402
from kiosk import AUDITOR, WAIT, Kiosk, wait_for  # noqa: E402
from pki import openssl  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
ADA, BOB = kiosk.card("ada", name="Ada Lovelace"), kiosk.card("bob", name="Bob Example")
AUTHENTICATION, SIGNING, ENCRYPTION, DECRYPTION = range(1, 5)
NONCE, STATEMENT, PURPOSES, FACTS, DEPLOYMENT, REQUEST, CERTIFICATES, KIOSK = 4, 7, 9, 10, 1, 3, 5, 13
GONE = ("device-revoked", "wrong-state")
INTENT, KIOSK_RANDOM = 1, 5  # parts of the evidence; nobody signs r_k, which proves something to the kiosk alone
OWN = Ed25519PrivateKey.generate()


class Stops:
    """Holds the messages of these names on their way to derivd-ca, each until go()."""

    def __init__(self, *names):
        self.held = {name: queue.Queue() for name in names}
        self.gates = {name: threading.Event() for name in names}

    def hook(self, m):
        if m.up and m.name in self.held:
            self.held[m.name].put(m.body)
            self.gates[m.name].wait()
        return [m]

    def wait(self, name):
        return self.held[name].get(timeout=WAIT)

    def go(self, *names):
        for name in names:
            self.gates[name].set()


class Loot:
    """What derivd's store has of one person's newest enrollment."""

    def __init__(self, where, holder):
        db = take_store(where)
        request = db.execute("SELECT r.* FROM request r JOIN holder h ON h.id = r.holder WHERE h.name = ? AND r.state <> "
                             "'cancelled' ORDER BY r.n DESC", (holder,)).fetchone()
        row = db.execute("SELECT * FROM evidence WHERE request = ?", (request["id"],)).fetchone()
        self.evidence, self.receipt, self.device = row["evidence"], row["receipt"], request["device"]
        self.papers = {r["purpose"]: r for r in db.execute(
            "SELECT c.purpose, c.serial, p.request, p.ticket, p.certificate FROM credential c JOIN papers p "
            "ON p.credential = c.id WHERE c.request = ?", (request["id"],))}
        self.sealed = [r["body"] for r in db.execute("SELECT body FROM item WHERE kind = 2 AND device = ?", (self.device,))]
        self.items = db.execute("SELECT * FROM item WHERE device = ? AND digest IS NOT NULL", (self.device,)).fetchall()
        self.number = max(i["number"] for i in self.items)


def audit_head(sequence=None):
    rows = take_store(kiosk).execute("SELECT sequence, hash FROM audit ORDER BY sequence DESC").fetchall()
    row = next(r for r in rows if sequence in (None, r["sequence"]))
    return pb((1, row["sequence"]), (2, row["hash"]))


def ask(name, body=b""):
    with Inside(kiosk, "ca") as ca:
        return ca.ask(name, body).body


def ca_log():
    """Rows of derivd-ca's log, and certificates in it."""
    f = fields(ask("CA_STATUS"))
    return one(f, 4, 0), one(f, 7, 0)


def log_rests():
    """Half a second without a new row."""
    before = ca_log()
    time.sleep(0.5)
    return ca_log() == before


def refused(what, name, body, *kinds):
    """derivd-ca refuses, for one of these reasons, and logs nothing."""
    before = ca_log()
    try:
        ask(name, body)
    except Refused as e:
        tap.check(e.kind in kinds, f"{what}: refused with {e}, not {kinds}")
    except Closed:
        tap.check("protocol" in kinds, f"{what}: derivd-ca hung up")
    else:
        tap.check(False, f"{what}: derivd-ca did it")
    tap.equal(ca_log(), before, f"derivd-ca's log after: {what}")


def sign_as_card(card, data):
    return openssl("dgst", "-sha256", "-sign", f"{card}/9a.key", stdin=data)


def sign_as_attacker(label, body):
    return pb((1, body), (2, OWN.sign(label.encode() + b"\0" + body)))


def own_request():
    """A PKCS#10 for a key of the attacker's."""
    path = kiosk.at("own.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return openssl("req", "-new", "-key", path, "-subj", "/CN=Ada Lovelace", "-outform", "DER")


def at_every_part(data, step):
    """Positions to alter: the ends and some between."""
    return sorted({0, len(data) // 2, len(data) - 1, *range(step, len(data), step)} & set(range(len(data))))


def certify(receipt, purpose, request=b"", ticket=b"", head=None):
    return pb((1, receipt), (2, purpose), *([(3, request)] if request else []), *([(4, ticket)] if ticket else []),
              (5, head or audit_head()))


def make(receipt, purpose):
    return pb((1, receipt), (2, purpose), (3, audit_head()))


def item(device, number, kind, purpose=0, payload=b"", item_id=None):
    return pb((1, device), (2, item_id or secrets.token_bytes(16)), (3, number), (4, kind), (5, purpose), (6, payload))


# ---- Bob is enrolled, Ada is about to be, another deployment exists

between = tap.use(Between(kiosk, "ca"))
made_for_bob = []


def listen(m):
    if m.name == "CA_MADE":
        made_for_bob.append(one(fields(m.body), 2))
    return [m]


between.hook = listen
kiosk.insert(BOB)
kiosk.provision(kiosk.device("bob-phone"))
bob = Loot(kiosk, "Bob Example")
with Kiosk() as another:
    another.insert(another.card("ada", name="Ada Lovelace"))
    another.provision(another.device("ada-phone"))
    elsewhere = Loot(another, "Ada Lovelace")
stops = Stops("CA_PREPARE", "CA_VERIFY", "CA_CERTIFY", "CA_MAKE")
between.hook = stops.hook
kiosk.insert(ADA)
session = tap.use(kiosk.session("--yes"))
phone = kiosk.device("ada-phone").enroll(session.uri())
session.type(phone.digits())
prepare = stops.wait("CA_PREPARE")
nonce_of_another_time = evidence = receipt = requests = ada = None


@tap.test("prepare: no nonce for what a card must not sign")
def _():
    f = fields(prepare)
    offer, statement = one(f, 1), one(f, 2)
    bobs, others = fields(bob.evidence), fields(elsewhere.evidence)
    body = one(fields(offer), 1)
    for at in at_every_part(body, 97):
        refused(f"offer, byte {at}", "CA_PREPARE", with_field(prepare, 1, with_field(offer, 1, flip(body, at))),
                "signature-invalid")
    refused("an offer of one's own", "CA_PREPARE", with_field(prepare, 1, sign_as_attacker("derivd offer v1", body)),
            "signature-invalid")
    refused("another deployment's offer", "CA_PREPARE", with_field(prepare, 1, one(others, 7)), "signature-invalid")
    refused("an offer that was used", "CA_PREPARE", with_field(prepare, 1, one(bobs, 7)), "wrong-state")
    refused("another device's statement", "CA_PREPARE", with_field(prepare, 2, one(bobs, 3)), "statement-invalid")
    said = one(fields(statement), 1)
    for at in at_every_part(said, 61):
        refused(f"statement, byte {at}", "CA_PREPARE", with_field(prepare, 2, with_field(statement, 1, flip(said, at))),
                "statement-invalid", "signature-invalid", "format", "not-eligible")
    for which in (2, 3):
        refused(f"statement, signature {which}", "CA_PREPARE",
                with_field(prepare, 2, with_field(statement, which, flip(one(fields(statement), which), 40))),
                "signature-invalid")
    refused("another r_d", "CA_PREPARE", with_field(prepare, 3, bytes(32)), "statement-invalid")
    refused("another card", "CA_PREPARE", with_field(prepare, 5, *bobs[6]), "evidence-invalid")


@tap.test("verify: evidence in which any part was altered, left out or taken from another request is refused")
def _():
    global nonce_of_another_time, evidence
    nonce_of_another_time = one(fields(ask("CA_PREPARE", prepare)), 1)
    stops.go("CA_PREPARE")
    evidence = one(fields(stops.wait("CA_VERIFY")), 1)
    good = ("evidence-invalid", "signature-invalid", "statement-invalid", "format", "not-eligible", "certificate-malformed",
            "path-invalid", "nonce-expired", "protocol")
    f = fields(evidence)
    for part in f:
        name = f"part {part} of the evidence"
        refused(f"{name} left out", "CA_VERIFY", pb((1, with_field(evidence, part))), *good)
        if part == KIOSK_RANDOM:
            continue
        data = one(f, part)
        for at in at_every_part(data, 151):
            refused(f"{name}, byte {at}", "CA_VERIFY", pb((1, with_field(evidence, part, flip(data, at), *f[part][1:]))),
                    *good)
        for whose, foreign in (("Bob's", bob), ("another deployment's", elsewhere)):
            theirs = fields(foreign.evidence)[part]
            if (foreign, part) == (bob, INTENT):
                continue
            refused(f"{whose} {name}", "CA_VERIFY", pb((1, with_field(evidence, part, *theirs))), *good)
    # Bob's intent was accepted before: whatever comes with it, the answer is the receipt that he has.
    before = ca_log()
    tap.equal(one(fields(ask("CA_VERIFY", pb((1, with_field(evidence, 1, *fields(bob.evidence)[1]))))), 1), bob.receipt)
    tap.equal(ca_log(), before, "derivd-ca's log after an intent that it knows")
    refused("another deployment's evidence", "CA_VERIFY", pb((1, elsewhere.evidence)), *good)


@tap.test("verify: a card that signs another intent than statement and offer say is of no use either")
def _():
    intent = one(fields(evidence), 1)
    values = record(intent[INTENT_HEAD:])
    others = record(one(fields(elsewhere.evidence), 1)[INTENT_HEAD:])
    bobs = record(one(fields(bob.evidence), 1)[INTENT_HEAD:])
    purposes = record(values[PURPOSES])
    key = hashlib.sha256(b"a key of the attacker's").digest()

    def altered(n, value):
        return with_value(intent, n, value, INTENT_HEAD)

    def altered_purpose(n, value):
        return altered(PURPOSES, unrecord([with_value(purposes[0], n, value), *purposes[1:]]))

    for what, forged in (
            ("nonce of another request", altered(NONCE, bobs[NONCE])),
            ("nonce of another deployment", altered(NONCE, others[NONCE])),
            ("nonce of one's own", altered(NONCE, secrets.token_bytes(len(values[NONCE])))),
            ("another key", altered_purpose(3, key)),
            ("another profile", altered_purpose(1, record(purposes[1])[1])),
            ("another purpose", altered_purpose(0, bytes([DECRYPTION]))),
            ("a purpose less", altered(PURPOSES, unrecord(purposes[1:]))),
            ("another statement", altered(STATEMENT, bobs[STATEMENT])),
            ("other names", altered(FACTS, bobs[FACTS])),
            ("another request", altered(REQUEST, secrets.token_bytes(16))),
            ("another deployment", altered(DEPLOYMENT, others[DEPLOYMENT])),
            ("another kiosk", altered(KIOSK, secrets.token_bytes(16))),
            ("another card", altered(CERTIFICATES, bobs[CERTIFICATES]))):
        signed = with_field(with_field(evidence, 1, forged), 2, sign_as_card(ADA, forged))
        refused(what, "CA_VERIFY", pb((1, signed)), "evidence-invalid", "format")
    by_bob = with_field(evidence, 2, sign_as_card(BOB, intent))
    refused("signed with Bob's card", "CA_VERIFY", pb((1, by_bob)), "signature-invalid")
    attackers = with_field(by_bob, 6, *fields(bob.evidence)[6])
    refused("signed with Bob's card, with his certificate", "CA_VERIFY", pb((1, attackers)), "evidence-invalid")


@tap.test("one intent for one request: another, with another nonce, is refused once one was accepted")
def _():
    global receipt
    receipt = one(fields(ask("CA_VERIFY", pb((1, evidence)))), 1)
    second = with_value(one(fields(evidence), 1), NONCE, nonce_of_another_time, INTENT_HEAD)
    refused("a second intent", "CA_VERIFY",
            pb((1, with_field(with_field(evidence, 1, second), 2, sign_as_card(ADA, second)))), "evidence-invalid")
    refused("a nonce for a request that has its receipt", "CA_PREPARE", prepare, "wrong-state")
    tap.equal(one(fields(ask("CA_VERIFY", pb((1, evidence)))), 1), receipt, "the receipt of evidence that was sent again")
    stops.go("CA_VERIFY")


@tap.test("certify: nothing but the key, the purpose and the receipt that belong together")
def _():
    global requests
    tap.equal(one(fields(stops.wait("CA_CERTIFY")), 1), receipt, "the receipt that derivd uses")
    statement = one(fields(one(fields(evidence), 3)), 1)
    requests = {record(r)[0][0]: record(r)[1] for r in record(record(statement)[8])}
    refused("another key", "CA_CERTIFY", certify(receipt, AUTHENTICATION, own_request()), "evidence-invalid")
    refused("the key of another purpose", "CA_CERTIFY", certify(receipt, AUTHENTICATION, requests[SIGNING]),
            "evidence-invalid")
    refused("another holder's key", "CA_CERTIFY", certify(receipt, SIGNING, bob.papers[SIGNING]["request"]),
            "evidence-invalid")
    refused("a purpose that was not signed for", "CA_CERTIFY", certify(receipt, DECRYPTION, requests[SIGNING]),
            "evidence-invalid")
    refused("no receipt's content", "CA_CERTIFY", certify(pb((1, b""), (2, bytes(64))), SIGNING, requests[SIGNING]),
            "signature-invalid", "format", "protocol")
    body = one(fields(receipt), 1)
    for at in at_every_part(body, 119):
        refused(f"receipt, byte {at}", "CA_CERTIFY",
                certify(with_field(receipt, 1, flip(body, at)), SIGNING, requests[SIGNING]), "signature-invalid")
    refused("a receipt of one's own", "CA_CERTIFY",
            certify(sign_as_attacker("derivd receipt v1", body), SIGNING, requests[SIGNING]), "signature-invalid")
    refused("another deployment's receipt", "CA_CERTIFY",
            certify(elsewhere.receipt, SIGNING, elsewhere.papers[SIGNING]["request"]), "signature-invalid")
    offer = one(fields(evidence), 7)
    refused("an offer in place of a receipt", "CA_CERTIFY", certify(offer, SIGNING, requests[SIGNING]), "signature-invalid")


@tap.test("make and certify: the ticket of the log and no other; made twice is the same key; a device's key is not made")
def _():
    stops.go("CA_CERTIFY")
    stops.wait("CA_MAKE")
    wait_for("the other two certificates", lambda: ca_log()[1] == 5)
    wait_for("their items", log_rests)
    refused("certified before it was made", "CA_CERTIFY", certify(receipt, ENCRYPTION), "evidence-invalid")
    refused("certified with a request", "CA_CERTIFY", certify(receipt, ENCRYPTION, own_request()), "evidence-invalid")
    refused("Bob's ticket", "CA_CERTIFY", certify(receipt, ENCRYPTION, ticket=bob.papers[ENCRYPTION]["ticket"]),
            "evidence-invalid")
    refused("the key of a device made here", "CA_MAKE", make(receipt, SIGNING), "evidence-invalid")
    refused("a purpose that was not signed for", "CA_MAKE", make(receipt, DECRYPTION), "evidence-invalid")
    made = ask("CA_MAKE", make(receipt, ENCRYPTION))
    tap.equal(ask("CA_MAKE", make(receipt, ENCRYPTION)), made, "what is made the second time")
    ticket = one(fields(made), 1)
    body = one(fields(ticket), 1)
    own_key = openssl("req", "-inform", "DER", "-noout", "-pubkey", stdin=own_request())
    spki = openssl("pkey", "-pubin", "-outform", "DER", stdin=own_key)
    forged = with_value(body, 2, spki)
    refused("a ticket for another key", "CA_CERTIFY", certify(receipt, ENCRYPTION, ticket=with_field(ticket, 1, forged)),
            "signature-invalid")
    refused("a ticket of one's own", "CA_CERTIFY",
            certify(receipt, ENCRYPTION, ticket=sign_as_attacker("derivd ticket v1", forged)), "signature-invalid")
    refused("a ticket for another purpose", "CA_CERTIFY", certify(receipt, SIGNING, ticket=ticket), "evidence-invalid")
    refused("a ticket of another deployment", "CA_CERTIFY",
            certify(receipt, ENCRYPTION, ticket=elsewhere.papers[ENCRYPTION]["ticket"]), "signature-invalid")


@tap.test("after all of this Ada gets her three credentials, and the same requests give the same certificates")
def _():
    global ada
    stops.go("CA_MAKE")
    settled = session.finish()[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)
    phone.wait()
    ada = Loot(kiosk, "Ada Lovelace")
    before = ca_log()
    for purpose in (AUTHENTICATION, SIGNING, ENCRYPTION):
        p = ada.papers[purpose]
        again = fields(ask("CA_CERTIFY", certify(ada.receipt, purpose, p["request"] or b"", p["ticket"] or b"")))
        tap.equal(one(again, 1), p["certificate"], "the certificate that is asked for again")
    tap.equal(one(fields(ask("CA_VERIFY", pb((1, ada.evidence)))), 1), ada.receipt, "the receipt of old evidence")
    tap.equal(ca_log(), before, "derivd-ca's log after old evidence")
    for purpose in (AUTHENTICATION, SIGNING):
        refused("a second key for one purpose", "CA_CERTIFY", certify(ada.receipt, purpose, own_request()),
                "evidence-invalid")
    refused("the sealed key, after it was handed over", "CA_MAKE", make(ada.receipt, ENCRYPTION), "wrong-state")
    subject = openssl("x509", "-inform", "DER", "-noout", "-subject", stdin=ada.papers[SIGNING]["certificate"]).decode()
    tap.contains(subject, "Ada Lovelace")


@tap.test("sign-item: only what is in derivd-ca's log, for the device it belongs to, with a new number")
def _():
    n = ada.number + 1
    mine, his = ada.papers[SIGNING]["certificate"], bob.papers[SIGNING]["certificate"]
    refused("a device that is not in the log", "CA_SIGN_ITEM", item(secrets.token_bytes(32), n, CERTIFICATE, SIGNING, mine),
            "unknown-device")
    own = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                  "-subj", "/CN=Ada Lovelace", "-outform", "DER")
    refused("a certificate that is not in the log", "CA_SIGN_ITEM", item(ada.device, n, CERTIFICATE, SIGNING, own),
            "no-such-thing")
    refused("an altered one", "CA_SIGN_ITEM", item(ada.device, n, CERTIFICATE, SIGNING, flip(mine, len(mine) - 1)),
            "no-such-thing", "certificate-malformed")
    refused("another deployment's", "CA_SIGN_ITEM",
            item(ada.device, n, CERTIFICATE, SIGNING, elsewhere.papers[SIGNING]["certificate"]), "no-such-thing")
    refused("another device's", "CA_SIGN_ITEM", item(ada.device, n, CERTIFICATE, SIGNING, his), "evidence-invalid")
    refused("another purpose's", "CA_SIGN_ITEM", item(ada.device, n, CERTIFICATE, AUTHENTICATION, mine), "evidence-invalid")
    refused("garbage", "CA_SIGN_ITEM", item(ada.device, n, CERTIFICATE, SIGNING, b"hello"), "certificate-malformed")
    for kind in (CHAIN, PINS, APP):
        refused(f"a payload of one's own, kind {kind}", "CA_SIGN_ITEM", item(ada.device, n, kind, 0, b"hello"), "protocol")
    refused("a sealed key of one's own", "CA_SIGN_ITEM", item(ada.device, n, SEALED_KEY, ENCRYPTION, b"hello"),
            "no-such-thing")
    refused("everything removed from a device in use", "CA_SIGN_ITEM", item(ada.device, n, REMOVAL), "policy")
    refused("a certificate removed that was not revoked", "CA_SIGN_ITEM", item(ada.device, n, REMOVAL, SIGNING, mine), "policy")
    refused("another's certificate removed", "CA_SIGN_ITEM", item(ada.device, n, REMOVAL, SIGNING, his), "evidence-invalid")
    refused("an unknown kind", "CA_SIGN_ITEM", item(ada.device, n, 7), "protocol")
    for number in (0, 1, ada.number):
        refused(f"number {number}", "CA_SIGN_ITEM", item(ada.device, number, CERTIFICATE, SIGNING, mine), "wrong-state",
                "protocol")
    refused("the last number of all: none would be left for later items", "CA_SIGN_ITEM", item(ada.device, 2**63 - 1, CHAIN),
            "wrong-state")
    used = next(i for i in ada.items if i["kind"] == CERTIFICATE)
    refused("an item's id for something else", "CA_SIGN_ITEM", item(ada.device, n, CHAIN, 0, b"", used["id"]), "wrong-state")


@tap.test("sign-item: a sealed key goes to the device it was sealed to, a revoked certificate to none")
def _():
    refused("Bob's sealed key for Ada's device", "CA_SIGN_ITEM",
            item(ada.device, ada.number + 1, SEALED_KEY, ENCRYPTION, made_for_bob[0]), "no-such-thing")
    ask("CA_REVOKE", pb((1, bob.papers[SIGNING]["serial"]), (2, 1), (3, audit_head())))
    refused("a revoked certificate", "CA_SIGN_ITEM",
            item(bob.device, bob.number + 1, CERTIFICATE, SIGNING, bob.papers[SIGNING]["certificate"]), "wrong-state")
    again = fields(ask("CA_CERTIFY", certify(bob.receipt, SIGNING, bob.papers[SIGNING]["request"])))
    tap.equal(one(again, 6, 0), 1, "\"revoked\" in the answer to a repeated certify")


@tap.test("a device that was revoked gets nothing more but the notice that removes everything")
def _():
    ask("CA_REVOKE_DEVICE", pb((1, bob.device), (2, 1), (3, audit_head())))
    n = bob.number + 1
    refused("its encryption certificate", "CA_SIGN_ITEM",
            item(bob.device, n, CERTIFICATE, ENCRYPTION, bob.papers[ENCRYPTION]["certificate"]), *GONE)
    refused("its sealed key", "CA_SIGN_ITEM", item(bob.device, n, SEALED_KEY, ENCRYPTION, made_for_bob[0]), *GONE)
    for kind in (CHAIN, PINS, APP):
        refused(f"kind {kind}", "CA_SIGN_ITEM", item(bob.device, n, kind), *GONE)
    refused("a key", "CA_MAKE", make(bob.receipt, ENCRYPTION), *GONE)
    again = fields(ask("CA_CERTIFY", certify(bob.receipt, AUTHENTICATION, bob.papers[AUTHENTICATION]["request"])))
    tap.equal(one(again, 6, 0), 1, "\"revoked\" of a certificate of a device that was revoked")
    tap.check(ask("CA_SIGN_ITEM", item(bob.device, n, REMOVAL)), "the removal")


@tap.test("people enroll as ever, and the audit chain is good")
def _():
    tap.equal(between.trouble, [])
    kiosk.insert(ADA)
    settled = kiosk.provision(kiosk.device("ada-tablet"))[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


@tap.test("an audit head that goes back is logged and hides no newer one: derivd compares with the newest at its start")
def _():
    before = ca_log()
    ask("CA_REVOKE", pb((1, ada.papers[AUTHENTICATION]["serial"]), (2, 1), (3, audit_head(2))))
    tap.equal(ca_log()[0], before[0] + 1, "rows of derivd-ca's log")
    newest = one(fields(one(fields(ask("CA_STATUS")), 6)), 1)
    tap.check(newest > 2, f"derivd-ca takes row {newest} for the newest that it saw")
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


@tap.test("a made-up audit head is found by derivctl audit verify, and derivd issues nothing from its next start on")
def _():
    made_up = pb((1, int(one(fields(audit_head()), 1)) + 1000), (2, secrets.token_bytes(32)))
    ask("CA_REVOKE", pb((1, ada.papers[SIGNING]["serial"]), (2, 1), (3, made_up)))
    tap.equal(kiosk.ctl_error("audit", "verify", uid=AUDITOR), "audit-broken")
    kiosk.kill("derivd")
    wait_for("derivd", lambda: kiosk.ctl("--json", "status", uid=0, check=False).returncode == 0
             and kiosk.ctl_json("status", uid=0)[0]["ca_reachable"])
    with kiosk.session("--yes") as s:
        tap.equal(s.error()["kind"], "wrong-state")


tap.run()
