#!/usr/bin/python3
"""Certificates of people in an LDAP directory: published from the kiosk, looked up with the phone's certificate, encrypted to."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from directory import Directory  # noqa: E402
from kiosk import AUDITOR, run  # noqa: E402
from people import Stranger, enrolled, script  # noqa: E402
from servers import Site  # noqa: E402
from smime import OpenSsl  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("slapd", "ldapsearch", "jq")
kiosk, people = enrolled(tap)
ada, bob, eve = people["ada"], people["bob"], people["eve"]
stranger = Stranger(kiosk, ada)
site = tap.use(Site(kiosk.at("site"), kiosk.at("lib/derivd-ca/public"), [p.mail for p in people.values()]))
slapd = tap.use(Directory(site))


def publish():
    ldif = script(kiosk, site.guide("derivd-mail-directory"), AUDITOR)
    slapd.change(ldif, "-c", check=False)  # says so of what is not there any more


@tap.test("E-50 E-31 slapd: who looks up another with the phone's certificate finds the one to encrypt to, and the other opens it")
def _():
    tap.equal(slapd.certificate(bob.mail, ada), None, "before it is published")
    publish()
    found = slapd.certificate(bob.mail, ada)
    tap.check(found, f"nothing found: {slapd.search(bob.mail, ada)}\n{slapd.log()[-1500:]}")
    there = kiosk.write("found.pem", found)
    authorities = site.at("derivd-mail/ca.pem")
    writer, reader = OpenSsl(ada, authorities), OpenSsl(bob, authorities)
    mail = writer.encrypt(writer.sign("Dear Bob,\n"), bob.mail, "looked up", there)
    tap.equal(reader.verify(reader.decrypt(mail)), ("Dear Bob,\n", [ada.mail]), "text and signer")
    run("openssl", "verify", "-CAfile", authorities, there)


@tap.test("E-01 E-50 slapd: no certificate, one of another CA, and those for signing and encryption find nothing")
def _():
    for story, person, purpose in (("no certificate", None, ""), ("another CA", stranger, "authentication"),
                                   ("signing", ada, "signing"), ("encryption", ada, "encryption")):
        done = slapd.search(bob.mail, person, purpose)
        tap.lacks(done.stdout, "uid=", story)


@tap.test("E-52 slapd: who lost the phone is refused once the CRL has come, and is not found any more; others are")
def _():
    tap.check(slapd.certificate(bob.mail, eve), "eve before")
    tap.check(slapd.certificate(eve.mail, bob), "eve's before")
    eve.lose()
    site.fetch_crl()
    publish()
    tap.equal(slapd.certificate(bob.mail, eve), None, "what eve finds")
    tap.equal(slapd.certificate(eve.mail, bob), None, "eve's certificate")
    tap.check(slapd.certificate(bob.mail, ada), "bob's")


tap.run()
