#!/usr/bin/python3
"""Cards whose certificates must not lead to credentials, and revocation information that is missing or wrong, through all
programs, pcscd, OpenSC and derivd-courier: each is refused with the reason, before a PIN is asked for, and nothing is issued."""

import datetime
import json
import os
import shutil
import sys
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import kiosk as kiosks  # noqa: E402
import pki  # noqa: E402
from der import octets, utf8  # noqa: E402
from faults import Faults  # noqa: E402
from kiosk import MAKE_CARD, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

DAY = datetime.timedelta(days=1)
POLICY = "2.16.840.1.101.3.2.1.48."  # the test arc
AUTH, HARDWARE, CARD_AUTH = POLICY + "11", POLICY + "9", POLICY + "13"
CLIENT_AUTH, SERVER_AUTH, MAIL = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"
LOGON, CARD_AUTH_EKU = "1.3.6.1.4.1.311.20.2.2", "2.16.840.1.101.3.6.8"
UPN, FASCN = "1.3.6.1.4.1.311.20.2.3", "2.16.840.1.101.3.6.6"


class Watched(kiosks.QuietFiles):
    """The PKI's web server; on_get is called before each answer."""

    on_get = None

    def do_GET(self):
        if Watched.on_get:
            Watched.on_get(self.path)
        super().do_GET()


kiosks.QuietFiles = Watched
tap = Tap()
tap.need("pcscd", "openssl")
kiosk = tap.use(Kiosk(crl="http", start=False))
# Every check asks the web server: what it answers is what these tests change.
kiosk.configure(derivd="devices-per-holder = 100\n", courier='allow = { "http://127.0.0.1:*/*.crl" }\n', ca=f"""
crl-refresh = "0s"
anchor "own" {{
	certificate = "{kiosk.at("lib/derivd-ca/public/root.crt")}"
	intermediates = {{ "{kiosk.at("lib/derivd-ca/public/ca.crt")}" }}
	revocation = "crl"
	crl-files = {{ "{kiosk.at("lib/derivd-ca/public/root.crl")}", "{kiosk.at("lib/derivd-ca/public/ca.crl")}" }}
}}
""")
kiosk.start()
faults = Faults(tap, kiosk)


def web(name):
    return kiosk.at(f"web/{name}")


def insert(directory):
    kiosk.reader.put(directory)
    for words in ("clear", "tries 3"):
        kiosk.reader.ctl(words)


def with_9a(card, ca="pki", since=-1, until=365, eku=(CLIENT_AUTH, LOGON), policies=(AUTH,), usage=("digitalSignature",),
            uuid=None, crl=None):
    """The card, with another certificate for the key of slot 9A: from now + since to now + until (days)."""
    with open(f"{card}/card.json") as f:
        person = json.load(f)
    names = [pki.gn_other(FASCN, octets(bytes.fromhex(person["fascn"]))),
             pki.gn_uri(f"urn:uuid:{uuid or person['guid']}"), pki.gn_other(UPN, utf8(person["upn"]))]
    subject = pki.name(("C", "US"), ("O", "U.S. Government"), ("CN", person["name"]), ("serialNumber", person["id"]))
    extensions = [pki.ext_key_usage(*usage), *([pki.ext_eku(*eku)] if eku else []),
                  *([pki.ext_policies(*policies)] if policies else []), pki.ext_san(*names),
                  pki.ext_crl(crl or kiosk.web.url + "/ca.crl")]
    certificate = pki.Issuer.load(kiosk.at(f"{ca}/ca")).certify(
        pki.Key(f"{card}/9a.key"), subject, extensions, pki.now() + since * DAY, pki.now() + until * DAY)
    pki.write(f"{card}/9a.pem", pki.pem("CERTIFICATE", certificate))
    return card


def refused(card, kind, status=3, *parts, **how):
    """Refused with a text that says these things, before any PIN."""
    insert(card)
    how.setdefault("request", "cancelled" if status == 4 else "rejected")
    end = faults.refused(kind, status, **how)
    for part in parts:
        tap.contains(end.text, part, "text")
    return end


def make_crl(where, *options):
    """A CRL of the card's issuer at a place of its own on the web server."""
    run(MAKE_CARD, "crl", kiosk.at("pki"), *options)
    shutil.copy(kiosk.at("pki/ca.crl"), web(where))


# ---- revocation information; first, while nothing is cached ----

