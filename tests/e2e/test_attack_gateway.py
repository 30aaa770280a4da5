#!/usr/bin/python3
"""The gateway was broken into. The attacker sits between the real derivd-gateway and the real derivd: sees, alters, holds back,
repeats and invents what devices and derivd say to each other. It can delay; it gets no certificate and changes no device."""

import hashlib
import os
import secrets
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from between import Between, fields, flip, record, take_store, unrecord, with_field, with_value  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402
from gateway import NUMBERS, one, pb  # noqa: E402
from handmade import REMOVAL  # noqa: E402
from kiosk import AUDITOR, OFFICER, Kiosk, wait_for  # noqa: E402
from pki import openssl  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
between = tap.use(Between(kiosk, "gateway"))
names = iter(range(100))
OWN = Ed25519PrivateKey.generate()  # the attacker's delivery key
OWN_PUBLIC = OWN.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
heard = []  # everything that was relayed


def listen(m):
    heard.append(m)
    return [m]


def honest():
    between.hook = listen


def phone():
    return kiosk.device(f"phone-{next(names)}")


def newest(inner):
    return next(m for m in reversed(heard) if m.inner == inner)


def clear():
    """Ada's devices go, so that she may have others."""
    honest()
    for device in kiosk.ctl_json("device", "list"):
        if device["state"] == "enrolled":
            kiosk.ctl("device", "revoke", device["id"], uid=OFFICER)
    for device in kiosk.devices:
        device.stop()


def issued():
    return sorted(c["serial"] for c in kiosk.ctl_json("credential", "list"))


def active(device=None):
    return sum(c["state"] == "active" and device in (None, c["device"]) for c in kiosk.ctl_json("credential", "list"))


def good_enrollment():
    clear()
    settled = kiosk.provision(phone())[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3, "the enrollment after it")


def altering(inner, change, times=1000):
    """A hook that changes the device message of this name, so many times."""
    done = []

    def hook(m):
        heard.append(m)
        if m.inner != inner or len(done) == times:
            return [m]
        done.append(m)
        return [m.altered(change(m.inner_body))]
    between.hook = hook
    return done


def in_part(path, change):
    """Changes the field at this path of a message: (1, 2) is field 2 of the message in field 1."""
    def altered(body):
        if not path:
            return change(body)
        value = in_part(path[1:], change)(one(fields(body), path[0], b""))
        return with_field(body, path[0], value, *fields(body).get(path[0], [])[1:])
    return altered


