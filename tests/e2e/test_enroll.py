#!/usr/bin/python3
"""One enrollment after the other, as people do them, through all programs, pcscd and OpenSC."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, NOBODY, OFFICER, PIN, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk())
PURPOSES = ["authentication", "encryption", "signing"]


def credentials(device_id=None):
    rows = kiosk.ctl_json("credential", "list")
    return [r for r in rows if device_id in (None, r["device"])]


def states(device_id):
    return sorted((r["purpose"], r["state"]) for r in credentials(device_id))


def export(device, name):
    device.run("export", "--pem", kiosk.at(f"export-{name}"))
    return kiosk.at(f"export-{name}")


def text_of(pem):
    return run("openssl", "x509", "-in", pem, "-noout", "-text", "-nameopt", "RFC2253").stdout


@tap.test("a card with P-256 keys: three credentials, each good for its purpose and nothing else")
def _():
    kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
    phone = kiosk.device("ada-phone")
    events = kiosk.provision(phone, "--label", "Ada's phone")
    settled = events[-1]
    tap.equal(sorted((c["purpose"], c["state"]) for c in settled["credentials"]), [(p, "active") for p in PURPOSES])
    where = export(phone, "ada")
    for purpose in PURPOSES:
        leaf = f"{where}/{purpose}/certificate.pem"
        run("openssl", "verify", "-CAfile", f"{where}/{purpose}/chain.pem", "-x509_strict", leaf)
        key = run("openssl", "pkey", "-in", f"{where}/{purpose}/key.pem", "-pubout").stdout
        tap.equal(run("openssl", "x509", "-in", leaf, "-noout", "-pubkey").stdout, key, f"the key of {purpose}")
        tap.contains(text_of(leaf), "Ada Lovelace")
    auth = text_of(f"{where}/authentication/certificate.pem")
    sign = text_of(f"{where}/signing/certificate.pem")
    enc = text_of(f"{where}/encryption/certificate.pem")
    tap.contains(auth, "TLS Web Client Authentication")
    tap.lacks(auth, "E-mail Protection")
    tap.contains(auth, "urn:uuid:")
    tap.contains(sign, "Non Repudiation")
    for mail in (sign, enc):
        tap.contains(mail, "E-mail Protection")
        tap.contains(mail, "email:ada@example.org")
        tap.lacks(mail, "TLS Web Client Authentication")
    tap.contains(enc, "Key Agreement")
    tap.lacks(enc, "Digital Signature")


@tap.test("a card with RSA keys, on the second try of the PIN")
def _():
    kiosk.insert(kiosk.card("charles", alg="rsa2048", name="Charles Babbage"))
    phone = kiosk.device("charles-phone")
    before = kiosk.reader.verifies()
    with kiosk.session("--yes", pin="654321") as s:
        phone.enroll(s.uri())
        s.type(phone.digits())
        tap.equal(s.error()["kind"], "pin-wrong")
    tap.equal(kiosk.reader.verifies() - before, 1, "PINs sent to the card")
    tap.equal(kiosk.reader.tries(), 2, "tries left")
    phone.wait()
    again = kiosk.device("charles-phone-2")
    kiosk.provision(again)
    tap.equal(kiosk.reader.tries(), 3, "tries left after the right PIN")


@tap.test("a second phone of the same person gets credentials of its own, the encryption key being replaced")
def _():
    kiosk.insert(kiosk.at("cards/ada"))
    phone = kiosk.device("ada-tablet")
    kiosk.provision(phone)
    devices = [d for d in kiosk.ctl_json("device", "list") if d["holder"] == "Ada Lovelace"]
    tap.equal(len(devices), 2, "devices of Ada")
    live = [c for c in credentials() if c["holder"] == "Ada Lovelace" and c["state"] == "active"]
    tap.equal(sorted(c["purpose"] for c in live), ["authentication", "authentication", "encryption", "signing", "signing"])


@tap.test("an enrolled device gets successors with issue --replace, and the old ones are revoked")
def _():
    kiosk.insert(kiosk.at("cards/charles"))
    device = next(d for d in kiosk.ctl_json("device", "list") if d["holder"] == "Charles Babbage")
    phone = next(d for d in kiosk.devices if d.name == "charles-phone-2")
    tap.equal(kiosk.ctl_error("issue", "--device", device["id"], "--yes"), "device-not-connected")
    phone.start()
    wait_for("the phone", lambda: kiosk.ctl_json("device", "show", device["id"])[0]["connected"])
    tap.equal(kiosk.ctl_error("issue", "--device", device["id"], "--yes"), "already-issued")
    with kiosk.session("--yes", "--device", device["id"], "--purposes", "authentication,signing", "--replace",
                       command="issue") as s:
        s.finish()
    tap.equal(states(device["id"]), sorted([("authentication", "active"), ("authentication", "superseded"),
                                            ("encryption", "active"), ("signing", "active"), ("signing", "superseded")]))
    phone.stop()


@tap.test("the evidence of every credential verifies, with derivctl and with openssl alone")
def _():
    os.makedirs(kiosk.at("proof"), exist_ok=True)
    os.chmod(kiosk.at("proof"), 0o777)
    for row in credentials():
        proof = kiosk.at(f"proof/{row['id']}")
        kiosk.ctl("evidence", "show", row["id"], "--output", proof + ".bin", "--extract", proof, uid=AUDITOR)
        os.chmod(proof + ".bin", 0o644)
        ca, root = kiosk.at("etc/card-ca.pem"), kiosk.at("etc/card-root.pem")
        kiosk.ctl("evidence", "verify", proof + ".bin", "--anchor", ca, uid=NOBODY)
        kiosk.ctl("evidence", "verify", proof + ".bin", "--anchor", root, "--intermediate", ca, uid=NOBODY)
        tap.equal(kiosk.ctl_error("evidence", "verify", proof + ".bin", "--anchor", root, uid=NOBODY), "issuer-untrusted")
        kiosk.write(f"proof/{row['id']}.pub", run("openssl", "x509", "-in", f"{proof}/card.pem", "-pubkey", "-noout").stdout)
        run("openssl", "dgst", "-sha256", "-verify", proof + ".pub", "-signature", f"{proof}/intent.sig",
            f"{proof}/intent.bin")


@tap.test("evidence in which one bit was changed does not verify")
def _():
    row = credentials()[0]
    with open(kiosk.at(f"proof/{row['id']}.bin"), "rb") as f:
        good = f.read()
    # The root's certificate is at the end: nothing else says what its bytes are.
    for at in sorted({*range(0, len(good), max(1, len(good) // 60)), *range(len(good) - 500, len(good), 5)}):
        bad = bytearray(good)
        bad[at] ^= 1
        with open(kiosk.at("proof/bad.bin"), "wb") as f:
            f.write(bad)
        os.chmod(kiosk.at("proof/bad.bin"), 0o644)
        done = kiosk.ctl("evidence", "verify", kiosk.at("proof/bad.bin"), uid=NOBODY, check=False)
        tap.check(done.returncode != 0, f"byte {at} was changed and it still verifies:\n{done.stdout}")


@tap.test("the audit chain verifies against what derivd-ca logged")
def _():
    tap.contains(kiosk.ctl("audit", "verify", uid=AUDITOR).stdout, "heads that derivd-ca logged")


@tap.test("a lost device: everything on it is revoked and in the CRL, nobody else is touched")
def _():
    kiosk.insert(kiosk.card("grace", name="Grace Hopper"))
    phone = kiosk.device("grace-phone")
    kiosk.provision(phone)
    where = export(phone, "grace")
    device = next(d for d in kiosk.ctl_json("device", "list") if d["holder"] == "Grace Hopper")
    tap.equal(kiosk.ctl_error("device", "revoke", device["id"]), "denied")
    kiosk.ctl("device", "revoke", device["id"], uid=OFFICER)
    wait_for("the revocations", lambda: all(c["state"] == "revoked" for c in credentials(device["id"])))
    crl = next(os.path.join(d, f) for d, _, files in os.walk(kiosk.at("lib/derivd-ca/public")) for f in files
               if f.endswith(".crl") and "root" not in f)
    listed = run("openssl", "crl", "-in", crl, "-inform", "DER", "-noout", "-text").stdout.upper()
    for c in credentials(device["id"]):
        wait_for("the CRL", lambda c=c: c["serial"].upper() in run("openssl", "crl", "-in", crl, "-inform", "DER", "-noout",
                                                                   "-text").stdout.upper())
    for c in credentials():
        if c["state"] == "active":
            tap.lacks(listed, c["serial"].upper())
    phone.start()
    wait_for("the removal", lambda: not os.path.exists(where) or not any(
        x.get("certificate") for x in json.loads(phone.run("list", "--json", check=False).stdout or "[]") or []
        if isinstance(x, dict)))
    phone.stop()


@tap.test("a PKCS#12 file for each purpose, as openssl and NSS import it")
def _():
    phone = next(d for d in kiosk.devices if d.name == "ada-tablet")
    password = kiosk.write("p12.pass", "correct horse battery staple\n", 0o600)
    nss = kiosk.at("nss")
    os.makedirs(nss, exist_ok=True)
    run("certutil", "-N", "-d", f"sql:{nss}", "--empty-password")
    for purpose in PURPOSES:
        p12 = kiosk.at(f"{purpose}.p12")
        phone.run("export", "--p12", p12, "--password-file", password, "--purpose", purpose)
        tap.contains(run("openssl", "pkcs12", "-in", p12, "-passin", f"file:{password}", "-nodes").stdout, "PRIVATE KEY")
        info = run("openssl", "pkcs12", "-in", p12, "-passin", f"file:{password}", "-info", "-noout").stderr
        tap.contains(info, "AES-256-CBC")
        run("pk12util", "-i", p12, "-d", f"sql:{nss}", "-w", password, "-K", "")
    keys = [line for line in run("certutil", "-K", "-d", f"sql:{nss}").stdout.splitlines() if line.startswith("<")]
    tap.equal(len(keys), 3, "keys in NSS")


@tap.test("every reader of the lists sees what the role allows")
def _():
    tap.equal(kiosk.ctl_error("device", "list", uid=NOBODY), "denied")
    tap.equal(kiosk.ctl_error("provision", "--yes", "--show-uri", uid=AUDITOR), "denied")
    for what in ("request", "device", "credential", "queue"):
        tap.check(kiosk.ctl(what, "list").returncode == 0, what)
        tap.check(kiosk.ctl(what, "list", uid=AUDITOR).returncode == 0, what)


@tap.test("nothing of all that is left to be done, and nothing is stuck")
def _():
    try:
        wait_for("the queue", lambda: not [q for q in kiosk.ctl_json("queue", "list") if q["what"] not in ("crl", "deliver")], 10)
    finally:
        tap.note(kiosk.ctl("queue", "list").stdout)
    tap.equal([q for q in kiosk.ctl_json("queue", "list") if q["state"] == "blocked"], [])


tap.run()
