"""derivd-device through derivd-gateway: enrollment, delivery, and what it does when somebody cheats or something dies."""

import json
import os
import socket
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
import pki  # noqa: E402
from gateway import ALPN, Gateway, one, pb, unpb  # noqa: E402
from handmade import (ACCEPTED, APP, CANCELLED, CERTIFICATE, CHAIN, COMPLETE, DEVICE, PINS, REMOVAL,  # noqa: E402
                   SEALED_KEY, SERVER, DeviceProgram, Kiosk, Run, fields)
from tap import Tap  # noqa: E402

tap = Tap()


def enrolled(g, **how):
    """A kiosk, a device that has everything, and what is left of the run: nothing."""
    k, d = Kiosk(g), DeviceProgram(g)
    run = d.start("enroll", "--wait", k.invite())
    k.enroll(run, **how)
    tap.equal(run.end(), 0, "exit status of enroll")
    return k, d


def running(g):
    """The same, with the device connected by run."""
    k, d = enrolled(g)
    run = d.start("run")
    k.meet()
    run.until("connected")
    return k, d, run


def usable(d):
    return sorted(c["purpose"] for c in d.list() if c["state"] == "usable")


@tap.test("enroll --wait: from the QR code to three usable credentials")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        run = d.start("enroll", "--wait", "--platform", "test", "--name", "Ada's", k.invite())
        k.enroll(run)
        tap.equal(run.end(), 0, "exit status")
        tap.equal(k.statement["host"], "127.0.0.1", "host in the statement")
        tap.equal(k.statement["platform"], "test (Ada's)", "platform in the statement")
        tap.equal([e["event"] for e in run.seen if e["event"] != "progress"],
                  ["connected", "offer", "digits", "enrolled", *["item"] * 5], "events")
        offer = next(e for e in run.seen if e["event"] == "offer")
        tap.equal(offer["name"], "Ada Example", "name")
        tap.equal(usable(d), ["authentication", "encryption", "signing"], "usable")
        s = d.status()
        tap.equal((s["stage"], s["last_number"], s["device"]), ("enrolled", 5, k.identity.hex()), "status")


@tap.test("the state directory is its owner's alone, and holds no invitation any more")
def _():
    with Gateway() as g:
        k, d = enrolled(g)
        for folder, _, names in os.walk(d.state):
            tap.equal(stat.S_IMODE(os.stat(folder).st_mode), 0o700, folder)
            for name in names:
                path = os.path.join(folder, name)
                tap.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
                with open(path, "rb") as f:
                    tap.check(k.seed not in f.read(), f"{path} holds the invitation")
        os.chmod(d.state, 0o750)
        status, text = d.call("status")
        tap.equal(status, 1, "exit status with others' access")
        tap.contains(text, "nobody else")


@tap.test("without --wait, enroll ends when the signature is verified; run fetches the rest")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        run = d.start("enroll", k.invite())
        k.begin_enrollment()
        k.accept(run)
        tap.equal(run.end(), 0, "exit status")
        tap.equal(usable(d), [], "usable")
        run = d.start("run")
        k.meet()
        k.deliver_all(key_first=True)
        k.progress(COMPLETE)
        run.until("progress", stage="complete")
        tap.equal(usable(d), ["authentication", "encryption", "signing"], "usable")


