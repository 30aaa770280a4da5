#!/usr/bin/python3
"""Mail that is signed, encrypted, handed in, fetched, opened and verified with what is on people's phones."""

import email
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from clients import Imap, Submission  # noqa: E402
from guide import Guide  # noqa: E402
from kiosk import AUDITOR, KioskError, run, wait_for  # noqa: E402
from people import Person, Stranger, change_profile, enrolled, script  # noqa: E402
from servers import Dovecot, MailPostfix, Site  # noqa: E402
from smime import Gpgsm, InstalledNss, Nss, OpenSsl  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("dovecot", "doveadm", "postfix", "curl", "jq", "gpgsm")
kiosk, people = enrolled(tap)
ada, bob, eve = people["ada"], people["bob"], people["eve"]
stranger = Stranger(kiosk, ada)
change_profile(kiosk, "encryption", 'key-type = "p256"', 'key-type = "rsa2048"')
people["rosa"] = rosa = Person(kiosk, "rosa", "Rosa Luxemburg")
site = tap.use(Site(kiosk.at("site"), kiosk.at("lib/derivd-ca/public"), [p.mail for p in people.values()]))
postfix = tap.use(MailPostfix(site))
dovecot = tap.use(Dovecot(site, postfix))
imap = Imap(dovecot.port, site.at("mail.pem"))
submission = Submission(dovecot.submissions, site.at("mail.pem"))
direct = Submission(postfix.submissions, postfix.at("ca.pem"), login=False)

programs = {}


def program(kind, person):
    """The same one for the same person, until programs are cleared."""
    if (kind, person) not in programs:
        programs[kind, person] = kind(person, site.at("derivd-mail/ca.pem"))
    return programs[kind, person]


def ossl(person):
    return program(OpenSsl, person)


def nss(person):
    return program(Nss, person)


def gpgsm(person):
    known = (Gpgsm, person) in programs
    g = program(Gpgsm, person)
    if not known:
        tap.cleanups.callback(g.close)
    return g


def logs():
    return f"{postfix.log()[-2500:]}\n{dovecot.log()[-2500:]}"


def letter(sender, recipient, subject):
    return f"From: <{sender}>\nTo: <{recipient}>\nSubject: {subject}\n\nDear reader\n"


def handed_in(done):
    tap.check(done.returncode == 0, f"handed in: {done.stderr}\n{logs()}")


def refused(done, story):
    tap.check(done.returncode != 0, f"{story}: handed in\n{done.stderr}\n{logs()}")


def came(person, part):
    """The mail with that in it, from the person's mailbox."""
    return wait_for(f"the mail to {person.mail}", lambda: next((m for m in imap.inbox(person) if part in m), None))


@tap.test("E-50 submission through Dovecot: with a certificate and no password, and in one's own name only")
def _():
    handed_in(submission.curl(letter(ada.mail, bob.mail, "through Dovecot"), ada.mail, bob.mail, ada))
    came(bob, "Subject: through Dovecot")
    refused(submission.curl(letter(bob.mail, eve.mail, "as bob"), bob.mail, eve.mail, ada), "in another's name")
    for story, person, purpose in (("no certificate", None, ""), ("another CA", stranger, "authentication"),
                                   ("signing", ada, "signing"), ("encryption", ada, "encryption")):
        refused(submission.curl(letter(ada.mail, bob.mail, story), ada.mail, bob.mail, person, purpose), story)
    tap.equal(len(imap.inbox(bob)), 1, "mails to bob")
    tap.contains(postfix.log(), f"not owned by user {ada.mail}", "Postfix's log")


def phones():
    """The list for Postfix, as an auditor makes it at the kiosk."""
    return script(kiosk, site.guide("derivd-mail-phones"), AUDITOR)



@tap.test("E-50 Postfix alone: a phone on the list hands in mail without a password, and nobody else does")
def _():
    refused(direct.curl(letter(ada.mail, bob.mail, "no list"), ada.mail, bob.mail, ada), "before there is a list")
    postfix.allow(phones())
    handed_in(direct.curl(letter(ada.mail, bob.mail, "to Postfix"), ada.mail, bob.mail, ada))
    came(bob, "Subject: to Postfix")
    for story, person, purpose in (("no certificate", None, ""), ("another CA", stranger, "authentication"),
                                   ("signing", ada, "signing"), ("encryption", ada, "encryption")):
        refused(direct.curl(letter(ada.mail, bob.mail, story), ada.mail, bob.mail, person, purpose), story)


@tap.test("E-50 Postfix alone: a fingerprint on the list is of no use to a certificate of another CA")
def _():
    print_ = run("openssl", "x509", "-in", stranger.pem("", "certificate"), "-noout", "-fingerprint", "-sha256").stdout
    postfix.allow(phones() + print_.strip().partition("=")[2] + " OK\n")
    refused(direct.curl(letter(ada.mail, bob.mail, "listed"), ada.mail, bob.mail, stranger), "another CA")
    postfix.allow(phones())


def sent(writer, recipient, body):
    """A signed and encrypted message on its whole way; as the recipient fetches it."""
    part = writer.sign(body)
    mail = writer.encrypt(part, recipient.mail, f"from {writer.name}", recipient.pem("encryption", "certificate"))
    tap.lacks(mail, body.strip(), "the message")
    before = len(imap.inbox(recipient))
    handed_in(submission.curl(mail, writer.person.mail, recipient.mail, writer.person))
    got = wait_for("the message", lambda: imap.inbox(recipient)[before:])[0]
    tap.equal(email.message_from_string(got)["From"], f"<{writer.person.mail}>", "From")
    return got


