#!/usr/bin/python3
"""People who went through the kiosk log in to mail servers with the phone's certificate and no password, and nobody else does."""

import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from clients import Imap  # noqa: E402
from kiosk import run, wait_for  # noqa: E402
from people import Person, Stranger, change_profile, enrolled  # noqa: E402
from servers import Dovecot, Site  # noqa: E402
from tap import Tap  # noqa: E402

UPN = "weldon.f@corp.example.net"
tap = Tap()
tap.need("dovecot", "doveadm", "curl", "gnutls-cli")
kiosk, people = enrolled(tap)
ada, bob, eve, dan = people["ada"], people["bob"], people["eve"], people["dan"]
stranger = Stranger(kiosk, ada)
site = tap.use(Site(kiosk.at("site"), kiosk.at("lib/derivd-ca/public"), [ada.mail, bob.mail, eve.mail, UPN]))
dovecot = tap.use(Dovecot(site))
imap = Imap(dovecot.port, site.at("mail.pem"))


def let_in(person):
    for program, heard in imap.all(person).items():
        tap.contains(heard, "* LIST", f"{program}, {person.who}:\n{dovecot.log()[-1500:]}\n")


def kept_out(person, purpose="authentication", said=None):
    """By each program; said: what is in the server's log about it."""
    for program, heard in imap.all(person, purpose).items():
        tap.lacks(heard, "* LIST", program)
        tap.lacks(heard, "Logged in", program)
    if said:
        tap.check(re.search(said, dovecot.log()), f"\"{said}\" is not in Dovecot's log:\n{dovecot.log()[-2000:]}")


@tap.test("E-50 E-21 E-26 Dovecot: each logs in with the authentication certificate and no password, as the person it names")
def _():
    for person in (ada, bob, eve):
        let_in(person)
        tap.equal(dovecot.log().count(f"Login: user=<{person.mail}>, method=EXTERNAL"), 3, f"logins of {person.mail}")


@tap.test("E-50 Dovecot: who claims to be somebody else gets nothing of them")
def _():
    before = dovecot.log().count(f"Login: user=<{bob.mail}>")
    done = imap.curl(ada, user=bob.mail)
    tap.equal(dovecot.log().count(f"Login: user=<{bob.mail}>"), before, f"logins of {bob.mail}: {done.stderr}")


@tap.test("E-01 E-50 Dovecot: the certificates for signing and encryption are none to log in with")
def _():
    for purpose in ("signing", "encryption"):
        kept_out(ada, purpose, "unsuitable certificate purpose")


@tap.test("E-50 Dovecot: nobody gets in without a certificate, or with one of another CA")
def _():
    kept_out(None, said="didn't send a cert")
    kept_out(stranger, said="unable to get local issuer certificate")


@tap.test("E-50 Dovecot: a good certificate of somebody who has no mailbox opens none")
def _():
    kept_out(dan, said=f"{dan.mail}.*user not found from userdb")


@tap.test("E-52 Dovecot: who lost the phone is refused once the CRL has come, and others are not")
def _():
    with imap.stay(eve) as there:
        eve.lose()
        site.fetch_crl()
        kept_out(eve, said="certificate revoked")
        let_in(ada)
        tap.check(there.answers("NOOP"), "who was there before is there still")
        run("doveadm", "kick", eve.mail, env=site.env)
        wait_for("the end of the old connection", lambda: not there.answers("NOOP"))


@tap.test("E-50 Dovecot: a CRL that is not the CA's changes nothing, and says so")
def _():
    forged = kiosk.at("lib/derivd-ca/public/ca.crl")
    good = open(forged, "rb").read()
    with open(forged, "wb") as f:
        f.write(good[:-1] + bytes([good[-1] ^ 1]))
    before = open(site.at("derivd-mail/trust.pem")).read()
    done = site.fetch_crl(check=False)
    tap.check(done.returncode != 0, "the command ends well")
    tap.contains(done.stderr, "ca.crl is not the CA's", "what it says")
    tap.equal(open(site.at("derivd-mail/trust.pem")).read(), before, "what is trusted")
    with open(forged, "wb") as f:
        f.write(good)
    site.fetch_crl()
    let_in(ada)


@tap.test("E-52 Dovecot: a server that could not be told of a CRL is told the next time, though there is no newer one")
def _():
    good = open(site.at("bin/doveadm")).read()
    site.write("bin/doveadm", "#!/bin/sh\nexit 1\n", 0o755)
    bob.lose()
    tap.check(site.fetch_crl(check=False).returncode != 0, "the command ends well")
    site.write("bin/doveadm", good, 0o755)
    site.fetch_crl()
    before = dovecot.log().count("certificate revoked")
    kept_out(bob)
    tap.check(dovecot.log().count("certificate revoked") > before, "Dovecot knows")


@tap.test("E-23 E-50 Dovecot: where the log-in name is not the mail address, the profile has the UPN, and people are known by it")
def _():
    change_profile(kiosk, "authentication", "UID=${mail?}", "UID=${upn}")
    let_in(Person(kiosk, "fay", "Fay Weldon", upn=UPN))
    tap.contains(dovecot.log(), f"Login: user=<{UPN}>, method=EXTERNAL", "Dovecot's log")


tap.run()
