#!/usr/bin/python3
"""proto/vectors, computed anew from the keys and the documents, with no code of derivd: what the makers of an app would do
before they write the rest of it."""

import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("protoc", "openssl")
tap.need_modules(cryptography="python3-cryptography", google__protobuf="python3-protobuf")

from cryptography import x509  # noqa: E402
from cryptography.exceptions import InvalidSignature  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat  # noqa: E402

import cms  # noqa: E402
import records  # noqa: E402
import wire  # noqa: E402
from keeper import certificate_request, spki  # noqa: E402
from records import Malformed, labelled, sha256  # noqa: E402

VECTORS = os.path.join(wire.SOURCE, "proto/vectors")
TYPES = {"offer": records.OFFER, "statement": records.STATEMENT, "intent": records.INTENT, "receipt": records.RECEIPT,
         "ticket": records.TICKET, "item": records.ITEM, "acknowledgement": records.ACKNOWLEDGEMENT, "sealed": records.SEALED,
         "sealed-rsa": records.SEALED}
work = tap.use(tempfile.TemporaryDirectory(prefix="vectors-"))


def vector(name):
    with open(os.path.join(VECTORS, f"{name}.json"), encoding="utf-8") as f:
        return json.load(f)


def private(name):
    key = vector("keys")[name]
    if key["type"] == "ed25519":
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"]))
    if key["type"] == "p256":
        return ec.derive_private_key(int(key["private"], 16), ec.SECP256R1())
    return serialization.load_der_private_key(bytes.fromhex(key["private"]), None)


def object_of(name):
    return bytes.fromhex(vector(name)["bytes"])


def record_of(name):
    return TYPES[name].read(object_of(name))


def shown(field):
    """A field as the file shows it, into bytes."""
    if "hex" in field:
        return bytes.fromhex(field["hex"])
    if "text" in field:
        return field["text"].encode()
    if "number" in field:
        return field["number"].to_bytes(field["size"], "big")
    return records.join(map(shown, field["list"]))


def names(field):
    """The names of the fields of a record, or nothing for a list's elements."""
    return [f["name"] for f in field if "name" in f]


