"""S/MIME by programs that are not ours: what OpenSSL and NSS write, and what they read."""

import base64
import email
import email.policy
import os
import re
import tempfile

from kiosk import KioskError, run

POLICY = email.policy.compat32


def entity(kind, der):
    """A part of MIME that is one CMS object."""
    body = base64.encodebytes(der).decode()
    return (f"MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\n"
            f"Content-Transfer-Encoding: base64\n\n{body}")


def message(sender, recipient, subject, part):
    return f"From: <{sender}>\nTo: <{recipient}>\nSubject: {subject}\n{part}"


def read(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


class OpenSsl:
    """A person's openssl, with the keys in PEM."""

    name = "OpenSSL"

    def __init__(self, person, authorities):
        self.person, self.authorities = person, authorities
        self.dir = os.path.join(person.dir, "openssl")
        os.makedirs(self.dir, exist_ok=True)

    def at(self, name):
        return os.path.join(self.dir, name)

    def cms(self, *words, text, check=True):
        with open(self.at("in"), "w", newline="") as f:
            f.write(text)
        return run("openssl", "cms", "-in", self.at("in"), "-out", self.at("out"), *words, check=check)

    def sign(self, text, purpose="signing"):
        """multipart/signed."""
        self.cms("-sign", "-text", "-signer", self.person.pem(purpose, "certificate"), "-inkey", self.person.pem(purpose, "key"),
                 "-certfile", self.person.pem(purpose, "chain"), text=text)
        return read(self.at("out"))

    def encrypt(self, part, recipient, subject, certificate, cipher="aes-256-cbc"):
        """A message to the holder of that certificate."""
        self.cms("-encrypt", f"-{cipher}", "-from", f"<{self.person.mail}>", "-to", f"<{recipient}>", "-subject", subject,
                 certificate, text=part)
        return read(self.at("out"))

    def decrypt(self, mail, purpose="encryption"):
        """What was encrypted, or None."""
        done = self.cms("-decrypt", "-recip", self.person.pem(purpose, "certificate"), "-inkey", self.person.pem(purpose, "key"),
                        text=mail, check=False)
        return read(self.at("out")) if done.returncode == 0 else None

    def verify(self, part):
        """(text, mail addresses of the signer); the signature is good, and by somebody of ours."""
        self.cms("-verify", "-text", "-CAfile", self.authorities, "-signer", self.at("signer"), text=part)
        return read(self.at("out")), run("openssl", "x509", "-in", self.at("signer"), "-noout", "-email").stdout.split()


class Nss:
    """A person's NSS database, as Thunderbird and Evolution have one, filled from the phone's PKCS#12 files. It picks the key itself."""

    name = "NSS"

    def __init__(self, person, authorities):
        self.person = person
        self.dir = tempfile.mkdtemp(prefix=f"{person.who}-{self.name}-", dir=person.kiosk.at("people"))
        self.db = f"sql:{self.dir}"
        run("certutil", "-N", "-d", self.db, "--empty-password")
        self.fill(authorities)

    def fill(self, authorities):
        """As a person does it with what derivd-device exports. Again, with what has come since."""
        person = self.person
        self.add("root", authorities, "C,C,C")
        for purpose in ("signing", "encryption", "decryption"):
            if not os.path.exists(person.pem(purpose, "key")):
                continue
            path, secret = person.p12(purpose)
            run("pk12util", "-i", path, "-d", self.db, "-w", secret, "-K", "")

    def at(self, name):
        return os.path.join(self.dir, name)

    def add(self, nickname, certificate, trust=",,"):
        run("certutil", "-A", "-d", self.db, "-n", nickname, "-t", trust, "-i", certificate, "-a")

    def signing_key(self):
        return "derivd signing"

    def cmsutil(self, *words, data, check=True):
        with open(self.at("in"), "wb") as f:
            f.write(data)
        if os.path.exists(self.at("out")):
            os.unlink(self.at("out"))
        return run("cmsutil", *words, "-d", self.db, "-i", self.at("in"), "-o", self.at("out"), check=check)

    def sign(self, text):
        self.cmsutil("-S", "-N", self.signing_key(), "-G", "-P", data=f"Content-Type: text/plain\r\n\r\n{text}".encode())
        return entity("signed-data", read(self.at("out"), "rb"))

    def encrypt(self, part, recipient, subject, certificate):
        self.add(recipient, certificate)
        self.cmsutil("-E", "-r", recipient, data=part.encode())
        return message(self.person.mail, recipient, subject, entity("enveloped-data", read(self.at("out"), "rb")))

    def decrypt(self, mail, _="encryption"):
        data = email.message_from_string(mail, policy=POLICY).get_payload(decode=True)
        done = self.cmsutil("-D", data=data, check=False)
        return read(self.at("out")) if done.returncode == 0 else None

    def verify(self, part):
        """(text, name of the signer), if NSS calls the signature good and the signer fit to sign mail."""
        mime = email.message_from_string(part, policy=POLICY)
        detached = []
        if mime.is_multipart():
            with open(self.at("content"), "wb") as f:
                f.write(signed_bytes(part, mime.get_boundary()))
            detached, mime = ["-c", self.at("content")], mime.get_payload()[1]
        self.cmsutil("-D", *detached, "-u", "4", "-h", "0", data=mime.get_payload(decode=True))
        said, _, content = read(self.at("out")).partition("type=data; \n")
        signer = re.search(r'signer0.id="(.*)"; signer0.status=GoodSignature;', said)
        if not signer or "nsigners=1;" not in said:
            raise KioskError(f"NSS says: {said}")
        return email.message_from_string(content, policy=POLICY).get_payload(), signer.group(1)


class InstalledNss(Nss):
    """The same, kept by derivd-device-install."""

    name = "NSS-installed"

    def fill(self, _=None):
        run(self.person.kiosk.program("derivd-device-install"), "--state", self.person.phone.state, "--nss", self.dir)

    def signing_key(self):
        return re.search(r"derivd signing [0-9a-f]{8}", run("certutil", "-L", "-d", self.db).stdout).group(0)


class Gpgsm:
    """A person's gpgsm, as KMail, Claws Mail and mutt have it, filled from the phone's PKCS#12 file in the old form."""

    name = "gpgsm"

    def __init__(self, person, authorities):
        self.dir = tempfile.mkdtemp(prefix=f"{person.who}-gpgsm-", dir=person.kiosk.at("people"))
        self.path, self.secret = person.p12("encryption", "--legacy")
        root = run("openssl", "x509", "-in", authorities, "-noout", "-fingerprint", "-sha1").stdout.strip().partition("=")[2]
        for name, text in (("gpgsm.conf", "disable-crl-checks\n"), ("trustlist.txt", f"{root} S relax\n")):
            with open(self.at(name), "w") as f:
                f.write(text)
        self.env = {**os.environ, "GNUPGHOME": self.dir, "LC_ALL": "C.UTF-8"}
        self.gpgsm("--import", authorities)
        self.imported = self.gpgsm("--import", self.path)

    def at(self, name):
        return os.path.join(self.dir, name)

    def gpgsm(self, *words):
        return run("gpgsm", "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0", *words, env=self.env,
                   input=read(self.secret), check=False)

    def close(self):
        """Its agent, too."""
        run("gpgconf", "--kill", "all", env=self.env)

    def decrypt(self, mail, _="encryption"):
        with open(self.at("in"), "wb") as f:
            f.write(email.message_from_string(mail, policy=POLICY).get_payload(decode=True))
        done = self.gpgsm("--decrypt", self.at("in"))
        return done.stdout if done.returncode == 0 else None

    def verifies(self, part):
        """Whether it takes a multipart/signed for good."""
        mime = email.message_from_string(part, policy=POLICY)
        with open(self.at("content"), "wb") as f:
            f.write(signed_bytes(part, mime.get_boundary()))
        with open(self.at("signature"), "wb") as f:
            f.write(mime.get_payload()[1].get_payload(decode=True))
        done = self.gpgsm("--status-fd", "1", "--verify", self.at("signature"), self.at("content"))
        return done.returncode == 0 and "[GNUPG:] TRUST_FULLY" in done.stdout


def signed_bytes(part, boundary):
    """The first part of multipart/signed, to the byte."""
    text = part.replace("\r\n", "\n").split(f"--{boundary}\n")[1]
    return text[:-1].replace("\n", "\r\n").encode()