@tap.test("a plain person reads the digits and what happens; the invitation may come on standard input")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        child = subprocess.Popen([d.program, "--state", d.state, "enroll", "-"], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(k.invite() + "\n")
        child.stdin.close()
        k.begin_enrollment()
        digits = k.reveal()
        k.progress(ACCEPTED)
        text = child.stdout.read()
        tap.contains(text, f"Type these digits at the kiosk: {digits}\n")
        tap.contains(text, "Offered to Ada Example: authentication, signing, encryption.\n")
        tap.equal(child.wait(), 0, "exit status")


@tap.test("every key type that an offer may ask for")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        uri = k.invite()
        k.make_offer([("authentication", DEVICE, "rsa2048"), ("signing", DEVICE, "p384"),
                      ("encryption", DEVICE, "p256")])
        run = d.start("enroll", uri)
        k.begin_enrollment()
        tap.equal([p for p, _ in k.statement["requests"]], [1, 2, 3], "purposes")
        k.accept(run)
        tap.equal(run.end(), 0, "exit status")


@tap.test("wrong texts for a QR code are refused before anything is connected")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        good = k.invite()
        for bad in ("", "https://example.org/", good[:-1], good + "&x=1", good.replace("derivd:1", "derivd:2")):
            status, text = d.call("enroll", "-", stdin=bad + "\n")
            tap.equal(status, 1, f"exit status for {bad!r}")
            tap.contains(text, "Scan the code")
        tap.check(k.core.quiet(), "something was connected")


@tap.test("nobody listens: the device says so at once")
def _():
    with Gateway() as g, Kiosk(g) as k:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            uri = k.invite(port=s.getsockname()[1])
        run = DeviceProgram(g).start("enroll", uri)
        tap.equal(run.last_error()["kind"], "host-unreachable", "kind")


@tap.test("another gateway than the pinned one: nothing is said to it")
def _():
    with Gateway() as g, Kiosk(g) as k:
        run = DeviceProgram(g).start("enroll", k.invite(pin="00" * 32))
        error = run.last_error()
        tap.equal(error["kind"], "wrong-gateway-key", "kind")
        tap.contains(error["remedy"], "Do not go on")
        tap.check(k.core.quiet(), "it said Hello")


@tap.test("a gateway that talks without end and says nothing does not hold the device longer than it wants")
def _():
    with Gateway() as g, Kiosk(g) as k:
        key = g.key()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(key.cert, key.key)
        server.set_alpn_protocols([ALPN])

        def chatter(listener):
            noise = struct.pack(">IHHI", 8, 0x7777, 0, 0) * 100000
            try:
                with server.wrap_socket(listener.accept()[0], server_side=True) as s:
                    while True:
                        s.sendall(noise)
            except OSError:
                pass

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=chatter, args=(listener,), daemon=True).start()
            began = time.monotonic()
            run = DeviceProgram(g).start("enroll", "--timeout", "2s",
                                         k.invite(pin=key.identity.hex(), port=listener.getsockname()[1]))
            tap.equal(run.last_error()["kind"], "timed-out", "kind")
            tap.check(time.monotonic() - began < 10, "it took too long")


@tap.test("something that takes the connection and never says a word does not hold the device longer than it wants")
def _():
    with Gateway() as g, Kiosk(g) as k, socket.create_server(("127.0.0.1", 0)) as silent:
        run = DeviceProgram(g).start("enroll", "--timeout", "2s", k.invite(port=silent.getsockname()[1]))
        tap.equal(run.last_error()["kind"], "timed-out", "kind")


@tap.test("a kiosk with another delivery key, or of another deployment, gets nothing")
def _():
    with Gateway() as g, Kiosk(g) as k:
        for how in ({"delivery": k.pen.other}, {"deployment": bytes(16)}):
            run = DeviceProgram(g, "phone" + str(how)[2:6]).start("enroll", k.invite())
            k.meet(**how)
            tap.equal(run.last_error()["kind"], "tampered", "kind")
            tap.equal(k.core.until("GATEWAY_DOWN").name, "GATEWAY_DOWN", "next")


@tap.test("offers that are not signed by the delivery key, altered, old, of another deployment: no statement")
def _():
    with Gateway() as g, Kiosk(g) as k:
        def attempt(name, spoil=None, **how):
            run = DeviceProgram(g, name).start("enroll", k.invite())
            k.meet()
            begin = k.take_begin()
            k.make_offer(**how)
            if spoil:
                spoil()
            k.send_offer(begin.inner_serial)
            kind = run.last_error()["kind"]
            k.core.expect("GATEWAY_DOWN")
            return kind

        def flip():
            body, signature = k.offer
            k.offer = body[:-1] + bytes([body[-1] ^ 1]), signature

        tap.equal(attempt("a", key="other"), "signature-invalid", "another key")
        tap.equal(attempt("b", spoil=flip), "signature-invalid", "a flipped bit")
        tap.equal(attempt("c", shift_ms=-3 * 86400000), "offer-refused", "three days old")
        tap.equal(attempt("d", deployment=bytes(16)), "offer-refused", "another deployment")
        tap.equal(attempt("e", operation=2, predecessor=bytes([7] * 32)), "offer-refused", "not enrolled yet")
        tap.equal(attempt("f", purposes=[("signing", DEVICE, "p521")]), "format", "unknown key type")