@tap.test("the keys are those of the seeds and private numbers")
def _():
    for name, key in vector("keys").items():
        if key["type"] == "ed25519":
            public = private(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            public = spki(private(name))
        tap.equal(public.hex(), key["public"], name)
        if "hash" in key:
            tap.equal(sha256(public).hex(), key["hash"], f"hash of {name}")


@tap.test("each record: its fields lead to its bytes and back, by the names of the document")
def _():
    for name, kind in TYPES.items():
        v = vector(name)
        data = bytes.fromhex(v.get("content", v["bytes"]))
        prefix = bytes.fromhex(v.get("prefix", ""))
        tap.equal((prefix + records.join(map(shown, v["fields"]))).hex(), data.hex(), name)
        tap.equal(kind.write(kind.read(data)).hex(), data.hex(), f"{name}, read and written")
        tap.equal(names(v["fields"]), [n for n, _ in kind.fields], f"{name}'s names")
        if "content" not in v:
            tap.equal(sha256(data).hex(), v["sha256"], f"hash of {name}")


@tap.test("records that are changed in any length, cut off or longer are not taken")
def _():
    for name, kind in TYPES.items():
        v = vector(name)
        data = bytes.fromhex(v.get("content", v["bytes"]))
        at = len(bytes.fromhex(v.get("prefix", "")))
        while at < len(data):
            changed = data[:at + 3] + bytes([data[at + 3] ^ 1]) + data[at + 4:]
            with tap.raises(Malformed):
                kind.read(changed)
            at += 4 + int.from_bytes(data[at:at + 4], "big")
        for bad in (data[:-1], data + b"\0", data + bytes(4), b""):
            with tap.raises(Malformed):
                kind.read(bad)


@tap.test("each signature holds, over the label that the document gives; Ed25519 gives the same again")
def _():
    labels = {"offer": "derivd offer v1", "statement": "derivd statement v1", "intent": None, "receipt": "derivd receipt v1",
              "ticket": "derivd ticket v1", "item": "derivd item v1", "acknowledgement": "derivd acknowledgement v1"}
    signers = {"offer": ["delivery"], "statement": ["invitation", "identity"], "intent": ["card"], "receipt": ["receipt"],
               "ticket": ["receipt"], "item": ["delivery"], "acknowledgement": ["identity"]}
    for name, label in labels.items():
        tap.equal([s["key"] for s in vector(name)["signatures"]], signers[name], f"signers of {name}")
        signed = labelled(label, object_of(name)) if label else object_of(name)
        for s in vector(name)["signatures"]:
            tap.equal(s.get("label"), label, f"label of {name}")
            key, signature = private(s["key"]), bytes.fromhex(s["signature"])
            if isinstance(key, Ed25519PrivateKey):
                tap.equal(key.sign(signed).hex(), signature.hex(), f"{name} by {s['key']}")
                continue
            key.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
            with tap.raises(InvalidSignature):
                key.public_key().verify(signature, signed + b"\0", ec.ECDSA(hashes.SHA256()))


@tap.test("the offer: digest of the facts, id of the holder")
def _():
    offer = record_of("offer")
    tap.equal(sha256(records.Facts().write(offer["facts"])).hex(), vector("offer")["facts digest"], "digest of the facts")
    tap.equal(records.holder_id(offer["facts"]).hex(), vector("offer")["holder id"], "holder's id")


@tap.test("the statement answers the offer, and a statement with the same keys can be made anew")
def _():
    offer, statement, v = record_of("offer"), record_of("statement"), vector("statement")
    identity = private("identity")
    tap.equal(statement["offer digest"], sha256(object_of("offer")), "offer digest")
    tap.equal(statement["deployment"], offer["deployment"], "deployment")
    tap.equal(statement["identity key"], spki(identity), "identity key")
    tap.equal(statement["invitation key"].hex(), vector("keys")["invitation"]["public"], "invitation key")
    tap.equal(v["device"], sha256(spki(identity)).hex(), "the device's id")
    sealing = x509.load_der_x509_certificate(statement["sealing"])
    identity.public_key().verify(sealing.signature, sealing.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    tap.equal(spki(sealing.public_key()), spki(private("sealing")), "sealing key")
    tap.equal([r["purpose"] for r in statement["requests"]], [p["purpose"] for p in offer["purposes"] if p["origin"] == 1])
    for request in statement["requests"]:
        key = private(records.PURPOSES[request["purpose"]])
        theirs = x509.load_der_x509_csr(request["PKCS#10"])
        ours = x509.load_der_x509_csr(certificate_request(key))
        tap.check(theirs.is_signature_valid, "the request's signature does not hold")
        tap.equal(ours.tbs_certrequest_bytes.hex(), theirs.tbs_certrequest_bytes.hex(), "what is signed of the request")
    wanted = {p["purpose"]: p["challenge"] for p in offer["purposes"]}
    for c in v["challenges"]:
        tap.equal(records.challenge(wanted[c["purpose"]], c["purpose"], spki(identity)).hex(), c["challenge"], "challenge")


@tap.test("digits and commitments")
def _():
    tap.check(len(vector("digits")["digits"]) >= 6, "there are too few")
    for d in vector("digits")["digits"]:
        r_d = bytes.fromhex(d["r_d"])
        tap.equal(sha256(r_d).hex(), d["commitment"], "commitment")
        tap.equal(records.digits(bytes.fromhex(d["statement"]), r_d, bytes.fromhex(d["r_k"])), d["digits"], "digits")


def intent_from(offer, statement, nonce, consents, kiosk, algorithm):
    """PROTOCOL.intent section 5: each field from where the document says."""
    keys = {r["purpose"]: sha256(spki(x509.load_der_x509_csr(r["PKCS#10"]).public_key())) for r in statement["requests"]}
    return records.INTENT.write({
        "operation": offer["operation"], "deployment": offer["deployment"], "issuer": offer["issuer"],
        "request id": offer["request id"], "nonce": nonce, "certificates": offer["certificates"], "algorithm": algorithm,
        "statement": sha256(records.STATEMENT.write(statement)), "invitation key": statement["invitation key"],
        "purposes": [{"purpose": p["purpose"], "profile": p["profile"], "origin": p["origin"], "key": keys.get(p["purpose"])}
                     for p in offer["purposes"]],
        "facts": sha256(records.Facts().write(offer["facts"])), "consents": consents,
        "predecessor": offer["predecessor"] if offer["operation"] == 2 else None, "kiosk": kiosk})


@tap.test("the intent is built from offer, statement, nonce, consents and kiosk, to the byte")
def _():
    given = record_of("intent")
    made = intent_from(record_of("offer"), record_of("statement"), given["nonce"], given["consents"], given["kiosk"], 2)
    tap.equal(made.hex(), object_of("intent").hex(), "intent")


@tap.test("the receipt is built from intent, offer, statement and evidence, to the byte")
def _():
    given, offer, statement, intent = (record_of(n) for n in ("receipt", "offer", "statement", "intent"))
    made = records.RECEIPT.write({
        **{n: intent[n] for n in ("operation", "deployment", "request id", "issuer", "purposes", "certificates", "consents",
                                  "predecessor")},
        **{n: given[n] for n in ("time", "nonce time", "proofs")},
        "intent": sha256(object_of("intent")), "evidence": sha256(bytes.fromhex(vector("bundle")["evidence"])),
        "holder id": records.holder_id(offer["facts"]), "facts": offer["facts"], "identity key": statement["identity key"],
        "sealing": statement["sealing"]})
    tap.equal(made.hex(), object_of("receipt").hex(), "receipt")


@tap.test("ticket, item and acknowledgement name what they are about")
def _():
    ticket, item, ack = record_of("ticket"), record_of("item"), record_of("acknowledgement")
    payload = bytes.fromhex(vector("item")["payload"])
    tap.equal(ticket["intent"], sha256(object_of("intent")), "the ticket's intent")
    tap.equal(ticket["key"], spki(private("encryption")), "the ticket's key")
    tap.equal(item["device"], sha256(spki(private("identity"))), "the item's device")
    tap.equal((item["digest"], item["length"]), (sha256(payload), len(payload)), "the item's payload")
    tap.equal(ack, {"device": item["device"], "item id": item["item id"], "number": item["number"],
                    "item": sha256(object_of("item")), "status": 0, "detail": ""}, "acknowledgement")


def key_id(certificate):
    extensions = x509.load_der_x509_certificate(certificate).extensions
    return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


@tap.test("sealed keys open, by hand and with openssl cms, and are refused when a byte of them is changed")
def _():
    for name in ("sealed", "sealed-rsa"):
        v, key = vector(name), private(vector(name)["recipient"])
        certificate = bytes.fromhex(v["certificate"])
        tap.equal(cms.open_sealed(object_of(name), key, key_id(certificate)).hex(), v["content"], name)
        content = records.SEALED.read(bytes.fromhex(v["content"]))
        tap.equal(content["key hash"], sha256(spki(cms.private_key(content["key"]))), "hash of the sealed key")
        tap.equal(spki(cms.private_key(content["key"])), spki(private(v["key"])), "the sealed key")
        for file, data in (("sealed", object_of(name)), ("cert", certificate),
                           ("key", key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))):
            with open(os.path.join(work, file), "wb") as f:
                f.write(data)
        done = subprocess.run(["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", f"{work}/sealed",
                               "-inkey", f"{work}/key", "-keyform", "DER", "-recip", f"{work}/cert"],
                              capture_output=True, check=False)
        tap.equal(done.stdout.hex(), v["content"], f"{name}, by openssl ({done.stderr.decode()})")
        for at in range(0, len(object_of(name)), 7):
            bad = bytearray(object_of(name))
            bad[at] ^= 1
            with tap.raises(Malformed):
                cms.open_sealed(bytes(bad), key, key_id(certificate))


@tap.test("evidence and bundle are the objects of the other files, and hold (sections 12 and 13)")
def _():
    v = vector("bundle")
    wire.check_body(wire.common.Bundle.DESCRIPTOR, bytes.fromhex(v["bundle"]))
    bundle = wire.common.Bundle.FromString(bytes.fromhex(v["bundle"]))
    evidence = bundle.evidence
    tap.equal(evidence.SerializeToString().hex(), v["evidence"], "evidence")
    tap.equal(bundle.version, 1, "version")
    for name, data in (("intent", evidence.intent), ("statement", evidence.statement.statement), ("offer", evidence.offer.body),
                       ("receipt", bundle.receipt.body)):
        tap.equal(data.hex(), vector(name)["bytes"], name)
    statement, intent = record_of("statement"), record_of("intent")
    tap.equal(sha256(evidence.device_random), statement["commitment"], "commitment")
    tap.equal([sha256(c) for c in evidence.card_certificates], intent["certificates"], "card certificates")
    card = x509.load_der_x509_certificate(evidence.card_certificates[0]).public_key()
    card.verify(evidence.card_signature, evidence.intent, ec.ECDSA(hashes.SHA256()))
    tap.equal(intent["kiosk"].hex(), v["kiosk"], "kiosk")
    keys = {p["purpose"]: p["key"] for p in record_of("receipt")["purposes"]}
    leaf = x509.load_der_x509_certificate(bundle.certificate)
    tap.equal(sha256(spki(leaf.public_key())), keys[bundle.purpose], "the key of the certificate")
    issuer = x509.load_der_x509_certificate(bundle.chain[0])
    tap.equal(sha256(spki(issuer.public_key())), intent["issuer"], "the issuer's key")
    issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))