@tap.test("the CRL cannot be fetched: refused, and as soon as the web server is there, it works")
def _():
    kiosk.web.down()
    refused(kiosk.card("early", name="Early Bird"), "revocation-unknown", 4, kiosk.web.url)
    kiosk.web.up()
    # What could not be fetched is tried again after a moment.
    wait_for("the CRL", lambda: faults.run().error is None)


def crl_at(where, *options):
    """A CRL of the card's issuer at a place of its own on the web server; its URL."""
    run(MAKE_CARD, "crl", kiosk.at("pki"), *options)
    shutil.copy(kiosk.at("pki/ca.crl"), web(where))
    run(MAKE_CARD, "crl", kiosk.at("pki"))
    return f"{kiosk.web.url}/{where}"


@tap.test("a CRL that is not there, out of date, of another signer, or no CRL at all: refused")
def _():
    card = kiosk.card("bob", name="Bob Example")
    url = kiosk.web.url + "/missing.crl"
    refused(with_9a(card, crl=url), "revocation-unknown", 4, url, "404")
    url = crl_at("stale.crl", "--hours", 1, "--ago", 2)
    refused(with_9a(card, crl=url), "revocation-unknown", 4, url, "out of date")
    run(MAKE_CARD, "pki", kiosk.at("stranger"), "--url", kiosk.web.url)
    shutil.copy(kiosk.at("stranger/ca.crl"), web("stranger.crl"))
    url = kiosk.web.url + "/stranger.crl"
    refused(with_9a(card, crl=url), "revocation-unknown", 4, url, "not signed by")
    kiosk.write("web/portal.crl", "<html>Please log in to the network</html>")
    url = kiosk.web.url + "/portal.crl"
    refused(with_9a(card, crl=url), "revocation-unknown", 4, url, "CRL")
    faults.good()


@tap.test("a CRL at an address that is not admitted is not fetched: neither by derivd-ca's list nor by the courier's")
def _():
    card = kiosk.card("carol", name="Carol Example")
    refused(with_9a(card, crl="http://192.0.2.1/ca.crl"), "revocation-unknown", 4, "192.0.2.1", "fetch-allow")
    crl_at("elsewhere.der")
    url = kiosk.web.url + "/elsewhere.der"
    seen = []
    Watched.on_get = seen.append
    refused(with_9a(card, crl=url), "revocation-unknown", 4, url, "courier.conf")
    Watched.on_get = None
    tap.lacks(" ".join(seen), "elsewhere", "what was fetched")


# ---- revoked ----

@tap.test("a revoked card, also when it was revoked after it was read: then no PIN is asked for")
def _():
    refused(kiosk.card("dave", name="Dave Example", revoked=True), "certificate-revoked", 3, "revoked")
    erin = kiosk.card("erin", name="Erin Example")

    def revoke():
        run(MAKE_CARD, "revoke", kiosk.at("pki"), f"{erin}/9a.pem")
        kiosk.publish()

    refused(erin, "certificate-revoked", 3, "revoked", hooks={"digits-needed": revoke}, request="cancelled")
    faults.good()


@tap.test("revoked between signature and certification: nothing is issued, and whoever looks sees why")
def _():
    frank = kiosk.card("frank", name="Frank Example")
    insert(frank)

    def when_verified(_):
        newest = max(faults.rows("request"), key=lambda r: r["created_ms"])
        if newest["state"] != "issuing":
            return
        # Several certifications may ask at once: none is answered before this is done.
        with lock:
            if not revoked:
                run(MAKE_CARD, "revoke", kiosk.at("pki"), f"{frank}/9a.pem")
                kiosk.publish()
                revoked.append(True)

    lock, revoked = threading.Lock(), []
    Watched.on_get = when_verified
    end = faults.run()
    Watched.on_get = None
    tap.note(end.error)
    tap.contains(end.text, "revoked")
    tap.equal((end.kind, end.status), ("ca-rejected", 3), "the end")
    tap.check(revoked, "the card was not revoked in time")
    rows = [c for c in faults.rows("credential") if c["holder"] == "Frank Example"]
    tap.equal({c["state"] for c in rows}, {"rejected"}, "the credentials")
    for c in rows:
        tap.contains(c["cause"], "revoked", "the cause")
    request = kiosk.ctl_json("request", "show", end.request["id"])[0]
    tap.check(request["state"] not in ("issuing", "complete"), f"the request is {request['state']}")
    work = [q for q in faults.rows("queue") if q["what"] not in ("crl", "deliver") and q["state"] != "failed"]
    tap.equal(work, [], "what is left to be done")