@tap.test("the kiosk refuses: the person reads why and what to do")
def _():
    with Gateway() as g, Kiosk(g) as k:
        for kind in ("invitation-expired", "invitation-unknown", "two-devices"):
            run = DeviceProgram(g, kind).start("enroll", k.invite())
            k.meet()
            begin = k.take_begin()
            k.send("DEVICE_ERROR", pb((1, kind), (2, 1), (3, "because")), begin.inner_serial)
            error = run.last_error()
            tap.equal(error["kind"], kind, "kind")
            tap.check(error["remedy"], "no remedy")
            tap.equal(run.end(), 1, "exit status")
        run = DeviceProgram(g, "cancelled").start("enroll", k.invite())
        k.begin_enrollment()
        k.progress(CANCELLED, "the card was taken out")
        tap.contains(run.last_error()["text"], "the card was taken out")


@tap.test("killed at any moment, the device goes on with the same statement and the same digits")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d, uri = DeviceProgram(g), k.invite()
        run = d.start("enroll", uri)
        k.meet()
        k.take_begin()
        run.kill()  # before the offer
        run = d.start("enroll", uri)
        k.begin_enrollment()
        first = k.statement_message
        run.kill()  # the statement is out
        run = d.start("run")  # without the QR code
        k.begin_enrollment()
        tap.check(k.statement_message == first, "another statement")
        r_k = os.urandom(32)
        digits = k.reveal(r_k)
        run.until("digits", digits=digits)
        run.kill()  # the digits are shown
        run = d.start("enroll", uri)
        k.begin_enrollment()
        tap.check(k.statement_message == first, "another statement")
        tap.equal(k.reveal(r_k), digits, "digits")
        run.until("digits", digits=digits)
        k.enrolled = True
        run.kill()  # the card has signed meanwhile
        run = d.start("enroll", "--wait", uri)
        k.meet()
        k.deliver_all()
        run.kill()  # before it hears that this is all
        run = d.start("enroll", "--wait", uri)
        k.meet()
        k.hand_over()
        tap.equal(run.end(), 0, "exit status")


@tap.test("a second number for the digits is refused, also after a restart")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d, uri = DeviceProgram(g), k.invite()
        run = d.start("enroll", uri)
        k.begin_enrollment()
        k.reveal()
        run.until("digits")
        k.send("DEVICE_REVEAL", pb((1, os.urandom(32))))
        tap.equal(run.last_error()["kind"], "tampered", "kind")
        run = d.start("enroll", uri)
        k.begin_enrollment()
        k.send("DEVICE_REVEAL", pb((1, os.urandom(32))))
        tap.equal(run.last_error()["kind"], "tampered", "kind")


@tap.test("another offer than the answered one gets no second statement")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d, uri = DeviceProgram(g), k.invite()
        run = d.start("enroll", uri)
        k.begin_enrollment()
        run.kill()
        run = d.start("enroll", uri)
        k.meet()
        begin = k.take_begin()
        k.make_offer()
        k.send_offer(begin.inner_serial)
        tap.equal(run.last_error()["kind"], "offer-refused", "kind")


@tap.test("a new QR code begins a new enrollment with new keys; an enrolled device is not enrolled again")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        run = d.start("enroll", k.invite())
        k.begin_enrollment()
        first = k.identity
        run.kill()
        run = d.start("enroll", "--wait", k.invite())
        k.enroll(run)
        tap.equal(run.end(), 0, "exit status")
        tap.check(k.identity != first, "the same identity key")
        run = d.start("enroll", k.invite())
        tap.equal(run.last_error()["kind"], "device-state", "kind")


@tap.test("only one derivd-device works on a state directory")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        status, text = d.call("run")
        tap.equal(status, 1, "exit status")
        tap.contains(text, "another program")
        tap.equal(d.status()["stage"], "enrolled", "status can be asked")
        run.kill()


