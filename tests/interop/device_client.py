#!/usr/bin/python3
"""A phone, written after PROTOCOL.device, PROTOCOL.frame and PROTOCOL.intent alone, in another language and with none of
derivd's code.

    device_client.py DIRECTORY enroll        reads the QR code's text from stdin; ends when everything has come
    device_client.py DIRECTORY run           stays connected
    device_client.py DIRECTORY export INTO   PEM files, a directory for each purpose

It says what happens as lines of JSON. With --die-at MOMENT it loses power at that moment.
"""

import argparse
import copy
import json
import os
import random
import secrets
import sys
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import delivery
from keeper import Keeper, certificate, certificate_request, key_agreement_only, make_key, spki
from records import OFFER, STATEMENT, Malformed, digits, holder_id, labelled, need, read_uri, sha256
from wire import Closed, Connection, NotReached, WrongServer, common, device

VERSIONS = [1]
DAY_MS = 24 * 3600 * 1000
WAITING, DIGITS, SIGNED, ACCEPTED, COMPLETE, CANCELLED = range(1, 7)
MOST = 4
PATIENCE = 30  # for an answer
QUIET = 300  # after that, a Ping
PULL_EVERY = 600
BACK_OFF = (1, 300)


class Over(Exception):
    """The enrollment is over; the person starts again at the kiosk."""


class Warned(Exception):
    """Something that must not be: the person is told, the connection ended."""


def check(condition, why):
    if not condition:
        raise Warned(why)


