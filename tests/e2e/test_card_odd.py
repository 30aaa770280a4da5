#!/usr/bin/python3
"""Cards as people really have them, through all programs, pcscd and OpenSC: PIV cards that lack what they may lack, PINs and
names of all sorts, tokens of software. Each gives working credentials, or is refused with the reason before it signs."""

import datetime
import gzip
import importlib.machinery
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import uuid

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import pki  # noqa: E402
from cac import Cac  # noqa: E402
from der import context, ia5, octets, oid, printable, seq, set_of, tlv, utf8  # noqa: E402
from faults import Faults  # noqa: E402
from kiosk import MAKE_CARD, PIN, UIDS, Kiosk, kiosk_home, run  # noqa: E402
from rig import RigError, build_dir  # noqa: E402
from tap import Tap  # noqa: E402

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("make_card", MAKE_CARD)
maker = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_card", loader))
loader.exec_module(maker)

DAY = datetime.timedelta(days=1)
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
CN, ORGANIZATION, COUNTRY, SERIAL = "2.5.4.3", "2.5.4.10", "2.5.4.6", "2.5.4.5"

tap = Tap()
tap.need("pcscd", "openssl")
store = tap.use(tempfile.TemporaryDirectory(prefix="odd-", dir=kiosk_home()))
os.environ["SOFTHSM2_CONF"] = f"{store}/softhsm2.conf"
lying = dict(SOFTHSM2_CONF=f"{store}/softhsm2.conf", LYING="mechanism-unlisted", LYING_KEY=f"{store}/key.pem", LYING_CERT=f"{store}/cert.pem", LYING_PIN=PIN)
kiosk = tap.use(Kiosk(start=False, setenv=lying))
kiosk.configure(derivd="devices-per-holder = 100\n")
kiosk.start()
faults = Faults(tap, kiosk)
cards = 0


def new(**options):
    global cards
    cards += 1
    return kiosk.card(f"card{cards}", **{"name": "Ada Odd", **options})


def person(card):
    with open(f"{card}/card.json") as f:
        return json.load(f)


def upn(text):
    return pki.gn_other(maker.UPN, utf8(text))


def common_name(value, *more):
    """A subject with this CN, which may be a whole element."""
    value = utf8(value) if isinstance(value, str) else value
    return seq(set_of(seq(oid(COUNTRY), printable("US"))), set_of(seq(oid(CN), value)), *more)


def certify(card, subject=None, names=None, extra=(), key=None, slot="9a"):
    """Another certificate in the slot; returns it."""
    names = [upn(person(card)["upn"])] if names is None else names
    extensions = [pki.ext_key_usage("digitalSignature"), pki.ext_eku(maker.CLIENT_AUTH, maker.SMARTCARD_LOGON),
                  pki.ext_policies(maker.AUTH), *([pki.ext_san(*names)] if names else []),
                  pki.ext_crl(kiosk.web.url + "/ca.crl"), *extra]
    der = pki.Issuer.load(kiosk.at("pki/ca")).certify(
        pki.Key(key or f"{card}/{slot}.key"), common_name("Ada Odd") if subject is None else subject, extensions,
        pki.now() - DAY, pki.now() + 365 * DAY)
    pki.write(f"{card}/{slot}.pem", pki.pem("CERTIFICATE", der))
    return der


def remove(card, *names):
    for name in names:
        os.unlink(f"{card}/{name}")


def configure(card, *lines):
    with open(f"{card}/card.conf", "a") as f:
        f.write("".join(line + "\n" for line in lines))


def show(*words):
    return kiosk.ctl_json("card", "show", *words)[0]


def works(what, card=None, purposes=1, words=(), **how):
    """All credentials that the card allows; returns what was offered."""
    if card:
        kiosk.insert(card)
    end = faults.run(*words, **how)
    tap.check(end.error is None, f"{what}: {end.error}")
    states = {c["purpose"]: c["state"] for c in end.events[-1]["credentials"]}
    wanted = ("authentication", "signing", "encryption")[:purposes]
    tap.equal(states, dict.fromkeys(wanted, "active"), f"{what}: credentials")
    return next(e for e in end.events if e.get("event") == "offer")


def refused(what, card, kind, *parts, request="rejected", **how):
    tap.note(what)
    kiosk.insert(card)
    end = faults.refused(kind, how.pop("status", 3), request=request, **how)
    for part in parts:
        tap.contains(end.text, part, what)


# ---- what is on the card ----

