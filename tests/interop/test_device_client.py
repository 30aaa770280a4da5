#!/usr/bin/python3
"""The phone of another maker (device_client.py) at a kiosk: enrolled with a card, interrupted at each moment, given further
credentials, revoked; what it got is used. Then what section 2 of PROTOCOL.device promises to older and newer programs."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from kiosk import OFFICER, Kiosk, free_port, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("protoc", "openssl")
tap.need_modules(cryptography="python3-cryptography", google__protobuf="python3-protobuf")

import wire  # noqa: E402
from keeper import Keeper, make_key  # noqa: E402
from wire import common, device  # noqa: E402

CLIENT = os.path.join(HERE, "device_client.py")
PURPOSES = ["authentication", "encryption", "signing"]
ACTIVE = [(p, "active") for p in PURPOSES]
DIED = 70


class App:
    """device_client.py as a process; Kiosk.provision takes it for a device."""

    def __init__(self, name):
        self.dir = kiosk.at(f"apps/{name}")
        self.log = self.dir + ".log"
        os.makedirs(self.dir)
        self.process = None
        kiosk.devices.append(self)

    def _start(self, *words, uri=""):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen([sys.executable, CLIENT, self.dir, *words], stdin=subprocess.PIPE, stdout=out,
                                            stderr=out, text=True)
        self.process.stdin.write(uri + "\n")
        self.process.stdin.close()
        return self

    def enroll(self, uri, *words):
        return self._start("enroll", *words, uri=uri)

    def go_on(self, *words):
        """With the same enrollment, after it was ended."""
        return self._start("enroll", *words)

    def start(self, *words):
        return self._start("run", *words)

    def events(self, name=None):
        with open(self.log, encoding="utf-8") as f:
            lines = f.read().splitlines()
        for line in lines:
            tap.check(line.startswith("{"), f"the app broke off:\n{os.linesep.join(lines)}")
        return [e for e in map(json.loads, lines) if name in (None, e["event"])]

    def has_said(self, event, more=0, **fields):
        """Waits for such an event beyond the first "more" ones; returns it."""
        def look():
            good = [e for e in self.events(event) if all(e[k] == v for k, v in fields.items())]
            return good[more:] and good[-1]
        return wait_for(f"{event} of the app", look)

    def digits(self):
        return self.has_said("digits")["digits"]

    def wait(self):
        return self.process.wait(60)

    def stop(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()

    @property
    def state(self):
        return Keeper(self.dir).state

    @property
    def id(self):
        return self.state["identity"]

    def export(self):
        Keeper(self.dir).export(self.dir + "-pem")
        return self.dir + "-pem"


kiosk = tap.use(Kiosk(start=False))
kiosk.configure(derivd="devices-per-holder = 100\n")
kiosk.start()
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))


def credentials(app):
    rows = [r for r in kiosk.ctl_json("credential", "list") if r["device"] == app.id]
    return sorted((r["purpose"], r["state"]) for r in rows)


def all_active(app):
    wait_for("the credentials", lambda: credentials(app) == ACTIVE)


@tap.test("the app enrolls: three credentials, kept with their chain")
def _():
    app = App("first")
    settled = kiosk.provision(app, "--label", "another maker's phone")[-1]
    tap.equal(app.wait(), 0, "exit status")
    tap.equal(sorted((c["purpose"], c["state"]) for c in settled["credentials"]), ACTIVE)
    tap.equal([e["stage"] for e in app.events("progress")], [1, 2, 3, 4, 5], "stages that it was told")
    tap.check(all(e["status"] == 0 for e in app.events("item")), f"items: {app.events('item')}")
    where = app.export()
    for purpose in PURPOSES:
        run("openssl", "verify", "-x509_strict", "-CAfile", f"{where}/{purpose}/chain.pem",
            f"{where}/{purpose}/certificate.pem")


@tap.test("authentication: a TLS 1.3 login")
def _():
    where, port = kiosk.devices[0].dir + "-pem", free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1", "-tls1_3",
         "-cert", kiosk.at("etc/gateway/gateway.pem"), "-key", kiosk.at("etc/gateway/gateway.key"), "-Verify", "3",
         "-verify_return_error", "-purpose", "sslclient", "-CAfile", f"{where}/authentication/chain.pem"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for("s_server", lambda: listens(port))
        client = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-cert",
                     f"{where}/authentication/certificate.pem", "-key", f"{where}/authentication/key.pem", input="hello\nQ\n",
                     check=False)
        said = server.communicate(timeout=30)[0]
    finally:
        server.kill()
    tap.contains(said, "hello", f"the server ({client.stderr})")
    tap.contains(said, "Ada Lovelace", "the server")
    tap.lacks(said, "verify error", "the server")


def listens(port):
    with open("/proc/net/tcp", encoding="ascii") as f:
        return f"0100007F:{port:04X} 00000000:0000 0A" in f.read()


@tap.test("signing and encryption: a message is signed, one comes encrypted")
def _():
    where = kiosk.devices[0].dir + "-pem"
    message = kiosk.write("message.txt", "Content-Type: text/plain\n\nThe Analytical Engine weaves algebraic patterns.\n")
    signed, sealed, opened = (kiosk.at(f"message.{n}") for n in ("signed", "sealed", "opened"))
    run("openssl", "cms", "-sign", "-in", message, "-signer", f"{where}/signing/certificate.pem", "-inkey",
        f"{where}/signing/key.pem", "-out", signed)
    done = run("openssl", "cms", "-verify", "-in", signed, "-CAfile", f"{where}/signing/chain.pem")
    tap.contains(done.stdout, "algebraic patterns")
    run("openssl", "cms", "-encrypt", "-aes256", "-in", message, "-out", sealed, f"{where}/encryption/certificate.pem")
    run("openssl", "cms", "-decrypt", "-in", sealed, "-recip", f"{where}/encryption/certificate.pem", "-inkey",
        f"{where}/encryption/key.pem", "-out", opened)
    with open(opened, encoding="utf-8") as f:
        tap.contains(f.read(), "algebraic patterns")


MOMENTS = ["keys-made", "statement-stored", "statement-sent", "reveal-stored", "opened-sent", "accepted", "item-3-before",
           "item-1-stored", "item-1-acknowledged", "item-2-before", "item-2-stored", "item-2-acknowledged"]


@tap.test("the app loses power at each moment and goes on from there: three credentials, never more")
def _():
    for moment in MOMENTS:
        app = App(f"dies-{moment}")
        with kiosk.session("--yes") as s:
            app.enroll(s.uri(), "--die-at", moment)
            early = moment in MOMENTS[:5]
            if early:
                tap.equal(app.wait(), DIED, f"it died at {moment}")
                app.go_on()
            s.type(app.digits())
            if not early:
                tap.equal(app.wait(), DIED, f"it died at {moment}")
                app.go_on()
            s.finish()
        tap.equal(app.wait(), 0, f"exit status after {moment}")
        all_active(app)
        numbers = [e["number"] for e in app.events("item") if e["status"] is not None]
        tap.equal(sorted(set(numbers)), sorted(numbers), f"items applied, {moment}")


@tap.test("services that are killed while the app enrolls: it goes on, on the same connection or a new one")
def _():
    for program in ("derivd", "derivd-gateway"):
        app = App(f"without-{program}")
        with kiosk.session("--yes") as s:
            app.enroll(s.uri())
            s.type(app.digits())
            app.has_said("progress", stage=4)
            kiosk.kill(program)
            tap.equal(app.wait(), 0, f"exit status after {program} was killed")
        all_active(app)


@tap.test("an app that is connected gets successors when the card signs for them, also if it dies meanwhile")
def _():
    app = kiosk.devices[0]
    before = {k["purpose"]: k["hash"] for k in app.state["keys"]}
    items = len(app.events("item"))
    app.start("--die-at", "issue-stored")
    wait_for("the app", lambda: kiosk.ctl_json("device", "show", app.id)[0]["connected"])
    with kiosk.session("--yes", "--device", app.id, "--replace", command="issue") as s:
        tap.equal(app.wait(), DIED, "it died")
        app.start()
        s.finish()
    tap.equal(app.events("issue"), [], "statements made anew after it died")
    wait_for("the successors", lambda: len(app.events("item")) >= items + 4)
    keys = app.state["keys"]
    whole = {k["purpose"]: k["hash"] for k in keys if k["certificate"]}
    tap.check(all(whole[p] != before[p] for p in (1, 2, 3)), "a key did not change")
    tap.equal(whole.get(4), before[3], "the older encryption key, kept for decryption")
    tap.equal(len(keys), 4, "keys on the device")
    opened = kiosk.at("message.opened-later")
    Keeper(app.dir).export(app.dir + "-pem2")
    name = f"{app.dir}/keys/{before[3]}.pem"
    run("openssl", "cms", "-decrypt", "-in", kiosk.at("message.sealed"), "-inkey", name, "-out", opened)
    app.stop()


@tap.test("a QR code is good for one app: a second one is told so, and one that comes later too")
def _():
    one, two, late = App("one"), App("two"), App("late")
    with kiosk.session("--yes") as s:
        uri = s.uri()
        one.enroll(uri)
        one.digits()
        two.enroll(uri)
        tap.equal(s.error()["kind"], "two-devices", "what the kiosk says")
    tap.equal((one.wait(), two.wait()), (1, 1), "exit status")
    told = [e["kind"] for app in (one, two) for e in app.events("error")]
    over = [e["why"] for app in (one, two) for e in app.events("over")]
    tap.check("two-devices" in told or any("two-devices" in w or "cancelled" in w for w in over), f"{told} {over}")
    late.enroll(uri)
    tap.equal(late.wait(), 1, "exit status of the late one")
    tap.contains(late.events("over")[0]["why"], "invitation", "what the late one is told")


@tap.test("a lost phone that comes back forgets everything, and says that it did, if need be once more")
def _():
    app = App("lost")
    kiosk.provision(app)
    kiosk.ctl("device", "revoke", app.id, uid=OFFICER)
    app.start("--die-at", "item-6-stored")
    tap.equal(app.wait(), DIED, "it died")
    app.start()
    tap.equal(app.wait(), 0, "exit status")
    tap.equal([e["status"] for e in app.events("item") if e["kind"] == 6], [None], "it acknowledged once more")
    state = app.state
    tap.equal((state["keys"], state["certificates"], state["chain"], state["enrolled"]), ([], [], [], False))
    left = sorted(os.listdir(f"{app.dir}/keys"))
    tap.equal(left, sorted([f"{state['identity']}.pem", f"{state['identity']}.tls", f"{state['sealing']}.pem"]), "keys left")
    wait_for("the acknowledgement", lambda: not [q for q in kiosk.ctl_json("queue", "list")
                                                 if q["what"] == "deliver" and q.get("device") == app.id])


# ---- older and newer programs ----

def an_identity(name):
    keeper = Keeper(kiosk.at(f"raw/{name}"))
    return keeper.at(f"keys/{keeper.store_identity(make_key('p256'))}.tls")


class Raw(wire.Connection):
    """A connection to do on it what this app would not."""

    def __init__(self, identity):
        pem = run("openssl", "x509", "-in", kiosk.at("etc/gateway/gateway.pem")).stdout
        super().__init__("127.0.0.1", kiosk.port, [wire.spki_hash(ssl.PEM_cert_to_DER_cert(pem))], identity)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, name, serial, body=b""):
        self.send(name, serial, body)
        return self.receive(30)

    def hello(self, versions=(1,), extra=b"", serial=1):
        message = device.Hello(versions=versions, program="raw", platform="raw")
        return self.ask("HELLO", serial, message.SerializeToString() + extra)

    def welcome(self):
        name, _, message = self.hello()
        tap.equal(name, "WELCOME", "answer to Hello")
        return message

    def is_well(self):
        """A request is answered on it."""
        tap.equal(self.ask("PING", 77)[:2], ("PONG", 77), "answer to Ping")

    def is_over(self, said=None):
        """The server hangs up, after it has said why."""
        last = said
        try:
            while True:
                got = self.receive(30)
                tap.check(got is not None, f"the server does not hang up, having said {last}")
                last = got
        except wire.Closed:
            pass
        name, serial, message = last
        tap.equal((name, serial, message.kind), ("ERROR", 0, "protocol"), "the server's last word")
        tap.check(message.text, "the last word has no text")


UNKNOWN_FIELDS = bytes.fromhex("f83f01" "fa3f0568656c6c6f" "fd3f01020304" "f93f0102030405060708")


@tap.test("versions: a newer app that also speaks this one is welcome; one that does not is told so, and hung up on")
def _():
    for versions in ([7, 6], []):
        with Raw(an_identity("versions")) as raw:
            name, serial, message = raw.hello(versions)
            tap.equal((name, serial, message.kind, message.fate), ("ERROR", 1, "protocol", common.REFUSE),
                      f"answer to {versions}")
            with tap.raises(wire.Closed, "hung up"):
                raw.receive(30)
    for versions in ([2, 1], [1, 2], [9, 8, 7, 1], [4294967295, 1], [1, 1]):
        with Raw(an_identity("versions")) as raw:
            name, serial, message = raw.hello(versions)
            tap.equal((name, serial, message.version), ("WELCOME", 1, 1), f"answer to {versions}")


@tap.test("fields that a newer app sends are ignored, in each message")
def _():
    with Raw(an_identity("fields")) as raw:
        tap.equal(raw.hello(extra=UNKNOWN_FIELDS)[0], "WELCOME", "answer to Hello")
        name, serial, message = raw.ask("PING", 2, UNKNOWN_FIELDS[:3])
        tap.equal((name, serial), ("PONG", 2), "answer to Ping")
        name, serial, message = raw.ask("PULL", 3, device.Pull(most=1).SerializeToString() + UNKNOWN_FIELDS[3:11])
        tap.equal((name, serial, message.kind), ("ERROR", 3, "unknown-device"), "answer to Pull")
        body = device.Begin(invitation_public=bytes(32), signature=bytes(64)).SerializeToString()
        name, serial, message = raw.ask("BEGIN", 4, body + UNKNOWN_FIELDS)
        tap.equal((name, serial, message.kind), ("ERROR", 4, "invitation-unknown"), "answer to Begin")
        raw.is_well()


@tap.test("messages that the server does not know are answered with an error; the connection goes on")
def _():
    with Raw(an_identity("messages")) as raw:
        raw.welcome()
        for number, body in ((0x0612, b""), (0x06ff, b"\x0a\x01a"), (0x7fff, b"\xff" * 65536), (0x0000, b"")):
            raw.send_bytes(wire.frame(number, 5, body))
            name, serial, message = raw.receive(30)
            tap.equal((name, serial, message.kind), ("ERROR", 5, "protocol"), f"answer to {number:#06x}")
        raw.send_bytes(wire.frame(0x06ff, 0, b""))  # no request: nothing to answer
        raw.is_well()


@tap.test("frames may begin and end anywhere")
def _():
    with Raw(an_identity("frames")) as raw:
        hello = device.Hello(versions=[1], program="raw", platform="raw").SerializeToString()
        for byte in wire.frame(0x0601, 1, hello):
            raw.send_bytes(bytes([byte]))
        tap.equal(raw.receive(30)[0], "WELCOME", "answer to Hello in single bytes")
        raw.send_bytes(b"".join(wire.frame(0x060e, n, b"") for n in range(2, 12)))
        tap.equal([raw.receive(30)[:2] for _ in range(10)], [("PONG", n) for n in range(2, 12)], "ten Pings at once")


@tap.test("what is out of order ends the connection, after an error that says why")
def _():
    hello = device.Hello(versions=[1], program="raw", platform="raw").SerializeToString()
    before = {"a message before Hello": wire.frame(0x060e, 1, b""),
              "a length below 8": bytes.fromhex("00000007 0601 0000 00000001"),
              "a body that is too long": bytes.fromhex("00010009 0601 0000 00000001"),
              "a body over Hello's maximum": wire.frame(0x0601, 1, bytes(513)),
              "flags": bytes.fromhex("00000008 0601 0001 00000001"), "program twice": wire.frame(0x0601, 1, hello * 2),
              "a text with an escape": wire.frame(0x0601, 1, bytes.fromhex("12011b")),
              "65 unknown fields": wire.frame(0x0601, 1, hello + bytes.fromhex("f83f01") * 65),
              "a body that is cut off": wire.frame(0x0601, 1, hello[:-1]),
              "a message that only servers send": wire.frame(0x0602, 1, b"")}
    after = {"a second Hello": wire.frame(0x0601, 2, hello), "an answer that nobody asked for": wire.frame(0x060b, 0, b""),
             "another protocol": b"GET / HTTP/1.1\r\n\r\n",
             "Reveal from a device": wire.frame(0x0606, 2, bytes.fromhex("0a20") + bytes(32))}
    for what, data in {**before, **after}.items():
        tap.note(what)
        with Raw(an_identity("order")) as raw:
            if what in after:
                raw.welcome()
            raw.send_bytes(data)
            raw.is_over()


@tap.test("TLS: without a certificate, without the protocol's name, or older than 1.3 there is no connection")
def _():
    def attempt(**how):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = how.get("version", ssl.TLSVersion.TLSv1_3)
        if "alpn" in how:
            context.set_alpn_protocols(how["alpn"])
        if "identity" in how:
            context.load_cert_chain(how["identity"])
        with socket.create_connection(("127.0.0.1", kiosk.port), timeout=30) as plain:
            with context.wrap_socket(plain) as tls:
                tls.sendall(wire.frame(0x0601, 1, device.Hello(versions=[1]).SerializeToString()))
                return tls.recv(100)
    good = {"identity": an_identity("tls"), "alpn": ["derivd/1"]}
    tap.check(attempt(**good), "the good one was not answered")
    p384 = Keeper(kiosk.at("raw/p384"))
    p384 = p384.at(f"keys/{p384.store_identity(make_key('p384'))}.tls")
    for what, change in (("no certificate", {"identity": None}), ("no ALPN", {"alpn": None}),
                         ("another ALPN", {"alpn": ["h2"]}), ("TLS 1.2", {"version": ssl.TLSVersion.TLSv1_2}), ("P-384", {"identity": p384})):
        how = {k: v for k, v in {**good, **change}.items() if v is not None}
        try:
            answer = attempt(**how)
        except OSError:
            continue
        tap.equal(answer, b"", f"answer with {what}")


tap.run()