@tap.test("invitations: the document's example, and what is none")
def _():
    text = re.search(r"^    (derivd:1.*)\n        (&s=.*)\n        (&k=.*)\n        (&p=.*)$", document("intent"), re.M)
    tap.check(text, "PROTOCOL.intent has no example of an invitation")
    good = "".join(text.groups())
    tap.equal(records.read_uri(good), {"host": "kiosk.example.org", "port": 7443, "deployment": bytes(range(16)),
                                       "seed": bytes([1]) * 32, "delivery": bytes([2]) * 32, "pins": [bytes([3]) * 32]})
    for host, read in (("[2001:db8::1]", "2001:db8::1"), ("192.0.2.7", "192.0.2.7"), ("a", "a")):
        tap.equal(records.read_uri(good.replace("kiosk.example.org", host))["host"], read, "host")
    pin = "&p=" + "A" * 43
    bad = [good + "&", good + pin * 4, good[:-1] + "N", good.upper()]
    for old, new in ((":7443", ":07443"), (":7443", ":65536"), (":7443", ":0"), (":7443", ""), ("&k=A", "&k=A="),
                     ("kiosk", "-kiosk"), ("kiosk", "ki%6fsk"), ("kiosk.", "kiosk.."), ("kiosk", "k" * 64),
                     ("kiosk.example.org", "2001:db8::1"), ("kiosk.example.org", "[2001:db8:::1]"), ("derivd:1", "derivd:2"),
                     ("&s", "&x=1&s")):
        bad.append(good.replace(old, new, 1))
    for text in bad:
        with tap.raises(Malformed):
            records.read_uri(text)


