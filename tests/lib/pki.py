"""A test PKI as tests need it: certificates with any extension and any date, CRLs, signed messages.

The openssl command makes and uses the keys; everything around the signatures is written here, because its
command line cannot back-date, nor sign what a PIV card needs signed.
"""

import datetime
import hashlib
import os
import secrets
import subprocess

from der import (bits, boolean, children, context, ia5, integer, named_bits, null, octets, oid,
                 printable, seq, set_of, time, tlv, utf8)

UTC = datetime.timezone.utc
ALGORITHMS = {
    "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "rsa2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa3072": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
}
RDN = {"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3", "serialNumber": "2.5.4.5",
       "DC": "0.9.2342.19200300.100.1.25"}
KEY_USAGE = {"digitalSignature": 0, "nonRepudiation": 1, "keyEncipherment": 2, "keyAgreement": 4,
             "keyCertSign": 5, "cRLSign": 6}


def now():
    return datetime.datetime.now(UTC).replace(microsecond=0)


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(args)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def write(path, data, mode=0o644):
    """Whole or not at all: others may read the file meanwhile."""
    part = path + ".part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as f:
        f.write(data)
    os.rename(part, path)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def pem(label, der):
    import base64
    text = base64.b64encode(der).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def unpem(data):
    import base64
    lines = data.decode().split("-----BEGIN ")[1].split("\n")[1:]
    return base64.b64decode("".join(lines[:lines.index(next(x for x in lines if x.startswith("-----END")))]))


class Key:
    """A private key in a file."""

    def __init__(self, path):
        self.path = path
        self.spki = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
        algorithm = children(children(children(self.spki)[0][1])[0][1])[0][1]
        self.is_ec = algorithm == children(oid("1.2.840.10045.2.1"))[0][1]

    @classmethod
    def make(cls, path, alg):
        write(path, openssl("genpkey", *ALGORITHMS[alg], "-outform", "PEM"), 0o600)
        return cls(path)

    @property
    def id(self):
        """SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2, method 1)."""
        key_bits = children(children(self.spki)[0][1])[1][1]
        return hashlib.sha1(key_bits[1:]).digest()

    @property
    def signature_algorithm(self):
        if self.is_ec:
            return seq(oid("1.2.840.10045.4.3.2"))
        return seq(oid("1.2.840.113549.1.1.11"), null())

    def sign(self, data):
        return openssl("dgst", "-sha256", "-sign", self.path, stdin=data)


def name(*parts):
    """A DN from ("C", "US"), ("CN", "Ada") …"""
    out = []
    for kind, value in parts:
        text = printable(value) if kind in ("C", "serialNumber") else utf8(value)
        if kind == "DC":
            text = ia5(value)
        out.append(tlv(0x31, seq(oid(RDN[kind]), text)))
    return seq(*out)


def extension(dotted, value, critical=False):
    return seq(oid(dotted), boolean(True) if critical else b"", octets(value))


def ext_ca(path_length=None):
    length = b"" if path_length is None else integer(path_length)
    return extension("2.5.29.19", seq(boolean(True), length), critical=True)


def ext_key_usage(*usages):
    return extension("2.5.29.15", named_bits(*(KEY_USAGE[u] for u in usages)), critical=True)


def ext_eku(*oids, critical=False):
    return extension("2.5.29.37", seq(*(oid(o) for o in oids)), critical)


def ext_policies(*oids):
    return extension("2.5.29.32", seq(*(seq(oid(o)) for o in oids)))


def ext_san(*general_names):
    return extension("2.5.29.17", seq(*general_names))


def ext_crl(*urls):
    points = [seq(context(0, context(0, context(6, u.encode(), primitive=True)))) for u in urls]
    return extension("2.5.29.31", seq(*points))


def ext_aia(issuers=None, ocsp=None):
    places = []
    if issuers:
        places.append(seq(oid("1.3.6.1.5.5.7.48.2"), context(6, issuers.encode(), primitive=True)))
    if ocsp:
        places.append(seq(oid("1.3.6.1.5.5.7.48.1"), context(6, ocsp.encode(), primitive=True)))
    return extension("1.3.6.1.5.5.7.1.1", seq(*places))


def gn_mail(mail):
    return context(1, mail.encode("ascii"), primitive=True)


def gn_uri(uri):
    return context(6, uri.encode("ascii"), primitive=True)


def gn_other(dotted, value):
    return context(0, oid(dotted), context(0, value))


class Issuer:
    """Somebody who signs: a name, a key, and the certificate once there is one."""

    def __init__(self, key, subject, cert=None):
        self.key, self.subject, self.cert = key, subject, cert

    @classmethod
    def load(cls, stem):
        cert = unpem(read(stem + ".pem"))
        return cls(Key(stem + ".key"), subject_of(cert), cert)

    def certify(self, key, subject, extensions, since, until, serial=None):
        """A certificate for a key, DER."""
        serial = serial or secrets.randbits(120) | 1 << 119
        basics = [extension("2.5.29.14", octets(key.id)),
                  extension("2.5.29.35", seq(context(0, self.key.id, primitive=True)))]
        tbs = seq(context(0, integer(2)), integer(serial), self.key.signature_algorithm, self.subject,
                  seq(time(since), time(until)), subject, key.spki,
                  context(3, seq(*basics, *extensions)))
        return seq(tbs, self.key.signature_algorithm, bits(self.key.sign(tbs)))

    def crl(self, revoked, since, until, number):
        """A full CRL, DER. revoked: (serial, datetime, reason code) each."""
        entries = [seq(integer(serial), time(when), seq(extension("2.5.29.21", tlv(0x0A, bytes([why])))))
                   for serial, when, why in revoked]
        tbs = seq(integer(1), self.key.signature_algorithm, self.subject, time(since), time(until),
                  seq(*entries) if entries else b"",
                  context(0, seq(extension("2.5.29.35", seq(context(0, self.key.id, primitive=True))),
                                 extension("2.5.29.20", integer(number)))))
        return seq(tbs, self.key.signature_algorithm, bits(self.key.sign(tbs)))

    def sign_message(self, content_type, content, attributes=(), detached=True, when=None):
        """CMS SignedData with this certificate in it, DER (RFC 5652, by issuer and serial)."""
        signed = [seq(oid("1.2.840.113549.1.9.3"), set_of(oid(content_type))),
                  seq(oid("1.2.840.113549.1.9.4"), set_of(octets(hashlib.sha256(content).digest()))),
                  seq(oid("1.2.840.113549.1.9.5"), set_of(time(when or now()))), *attributes]
        attrs = set_of(*signed)
        sha256 = seq(oid("2.16.840.1.101.3.4.2.1"))
        inside = seq(oid(content_type), b"" if detached else context(0, octets(content)))
        algorithm = self.key.signature_algorithm if self.key.is_ec else \
            seq(oid("1.2.840.113549.1.1.1"), null())
        signer = seq(integer(1), seq(issuer_of(self.cert), integer(serial_of(self.cert))), sha256,
                     b"\xa0" + attrs[1:], algorithm, octets(self.key.sign(attrs)))
        data = seq(integer(3), set_of(sha256), inside, context(0, self.cert), set_of(signer))
        return seq(oid("1.2.840.113549.1.7.2"), context(0, data))


def _tbs(cert):
    fields = children(children(children(cert)[0][1])[0][1])
    return fields[1:] if fields[0][0] == 0xA0 else fields


def serial_of(cert):
    return int.from_bytes(_tbs(cert)[0][1], "big")


def issuer_of(cert):
    return _tbs(cert)[2][2]


def subject_of(cert):
    return _tbs(cert)[4][2]