@tap.test("cards without what a card may lack: CCC, CHUID, Discovery, history; with a CHUID that says nothing")
def _():
    everything = dict(no_discovery=True, no_history=True)
    for missing, options in ((("5FC107",), {}), (("5FC102",), {}), (("5FC102", "5FC107"), everything)):
        card = new(slots="9a", **options)
        remove(card, *missing)
        works(f"{missing} {options}", card)
    for text in ("5302FE00", "53FF"):
        card = new(slots="9a")
        pki.write(f"{card}/5FC102", bytes.fromhex(text))
        works(f"CHUID {text}", card)
    card = new(slots="9a")
    facts = person(card)
    pki.write(f"{card}/5FC102", maker.chuid(bytes.fromhex(facts["fascn"]), uuid.UUID(facts["guid"]), pki.now() - 100 * DAY,
                                            None, None))
    works("an expired CHUID", card)
    for text in ("7E00", "7E124F0BA0000003080000100001005F2F02"):
        card = new(slots="9a")
        pki.write(f"{card}/7E", bytes.fromhex(text))
        works(f"Discovery {text}", card)


@tap.test("certificates that are compressed or large; many retired keys")
def _():
    card = new(slots="9a")
    der = certify(card)
    remove(card, "9a.pem")
    body = maker.ber("70", gzip.compress(der)) + maker.ber("71", b"\x01") + maker.ber("FE", b"")
    pki.write(f"{card}/5FC105", maker.ber("53", body))
    works("gzip", card)
    tap.equal(bytes.fromhex(show()["certificates"][0]["der"]), der, "the certificate")
    for size in (2400, 6000):
        card = new(slots="9a")
        certify(card, extra=[pki.extension("1.3.6.1.4.1.55555.7", octets(os.urandom(size)))])
        works(f"{size} bytes more", card)
    works("history", new(history=20), 3)


@tap.test("PIV-I and CIV: no FASC-N, one UUID or two")
def _():
    for options in ({}, {"person_uuid": "11111111-2222-4333-8444-555555555555"}):
        works(f"{options}", new(no_fascn=True, **options), 3)


@tap.test("a card with nothing but 9A: only what needs no mail address, and the person is told so; only 9C: refused")
def _():
    card = new(slots="9a")
    works("only 9A", card)
    with kiosk.terminal("provision") as t:
        t.expect("authentication: to log in")
        t.expect("no mail address")
        t.expect("agree")
        t.type("no\n")
        t.end()
    refused("only 9C", new(slots="9c"), "not-eligible", "signing certificate")


@tap.test("a certificate over another key than the card has: refused, and not taken for a PIN's fault")
def _():
    card, other = new(slots="9a"), new(slots="9a")
    shutil.copy(f"{other}/9a.key", f"{card}/9a.key")
    refused("another key", card, "card-failed", "another key", status=4, verifies=1, request="cancelled")


# ---- PINs ----

@tap.test("PINs of other forms: taken if the card takes them, else refused without a try")
def _():
    for pin in ("1234", "abc12345"):
        card = new(slots="9a", pin=pin)
        refused(f"PIN {pin}", card, "pin-format", "form", pin=pin, verifies=1, request="cancelled")
        configure(card, "any-pin yes")
        kiosk.insert(new(slots="9a"))  # the card's settings are read when it is put in
        works(f"PIN {pin}", card, pin=pin)
    refused("PIN of three", card, "pin-format", "from 4 to 8", pin="123", request="cancelled")


@tap.test("a card that prefers the global PIN; one that only has it")
def _():
    discovery = "7E124F0BA0000003080000100001005F2F0260"
    card = new(slots="9a")
    configure(card, "global-pin 87654321")
    pki.write(f"{card}/7E", bytes.fromhex(discovery + "20"))
    kiosk.insert(card)
    end = faults.run(pin=PIN)
    tap.equal(end.kind, "pin-wrong", f"the other PIN: {end.error}")
    tap.contains(end.text, "2 tries left")
    works("global PIN", pin="87654321")
    pki.write(f"{card}/7E", bytes.fromhex(discovery + "10"))
    works("PIV PIN", card, pin=PIN)


# ---- names ----

@tap.test("names in every script and string type are shown as they are")
def _():
    card = new(slots="9a")
    for value, name in (
            ("Ægir Þórðarson 雪 Ğüneş", "Ægir Þórðarson 雪 Ğüneş"),
            (tlv(0x14, "José Muñoz".encode("latin1")), "José Muñoz"),  # T61String, as it is used
            (tlv(0x1E, "Žofie".encode("utf-16-be")), "Žofie"), (tlv(0x1C, "Žofie".encode("utf-32-be")), "Žofie"),
            ("LOVELACE.ADA.KING.1234567890", "LOVELACE.ADA.KING"), ("1234567890", "")):
        certify(card, common_name(value))
        tap.equal(works(f"{value}", card)["name"], name, "name")
    certify(card, seq(set_of(seq(oid(CN), utf8("Ada Multi")), seq(oid(SERIAL), printable("12345")))))
    tap.equal(works("several values in one RDN", card)["name"], "Ada Multi", "name")
    certify(card, common_name("CN one", set_of(seq(oid(CN), utf8("CN two")))))
    tap.equal(works("two CNs", card)["name"], "CN two", "name")