def a_bit(data):
    return flip(data, len(data) // 2)


def invented(number, name, body, serial=1):
    """Says this to derivd for a connection that does not exist."""
    between.pairs[-1].send(True, "GATEWAY_RELAY", pb((1, number), (2, NUMBERS[name]), (3, serial), (4, body)))


def appear(number, identity):
    between.pairs[-1].send(True, "GATEWAY_UP", pb((1, number), (2, identity), (3, "127.0.0.1")))
    invented(number, "DEVICE_HELLO", pb((1, [1]), (2, "attacker 1"), (3, "linux")))
    wait_for("Welcome", lambda: [m for m in heard if m.connection == number and m.inner == "DEVICE_WELCOME"])


def answer(number, count=1):
    """What derivd says to that connection after its Welcome: (name, kind of error or None)."""
    def got():
        return [m for m in heard if m.connection == number and not m.up and m.inner not in ("DEVICE_WELCOME", "DEVICE_HINT")]
    wait_for("an answer", lambda: len(got()) >= count)
    m = got()[count - 1]
    return m.inner, one(fields(m.inner_body), 1).decode() if m.inner == "DEVICE_ERROR" else None


def signed_by_attacker(label, body):
    return pb((1, body), (2, OWN.sign(label + b"\0" + body)))


def own_offer(body):
    """The same offer under the attacker's delivery key."""
    offer = one(fields(one(fields(body), 1)), 1)
    return pb((1, signed_by_attacker(b"derivd offer v1", offer)), (2, OWN_PUBLIC))


def own_removal(body):
    """In place of the first item: remove everything."""
    said = one(fields(one(fields(one(fields(body), 1)), 1)), 1)
    for n, value in ((4, bytes([REMOVAL])), (5, b"\0"), (6, hashlib.sha256(b"").digest()), (7, bytes(8))):
        said = with_value(said, n, value)
    return pb((1, pb((1, signed_by_attacker(b"derivd item v1", said)), (2, b""))))


honest()


@tap.test("an offer that was altered or is the attacker's own: the device makes no statement")
def _():
    before, verifies = issued(), kiosk.reader.verifies()
    for inner, change in (*(("DEVICE_OFFER", in_part(path, a_bit)) for path in ((1, 1), (1, 2), (2,))),
                          ("DEVICE_OFFER", own_offer),
                          ("DEVICE_WELCOME", in_part((3,), lambda _: OWN_PUBLIC)), ("DEVICE_WELCOME", in_part((2,), a_bit))):
        altering(inner, change)
        heard.clear()
        with kiosk.session("--yes") as s:
            p = phone().enroll(s.uri())
            tap.check(p.wait() != 0, f"the device takes it: {p.said()}")
        tap.equal([m for m in heard if m.inner == "DEVICE_STATEMENT"], [], "statements")
    tap.equal((issued(), kiosk.reader.verifies()), (before, verifies), "certificates and PINs")
    good_enrollment()


def own_request(statement):
    """The statement with a key of the attacker's in its first request."""
    path = kiosk.at("own.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    request = openssl("req", "-new", "-key", path, "-subj", "/CN=x", "-outform", "DER")
    values = record(statement)
    requests = record(values[8])
    first = record(requests[0])
    values[8] = unrecord([unrecord([first[0], request, *first[2:]]), *requests[1:]])
    return unrecord(values)


@tap.test("a statement that was altered, or has another key in it, changes nothing; the same invitation serves the next device")
def _():
    clear()
    before, verifies = issued(), kiosk.reader.verifies()
    with kiosk.session("--yes") as s:
        uri = s.uri()
        for path, change in (((1, 1), own_request), ((1, 1), a_bit), ((1, 2), a_bit), ((1, 3), a_bit), ((2,), a_bit)):
            altering("DEVICE_STATEMENT", in_part(path, change))
            p = phone().enroll(uri)
            tap.check(p.wait() != 0, f"the device goes on: {p.said()}")
        tap.equal((issued(), kiosk.reader.verifies()), (before, verifies), "certificates and PINs")
        honest()
        p = phone().enroll(uri)
        s.type(p.digits())
        tap.equal([c["state"] for c in s.finish()[-1]["credentials"]], ["active"] * 3)


@tap.test("other random numbers: the digits differ, or the session ends; no PIN is spent")
def _():
    clear()
    before, verifies = issued(), kiosk.reader.verifies()
    altering("DEVICE_REVEAL", in_part((1,), a_bit))
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        digits = p.digits()
        for _ in range(3):
            s.type(digits)
        tap.equal(s.error()["kind"], "digits-wrong")
    altering("DEVICE_OPENED", in_part((1,), a_bit))
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        s.type(p.digits())
        tap.check(s.error()["kind"] in ("statement-invalid", "evidence-invalid", "digits-wrong"), str(s.events[-1]))
    tap.equal((issued(), kiosk.reader.verifies()), (before, verifies), "certificates and PINs")
    good_enrollment()


@tap.test("items that were altered, or are another device's, are not applied and not acknowledged; the true ones are")
def _():
    foreign = next(m.inner_body for m in heard if m.inner == "DEVICE_ITEMS" and one(fields(m.inner_body), 1))
    clear()
    kinds = [in_part((1, 2), a_bit), in_part((1, 1, 1), a_bit), in_part((1, 1, 2), a_bit), lambda _: foreign,
             own_removal]
    acknowledged = []

    def hook(m):
        heard.append(m)
        if m.inner == "DEVICE_ACKNOWLEDGE" and kinds:
            acknowledged.append(m)
        if m.inner != "DEVICE_ITEMS" or not kinds or not one(fields(m.inner_body), 1):
            return [m]
        change = kinds.pop(0)
        # The first is what counts: after it the device takes nothing more of this connection.
        return [m.altered(with_field(change(m.inner_body), 2))]
    between.hook = hook
    p = phone()
    settled = kiosk.provision(p, "--wait", "120")[-1]
    tap.equal([c["state"] for c in settled["credentials"]], ["active"] * 3)
    tap.equal(kinds, [], "alterations that were not made")
    tap.equal(acknowledged, [], "acknowledgements of what was altered")
    papers = [bytes(r[0]) for r in take_store(kiosk).execute("SELECT certificate FROM papers")]
    p.run("export", "--pem", kiosk.at("export"))
    for purpose in ("authentication", "signing", "encryption"):
        der = openssl("x509", "-in", kiosk.at(f"export/{purpose}/certificate.pem"), "-outform", "DER")
        tap.check(der in papers, f"the certificate for {purpose} is not one of derivd's")


@tap.test("acknowledgements that were altered, forged or are old count for nothing, until the true ones come")
def _():
    old = newest("DEVICE_ACKNOWLEDGE").inner_body
    clear()
    own = kiosk.at("own.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", own)

    def forged(body):
        said = one(fields(body), 1)
        signature = openssl("dgst", "-sha256", "-sign", own, stdin=b"derivd acknowledgement v1\0" + said)
        return pb((1, said), (2, signature))

    kinds = [in_part((1,), a_bit), in_part((2,), a_bit), forged, lambda _: old]
    turn = iter(range(1 << 30))
    altering("DEVICE_ACKNOWLEDGE", lambda body: kinds[next(turn) % len(kinds)](body))
    p = phone()
    with kiosk.session("--yes", "--no-wait") as s:
        p.enroll(s.uri())
        s.type(p.digits())
        s.rest()
        wait_for("each kind of acknowledgement", lambda: next(turn) > 2 * len(kinds), 30)
    tap.equal(active(), 0, "active credentials")
    p.stop()
    honest()
    p.start()
    wait_for("the true acknowledgements", lambda: active() == 3)
    p.stop()


@tap.test("items that are repeated change nothing on the device")
def _():
    clear()
    p = phone()
    heard.clear()
    kiosk.provision(p)
    items = [m.inner_body for m in heard if m.inner == "DEVICE_ITEMS" and one(fields(m.inner_body), 1)]
    tap.check(items, "no items were heard")
    before, listed = p.status(), p.run("list", "--json").stdout
    sent = []

    def hook(m):
        heard.append(m)
        if m.inner != "DEVICE_ITEMS" or len(sent) >= 2 * len(items):
            return [m]
        sent.append(m)
        return [m.altered(with_field(items[len(sent) % len(items)], 2, 1))]
    between.hook = hook
    p.start()
    wait_for("the repetitions", lambda: len(sent) >= 2 * len(items))
    p.stop()
    tap.equal(p.run("list", "--json").stdout, listed, "what the device has")
    tap.equal(p.status()["last_number"], before["last_number"], "the last number")
    tap.equal(active(), 3, "active credentials")


@tap.test("everything dropped after the signature: only later, and nothing is lost")
def _():
    clear()
    p = phone()
    with kiosk.session("--yes", "--no-wait") as s:
        p.enroll(s.uri())
        s.type(p.digits())
        s.expect("committed")
        between.hook = lambda m: [] if m.inner else [m]
        s.rest()
    tap.equal(active(), 0, "active credentials")
    p.stop()
    honest()
    p.start()
    wait_for("the delivery", lambda: active() == 3)
    p.stop()


@tap.test("a second device with what the gateway knows of an invitation is not let in, and does not disturb")
def _():
    clear()
    heard.clear()
    with kiosk.session("--yes") as s:
        p = phone().enroll(s.uri())
        digits = p.digits()
        begin, statement = newest("DEVICE_BEGIN").inner_body, newest("DEVICE_STATEMENT").inner_body
        me = secrets.token_bytes(32)
        appear(1 << 40, me)
        invented(1 << 40, "DEVICE_BEGIN", begin, 2)
        tap.equal(answer(1 << 40), ("DEVICE_ERROR", "invitation-unknown"), "a Begin that was another's")
        invented(1 << 40, "DEVICE_BEGIN", with_field(begin, 2, secrets.token_bytes(64)), 3)
        tap.equal(answer(1 << 40, 2), ("DEVICE_ERROR", "invitation-unknown"), "a Begin with an invented signature")
        invented(1 << 40, "DEVICE_STATEMENT", statement, 4)
        tap.equal(answer(1 << 40, 3)[0], "DEVICE_ERROR", "a statement of another's")
        s.type(digits)
        tap.equal([c["state"] for c in s.finish()[-1]["credentials"]], ["active"] * 3)


@tap.test("the gateway lies about a device's key: it is not let in; and about an enrolled one's: nothing is acknowledged for it")
def _():
    clear()

    def lying(m):
        heard.append(m)
        if m.name == "GATEWAY_UP":
            m.body = with_field(m.body, 2, secrets.token_bytes(32))
        return [m]
    with kiosk.session("--yes") as s:
        uri = s.uri()
        between.hook = lying
        p = phone().enroll(uri)
        tap.check(p.wait() != 0, f"the device is let in: {p.said()}")
        honest()
        heard.clear()
        p = phone().enroll(uri)
        digits = p.digits()
        # From here on nothing reaches the device any more: its items wait.
        between.hook = lambda m: listen(m) and ([] if m.inner in ("DEVICE_ITEMS", "DEVICE_HINT") else [m])
        s.type(digits)
        s.expect("committed")
    device = wait_for("the device", lambda: [d for d in kiosk.ctl_json("device", "list") if d["state"] == "enrolled"])[0]["id"]
    p.stop()
    wait_for("the items", lambda: [c["state"] for c in kiosk.ctl_json("credential", "list")
                                   if c["device"] == device].count("queued") == 3)
    appear(1 << 41, bytes.fromhex(device))
    invented(1 << 41, "DEVICE_PULL", pb((1, 4)), 2)
    name, _ = answer(1 << 41)
    tap.equal(name, "DEVICE_ITEMS", "what the gateway could read anyway")
    got = next(m for m in heard if m.connection == 1 << 41 and m.inner == "DEVICE_ITEMS")
    body = one(fields(one(fields(one(fields(got.inner_body), 1)), 1)), 1)
    values = record(body)
    said = unrecord([values[1], values[2], values[3], hashlib.sha256(body).digest(), b"\0", b""])
    signature = openssl("dgst", "-sha256", "-sign", kiosk.at("own.key"), stdin=b"derivd acknowledgement v1\0" + said)
    invented(1 << 41, "DEVICE_ACKNOWLEDGE", pb((1, said), (2, signature)), 3)
    tap.equal(answer(1 << 41, 2), ("DEVICE_ERROR", "signature-invalid"), "an acknowledgement of one's own")
    tap.equal(active(), 0, "active credentials")
    honest()
    p.start()
    wait_for("the delivery", lambda: active(device) == 3)


@tap.test("in the end: people enroll as ever, and the audit chain is good")
def _():
    good_enrollment()
    tap.equal(between.trouble, [])
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "good")


tap.run()
