#!/usr/bin/python3
"""What PROTOCOL.device sections 1 and 2 promise to apps that are older, newer or made with other tools; and what comes to those
that do not keep to them."""

import datetime
import os
import shutil
import socket
import ssl
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from kiosk import Kiosk  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("protoc", "openssl")
tap.need_modules(cryptography="python3-cryptography", google__protobuf="python3-protobuf")

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

import wire  # noqa: E402
from app import Raw, identity  # noqa: E402
from keeper import make_key  # noqa: E402
from wire import common, device  # noqa: E402

kiosk = tap.use(Kiosk())


def is_well(raw):
    """A request is answered on it."""
    tap.equal(raw.ask("PING", 77)[:2], ("PONG", 77), "answer to Ping")


def is_over(raw):
    name, serial, message = raw.last_word()
    tap.equal((name, serial, message.kind), ("ERROR", 0, "protocol"), "the server's last word")
    tap.check(message.text, "the last word has no text")


UNKNOWN_FIELDS = bytes.fromhex("f83f01" "fa3f0568656c6c6f" "fd3f01020304" "f93f0102030405060708")


@tap.test("versions: a newer app that also speaks this one is welcome; one that does not is told so, and hung up on")
def _():
    for versions in ([7, 6], []):
        with Raw(kiosk, identity(kiosk, "versions")) as raw:
            name, serial, message = raw.hello(versions)
            tap.equal((name, serial, message.kind, message.fate), ("ERROR", 1, "protocol", common.REFUSE),
                      f"answer to {versions}")
            with tap.raises(wire.Closed, "hung up"):
                raw.receive(30)
    for versions in ([2, 1], [1, 2], [9, 8, 7, 1], [4294967295, 1], [1, 1]):
        with Raw(kiosk, identity(kiosk, "versions")) as raw:
            name, serial, message = raw.hello(versions)
            tap.equal((name, serial, message.version), ("WELCOME", 1, 1), f"answer to {versions}")


@tap.test("fields that a newer app sends are ignored, in each message")
def _():
    with Raw(kiosk, identity(kiosk, "fields")) as raw:
        tap.equal(raw.hello(extra=UNKNOWN_FIELDS * 16)[0], "WELCOME", "answer to Hello with 64 unknown fields")
        name, serial, message = raw.ask("PING", 2, UNKNOWN_FIELDS[:3])
        tap.equal((name, serial), ("PONG", 2), "answer to Ping")
        name, serial, message = raw.ask("PULL", 3, device.Pull(most=1).SerializeToString() + UNKNOWN_FIELDS[3:11])
        tap.equal((name, serial, message.kind), ("ERROR", 3, "unknown-device"), "answer to Pull")
        body = device.Begin(invitation_public=bytes(32), signature=bytes(64)).SerializeToString()
        name, serial, message = raw.ask("BEGIN", 4, body + UNKNOWN_FIELDS)
        tap.equal((name, serial, message.kind), ("ERROR", 4, "invitation-unknown"), "answer to Begin")
        is_well(raw)


@tap.test("messages that the server does not know are answered with an error; the connection goes on")
def _():
    with Raw(kiosk, identity(kiosk, "messages")) as raw:
        raw.welcome()
        for number, body in ((0x0612, b""), (0x06ff, b"\x0a\x01a"), (0x7fff, b"\xff" * 65536), (0x0000, b"")):
            raw.send_bytes(wire.frame(number, 5, body))
            name, serial, message = raw.receive(30)
            tap.equal((name, serial, message.kind), ("ERROR", 5, "protocol"), f"answer to {number:#06x}")
        raw.send_bytes(wire.frame(0x06ff, 0, b""))  # no request: nothing to answer
        is_well(raw)


@tap.test("frames may begin and end anywhere")
def _():
    with Raw(kiosk, identity(kiosk, "frames")) as raw:
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
        with Raw(kiosk, identity(kiosk, "order")) as raw:
            if what in after:
                raw.welcome()
            raw.send_bytes(data)
            is_over(raw)


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
    good = {"identity": identity(kiosk, "tls"), "alpn": ["derivd/1"]}
    tap.check(attempt(**good), "the good one was not answered")
    p384 = identity(kiosk, "p384", make_key("p384"))
    for what, change in (("no certificate", {"identity": None}), ("no ALPN", {"alpn": None}),
                         ("another ALPN", {"alpn": ["h2"]}), ("TLS 1.2", {"version": ssl.TLSVersion.TLSv1_2}),
                         ("P-384", {"identity": p384})):
        how = {k: v for k, v in {**good, **change}.items() if v is not None}
        try:
            answer = attempt(**how)
        except OSError:
            continue
        tap.equal(answer, b"", f"answer with {what}")