@tap.test("names that are none, too long, or would play with the screen: refused, with the reason")
def _():
    card = new(slots="9a")
    for what, subject, kind, part in (
            ("empty subject", seq(), "policy", "no name"),
            ("empty CN", common_name(""), "policy", "no name"),
            ("long", common_name("Wolfeschlegelstein " * 8), "policy", "longer than 64"),
            ("very long", common_name("x" * 2000), "certificate-malformed", "subject"),
            ("ANSI", common_name("Ada\x1b[2J\x1b[31mRoot"), "certificate-malformed", "control characters"),
            ("bidi", common_name("Ada \u202egnp.exe"), "certificate-malformed", "direction of writing"),
            ("line feed", common_name("Ada\nThis card belongs to Bob"), "certificate-malformed", "control characters"),
            ("zero byte", common_name("Ada\0Bob"), "certificate-malformed", "zero byte"),
            ("ANSI elsewhere", common_name("Ada", set_of(seq(oid(ORGANIZATION), utf8("O\x1b[31m")))),
             "certificate-malformed", "organization")):
        certify(card, subject)
        refused(what, card, kind, part)


@tap.test("subjectAltNames: what identifies and what does not; the first of several mail addresses")
def _():
    card = new(slots="9a")
    certify(card, names=[upn("ada@example.org"), pki.gn_mail("first@example.org"), pki.gn_mail("second@example.org")])
    works("two addresses", card, 3)
    kiosk.devices[-1].run("export", "--pem", kiosk.at("export"))
    text = run("openssl", "x509", "-noout", "-text", "-in", kiosk.at("export/signing/certificate.pem")).stdout
    tap.contains(text, "first@example.org")
    tap.lacks(text, "second@example.org")
    for what, names in (("UPN only", [upn("ada@example.org")]),
                        ("an empty address", [upn("ada@example.org"), context(1, b"", primitive=True)])):
        certify(card, names=names)
        works(what, card)
    for what, names, kind, part in (
            ("mail only", [pki.gn_mail("ada@example.org")], "not-eligible", "upn"), ("none", [], "not-eligible", "upn"),
            ("UPN of another type", [pki.gn_other(maker.UPN, ia5("ada@example.org"))], "certificate-malformed", "UPN"),
            ("ANSI in UPN", [upn("ada\x1b[2J@x")], "certificate-malformed", "upn"),
            ("malformed UUID", [upn("ada@x"), pki.gn_uri("urn:uuid:zzz")], "certificate-malformed", "uuid")):
        certify(card, names=names)
        refused(what, card, kind, part)


# ---- card directories ----

@tap.test("card directories as people have them: chains, PKCS#12, DER, other endings; what is wrong is said")
def _():
    def chain(card):
        pki.write(f"{card}/9a.pem", pki.read(kiosk.at("pki/ca.pem")) + pki.read(f"{card}/9a.pem"))

    def together(card):
        pki.write(f"{card}/9a.pem", pki.read(f"{card}/9a.key") + pki.read(f"{card}/9a.pem"))
        remove(card, "9a.key")

    def der(card):
        run("openssl", "pkey", "-in", f"{card}/9a.key", "-outform", "DER", "-out", f"{card}/9A.KEY")
        pki.write(f"{card}/9a.cer", pki.unpem(pki.read(f"{card}/9a.pem")))
        remove(card, "9a.key", "9a.pem")

    def p12(*options, password="secret", name="9a.p12", told="secret\r\n"):
        def make(card):
            run("openssl", "pkcs12", "-export", "-inkey", f"{card}/9a.key", "-in", f"{card}/9a.pem", "-out",
                f"{card}/{name}", "-passout", f"pass:{password}", *options)
            pki.write(f"{card}/{name}.pass", told.encode())
            remove(card, "9a.key", "9a.pem")
        return make

    def other_names(card):
        os.rename(f"{card}/9a.key", f"{card}/key.pem")
        os.rename(f"{card}/9a.pem", f"{card}/cert.pem")

    def locked(card):
        run("openssl", "pkey", "-in", f"{card}/9a.key", "-aes256", "-passout", "pass:x", "-out", f"{card}/locked")
        os.rename(f"{card}/locked", f"{card}/9a.key")

    for make in (chain, together, der, p12(), p12("-legacy", name="9a.pfx"), p12(password="", told="")):
        card = new(slots="9a")
        make(card)
        kiosk.insert(card)
        tap.equal(show()["label"], "Ada Odd", f"{make}: label")
    works("the last one")
    for make, part in ((p12(told="wrong"), "wrong password in"), (other_names, "not named after a slot"),
                       (locked, "not an unencrypted private key")):
        card = new(slots="9a")
        make(card)
        with tap.raises(RigError, part):
            kiosk.insert(card)