def opened(reader, mail):
    part = reader.decrypt(mail)
    return reader.verify(part) if part is not None else None


@tap.test("E-30 E-31 E-50 OpenSSL: signed and encrypted, handed in, fetched, opened, and the signer is who it is from")
def _():
    mail = sent(ossl(ada), bob, "Dear Bob,\n")
    tap.equal(opened(ossl(bob), mail), ("Dear Bob,\n", [ada.mail]), "text and signer")
    tap.equal(ossl(eve).decrypt(mail), None, "what eve reads")


@tap.test("E-30 E-31 E-50 NSS: the same, with the phone's PKCS#12 files, where the encryption key is RSA")
def _():
    mail = sent(nss(ada), rosa, "Dear Rosa,\n")
    tap.equal(opened(nss(rosa), mail), ("Dear Rosa,\n", "Ada Lovelace"), "text and signer")
    tap.equal(opened(ossl(rosa), mail), ("Dear Rosa,\n", [ada.mail]), "text and signer, by OpenSSL")


def readable(key, writer, cipher):
    """By OpenSSL and NSS, in the words of the table."""
    recipient = {"p256": bob, "rsa2048": rosa}[key]
    program, words = {"OpenSSL": ossl, "NSS": nss}[writer](ada), [cipher] if cipher else []
    try:
        mail = program.encrypt("Dear reader\n", recipient.mail, "test", recipient.pem("encryption", "certificate"), *words)
    except KioskError:
        return ["cannot be written"] * 3
    return ["yes" if "Dear reader" in (reader(recipient).decrypt(mail) or "") else "no" for reader in (ossl, nss, gpgsm)]


@tap.test("E-31 which program reads mail to which key is as doc/MAIL.md says")
def _():
    rows = Guide({}).table("Which programs read the mail")
    tap.equal(len(rows), 6, "rows")
    for key, writer, cipher, *wanted in rows:
        tap.equal(readable(key, writer, cipher), wanted, f"{key}, {writer}, {cipher}")


@tap.test("E-01 E-30 a signature by another key than that for signing, or over another text, is none")
def _():
    good = ossl(ada).sign("Dear Bob,\n")
    for reader in (ossl(bob), nss(bob)):
        tap.contains(str(reader.verify(good)[1]), "da", reader.name)
        with tap.raises(KioskError):
            reader.verify(good.replace("Dear Bob", "Dear Rob"))
    tap.check(gpgsm(rosa).verifies(good), "gpgsm verifies")
    tap.check(not gpgsm(rosa).verifies(good.replace("Dear Bob", "Dear Rob")), "gpgsm verifies another text")
    with tap.raises(KioskError, "unsuitable certificate purpose"):
        ossl(bob).verify(ossl(ada).sign("Dear Bob,\n", "authentication"))
    with tap.raises(KioskError):
        ossl(bob).verify(ossl(ada).sign("Dear Bob,\n", "encryption"))


@tap.test("E-02 E-53 mail from before a new encryption key opens with the key that the phone has kept, and new mail with the new one")
def _():
    for person, reader in ((bob, ossl), (rosa, nss)):
        old = sent(ossl(ada), person, "from before\n")
        before = person.pem("encryption", "certificate")
        was = open(before).read()
        person.renew("encryption")
        programs.clear()
        tap.check(open(person.pem("encryption", "certificate")).read() != was, "the certificate is another")
        new = sent(ossl(ada), person, "from after\n")
        tap.equal(opened(reader(person), new)[0], "from after\n", f"{person.who}, new")
        tap.equal(ossl(person).decrypt(old, "encryption"), None, "what the new key opens")
        part = reader(person).decrypt(old, "decryption")
        tap.check(part is not None, f"{person.who}: the message from before does not open")
        tap.equal(reader(person).verify(part)[0], "from before\n", f"{person.who}, old")


@tap.test("E-02 E-30 E-31 NSS as derivd-device-install keeps it: it signs, and reads the mail to each key that the person has had")
def _():
    profile = InstalledNss(rosa, None)
    tap.equal(ossl(ada).verify(profile.sign("Dear Ada,\n")), ("Dear Ada,\n", [rosa.mail]), "text and signer")
    mails = [sent(ossl(ada), rosa, "one\n")]
    rosa.renew("encryption")
    programs.clear()
    profile.fill()
    mails.append(sent(ossl(ada), rosa, "two\n"))
    tap.equal([opened(profile, mail) for mail in mails], [("one\n", "Ada Lovelace"), ("two\n", "Ada Lovelace")], "both")


@tap.test("E-52 who lost the phone cannot hand in mail any more, by either way")
def _():
    handed_in(submission.curl(letter(eve.mail, bob.mail, "still"), eve.mail, bob.mail, eve))
    handed_in(direct.curl(letter(eve.mail, bob.mail, "still"), eve.mail, bob.mail, eve))
    eve.lose()
    site.fetch_crl()
    postfix.allow(phones())
    refused(submission.curl(letter(eve.mail, bob.mail, "again"), eve.mail, bob.mail, eve), "through Dovecot")
    refused(direct.curl(letter(eve.mail, bob.mail, "again"), eve.mail, bob.mail, eve), "to Postfix")
    handed_in(submission.curl(letter(ada.mail, bob.mail, "others"), ada.mail, bob.mail, ada))
    handed_in(direct.curl(letter(ada.mail, bob.mail, "others"), ada.mail, bob.mail, ada))


tap.run()
