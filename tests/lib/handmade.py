"""A derivd made of Python, for tests of derivd-device: its part of PROTOCOL.device, with tests/mock/pen as derivd-ca's pen.
(kiosk.py has a whole kiosk with the real programs.)

    with Gateway() as g, Kiosk(g) as k:
        d = DeviceProgram(g)
        run = d.start("enroll", "--wait", k.invite())
        k.enroll(run)          # from Begin to COMPLETE, everything checked
"""

import base64
import hashlib
import json
import os
import queue
import secrets
import struct
import subprocess
import threading
import time

import pki
from gateway import Closed, build_dir, one, pb, unpb, _die_with_parent

WAIT = 30
PURPOSE = {"authentication": 1, "signing": 2, "encryption": 3, "decryption": 4}
DEVICE, SERVER = 1, 2
CERTIFICATE, SEALED_KEY, CHAIN, PINS, APP, REMOVAL = range(1, 7)
WAITING, DIGITS, SIGNED, ACCEPTED, COMPLETE, CANCELLED = range(1, 7)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def fields(*values):
    """Fields of a record: each behind its length."""
    return b"".join(struct.pack(">I", len(v)) + v for v in values)


class Pen:
    def __init__(self):
        self.child = subprocess.Popen([os.path.join(build_dir(), "tests/mock/pen")], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      preexec_fn=_die_with_parent)
        keys = json.loads(self.child.stdout.readline())
        self.delivery, self.other, self.deployment = (
            bytes.fromhex(keys[n]) for n in ("delivery", "other", "deployment"))

    def do(self, what, **values):
        """Bytes go as hexadecimal and come as it; an error of the pen's is one here."""
        values = {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items() if v is not None}
        self.child.stdin.write(json.dumps({"do": what, **values}) + "\n")
        self.child.stdin.flush()
        answer = json.loads(self.child.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{what}: {answer['error']}")
        return answer

    def signed(self, what, **values):
        answer = self.do(what, **values)
        return bytes.fromhex(answer["body"]), bytes.fromhex(answer["signature"])

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class PublicKey:
    """What pki.Issuer.certify wants of a key."""

    def __init__(self, spki):
        self.spki = spki

    @property
    def id(self):
        return hashlib.sha1(self.spki[-65:]).digest()


class DeviceProgram:
    """derivd-device with a state directory."""

    def __init__(self, g, name="phone"):
        self.program = os.path.join(build_dir(), "derivd-device")
        self.state = os.path.join(g.dir, name)
        self.runs = []

    def command(self, *args):
        return [self.program, "--state", self.state, "--json", *args]

    def call(self, *args, stdin=None):
        """To the end: status, last JSON value or None, all output."""
        done = subprocess.run(self.command(*args), capture_output=True, text=True, input=stdin)
        return done.returncode, done.stdout + done.stderr

    def plain(self, *args):
        done = subprocess.run([self.program, "--state", self.state, *args], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def status(self):
        return json.loads(self.call("status")[1])

    def list(self):
        return json.loads(self.call("list")[1])

    def start(self, *args):
        run = Run(self.command(*args))
        self.runs.append(run)
        return run


class Run:
    """A running derivd-device; its events as they come."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        self.events = queue.Queue()
        self.seen = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.child.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def until(self, event, **wanted):
        """Waits for an event with these values."""
        while True:
            e = self.events.get(timeout=WAIT)
            if e is None:
                raise AssertionError(f"the device ended before \"{event}\": {self.seen[-3:]} "
                                     f"{self.child.stderr.read()}")
            self.seen.append(e)
            if e["event"] == event and all(e.get(k) == v for k, v in wanted.items()):
                return e

    def end(self):
        """Waits for the end: exit status."""
        status = self.child.wait(WAIT)
        self.thread.join()
        while not self.events.empty():
            e = self.events.get()
            if e:
                self.seen.append(e)
        return status

    def last_error(self):
        self.end()
        return next(e for e in reversed(self.seen) if e["event"] == "error")

    def kill(self):
        self.child.kill()
        self.child.wait()


class Kiosk:
    def __init__(self, g, core=None):
        self.g, self.pen = g, Pen()
        self.core = core or g.core()
        self.core.until("GATEWAY_SYNCED")
        self.number = 0
        self.connection = None
        self.identity = None
        self.enrolled = False
        self.root = self.issuer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pen.close()

    # ---- invitation

    def invite(self, delivery=None, pin=None, deployment=None, port=None):
        self.seed = secrets.token_bytes(32)
        pin = bytes.fromhex(pin or self.g.pin)
        hashed = hashlib.sha256(delivery or self.pen.delivery).digest()
        self.request = secrets.token_bytes(16)
        self.offer = self.invitation = None
        return (f"derivd:1?h=127.0.0.1:{port or self.g.port}&d={b64(deployment or self.pen.deployment)}"
                f"&s={b64(self.seed)}&k={b64(hashed)}&p={b64(pin)}")

    # ---- messages

    def send(self, name, body=b"", serial=0):
        self.core.relay(self.connection, name, body, serial)

    def expect(self, name):
        """The device's next message but Pull; pulls are counted."""
        while True:
            m = self.core.receive()
            if m.name != "GATEWAY_RELAY" or m.connection != self.connection:
                if m.name in ("GATEWAY_UP", "GATEWAY_DOWN"):
                    continue
                raise AssertionError(f"got {m!r}, wanted {name}")
            if m.inner == name:
                return m
            if m.inner == "DEVICE_PULL":
                self.pull = m
                continue
            raise AssertionError(f"got {m!r}, wanted {name}")

    def meet(self, answer=True, delivery=None, deployment=None):
        """Up and Hello of a device; its Welcome."""
        up = self.core.until("GATEWAY_UP")
        self.connection, self.identity = one(up.fields, 1), one(up.fields, 2)
        hello = self.core.until("GATEWAY_RELAY", "DEVICE_HELLO")
        self.hello = unpb(hello.inner_body)
        if answer:
            self.send("DEVICE_WELCOME", pb(
                (1, 1), (2, deployment or self.pen.deployment), (3, delivery or self.pen.delivery),
                (4, int(time.time() * 1000)), (5, int(self.enrolled))), hello.inner_serial)
        return hello

    def take_begin(self):
        m = self.expect("DEVICE_BEGIN")
        f = unpb(m.inner_body)
        self.invitation = one(f, 1)
        self.pen.do("begin", public=self.invitation, signature=one(f, 2), identity=self.identity)
        return m

    def make_offer(self, purposes=(("authentication", DEVICE, "p256"), ("signing", DEVICE, "p256"),
                                   ("encryption", SERVER, "p256")), **how):
        rows = [[PURPOSE[p], origin, kind] for p, origin, kind in purposes]
        self.offer = self.pen.signed("offer", request=self.request, purposes=rows, **how)

    def send_offer(self, serial=0, delivery=None):
        body, signature = self.offer
        self.send("DEVICE_OFFER", pb((1, pb((1, body), (2, signature))), (2, delivery or self.pen.delivery)),
                  serial)

    def take_statement(self):
        m = self.expect("DEVICE_STATEMENT")
        f = unpb(m.inner_body)
        s = unpb(one(f, 1))
        self.statement_message = m.inner_body
        self.spki = one(f, 2)
        assert hashlib.sha256(self.spki).digest() == self.identity, "another key than in TLS"
        self.statement = self.pen.do(
            "statement", statement=one(s, 1), by_invitation=one(s, 2, b""), by_identity=one(s, 3),
            offer=self.offer[0], invitation=self.invitation or b"")
        assert self.statement["device"] == self.identity.hex()
        return m

    def progress(self, stage, text=""):
        self.send("DEVICE_PROGRESS", pb((1, stage), (2, text)))

    def reveal(self, r_k=None):
        """Sends r_k, takes r_d, returns the digits."""
        r_k = r_k or secrets.token_bytes(32)
        self.send("DEVICE_REVEAL", pb((1, r_k)))
        r_d = one(unpb(self.expect("DEVICE_OPENED").inner_body), 1)
        assert hashlib.sha256(r_d).hexdigest() == self.statement["commitment"], "not what was committed"
        return self.pen.do("digits", hash=self.statement["hash"], r_d=r_d, r_k=r_k)["digits"]

    def begin_enrollment(self):
        """From Hello to the statement."""
        self.meet()
        begin = self.take_begin()
        if not self.offer:
            self.make_offer()
        self.send_offer(begin.inner_serial)
        self.take_statement()
        self.progress(WAITING)

    def accept(self, run):
        """Digits, signature, receipt."""
        digits = self.reveal()
        shown = run.until("digits")["digits"]
        assert digits == shown, f"the phone shows {shown}, the kiosk expects {digits}"
        self.progress(SIGNED)
        self.enrolled = True
        self.progress(ACCEPTED)

    # ---- what is issued

    def pki(self):
        if not self.issuer:
            def ca(stem, subject, by=None):
                key = pki.Key.make(os.path.join(self.g.dir, stem), "p256")
                me = pki.Issuer(key, subject)
                (by or me).cert = (by or me).cert or None
                now = pki.now()
                me.cert = (by or me).certify(
                    key, subject, [pki.ext_ca(), pki.ext_key_usage("keyCertSign", "cRLSign")],
                    now, now.replace(year=now.year + 5))
                return me
            self.root = ca("root.key", pki.name(("CN", "Test Root")))
            self.issuer = ca("issuer.key", pki.name(("CN", "Test Issuer")), self.root)
        return self.issuer

    def certificate(self, spki, subject="Ada Example", usage="digitalSignature"):
        now = pki.now()
        return self.pki().certify(PublicKey(spki), pki.name(("CN", subject)), [
            pki.ext_key_usage(usage), pki.ext_eku("1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"),
            pki.ext_san(pki.gn_mail("ada@example.org"))], now, now.replace(year=now.year + 1))

    def requested_key(self, purpose):
        """The public key in the statement's PKCS#10."""
        der = bytes.fromhex(next(r for p, r in self.statement["requests"] if p == PURPOSE[purpose]))
        public = pki.openssl("req", "-inform", "DER", "-noout", "-pubkey", "-verify", stdin=der)
        return pki.openssl("pkey", "-pubin", "-outform", "DER", stdin=public)

    def seal(self, purpose="encryption", **how):
        sealed = self.pen.do("seal", certificate=self.statement["sealing"], purpose=PURPOSE[purpose], **how)
        return bytes.fromhex(sealed["spki"]), bytes.fromhex(sealed["sealed"])

    def chain(self):
        self.pki()
        return fields(self.issuer.cert, self.root.cert)

    # ---- delivery

    def item(self, kind, purpose=None, payload=b"", number=None, flip=None, **how):
        """A signed item as a message field. flip: "body", "payload" or "signature" of which a bit is turned."""
        if number is None:
            self.number += 1
            number = self.number
        device = how.pop("device", self.identity)
        body, signature = self.pen.signed("item", device=device, number=number, kind=kind,
                                          purpose=PURPOSE.get(purpose, 0), payload=payload, **how)
        parts = {"body": body, "signature": signature, "payload": payload}
        if flip:
            parts[flip] = parts[flip][:-1] + bytes([parts[flip][-1] ^ 1])
        self.last_item = (number, hashlib.sha256(parts["body"]).hexdigest())
        return pb((1, pb((1, parts["body"]), (2, parts["signature"]))), (2, parts["payload"]))

    def take_pull(self):
        if not getattr(self, "pull", None):
            self.pull = self.expect_pull()
        pull, self.pull = self.pull, None
        return pull

    def expect_pull(self):
        while True:
            m = self.core.receive()
            if m.name == "GATEWAY_RELAY" and m.connection == self.connection:
                if m.inner == "DEVICE_PULL":
                    return m
                raise AssertionError(f"got {m!r}, wanted DEVICE_PULL")

    def hand_over(self, *items, waiting=0, hint=True):
        """Hints if need be, answers the Pull with these items."""
        if not getattr(self, "pull", None) and hint:
            self.send("DEVICE_HINT", pb((1, len(items))))
        pull = self.take_pull()
        self.send("DEVICE_ITEMS", pb((1, list(items)), (2, waiting)), pull.inner_serial)

    def take_acknowledgement(self):
        m = self.expect("DEVICE_ACKNOWLEDGE")
        f = unpb(m.inner_body)
        ack = self.pen.do("acknowledgement", bytes=one(f, 1), signature=one(f, 2), identity=self.spki)
        ack["message"] = m.inner_body
        self.send("DEVICE_SETTLED", pb((1, ack["number"])), m.inner_serial)
        return ack

    def pins(self, epoch, *pins, deployment=None):
        """A pin set, as the payload of an item."""
        return fields(deployment or self.pen.deployment, struct.pack(">Q", epoch), struct.pack(">Q", 0), fields(*pins))

    def deliver(self, kind, purpose=None, payload=b"", **how):
        """One item, handed over and acknowledged: the acknowledgement."""
        self.hand_over(self.item(kind, purpose, payload, **how))
        ack = self.take_acknowledgement()
        assert (ack["number"], ack["item_digest"]) == self.last_item, "an acknowledgement of another item"
        assert ack["device"] == self.identity.hex()
        return ack

    def deliver_all(self, key_first=False):
        """Chain, certificates, sealed key: what an enrollment brings."""
        self.certs = {p: self.certificate(self.requested_key(p)) for p in ("authentication", "signing")}
        spki, sealed = self.seal()
        self.certs["encryption"] = self.certificate(spki, usage="keyAgreement")
        encryption = [(CERTIFICATE, "encryption", self.certs["encryption"]),
                      (SEALED_KEY, "encryption", sealed)]
        todo = [(CHAIN, None, self.chain()), (CERTIFICATE, "authentication", self.certs["authentication"]),
                (CERTIFICATE, "signing", self.certs["signing"]),
                *(reversed(encryption) if key_first else encryption)]
        for kind, purpose, payload in todo:
            ack = self.deliver(kind, purpose, payload)
            assert ack["status"] == 0, ack

    def enroll(self, run, **how):
        """The whole of it."""
        self.begin_enrollment()
        self.accept(run)
        self.deliver_all(**how)
        self.progress(COMPLETE)