@tap.test("the documents' examples of records, digits, payloads and frames")
def _():
    example = records.Record(("a", records.u8(0, 255)), ("b", records.Text(8)), ("c", records.Optional(records.HASH)),
                             ("d", records.List(records.u8(0, 255), 0, 8)))
    tap.equal(example.write({"a": 1, "b": "ab", "c": None, "d": [1, 2]}), block("intent", "example record"), "record")
    tap.equal(records.Facts().write({"name": "Ann", "mail": "a@b.c"}), block("intent", "example facts"), "facts")
    tap.equal(records.INTENT_HEAD, block("intent", "example intent-head"), "head of the intent")
    tap.equal(records.H("derivd digits v1", bytes([1]) * 32 + bytes([2]) * 32 + bytes([3]) * 32)[:8],
              block("intent", "example digits"), "digits")
    tap.equal(cms.shared_info(), block("intent", "example shared-info"), "shared info")
    tap.equal(cms.EC_AGREEMENT, block("intent", "example key-agreement"), "key agreement")
    tap.equal(cms.OAEP, block("intent", "example key-transport"), "key transport")
    tap.equal(records.PINS.write({"deployment": bytes(range(16)), "epoch": 3, "until": 1800000000000, "pins": [bytes([7]) * 32]}), block("device", "payload pins"), "pins")
    app = {"name": "mail", "type": "application/json", "text": b"{}"}
    tap.equal(records.APPS.write([app]), block("device", "payload apps"), "apps")
    seed = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    begin = wire.device.Begin(invitation_public=seed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
                              signature=seed.sign(labelled("derivd begin v1", bytes([2]) * 32)))
    tap.equal(wire.frame(0x0603, 2, begin.SerializeToString()), block("device", "stream DEVICE_BEGIN serial 2"), "Begin")


