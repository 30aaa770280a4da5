#!/usr/bin/python3
"""The same nginx in front of SOGo, a groupware that speaks ActiveSync in full."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from activesync import WHO  # noqa: E402
from clients import Imap, Phone  # noqa: E402
from kiosk import wait_for  # noqa: E402
from people import Stranger, enrolled  # noqa: E402
from servers import Dovecot, Nginx, Site  # noqa: E402
from sogo import POSTGRES, Sogo  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("dovecot", "doveadm", "nginx", "curl", "sogod", "memcached", f"{POSTGRES}/postgres")
kiosk, people = enrolled(tap)
ada, bob, dan = people["ada"], people["bob"], people["dan"]
stranger = Stranger(kiosk, ada)
site = tap.use(Site(kiosk.at("site"), kiosk.at("lib/derivd-ca/public"), [ada.mail, bob.mail]))
dovecot = tap.use(Dovecot(site))
imap = Imap(dovecot.port, site.at("mail.pem"))
sogo = tap.use(Sogo(site))
nginx = tap.use(Nginx(site, sogo.port))
phone = Phone(nginx.port, site.at("mail.pem"), kiosk.at("phone"))

for someone in (ada, bob):
    imap.curl(someone, "authentication", "", "", "-X", f"CREATE {someone.who}-private")


@tap.test("E-50 E-21 SOGo: each phone gets the folders of the person that its certificate names, with no password")
def _():
    for person in (ada, bob):
        status, answer = phone.options(person)
        tap.equal(status, "200", f"OPTIONS, {answer}\n{sogo.log()[-2000:]}")
        tap.contains(answer.decode().lower(), "ms-asprotocolversions:", "OPTIONS")
        status, names = phone.folders(person)
        tap.equal(status, "200", f"FolderSync, {names}\n{sogo.log()[-2000:]}")
        tap.check(f"{person.who}-private" in names, f"{person.who} is shown {names}\n{sogo.log()[-2000:]}")
        tap.check(not any("private" in n and person.who not in n for n in names), f"{person.who} is shown {names}")


@tap.test("E-50 SOGo: whatever the phone says besides, it is the person of the certificate")
def _():
    _, names = phone.folders(ada, "-H", f"{WHO}: {bob.mail}", "-u", f"{bob.mail}:password")
    tap.check("ada-private" in names and "bob-private" not in names, f"ada is shown {names}")


@tap.test("E-01 E-50 SOGo: no certificate, one of another CA, those for signing and encryption, and people whom it does not know are refused")
def _():
    for story, person, purpose in (("no certificate", None, ""), ("another CA", stranger, "authentication"),
                                   ("signing", ada, "signing"), ("encryption", ada, "encryption")):
        status, answer = phone.options(person, purpose=purpose)
        tap.equal(status, "400", f"{story}: {answer}")
    status, answer = phone.folders(dan)
    tap.check(status in ("401", "403"), f"dan: {status} {answer}")


@tap.test("E-52 SOGo: who lost the phone is refused once the CRL has come, and others are not")
def _():
    bob.lose()
    before = nginx.workers()
    site.fetch_crl()
    wait_for("the end of nginx' processes that have not read it", lambda: not before & nginx.workers())
    tap.equal(phone.options(bob)[0], "400", "bob")
    tap.contains(phone.folders(ada)[1], "ada-private", "what ada is shown")


tap.run()