@tap.test("altered items change nothing and are not acknowledged")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        before = d.status(), d.list()
        key = k.requested_key("authentication")
        bad = [dict(flip="body"), dict(flip="payload"), dict(flip="signature"), dict(key="other"),
               dict(device=bytes(32)), dict(deployment=bytes(16))]
        for how in bad:
            k.hand_over(k.item(CERTIFICATE, "authentication", k.certificate(key), **how))
            run.until("disconnected", kind="item-refused")
            down = k.core.receive()
            tap.equal(down.name, "GATEWAY_DOWN", f"{how}: next message")
            run.kill()
            run = d.start("run")
            k.meet()
            run.until("connected")
        tap.equal((d.status(), d.list()), before, "state")
        run.kill()


@tap.test("the same item again gets the same acknowledgement; an old number does not come to pass")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        item = k.item(CHAIN, None, k.chain())
        k.hand_over(item)
        first = k.take_acknowledgement()
        k.hand_over(item)
        again = k.take_acknowledgement()
        tap.check(first["message"] == again["message"], "other bytes")
        ack = k.deliver(REMOVAL, "signing", k.certs["signing"], number=k.number)  # number used by another
        tap.equal(ack["status"], 2, "status")
        ack = k.deliver(REMOVAL, "signing", k.certs["signing"], number=1)
        tap.equal(ack["status"], 2, "status")
        tap.equal(usable(d), ["authentication", "encryption", "signing"], "usable")
        k.number += 40
        tap.equal(k.deliver(CHAIN, None, k.chain())["status"], 0, "status after a gap")
        run.kill()
        run = d.start("run")
        k.meet()
        tap.equal(one(k.hello, 4), k.number, "last number in Hello")
        k.hand_over(item)
        tap.check(k.take_acknowledgement()["message"] == first["message"], "other bytes after a restart")


@tap.test("a device that dies between storing and acknowledging acknowledges when it is back")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        item = k.item(REMOVAL, "signing", k.certs["signing"])
        k.hand_over(item)
        first = k.take_acknowledgement()
        run.kill()  # for derivd the acknowledgement was never there
        run = d.start("run")
        k.meet()
        k.hand_over(item)
        tap.check(k.take_acknowledgement()["message"] == first["message"], "other bytes")
        tap.equal(usable(d), ["authentication", "encryption"], "usable")


@tap.test("a device without room stores nothing, acknowledges nothing and says so; with room it goes on")
def _():
    with Gateway() as g:
        k, d = enrolled(g)
        before = d.status(), d.list(), sorted(os.listdir(f"{d.state}/keys"))
        spki, sealed = k.seal("encryption")
        items = k.item(SEALED_KEY, "encryption", sealed), k.item(CERTIFICATE, "encryption", k.certificate(spki))
        # Every write fails, as on a full disk.
        run = Run(["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh", *d.command("run")])
        k.meet()
        k.hand_over(*items)
        tap.equal(run.end(), 1, "exit status")
        tap.contains(run.last_error()["text"], d.state)
        tap.equal(k.core.receive().name, "GATEWAY_DOWN", "next message")
        tap.equal((d.status(), d.list(), sorted(os.listdir(f"{d.state}/keys"))), before, "what is stored")
        run = d.start("run")
        k.meet()
        k.hand_over(*items)
        for _ in items:
            tap.equal(k.take_acknowledgement()["status"], 0, "status")
        tap.equal(usable(d), ["authentication", "decryption", "encryption", "signing"], "usable")
        run.kill()


@tap.test("certificates for foreign keys, sealed keys that do not open or are not wanted: refused for good, with a reason")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        foreign, sealed = k.seal("encryption")
        for what, status, args in (
                ("no key", 3, (CERTIFICATE, "authentication", k.certificate(foreign))),
                ("key of another purpose", 3,
                 (CERTIFICATE, "signing", k.certificate(k.requested_key("authentication")))),
                ("no certificate", 1, (CERTIFICATE, "signing", b"nonsense")),
                ("a device-made purpose", 4, (SEALED_KEY, "signing", k.seal("signing")[1])),
                ("sealed for another purpose", 4, (SEALED_KEY, "decryption", sealed)),
                ("sealed for another deployment", 4,
                 (SEALED_KEY, "encryption", k.seal("encryption", deployment=bytes(16))[1])),
                ("damaged", 4, (SEALED_KEY, "encryption", sealed[:-1] + bytes([sealed[-1] ^ 1]))),
                ("no chain", 1, (CHAIN, None, b"nonsense")),
                ("no pins", 1, (PINS, None, b"")),
                ("pins of another deployment", 1, (PINS, None, k.pins(1, bytes(32), deployment=bytes(16)))),
                ("no app", 1, (APP, None, fields(fields(b"../x", b"text/plain", b""))))):
            ack = k.deliver(*args)
            tap.equal(ack["status"], status, what)
            tap.check(ack["detail"], f"{what}: no reason")
        tap.equal(usable(d), ["authentication", "encryption", "signing"], "usable")


