#!/usr/bin/python3
"""ActiveSync behind nginx: the phone's certificate says who it is, and nothing else does."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from activesync import WHO, ActiveSync  # noqa: E402
from clients import Imap, Phone, certificate  # noqa: E402
from kiosk import run, wait_for  # noqa: E402
from people import Stranger, enrolled  # noqa: E402
from servers import Dovecot, Nginx, Site  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("dovecot", "doveadm", "nginx", "curl")
kiosk, people = enrolled(tap)
ada, bob, eve, dan = people["ada"], people["bob"], people["eve"], people["dan"]
stranger = Stranger(kiosk, ada)
site = tap.use(Site(kiosk.at("site"), kiosk.at("lib/derivd-ca/public"), [ada.mail, bob.mail, eve.mail]))
dovecot = tap.use(Dovecot(site))
imap = Imap(dovecot.port, site.at("mail.pem"))
server = tap.use(ActiveSync(site.at("mail")))
nginx = tap.use(Nginx(site, server.port))
phone = Phone(nginx.port, site.at("mail.pem"), kiosk.at("phone"))


def folders(person, *words):
    status, names = phone.folders(person, *words)
    tap.equal(status, "200", f"FolderSync, {names}")
    return names


for someone in (ada, bob, eve):
    imap.curl(someone, "authentication", "", "", "-X", f"CREATE {someone.who}-private")


@tap.test("E-50 E-21 E-26 ActiveSync: each phone gets the folders of the person that its certificate names, with no password")
def _():
    for person in (ada, bob, eve):
        status, answer = phone.options(person)
        tap.equal(status, "200", f"OPTIONS, {answer} {nginx.log()[-1500:]}")
        tap.contains(answer.decode(), "MS-ASProtocolVersions: 12.1,14.0,14.1", "OPTIONS")
        tap.equal(folders(person), ["Inbox", f"{person.who}-private"], f"folders of {person.who}")


@tap.test("E-50 ActiveSync: whatever the phone says besides, it is the person of the certificate")
def _():
    says = ["-H", f"{WHO}: {bob.mail}", "-u", f"{bob.mail}:password"]
    tap.equal(folders(ada, *says), ["Inbox", "ada-private"], "what ada is shown")


@tap.test("E-01 E-50 ActiveSync: no certificate, one of another CA, and those for signing and encryption are refused")
def _():
    for story, person, purpose in (("no certificate", None, ""), ("another CA", stranger, "authentication"),
                                   ("signing", ada, "signing"), ("encryption", ada, "encryption")):
        status, answer = phone.options(person, purpose=purpose)
        tap.equal(status, "400", f"{story}: {answer}")
        tap.lacks(answer.decode(), "MS-ASProtocolVersions", story)
    tap.contains(nginx.log(), "unsuitable certificate purpose", "nginx' log")


@tap.test("E-50 ActiveSync: a good certificate of somebody who has no mailbox opens none")
def _():
    tap.equal(phone.options(dan)[0], "401", "dan")


@tap.test("E-24 E-27 ActiveSync: a phone that does not trust everybody goes to no other server, and no server speaks without TLS")
def _():
    status, _ = phone.curl("-X", "OPTIONS", phone.url, person=ada, ca=stranger.pem("", "ca"))
    tap.contains(status, "certificate", "what curl says")
    tap.equal(phone.curl("-X", "OPTIONS", phone.url.replace("https", "http"))[0], "400", "HTTP without TLS")


def resumes(person, version, session):
    """Whether a session that was kept gets an answer."""
    talk = "OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    done = run("openssl", "s_client", "-ign_eof", version, "-connect", f"127.0.0.1:{nginx.port}", "-CAfile", site.at("mail.pem"),
               *certificate(person, "authentication", "-cert", "-key"), *session, input=talk, check=False)
    return "MS-ASProtocolVersions" in done.stdout, done.stdout + done.stderr


@tap.test("E-52 ActiveSync: who lost the phone is refused once the CRL has come, with an old TLS session too, and others are not")
def _():
    for version in ("-tls1_2", "-tls1_3"):
        got, said = resumes(eve, version, ["-sess_out", kiosk.at(f"session{version}")])
        tap.check(got, f"eve before: {said}")
    eve.lose()
    before = nginx.workers()
    site.fetch_crl()
    wait_for("the end of nginx' processes that have not read it", lambda: not before & nginx.workers())
    tap.equal(phone.options(eve)[0], "400", "eve")
    tap.contains(nginx.log(), "certificate revoked", "nginx' log")
    for version in ("-tls1_2", "-tls1_3"):
        kept = kiosk.at(f"session{version}")
        got, said = resumes(eve, version, ["-sess_in", kept] if os.path.exists(kept) else [])
        tap.check(not got, f"eve with an old session, {version}: {said}")
    tap.equal(folders(ada), ["Inbox", "ada-private"], "what ada is shown")


tap.run()
