"""What a device keeps (PROTOCOL.device section 8): private keys in files of their own, and one record that says what counts,
replaced in one step."""

import datetime
import json
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from records import sha256

LAST_ACKNOWLEDGEMENTS = 16


def spki(key):
    """Of a private or a public key, or of a certificate's."""
    public = key.public_key() if hasattr(key, "public_key") else key
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_key(kind):
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def certificate(key, signer, *extensions):
    """An envelope for a key; nobody looks at names and dates."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "phone")])
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(datetime.datetime(2020, 1, 1))
               .not_valid_after(datetime.datetime(2049, 1, 1)))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def certificate_request(key):
    """A PKCS#10 with nothing but the key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def key_agreement_only():
    others = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(key_agreement=True, **others)


class Keeper:
    """A directory. "state" is the record: a dictionary of what JSON can hold, bytes as hexadecimal digits."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(self.at("keys"), mode=0o700, exist_ok=True)
        self.state = None
        if os.path.exists(self.at("state.json")):
            with open(self.at("state.json"), encoding="utf-8") as f:
                self.state = json.load(f)

    def at(self, name):
        return os.path.join(self.dir, name)

    def _write(self, name, data):
        path = self.at(name)
        fd = os.open(path + ".part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.rename(path + ".part", path)
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def save(self, state):
        """This moment is the step: before it the old record counts, after it the new one."""
        self._write("state.json", json.dumps(state, indent=1).encode())
        self.state = state
        self._sweep()

    def _sweep(self):
        """Keys that the record does not name any more."""
        named = {self.state["identity"], self.state["sealing"], *(k["hash"] for k in self.state["keys"])}
        for name in os.listdir(self.at("keys")):
            if name.partition(".")[0] not in named:
                os.unlink(self.at(f"keys/{name}"))

    def store_key(self, key):
        """Returns its name, the hash of the public key."""
        name = sha256(spki(key)).hex()
        self._write(f"keys/{name}.pem", key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                          serialization.NoEncryption()))
        return name

    def key(self, name):
        with open(self.at(f"keys/{name}.pem"), "rb") as f:
            return serialization.load_pem_private_key(f.read(), None)

    def store_identity(self, key):
        """The TLS library wants key and certificate in one file."""
        name = self.store_key(key)
        with open(self.at(f"keys/{name}.pem"), "rb") as f:
            pem = f.read()
        self._write(f"keys/{name}.tls", pem + certificate(key, key).public_bytes(Encoding.PEM))
        return name

    def identity_file(self):
        return self.at(f"keys/{self.state['identity']}.tls")

    # ---- credentials: a key and its certificate ----

    def whole(self, purpose):
        """(key's entry, certificate) of the credentials for a purpose, the newest last."""
        return [(k, bytes.fromhex(k["certificate"])) for k in self.state["keys"]
                if k["purpose"] == purpose and k["certificate"]]

    def export(self, directory):
        """A directory for each purpose: key.pem, certificate.pem, chain.pem."""
        names = {1: "authentication", 2: "signing", 3: "encryption"}
        for purpose, name in names.items():
            for entry, der in self.whole(purpose)[-1:]:
                where = os.path.join(directory, name)
                os.makedirs(where, mode=0o700, exist_ok=True)
                with open(self.at(f"keys/{entry['hash']}.pem"), "rb") as f:
                    key = f.read()
                pem = [x509.load_der_x509_certificate(d).public_bytes(Encoding.PEM)
                       for d in (der, *map(bytes.fromhex, self.state["chain"]))]
                for file, data in (("key.pem", key), ("certificate.pem", pem[0]), ("chain.pem", b"".join(pem[1:]))):
                    with open(os.path.join(where, file), "wb") as f:
                        f.write(data)
