#!/usr/bin/python3
"""derivd-card with the tokens that Debian has beside OpenSC's cards: SoftHSM2, NSS, p11-kit. No PC/SC."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("abs_top_srcdir", os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
import card as card_lib  # noqa: E402
from rig import build_dir  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
build = build_dir()
top = tap.use(tempfile.TemporaryDirectory(prefix="tokens-"))
PIN, WRONG = "73519264", "46291537"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
NSS = f"{LIBRARIES}/libsoftokn3.so"
PROXY, REMOTE = f"{LIBRARIES}/p11-kit-proxy.so", f"{LIBRARIES}/pkcs11/p11-kit-client.so"
sessions = 0

KINDS = {"rsa": ("rsa:2048",), "rsa3072": ("rsa:3072",), "ed25519": ("ed25519",),
         **{name: ("ec", "-pkeyopt", f"ec_paramgen_curve:{curve}") for name, curve in (
             ("p256", "P-256"), ("other", "P-256"), ("p384", "P-384"), ("p521", "P-521"))}}


def run(*args, **how):
    return subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)


def there(*files):
    for file in files:
        if not (os.path.exists(file) if file.startswith("/") else shutil.which(file)):
            tap.skip(f"{file} is not installed")


def made(name):
    """Key, public key and certificate of a kind, as files."""
    files = [os.path.join(top, name + ending) for ending in (".key", ".pub", ".pem")]
    key, public, cert = files
    if not os.path.exists(cert):
        run("openssl", "req", "-x509", "-newkey", *KINDS[name], "-nodes", "-keyout", key, "-out", cert, "-subj",
            f"/CN={name}", "-addext", "basicConstraints=critical,CA:FALSE", "-days", "30")
        run("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", public)
    return files


def session(module, conf="", env=None):
    global sessions
    sessions += 1
    text = f'module = "{module}"\npcsc = false\n' + conf
    return card_lib.Card(build, os.path.join(top, f"etc{sessions}"), {**os.environ, **(env or {})}, text)


def expect_error(answer, kind, *parts):
    tap.equal(answer.get("error"), kind, f"error in {answer}")
    for part in parts:
        tap.contains(answer["text"], part, "text")


def expect_signed(answer, what=""):
    tap.check(answer.get("intent") and answer.get("signature"), f"{what}: not signed: {answer}")


def expect_open(answer, what=""):
    tap.check("certs" in answer, f"{what}: not opened: {answer}")
    return answer


# ---- SoftHSM2 ----

def store(*tokens):
    """The environment of a SoftHSM2 store with tokens: (label, object...); object: (kind of key, "key", "public" or
    "cert", options of pkcs11-tool...)."""
    there(SOFTHSM, "softhsm2-util", "pkcs11-tool")
    home = tempfile.mkdtemp(dir=top)
    os.makedirs(os.path.join(home, "tokens"))
    conf = os.path.join(home, "softhsm2.conf")
    with open(conf, "w") as f:
        f.write(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    env = {**os.environ, "SOFTHSM2_CONF": conf}
    for label, *objects in tokens:
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678", env=env)
        for name, what, *options in objects:
            key, public, cert = made(name)
            file, kind = {"key": (key, "privkey"), "public": (public, "pubkey"), "cert": (cert, "cert")}[what]
            run("pkcs11-tool", "--module", SOFTHSM, "--token-label", label, "--login", "--pin", PIN, "--write-object",
                file, "--type", kind, *(["--usage-sign"] if what == "key" else []), *options, env=env)
    return env


def whole(name, cert_id="01", *options):
    """A key with all that belongs to it."""
    return [(name, "key", "--id", "01", *options), (name, "public", "--id", "01"),
            (name, "cert", "--id", cert_id, "--label", name)]


@tap.test("SoftHSM2: RSA and EC; keys found by id and by value")
def _():
    for name, cert_id, number in (("rsa", "01", 1), ("p384", "01", 3), ("rsa", "77", 1), ("p256", "77", 2)):
        with session(SOFTHSM, env=store((name, *whole(name, cert_id)))) as card:
            facts = expect_open(card.open(), name)
            tap.equal((facts["label"], facts["type"], facts["pin"]), (name, "generic", "ok"), "facts")
            tap.equal([c["has_key"] for c in facts["certs"]], [True], "keys")
            expect_error(card.sign("", WRONG), "pin-wrong")
            expect_error(card.sign("", "12"), "pin-format")
            answer = card.sign("", PIN)
            expect_signed(answer, name)
            tap.equal(answer["algorithm"], number, "algorithm")


@tap.test("SoftHSM2: several tokens are told apart by a URI, of the request or of card.conf")
def _():
    env = store(("one", *whole("rsa")), ("two", *whole("p256")))
    with session(SOFTHSM, env=env) as card:
        expect_error(card.open(), "several-cards", '"one" serial ', '"two" serial ')
        expect_error(card.open(uri="pkcs11:token=three"), "unknown-card", "URI")
        for uri in (f"pkcs11:token=two;pin-value={PIN}", f"pkcs11:token=two?pin-value={PIN}",
                    f"pkcs11:token=%zz?pin-value={PIN}", "http://example.org"):
            answer = card.open(uri=uri)
            expect_error(answer, "format")
            tap.lacks(answer["text"], PIN, "text")
        expect_error(card.open(uri="pkcs11:token=two;type=private"), "format", "certificates")
        tap.equal(expect_open(card.open(uri="pkcs11:token=two"))["label"], "two", "label")
        expect_signed(card.sign("", PIN))
        tap.equal(card.end(), 0, "exit status")
        tap.lacks(card.messages(), PIN, "log")
    with session(SOFTHSM, 'uri = "pkcs11:token=one"\n', env=env) as card:
        tap.equal(expect_open(card.open())["label"], "one", "label")


@tap.test("SoftHSM2: many objects: certificates whose keys are seen come first; a URI chooses one")
def _():
    token = [(n, "cert", "--id", f"{i:02x}", "--label", n) for i, n in enumerate(("rsa", "other", "p384"), 16)]
    env = store(("many", *token, *whole("p256")))
    with session(SOFTHSM, env=env) as card:
        facts = expect_open(card.open())
        tap.equal([c["label"] for c in facts["certs"]][0], "p256", "the first of four")
        tap.equal(len(facts["certs"]), 4, "certificates")
        expect_signed(card.sign("", PIN))
    for uri, label in (("pkcs11:object=p384", "p384"), ("pkcs11:id=%11", "other"), ("pkcs11:type=cert;id=%01", "p256")):
        with session(SOFTHSM, env=env) as card:
            facts = expect_open(card.open(uri=uri), uri)
            tap.equal([c["label"] for c in facts["certs"]], [label], uri)
    with session(SOFTHSM, env=env) as card:
        expect_error(card.open(uri="pkcs11:object=nobody"), "unknown-card", "URI")


@tap.test("SoftHSM2: ids that are missing, differ, or are another key's")
def _():
    tokens = {
        "no ids, no public key": [("p256", "key"), ("p256", "cert")],
        "ids that differ, no public key": [("p256", "key", "--id", "05"), ("p256", "cert", "--id", "06")],
        "another key under the certificate's id": [
            ("other", "key", "--id", "01"), ("other", "public", "--id", "01"), ("p256", "key", "--id", "02"),
            ("p256", "public", "--id", "02"), ("p256", "cert", "--id", "01")],
        "no ids, RSA": [("rsa", "key"), ("rsa", "cert")],
    }
    for title, objects in tokens.items():
        with session(SOFTHSM, env=store(("odd", *objects))) as card:
            expect_open(card.open(), title)
            expect_signed(card.sign("", PIN), title)


@tap.test("SoftHSM2: a certificate without its key, a key without its certificate, a blank token")
def _():
    for objects in ([("p256", "cert", "--id", "01")], [("p256", "cert", "--id", "01"), *whole("other", "02")[:2]]):
        with session(SOFTHSM, env=store(("bare", *objects))) as card:
            expect_open(card.open())
            expect_error(card.sign("", PIN), "no-signing-key")
    with session(SOFTHSM, env=store(("keys", *whole("p256")[:2]))) as card:
        expect_error(card.open(), "unknown-card", "certificate")
    with session(SOFTHSM, env=store()) as card:
        expect_error(card.open(), "unknown-card", "initialised")


@tap.test("SoftHSM2: keys that do not sign in the way that is needed")
def _():
    for name in ("p521", "ed25519"):
        objects = whole(name) if name == "p521" else [(name, "cert", "--id", "01")]
        with session(SOFTHSM, env=store(("odd", *objects))) as card:
            tap.equal([c["has_key"] for c in expect_open(card.open(), name)["certs"]], [False], f"{name}: keys")
            expect_error(card.sign("", PIN), "no-signing-key")
    for mechanisms, works in (("SHA256-RSA-PKCS", True), ("RSA-X-509", True), ("RSA-PKCS-PSS", False)):
        env = store(("ways", *whole("rsa3072", "01", "--allowed-mechanisms", mechanisms)))
        with session(SOFTHSM, env=env) as card:
            expect_open(card.open(), mechanisms)
            answer = card.sign("", PIN)
            if works:
                expect_signed(answer, mechanisms)
            else:
                expect_error(answer, "no-signing-key")


@tap.test("SoftHSM2: a key that wants the PIN each time; labels that are not for a terminal")
def _():
    objects = [*whole("p256", "01", "--always-auth")[:2], ("p256", "cert", "--id", "01", "--label", "x" + "\u00e9" * 126)]
    with session(SOFTHSM, env=store(("M\u00fcller", *objects))) as card:
        facts = expect_open(card.open())
        tap.equal((facts["label"], facts["certs"][0]["label"]), ("M\u00fcller", "x" + "\u00e9" * 126), "labels")
        expect_signed(card.sign("", PIN))
    evil = [*whole("p256")[:2], ("p256", "cert", "--id", "01", "--label", "\x1b[31m\u202e" + "\u96ea\x01" * 50)]
    with session(SOFTHSM, env=store(("evil", *evil))) as card:
        label = expect_open(card.open())["certs"][0]["label"]
        tap.check(label.isprintable() and label.startswith("\\x1b[31m\\xe2\\x80\\xae"), f"label: {label!r}")


# ---- NSS ----

@tap.test("NSS: its module is told where the database is, and the token needs a PIN or none")
def _():
    there(NSS, "certutil", "pk12util")
    for pin in (PIN, ""):
        db, password = tempfile.mkdtemp(dir=top), os.path.join(top, "password")
        with open(password, "w") as f:
            f.write(pin + "\n")
        run("certutil", "-N", "-d", "sql:" + db, *(["-f", password] if pin else ["--empty-password"]))
        for name in ("p256", "rsa"):
            key, _, cert = made(name)
            run("openssl", "pkcs12", "-export", "-inkey", key, "-in", cert, "-out", f"{top}/{name}.p12", "-passout",
                "pass:x", "-name", name)
            run("pk12util", "-i", f"{top}/{name}.p12", "-d", "sql:" + db, "-W", "x", "-k", password)
        with session(NSS) as card:
            expect_error(card.open(), "module", "module-arguments")
        conf = f"module-arguments = \"configdir='sql:{db}' flags=readOnly\"\n"
        with session(NSS, conf) as card:
            expect_error(card.open(), "several-cards", "NSS Certificate DB")
        for name in ("p256", "rsa"):
            with session(NSS, conf) as card:
                facts = expect_open(card.open(uri=f"pkcs11:token=NSS%20Certificate%20DB;object={name}"))
                tap.equal(facts["pin"], "ok" if pin else "none", "PIN")
                if pin:
                    expect_error(card.sign("", WRONG), "pin-wrong")
                expect_signed(card.sign("", pin), name)


# ---- p11-kit ----

@tap.test("p11-kit: through its proxy, and from another process")
def _():
    there(PROXY, REMOTE, "p11-kit")
    env = store(("shared", *whole("p256")))
    with session(PROXY, env=env) as card:
        expect_open(card.open(uri="pkcs11:token=shared"))
        expect_signed(card.sign("", PIN))
    path = os.path.join(top, "p11-kit.sock")
    server = subprocess.Popen(["p11-kit", "server", "--foreground", "--name", path, "--provider", SOFTHSM, "pkcs11:"],
                              env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    away = {"P11_KIT_SERVER_ADDRESS": f"unix:path={path}"}
    try:
        end = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.02)
        with session(REMOTE, env=away) as card:
            expect_open(card.open())
            expect_error(card.sign("", WRONG), "pin-wrong")
            expect_signed(card.sign("", PIN))
    finally:
        server.kill()
        server.wait()
    with session(REMOTE, env=away) as card:
        expect_error(card.open(), "unknown-card", "service")


if __name__ == "__main__":
    tap.run()