@tap.test("an old encryption key is kept for old mail when its successor comes; history keys come besides")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        spki, sealed = k.seal("encryption")
        tap.equal(k.deliver(CERTIFICATE, "encryption", k.certificate(spki, usage="keyAgreement"))["status"], 0, "s")
        tap.equal(usable(d), ["authentication", "encryption", "signing"], "before the key")
        tap.equal(k.deliver(SEALED_KEY, "encryption", sealed)["status"], 0, "status")
        tap.equal(usable(d), ["authentication", "decryption", "encryption", "signing"], "after the key")
        spki, sealed = k.seal("decryption")
        tap.equal(k.deliver(SEALED_KEY, "decryption", sealed)["status"], 0, "status")
        tap.equal(k.deliver(CERTIFICATE, "decryption", k.certificate(spki, usage="keyAgreement"))["status"], 0, "s")
        tap.equal(usable(d).count("decryption"), 2, "decryption keys")


@tap.test("op = issue: new keys replace the old ones only when their certificate comes")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        receipt = os.urandom(32)

        def issue(**how):
            k.request = os.urandom(16)
            k.invitation = None
            k.make_offer([("signing", DEVICE, "p256")], operation=2, **{"predecessor": receipt, **how})
            k.send_offer()

        issue()
        k.take_statement()
        tap.equal(k.statement["commitment"], "00" * 32, "commitment")
        first = k.statement_message
        old = [c for c in d.list() if c["purpose"] == "signing"]
        tap.equal(sorted(c["state"] for c in old), ["usable", "waits for its certificate"], "two keys")
        run.kill()
        run = d.start("run")
        k.meet()
        m = k.expect("DEVICE_STATEMENT")
        tap.check(m.inner_body == first, "another statement after the restart")
        cert = k.certificate(k.requested_key("signing"))
        tap.equal(k.deliver(CERTIFICATE, "signing", cert)["status"], 0, "status")
        new = [c for c in d.list() if c["purpose"] == "signing"]
        tap.equal(len(new), 1, "signing keys")
        tap.check(new[0]["key"] != next(c for c in old if c["state"] == "usable")["key"], "the old key")
        k.progress(COMPLETE)
        run.until("progress", stage="complete")
        # Swept after the acknowledgement, before the next message was read.
        tap.equal(len(os.listdir(f"{d.state}/keys")), 5, "key files: identity, sealing and three")
        issue(predecessor=os.urandom(32))
        tap.contains(run.until("offer-declined")["text"], "another enrollment")
        issue(name="Grace Example")
        tap.contains(run.until("offer-declined")["text"], "another person")
        issue(key="other")
        run.until("offer-declined", kind="signature-invalid")
        run.kill()
        run = d.start("run", "--no-issue")
        k.meet()
        run.until("connected")
        issue()
        tap.equal(run.until("offer-declined")["kind"], "offer-not-wanted", "kind")


@tap.test("pins, apps, removal of one credential, removal of everything")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        app = fields(fields(b"mail", b"application/json", b'{"email":"ada@example.org"}'))
        tap.equal(k.deliver(APP, None, app)["status"], 0, "status of apps")
        tap.equal(d.status()["apps"], ["mail"], "apps")
        d.call("export", "--pem", f"{g.dir}/out")
        tap.equal(json.loads(pki.read(f"{g.dir}/out/apps/mail.json")), {"email": "ada@example.org"}, "app")
        pins = [bytes.fromhex(g.pin), os.urandom(32)]
        tap.equal(k.deliver(PINS, None, k.pins(3, *pins))["status"], 0, "status of pins")
        tap.equal((d.status()["pins"], d.status()["pins_epoch"]), ([p.hex() for p in pins], 3), "pins")
        tap.equal(k.deliver(REMOVAL, "signing", k.certs["signing"])["status"], 0, "status of removal")
        run.until("item", number=k.number)
        tap.equal(usable(d), ["authentication", "encryption"], "usable")
        tap.equal(k.deliver(REMOVAL)["status"], 0, "status of removal")
        tap.equal(run.end(), 1, "exit status")
        tap.equal(run.last_error()["kind"], "device-removed", "kind")
        tap.equal((d.status()["stage"], d.list()), ("removed", []), "state")
        tap.equal(len(os.listdir(f"{d.state}/keys")), 2, "key files")


