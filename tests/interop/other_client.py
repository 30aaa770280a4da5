#!/usr/bin/python3
"""The same phone by a maker with other habits: all that the documents leave to a device is done otherwise."""

import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cms import algorithm, tlv
from device_client import Phone, main
from keeper import spki


class OtherPhone(Phone):
    platform = "Télefon 15 · 电话 📱 (ünïcode, 64 bytes and no more)"

    def envelope(self, sealing, identity):
        """Without names and keyUsage, long expired; a key identifier of its own kind."""
        nobody = x509.Name([])
        return (x509.CertificateBuilder().subject_name(nobody).issuer_name(nobody).public_key(sealing.public_key())
                .serial_number(1).not_valid_before(datetime.datetime(1999, 1, 1))
                .not_valid_after(datetime.datetime(1999, 1, 2))
                .add_extension(x509.SubjectKeyIdentifier(b"this is mine"), False).sign(identity, hashes.SHA256()))

    def request(self, key):
        """With names and wishes, which count for nothing; or with nothing, not even empty attributes. Another hash."""
        if isinstance(key, ec.EllipticCurvePrivateKey):
            info = tlv(0x30, tlv(0x02, b"\0") + tlv(0x30, b"") + spki(key))
            signature = key.sign(info, ec.ECDSA(hashes.SHA384()))
            return tlv(0x30, info + algorithm("1.2.840.10045.4.3.3") + tlv(0x03, b"\0" + signature))
        return (x509.CertificateSigningRequestBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mallory"),
                                         x509.NameAttribute(NameOID.EMAIL_ADDRESS, "mallory@example.org")]))
                .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("mallory@example.org")]), False)
                .add_extension(x509.BasicConstraints(True, None), True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)
                .sign(key, hashes.SHA512()).public_bytes(Encoding.DER))


if __name__ == "__main__":
    sys.exit(main(OtherPhone))