# ---- what does not count ----

@tap.test("expired, and not yet valid")
def _():
    refused(kiosk.card("gina", name="Gina Example", expired=True), "certificate-expired", 3, "expired on")
    refused(with_9a(kiosk.card("hank", name="Hank Example"), since=2), "certificate-not-yet", 3, "not valid before")


@tap.test("an issuer that is not among the anchors, also one that has the right name")
def _():
    refused(kiosk.card("ivan", ca="stranger", name="Ivan Example"), "issuer-untrusted", 3, "issuer")
    run(MAKE_CARD, "pki", kiosk.at("other"), "--url", kiosk.web.url, "--label", "Other")
    refused(kiosk.card("jane", ca="other", name="Jane Example"), "issuer-untrusted", 3, "Other Card CA")


@tap.test("only a card authentication certificate (9E), wherever it is on the card: its key needs no PIN")
def _():
    refused(kiosk.card("kim", name="Kim Example", slots="9e"), "not-eligible", 3, "without a PIN")
    card = kiosk.card("lea", name="Lea Example", slots="9a")
    refused(with_9a(card, eku=(CARD_AUTH_EKU,), policies=(CARD_AUTH,)), "not-eligible", 3, "without a PIN")
    refused(with_9a(card, policies=(CARD_AUTH,)), "not-eligible", 3, "without a PIN")


@tap.test("a certificate that is not for authentication: for mail, for servers, for nothing in particular")
def _():
    card = kiosk.card("mia", name="Mia Example", slots="9a")
    for eku in ((MAIL,), (SERVER_AUTH,), ()):
        refused(with_9a(card, eku=eku), "not-eligible", 3, "extended key usage")
    refused(with_9a(card, usage=("keyAgreement",)), "not-eligible", 3, "not for digital signatures")
    refused(kiosk.card("noa", name="Noa Example", slots="9c,9d,9e"), "not-eligible", 3, "signing certificate")


@tap.test("a derived certificate, by each policy that says so")
def _():
    card = kiosk.card("olga", name="Olga Example")
    for policy in ("2.16.840.1.101.3.2.1.3.40", "2.16.840.1.101.3.2.1.3.41", POLICY + "109", POLICY + "110"):
        refused(with_9a(card, policies=(AUTH, policy)), "not-eligible", 3, "derived", "cards only")


@tap.test("a certificate that was issued here, put on a card, though its issuer is among the anchors")
def _():
    faults.good()
    phone = next(d for d in reversed(kiosk.devices) if d.name == f"phone-{faults.count}")
    phone.run("export", "--pem", kiosk.at("export"))
    card = kiosk.card("pat", name="Pat Example", slots="9e")
    for name, to in (("certificate", "pem"), ("key", "key")):
        shutil.copy(kiosk.at(f"export/authentication/{name}.pem"), f"{card}/9a.{to}")
    refused(card, "not-eligible", 3, "issued here")


@tap.test("a certificate that belongs to another card")
def _():
    card = kiosk.card("quin", name="Quin Example", guid="00112233-4455-4677-8899-aabbccddeeff")
    refused(with_9a(card, uuid="ffeeddcc-bbaa-4988-b766-554433221100"), "not-eligible", 3, "another card")


@tap.test("a key that is too short")
def _():
    refused(kiosk.card("rita", name="Rita Example", alg="rsa1024"), "path-invalid", 3, "weak")


@tap.test("a certificate without the policies that the anchor asks for, and one that has them")
def _():
    with open(kiosk.at("etc/ca.conf.d/10-test.conf")) as f:
        text = f.read()
    kiosk.write("etc/ca.conf.d/10-test.conf",
                text.replace('revocation = "crl"', f'revocation = "crl"\n\tpolicies = {{ "{AUTH}", "{HARDWARE}" }}'))
    kiosk.restart()
    card = kiosk.card("sam", name="Sam Example")
    for policies in ((POLICY + "12",), ("1.3.6.1.4.1.55555.1",), ()):
        refused(with_9a(card, policies=policies), "policy", 3, "policies", "test-cards")
    faults.good()


tap.run()