def document(name):
    with open(os.path.join(wire.SOURCE, f"proto/PROTOCOL.{name}"), encoding="utf-8") as f:
        return f.read()


def block(name, title):
    """The bytes of an example."""
    found = re.search(rf"^    {re.escape(title)}\n((?:        .*\n)+)", document(name), re.M)
    tap.check(found, f"PROTOCOL.{name} has no \"{title}\"")
    return bytes.fromhex(found.group(1))


@tap.test("each stream in the documents is a message of the protocol, each refused body is refused")
def _():
    text = document("device") + document("frame")
    streams = re.findall(r"^    stream DEVICE_(\w+) serial (\d+)\n((?:        .*\n)+)", text, re.M)
    tap.check(len(streams) >= 12, f"{len(streams)} examples")
    for name, serial, hexadecimal in streams:
        data = bytes.fromhex(hexadecimal)
        message = wire.BY_NAME[name]
        body = data[12:]
        tap.equal(data, wire.frame(message.number, int(serial), body), name)
        tap.equal(wire.read_body(message, body).SerializeToString(), body, name)
    refused = re.findall(r"^    refused body DEVICE_(\w+)\n((?:        .*\n)+)", text, re.M)
    tap.check(len(refused) >= 3, f"{len(refused)} examples of what is refused")
    for name, hexadecimal in refused:
        with tap.raises(Malformed):
            wire.read_body(wire.BY_NAME[name], bytes.fromhex(hexadecimal))


@tap.test("numbers, directions and maxima in PROTOCOL.device are those of messages.def")
def _():
    text = document("device")
    numbers = {int(n, 16): (name.upper(), who) for n, name, who in re.findall(r"^    (0x06\w\w)  (\w+) +(\w+)", text, re.M)}
    who = {"CLIENT": "device", "SERVER": "server", "BOTH": "both"}
    tap.equal(numbers, {m.number: (m.name, who[m.sender]) for m in wire.MESSAGES}, "messages")
    paragraph = re.search(r"Largest bodies in bytes:\n\n((?:    .*\n)+)", text).group(1)
    maxima = {}
    for words, size in re.findall(r"((?:\w+ and )?\w+)\s+(\d+)(?:,|$)", paragraph.replace("\n", " ").strip()):
        maxima.update({name.upper(): int(size) for name in words.split(" and ")})
    tap.equal(maxima, {m.name: m.maximum for m in wire.MESSAGES}, "maxima")


@tap.test("code for apps can be made of the .proto files: Java, Kotlin, Objective-C, C#, C++")
def _():
    for option in ("java_out", "kotlin_out", "objc_out", "csharp_out", "cpp_out"):
        into = os.path.join(work, option)
        os.mkdir(into)
        done = subprocess.run(["protoc", f"--proto_path={wire.SOURCE}", f"--{option}={into}", "proto/common.proto",
                               "proto/device.proto"], capture_output=True, text=True, check=False)
        tap.equal((done.returncode, done.stderr), (0, ""), option)


tap.run()
