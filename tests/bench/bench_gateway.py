#!/usr/bin/python3
"""Private memory of the gateway for each idle connected device."""

import datetime
import os

from benchlib import at_most, need_plain_build, note
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway import Gateway

FEW, MANY = 100, 500


class QuickKey:
    """A device's key and certificate, made without starting a program."""

    def __init__(self, directory, name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")])
        now = datetime.datetime.utcnow()
        cert = x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(hours=1),
            now + datetime.timedelta(days=2)).sign(key, hashes.SHA256())
        self.key, self.cert = (os.path.join(directory, f"{name}.{e}") for e in ("key", "pem"))
        with open(self.key, "wb") as f:
            f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))
        with open(self.cert, "wb") as f:
            f.write(cert.public_bytes(serialization.Encoding.PEM))


def fill(g, core, phones, count):
    while len(phones) < count:
        phone = g.device(QuickKey(g.dir, f"quick{len(phones)}"))
        phone.hello()
        core.until("GATEWAY_UP")
        core.welcome(core.expect("GATEWAY_RELAY", "DEVICE_HELLO"), enrolled=1)
        phone.expect("DEVICE_WELCOME")
        phones.append(phone)
    return g.private_kb()


def main():
    need_plain_build()
    with Gateway() as g:
        core, phones = g.core(), []
        few = fill(g, core, phones, FEW)
        many = fill(g, core, phones, MANY)
        note(f"private memory of the gateway with {FEW} idle devices connected: {few} KiB, with {MANY}: {many} KiB")
        at_most("gateway-idle-device", (many - few) / (MANY - FEW), 24, "KiB")


if __name__ == "__main__":
    main()
