#!/usr/bin/python3
"""A phone of a maker with other habits (other_client.py) at a kiosk that has an IPv6 address and asks for other types of keys:
within the documents all of that must work, and nothing that a device wishes may come into a certificate."""

import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from kiosk import AUDITOR, NOBODY, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("protoc", "openssl")
tap.need_modules(cryptography="python3-cryptography", google__protobuf="python3-protobuf")
if not os.path.exists("/proc/net/if_inet6"):
    print("1..0 # SKIP this system has no IPv6")
    sys.exit(0)

from app import App  # noqa: E402
from other_client import OtherPhone  # noqa: E402

TYPES = {"authentication": "rsa2048", "signing": "p384", "encryption": "rsa3072"}
SHOWN = {"rsa2048": "Public-Key: (2048 bit)", "p384": "NIST CURVE: P-384", "rsa3072": "Public-Key: (3072 bit)"}


def profiles():
    """Changes the types of keys in the configuration that derivd-ca init wrote."""
    with open(kiosk.at("etc/ca.conf"), encoding="utf-8") as f:
        text = f.read()
    for purpose, kind in TYPES.items():
        text, n = re.subn(rf'(profile "{purpose}" {{.*?key-type = ")p256"', rf'\g<1>{kind}"', text, flags=re.S)
        tap.equal(n, 1, f"profiles for {purpose}")
    kiosk.write("etc/ca.conf", text)


kiosk = tap.use(Kiosk(host="::1", start=False))
profiles()
kiosk.start()
kiosk.insert(kiosk.card("ada", name="Ada Lovelace", alg="rsa2048"))
app = App(kiosk, "other", "other_client.py")


@tap.test("an RSA card, a phone with other habits, RSA and P-384 keys, over IPv6: three credentials")
def _():
    kiosk.provision(app)
    tap.equal(app.wait(), 0, "exit status")
    where = app.export()
    for purpose, kind in TYPES.items():
        leaf = f"{where}/{purpose}/certificate.pem"
        run("openssl", "verify", "-x509_strict", "-CAfile", f"{where}/{purpose}/chain.pem", leaf)
        text = run("openssl", "x509", "-in", leaf, "-noout", "-text").stdout
        tap.contains(text, SHOWN[kind], purpose)
        tap.contains(text, "Ada Lovelace", purpose)
        for wish in ("Mallory", "mallory", "Code Signing", "CA:TRUE"):
            tap.lacks(text, wish, purpose)


@tap.test("they work: a signature with P-384, a message to the RSA key")
def _():
    where = app.dir + "-pem"
    message = kiosk.write("message.txt", "Content-Type: text/plain\n\nalgebraic patterns\n")
    run("openssl", "cms", "-sign", "-in", message, "-signer", f"{where}/signing/certificate.pem", "-inkey",
        f"{where}/signing/key.pem", "-out", kiosk.at("signed"))
    tap.contains(run("openssl", "cms", "-verify", "-in", kiosk.at("signed"), "-CAfile", f"{where}/signing/chain.pem").stdout,
                 "algebraic patterns")
    run("openssl", "cms", "-encrypt", "-aes256", "-in", message, "-out", kiosk.at("sealed"),
        f"{where}/encryption/certificate.pem")
    opened = run("openssl", "cms", "-decrypt", "-in", kiosk.at("sealed"), "-recip", f"{where}/encryption/certificate.pem",
                 "-inkey", f"{where}/encryption/key.pem")
    tap.contains(opened.stdout, "algebraic patterns")


@tap.test("the phone's name is shown as it is; the evidence holds what its maker wrote, and verifies")
def _():
    device = kiosk.ctl_json("device", "show", app.id)[0]
    tap.equal(device["platform"], OtherPhone.platform, "platform")
    os.makedirs(kiosk.at("proof"), exist_ok=True)
    os.chmod(kiosk.at("proof"), 0o777)
    for row in kiosk.ctl_json("credential", "list"):
        proof = kiosk.at(f"proof/{row['id']}.bin")
        kiosk.ctl("evidence", "show", row["id"], "--output", proof, uid=AUDITOR)
        os.chmod(proof, 0o644)
        kiosk.ctl("evidence", "verify", proof, uid=NOBODY)


@tap.test("successors of the same kinds, for the phone that is connected")
def _():
    app.start()
    wait_for("the app", lambda: kiosk.ctl_json("device", "show", app.id)[0]["connected"])
    before = len(app.events("item"))
    with kiosk.session("--yes", "--device", app.id, "--replace", command="issue") as s:
        s.finish()
    wait_for("the successors", lambda: len(app.events("item")) >= before + 4)
    tap.check(all(e["status"] == 0 for e in app.events("item")), str(app.events("item")))
    app.stop()


tap.run()