# ---- a card that is no PIV card ----

@tap.test("a CAC of the older kind, by another hand: its names, its PIN, its end")
def _():
    card = new(slots="9a", alg="rsa2048")
    der = certify(card, common_name("LOVELACE.ADA.KING.1234567890"),
                  [upn("1234567890@mil"), pki.gn_mail("ada.k.lovelace.mil@example.org")])
    if kiosk.reader.process:
        kiosk.reader.pull()
    reader = kiosk.rig.add_reader("cac")
    try:
        with Cac(kiosk.rig, reader, f"{card}/9a.key", der, PIN) as cac:
            facts = show()
            tap.equal((facts["card_type"], facts["manufacturer"], facts["pin"]),
                      ("generic", "Common Access Card", "PIN_OK"), "facts")
            offer = works("CAC", purposes=3)
            tap.equal((offer["name"], offer["last_four"]), ("LOVELACE.ADA.KING", "7890"), "holder")
            tap.equal((cac.verified, cac.verifies, cac.signatures), (False, 1, 1), "verified, PINs, signatures")
            tap.equal(faults.run(pin="999999").kind, "pin-wrong", "the wrong PIN")
            tap.equal((cac.tries, cac.verifies), (2, 2), "tries left, PINs")
            for tries, kind in ((1, "pin-last-try"), (0, "pin-locked")):
                cac.tries = tries
                tap.equal(faults.run().kind, kind, f"{tries} tries")
            tap.equal((cac.verifies, cac.signatures), (2, 1), "PINs, signatures")
            cac.tries = 1
            works("the last try", None, 3, words=("--last-try",))
    finally:
        kiosk.rig.remove_reader("cac")


# ---- a token without PC/SC ----

@tap.test("a token that makes no signatures of the needed kind: refused before anybody scans or types")
def _():
    card = new(slots="9a")
    certify(card)
    for name, file in (("cert.pem", "9a.pem"), ("key.pem", "9a.key")):
        pki.write(f"{store}/{name}", pki.read(f"{card}/{file}"))
    shutil.copy(f"{build_dir()}/tests/mock/lying.so", store)  # where the service may read it
    os.chmod(store, 0o755)
    kiosk.write("etc/card.conf", f'module = "{store}/lying.so"\npcsc = no\n')
    try:
        tap.equal([c["has_key"] for c in show()["certificates"]], [False], "keys")
        end = faults.refused("no-signing-key", 3, request="cancelled")
        tap.contains(end.text, "Liar")
        tap.lacks(str(end.events), "invited", "events")
    finally:
        kiosk.write("etc/card.conf", "")


@tap.test("a token of software, chosen by card.conf: the whole way to a phone")
def _():
    if not os.path.exists(SOFTHSM) or not shutil.which("softhsm2-util"):
        tap.skip("softhsm2 is not installed")
    card = new(slots="9a")
    certify(card, common_name("Sophie Soft"), [upn("sophie@example.org"), pki.gn_mail("sophie@example.org")])
    with open(f"{store}/softhsm2.conf", "w") as f:
        f.write(f"directories.tokendir = {store}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.makedirs(f"{store}/tokens")
    run("softhsm2-util", "--init-token", "--free", "--label", "Soft", "--pin", PIN, "--so-pin", "12345678")
    for what, kind in (("9a.key", "privkey"), ("9a.pem", "cert")):
        run("pkcs11-tool", "--module", SOFTHSM, "--login", "--pin", PIN, "--write-object", f"{card}/{what}", "--type", kind,
            "--id", "01", "--label", "Login", *(["--usage-sign"] if kind == "privkey" else []))
    os.chmod(store, 0o755)
    run("chown", "-R", f"{UIDS['derivd-card']}:{UIDS['derivd-card']}", f"{store}/tokens")
    kiosk.write("etc/card.conf", f'module = "{SOFTHSM}"\npcsc = no\nuri = "pkcs11:token=Soft"\n')
    try:
        tap.equal([r["name"] for r in kiosk.ctl_json("readers")[0]["readers"]], ["libsofthsm2.so"], "readers")
        tap.equal((show()["label"], show()["card_type"]), ("Soft", "generic"), "token")
        tap.equal(kiosk.ctl_error("card", "show", "--uri", "pkcs11:token=Hard"), "unknown-card", "another token")
        end = faults.run(pin="99999999")
        tap.equal(end.kind, "pin-wrong", f"another PIN: {end.error}")
        tap.equal(works("the token", purposes=3)["name"], "Sophie Soft", "name")
    finally:
        kiosk.write("etc/card.conf", "")


tap.run()