class Phone:
    def __init__(self, directory, die_at=None):
        self.keeper = Keeper(directory)
        self.die_at = die_at
        self.finished = False
        self.connection = None

    @property
    def state(self):
        return self.keeper.state

    def say(self, event, **more):
        print(json.dumps({"event": event, **more}), flush=True)

    def moment(self, name):
        if self.die_at == name:
            os._exit(70)

    def change(self, **changes):
        self.keeper.save({**self.state, **changes})

    # ---- what is left to a device ----

    platform = "interop 1.0"

    def envelope(self, sealing, identity):
        """The certificate over the sealing key."""
        key_id = x509.SubjectKeyIdentifier.from_public_key(sealing.public_key())
        return certificate(sealing, identity, (key_id, False), (key_agreement_only(), True))

    def request(self, key):
        return certificate_request(key)

    # ---- the QR code ----

    def invite(self, uri):
        """What is made before the first connection (section 4.1)."""
        invitation = read_uri(uri)
        identity, sealing = make_key("p256"), make_key("p256")
        envelope = self.envelope(sealing, identity)
        seed = Ed25519PrivateKey.from_private_bytes(invitation["seed"])
        public = seed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = seed.sign(labelled("derivd begin v1", sha256(spki(identity))))
        self.keeper.save({
            "host": invitation["host"], "port": invitation["port"], "pins": [p.hex() for p in invitation["pins"]],
            "deployment": invitation["deployment"].hex(), "delivery hash": invitation["delivery"].hex(), "delivery public": "",
            "identity": self.keeper.store_identity(identity), "sealing": self.keeper.store_key(sealing),
            "sealing certificate": envelope.public_bytes(Encoding.DER).hex(), "seed": invitation["seed"].hex(),
            "begin": {"public": public.hex(), "signature": signature.hex()}, "enrolled": False, "removed": False, "offer": "",
            "statement": None, "r_d": "", "r_k": "", "holder": "", "issue": None, "predecessor": "",
            "last number": 0, "acknowledgements": [], "keys": [], "certificates": [], "chain": [], "apps": []})

    # ---- offers and statements ----

    def believed_offer(self, message):
        """The fields of an offer that this device may answer (section 4.3), whatever its operation is."""
        check(sha256(message.delivery_public).hex() == self.state["delivery hash"], "another delivery key than in the QR code")
        try:
            Ed25519PublicKey.from_public_bytes(message.delivery_public).verify(
                message.offer.signature, labelled("derivd offer v1", message.offer.body))
            offer = OFFER.read(message.offer.body)
        except (InvalidSignature, Malformed) as e:
            raise Warned(f"an offer that is not one: {e}") from None
        check(offer["deployment"].hex() == self.state["deployment"], "an offer of another deployment")
        check(offer["expires"] + DAY_MS > time.time() * 1000, "an offer that has expired")
        return offer

    def make_statement(self, offer, body, r_d):
        """(statement as it is sent and stored, entries of the new keys)"""
        enrolling = offer["operation"] == 1
        entries, requests = [], []
        for wanted in offer["purposes"]:
            if wanted["origin"] != 1:
                continue
            key = make_key(wanted["key type"])
            entries.append({"purpose": wanted["purpose"], "hash": self.keeper.store_key(key), "made": "device",
                            "certificate": "", "predecessor": "" if enrolling else offer["predecessor"].hex()})
            requests.append({"purpose": wanted["purpose"], "PKCS#10": self.request(key), "attestation": b""})
        identity = self.keeper.key(self.state["identity"])
        data = STATEMENT.write({
            "version": 1, "host": self.state["host"], "deployment": bytes.fromhex(self.state["deployment"]),
            "invitation key": bytes.fromhex(self.state["begin"]["public"]) if enrolling else None, "offer digest": sha256(body),
            "identity key": spki(identity), "sealing": bytes.fromhex(self.state["sealing certificate"]),
            "platform": self.platform, "requests": requests, "commitment": sha256(r_d) if enrolling else bytes(32)})
        signed = labelled("derivd statement v1", data)
        invitation = b""
        if enrolling:
            invitation = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.state["seed"])).sign(signed)
        return {"statement": data.hex(), "invitation": invitation.hex(),
                "identity": identity.sign(signed, ec.ECDSA(hashes.SHA256())).hex()}, entries

    def send_statement(self, stored, what):
        statement = common.Statement(statement=bytes.fromhex(stored["statement"]),
                                     invitation_signature=bytes.fromhex(stored["invitation"]),
                                     identity_signature=bytes.fromhex(stored["identity"]))
        public = spki(self.keeper.key(self.state["identity"]))
        self.ask("STATEMENT", device.Statement(statement=statement, identity_public=public), what)
        self.moment(f"{what}-sent")

    def on_offer(self, message):
        """The answer to Begin."""
        offer = self.believed_offer(message)
        body = message.offer.body
        check(offer["operation"] == 1, "an offer for another operation")
        if self.state["offer"]:
            check(self.state["offer"] == body.hex(), "another offer for the same invitation")
        else:
            r_d = secrets.token_bytes(32)
            statement, entries = self.make_statement(offer, body, r_d)
            self.moment("keys-made")
            self.change(**{"delivery public": message.delivery_public.hex(), "offer": body.hex(), "statement": statement,
                           "keys": entries, "r_d": r_d.hex(), "seed": None, "holder": holder_id(offer["facts"]).hex()})
            self.moment("statement-stored")
            self.say("offer", name=offer["facts"].get("name", ""), purposes=[p["purpose"] for p in offer["purposes"]])
        self.send_statement(self.state["statement"], "statement")

    def on_issue_offer(self, message):
        """Unasked, to an enrolled device (section 5)."""
        offer = self.believed_offer(message)
        body = message.offer.body
        check(offer["operation"] == 2, "an offer for another operation")
        check(holder_id(offer["facts"]).hex() == self.state["holder"], "an offer for another person")
        check(self.state["predecessor"] in ("", offer["predecessor"].hex()), "an offer for another enrollment")
        pending = self.state["issue"]
        if not pending or pending["offer"] != body.hex():
            statement, entries = self.make_statement(offer, body, None)
            self.change(issue={"offer": body.hex(), "expires": offer["expires"], "statement": statement},
                        keys=self.state["keys"] + entries)
            self.moment("issue-stored")
            self.say("issue", purposes=[p["purpose"] for p in offer["purposes"]])
        self.send_statement(self.state["issue"]["statement"], "issue")

    # ---- digits ----

    def on_reveal(self, r_k):
        check(self.state["statement"] and not self.state["enrolled"], "a number of the kiosk that nobody waits for")
        if not self.state["r_k"]:
            self.change(r_k=r_k.hex())
            self.moment("reveal-stored")
        check(self.state["r_k"] == r_k.hex(), "the kiosk's number has changed: somebody may be in between")
        self.show_digits()
        self.ask("OPENED", device.Opened(device_random=bytes.fromhex(self.state["r_d"])), "opened")
        self.moment("opened-sent")

    def show_digits(self):
        s = self.state
        self.say("digits", digits=digits(sha256(bytes.fromhex(s["statement"]["statement"])), bytes.fromhex(s["r_d"]),
                                         bytes.fromhex(s["r_k"])))

    # ---- delivery ----

    def pull(self):
        if "pull" in self.pending.values():
            self.pull_again = True
            return
        self.pull_again = False
        self.next_pull = time.monotonic() + PULL_EVERY
        self.ask("PULL", device.Pull(most=MOST), "pull")

    def on_items(self, message):
        for one in message.items:
            state = copy.deepcopy(self.state)
            state["enrolled"] = not state["removed"]
            item, made, status = delivery.receive(self.keeper, state, one.item, one.payload)
            self.moment(f"item-{item['kind']}-before")
            self.keeper.save(state)
            self.moment(f"item-{item['kind']}-stored")
            self.say("item", number=item["number"], kind=item["kind"], purpose=item["purpose"], status=status)
            self.ask("ACKNOWLEDGE", device.Acknowledge(acknowledgement=bytes.fromhex(made["acknowledgement"]),
                                                       signature=bytes.fromhex(made["signature"])), "acknowledge")
            self.moment(f"item-{item['kind']}-acknowledged")
        if message.items and (message.waiting or self.pull_again or self.state["removed"]):
            self.pull()
        if self.state["removed"] and not message.items:
            self.finished = True
            self.say("removed")

    # ---- one connection ----

    def ask(self, name, message, what):
        self.serial += 1
        self.pending[self.serial] = what
        self.connection.send(name, self.serial, message.SerializeToString())

    def hello(self):
        self.pending = {}
        self.welcomed = False
        self.ask("HELLO", device.Hello(versions=VERSIONS, program="interop 1.0", platform="python",
                                       last_number=self.state["last number"]), "hello")

    def on_welcome(self, message):
        check(message.version in VERSIONS, "a version that was not offered")
        check(message.deployment.hex() == self.state["deployment"], "another service answers: another deployment")
        check(sha256(message.delivery_public).hex() == self.state["delivery hash"], "another service answers: another key")
        self.welcomed = True
        self.say("welcome", enrolled=message.enrolled, revoked=message.revoked)
        if message.enrolled and not self.state["enrolled"] and self.state["statement"] and not self.state["removed"]:
            self.change(enrolled=True)
        if self.state["enrolled"] or self.state["removed"] or message.revoked:
            issue = self.state["issue"]
            if issue and issue["expires"] > time.time() * 1000:
                self.send_statement(issue["statement"], "issue")
            self.pull()
            return
        begin = self.state["begin"]
        self.ask("BEGIN", device.Begin(invitation_public=bytes.fromhex(begin["public"]),
                                       signature=bytes.fromhex(begin["signature"])), "begin")

    def on_progress(self, message, what):
        self.say("progress", stage=message.stage, text=message.text)
        if message.stage == ACCEPTED and (what == "issue" or self.state["issue"]):
            self.change(issue=None)
        if message.stage == ACCEPTED and self.state["statement"] and not self.state["enrolled"]:
            self.change(enrolled=True)
            self.moment("accepted")
            self.pull()
        if message.stage == COMPLETE:
            self.finished = True
        if message.stage == CANCELLED and not self.state["enrolled"]:
            raise Over(f"cancelled: {message.text}")

    def on_error(self, error, what):
        self.say("error", kind=error.kind, fate=error.fate, text=error.text, about=what)
        if what is None:
            raise Closed(error.kind)
        if what in ("begin", "statement", "opened") and error.fate == common.REFUSE:
            raise Over(error.kind)
        if error.fate != common.REFUSE:
            raise Closed(error.kind)
        if what == "issue":
            self.change(issue=None)

    def dispatch(self, name, serial, message):
        what = self.pending.pop(serial, None) if serial else None
        if name == "ERROR":
            self.on_error(message, what)
        elif name == "WELCOME":
            self.on_welcome(message)
        elif name == "RESTARTED":
            self.hello()
        elif name == "PING":
            self.connection.send("PONG", serial)
        elif not self.welcomed:
            return  # of a time before a restart
        elif name == "OFFER" and what == "begin":
            self.on_offer(message)
        elif name == "OFFER" and self.state["enrolled"]:
            self.on_issue_offer(message)
        elif name == "REVEAL":
            self.on_reveal(message.kiosk_random)
        elif name == "PROGRESS":
            self.on_progress(message, what)
        elif name == "HINT":
            self.pull()
        elif name == "ITEMS":
            self.on_items(message)

    def everything_came(self):
        """For a COMPLETE that was missed: each purpose of the enrollment's offer has its credential."""
        if not self.state["enrolled"] or not self.state["offer"]:
            return False
        offer = OFFER.read(bytes.fromhex(self.state["offer"]))
        return all(self.keeper.whole(p["purpose"]) for p in offer["purposes"])

    def converse(self, until_done):
        self.serial = 0
        self.pull_again, self.next_pull = False, time.monotonic() + PULL_EVERY
        self.hello()
        asked = None
        while not (self.finished and (until_done or self.state["removed"])):
            got = self.connection.receive(PATIENCE if self.pending else QUIET)
            if got:
                asked = None
                self.dispatch(*got)
            elif asked or not self.welcomed:
                raise Closed("no answer")
            else:
                asked = True
                self.ask("PING", device.Ping(), "ping")
            if self.welcomed and time.monotonic() > self.next_pull and self.state["enrolled"]:
                self.pull()
            if until_done and not self.pending and self.everything_came():
                self.finished = True

    def live(self, until_done):
        """Connects, and again. Returns when everything has come, if it is to; raises Over."""
        self.wait = BACK_OFF[0]
        while True:
            self.welcomed = False
            believed = True
            try:
                s = self.state
                self.connection = Connection(s["host"], s["port"], [bytes.fromhex(p) for p in s["pins"]],
                                             self.keeper.identity_file())
                self.converse(until_done)
                return
            except (Closed, Malformed, Warned, delivery.NotBelieved) as e:
                kind = type(e).__name__
                self.say("ended", kind=kind, why=str(e))
                believed = not isinstance(e, (delivery.NotBelieved, Warned, WrongServer))
                if self.welcomed and not isinstance(e, delivery.NotBelieved):
                    self.wait = BACK_OFF[0]
                if isinstance(e, NotReached) and until_done and not s["statement"]:
                    raise Over(f"not reached: {e}") from None
            finally:
                if self.connection:
                    self.connection.close()
                self.connection = None
            enrolling = not self.state["enrolled"] and believed
            time.sleep(min(random.uniform(self.wait / 2, self.wait), 5 if enrolling else BACK_OFF[1]))
            self.wait = min(self.wait * 2, BACK_OFF[1])


def main(kind=Phone):
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("command", choices=("enroll", "run", "export"))
    parser.add_argument("into", nargs="?")
    parser.add_argument("--die-at")
    args = parser.parse_args()
    phone = kind(args.directory, args.die_at)
    if args.command == "export":
        phone.keeper.export(args.into)
        return 0
    try:
        if args.command == "enroll" and not sys.stdin.isatty():
            uri = sys.stdin.readline().strip()
            if uri:
                phone.invite(uri)
        need(phone.state, "this device was never invited")
        phone.live(args.command == "enroll")
    except (Over, Malformed) as e:
        phone.say("over", why=str(e))
        return 1
    phone.say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