@tap.test("a removal whose acknowledgement was lost is acknowledged again, though nothing is left")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        removal = k.item(REMOVAL)
        k.hand_over(removal)
        first = k.expect("DEVICE_ACKNOWLEDGE").inner_body
        run.kill()
        tap.equal(d.status()["stage"], "removed", "stage")
        run = d.start("run")
        k.pull = None
        k.meet()
        k.hand_over(removal, hint=False)
        tap.equal(k.take_acknowledgement()["message"], first, "the second acknowledgement")
        tap.equal((run.end(), run.last_error()["kind"]), (1, "device-removed"), "end")
        run = d.start("run")
        k.pull = None
        k.meet()
        k.hand_over(hint=False)
        tap.equal((run.end(), run.last_error()["kind"]), (1, "device-removed"), "end when nothing waits")


@tap.test("the gateway dies and comes back: the device too, and derivd's restart costs no connection")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        g.kill()
        run.until("disconnected")
        g.start()
        k.core = g.core()
        k.meet()
        run.until("connected")
        k.pull = None
        k.core.close()
        k.core = g.core()
        connection = k.connection
        k.meet()
        tap.equal(k.connection, connection, "connection")
        k.pull = None
        run.until("connected")
        tap.equal(k.deliver(CHAIN, None, k.chain())["status"], 0, "status")


@tap.test("derivd is away during an enrollment: the statement is repeated, nobody starts again")
def _():
    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        run = d.start("enroll", "--wait", k.invite())
        k.begin_enrollment()
        first = k.statement_message
        k.core.close()
        k.core = g.core()
        k.begin_enrollment()
        tap.check(k.statement_message == first, "another statement")
        k.accept(run)
        k.deliver_all()
        k.progress(COMPLETE)
        tap.equal(run.end(), 0, "exit status")


@tap.test("a lost hint costs only time; many items come four at a time")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        items = [k.item(CHAIN, None, k.chain()) for _ in range(6)]
        k.hand_over(*items[:4], waiting=2)
        for _ in range(4):
            k.take_acknowledgement()
        k.hand_over(*items[4:], hint=False)  # the device asks by itself
        for _ in range(2):
            tap.equal(k.take_acknowledgement()["status"], 0, "status")


@tap.test("a refused Pull or Acknowledge is said, and the connection lives on")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        pull = k.take_pull()
        k.send("DEVICE_ERROR", pb((1, "unknown-device"), (2, 1), (3, "who?")), pull.inner_serial)
        tap.equal(run.until("refused")["kind"], "unknown-device", "kind")
        k.send("DEVICE_PING", b"")  # derivd's mistake ends the connection; the device comes again
        run.until("disconnected")
        k.meet()
        k.pull = None
        run.until("connected")
        tap.equal(k.deliver(CHAIN, None, k.chain())["status"], 0, "status")


@tap.test("trouble of the service's, whatever it is called, is waited out: the device stays enrolled and running")
def _():
    for kind, fate in (("store-full", 2), ("system", 2), ("timed-out", 1), ("device-removed", 1), ("of-tomorrow", 2)):
        with Gateway() as g:
            k, d, run = running(g)
            pull = k.take_pull()
            k.send("DEVICE_ERROR", pb((1, kind), (2, fate), (3, "not here")), 0 if fate == 1 else pull.inner_serial)
            tap.contains(run.until("disconnected")["text"], "not here")
            time.sleep(0.2)
            tap.equal(run.child.poll(), None, f"exit status after {kind}")
            run.kill()


@tap.test("messages that this version does not know are passed over")
def _():
    with Gateway() as g:
        k, d, run = running(g)
        k.send("DEVICE_HINT", pb((1, 0), (77, "new")))
        k.send("DEVICE_PROGRESS", pb((1, 1), (9, b"new field")))
        run.until("progress", stage="waiting")
        tap.equal(k.deliver(CHAIN, None, k.chain())["status"], 0, "status")