def envelope(key, signer, *extensions, name="phone", begins=2020, ends=2049):
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (x509.CertificateBuilder().subject_name(names).issuer_name(names).public_key(key.public_key()).serial_number(7)
               .not_valid_before(datetime.datetime(begins, 1, 1)).not_valid_after(datetime.datetime(ends, 1, 1)))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


@tap.test("the identity key's envelope: dates, names, extensions and who signed it mean nothing, its size does")
def _():
    key, other = make_key("p256"), make_key("p256")
    wishes = [(x509.BasicConstraints(True, 0), True), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True)]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    stuffing = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), bytes(8192))
    good = {"expired": envelope(key, key, begins=1990, ends=1991), "not yet valid": envelope(key, key, begins=2048),
            "no names": envelope(key, key, name=""), "a CA for servers": envelope(key, key, *wishes),
            "a critical extension that nobody knows": envelope(key, key, (unknown, True)),
            "signed by another key": envelope(key, other)}
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for what, certificate in {**good, "too large": envelope(key, key, (stuffing, False))}.items():
        with open(kiosk.at("envelope.pem"), "wb") as f:
            f.write(pem + certificate.public_bytes(serialization.Encoding.PEM))
        try:
            with Raw(kiosk, kiosk.at("envelope.pem")) as raw:
                raw.welcome()
        except wire.Closed as e:
            tap.check(what not in good, f"an envelope that is {what}: {e}")
            continue
        tap.check(what in good, f"an envelope that is {what} was taken")


def greeted(command):
    """The head of what a TLS program gets for a Hello."""
    hello = wire.frame(0x0601, 1, device.Hello(versions=[1], program="raw", platform="raw").SerializeToString())
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        client.stdin.write(hello)
        client.stdin.flush()
        return client.stdout.read(12)[4:8].hex()
    finally:
        client.kill()
        client.communicate()


@tap.test("a client that greets as browsers do: with SNI, several protocols, and a group that the gateway does not have")
def _():
    file = identity(kiosk, "openssl")
    for more in ([], ["-servername", "kiosk.example.org"], ["-groups", "P-384:P-256"], ["-groups", "P-256"],
                 ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]):
        answer = greeted(["openssl", "s_client", "-quiet", "-connect", f"{kiosk.host}:{kiosk.port}", "-cert", file,
                          "-key", file, "-alpn", "h2,http/1.1,derivd/1", *more])
        tap.equal(answer, "06020000", f"number and flags of the answer, {more}")


@tap.test("another TLS library: GnuTLS says Hello and is welcome")
def _():
    if not shutil.which("gnutls-cli"):
        tap.skip("not installed: gnutls-cli")
    file = identity(kiosk, "gnutls")
    tap.equal(greeted(["gnutls-cli", "--logfile", "/dev/null", "--insecure", "--alpn", "derivd/1", "--x509certfile", file,
                       "--x509keyfile", file, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "-p", str(kiosk.port),
                       kiosk.host]), "06020000", "number and flags of the answer")


@tap.test("a body that another encoder would have made of the same values")
def _():
    forms = {"versions not packed": "0801 0802 1201 70", "versions packed, in two pieces": "0a0101 1201 70 0a0102",
             "fields in another order": "2000 1a0170 120170 0a0101", "what is 0 said nevertheless": "0a0101 1200 1a00 2000",
             "lengths and tags longer than need be": "8a00 8100 01 12 8100 70", "numbers longer than need be": "0a028100"}
    for what, body in forms.items():
        with Raw(kiosk, identity(kiosk, "forms")) as raw:
            name, _, message = raw.ask("HELLO", 1, bytes.fromhex(body))
            tap.equal(name, "WELCOME", f"answer to {what} ({message})")


tap.run()