@tap.test("PEM: OpenSSL verifies each certificate against the chain, and each key is its own")
def _():
    with Gateway() as g:
        k, d = enrolled(g)
        out = os.path.join(g.dir, "pem")
        tap.equal(d.call("export", "--pem", out)[0], 0, "exit status")
        tap.equal(sorted(os.listdir(out)), ["authentication", "encryption", "signing"], "directories")
        for p in os.listdir(out):
            at = os.path.join(out, p)
            pki.openssl("verify", "-CAfile", f"{at}/chain.pem", f"{at}/certificate.pem")
            tap.equal(pki.openssl("pkey", "-in", f"{at}/key.pem", "-pubout"),
                      pki.openssl("x509", "-in", f"{at}/certificate.pem", "-noout", "-pubkey"), "public key")
            tap.equal(stat.S_IMODE(os.stat(f"{at}/key.pem").st_mode), 0o600, "mode")


FORMS = {(): ("PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256", "MAC: sha256"),
         ("--legacy",): ("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000", "MAC: sha1")}


@tap.test("PKCS#12: OpenSSL and NSS import it; AES-256, or what old readers know; one credential a file")
def _():
    for form, expected in FORMS.items():
        pkcs12(form, expected)


def pkcs12(form, expected):
    with Gateway() as g:
        k, d = enrolled(g)
        password = os.path.join(g.dir, "password")
        pki.write(password, b"correct horse\n", 0o600)
        status, text = d.call("export", "--p12", f"{g.dir}/x.p12", "--password-file", password)
        tap.equal(status, 1, "exit status without a choice")
        tap.contains(text, "--purpose")
        nss = os.path.join(g.dir, "nss")
        os.mkdir(nss)
        subprocess.run(["certutil", "-N", "-d", nss, "--empty-password"], check=True)
        for p in ("authentication", "signing", "encryption"):
            path = os.path.join(g.dir, f"{p}.p12")
            tap.equal(d.call("export", "--p12", path, "--password-file", password, "--purpose", p, *form)[0], 0, p)
            text = pki.openssl("pkcs12", "-in", path, "-passin", f"file:{password}", "-nodes").decode()
            tap.equal(text.count("BEGIN PRIVATE KEY"), 1, "keys")
            tap.equal(text.count("BEGIN CERTIFICATE"), 2, "certificates")
            info = subprocess.run(["openssl", "pkcs12", "-in", path, "-passin", f"file:{password}", "-info",
                                   "-noout"], capture_output=True, text=True).stderr
            for part in expected:
                tap.contains(info, part)
            subprocess.run(["pk12util", "-i", path, "-d", nss, "-w", password], check=True, capture_output=True)
        keys = subprocess.run(["certutil", "-K", "-d", nss], capture_output=True, text=True).stdout
        tap.equal(keys.count("derivd "), 3, f"keys in NSS:\n{keys}\n")
        status, text = d.call("export", "--p12", f"{g.dir}/x.p12", "--password-file", "/dev/null",
                              "--purpose", "signing")
        tap.equal(status, 1, "exit status without a password")


@tap.test("usage: what does not fit is named, with status 1; --help and --version work")
def _():
    with Gateway() as g:
        d = DeviceProgram(g)
        tap.equal(d.plain("--help")[0], 0, "--help")
        tap.contains(d.plain("--version")[1], "derivd-device ")
        status, _, text = d.plain("status")
        tap.equal(status, 1, "exit status without a directory")
        tap.contains(text, "no enrollment")
        tap.contains(text, "derivd-device enroll")
        os.mkdir(d.state, 0o700)
        for args in ([], ["enroll"], ["nonsense"], ["export"], ["export", "--pem", "x", "--p12", "y"], ["export", "--pem", "x", "--legacy"],
                     ["export", "--pem", "x", "--purpose", "all"]):
            status, _, text = d.plain(*args)
            tap.equal(status, 1, str(args))
            tap.contains(text, "derivd-device: ")
        tap.equal(d.plain("--nonsense")[0], 2, "unknown option")
        tap.contains(d.plain("status")[2], "no enrollment")


tap.run()
