"""Opens keys that are sealed as PROTOCOL.intent section 10 has it: CMS AuthEnvelopedData in one form only. Every other form is
refused before anything is decrypted."""

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from records import Malformed, need

SEALED_MAX = 8192


def oid(text):
    first, second, *rest = map(int, text.split("."))
    body = b""
    for arc in [first * 40 + second, *rest]:
        digits = [arc & 0x7f]
        while arc := arc >> 7:
            digits.append(arc & 0x7f | 0x80)
        body += bytes(reversed(digits))
    return tlv(0x06, body)


def tlv(tag, body):
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def algorithm(name, parameters=b""):
    return tlv(0x30, oid(name) + parameters)


class Der:
    """A walk through DER: what is taken is there, and then nothing is left."""

    def __init__(self, data):
        self.data = data

    def take(self, tag):
        """The content of the next element, which has this tag."""
        d = self.data
        need(len(d) >= 2 and d[0] == tag, f"no element {tag:#x} where one should be")
        size, at = d[1], 2
        if size >= 0x80:
            n = size & 0x7f
            need(1 <= n <= 3 and len(d) >= 2 + n, "a length that is not DER")
            size, at = int.from_bytes(d[2:2 + n], "big"), 2 + n
            need(len(tlv(0, bytes(size))) == at + size, "a length that is not DER")
        need(len(d) >= at + size, "an element that is cut off")
        self.data = d[at + size:]
        return d[at:at + size]

    def into(self, tag):
        return Der(self.take(tag))

    def expect(self, data, what):
        """These bytes come next."""
        need(self.data.startswith(data), f"another {what}")
        self.data = self.data[len(data):]
        return self

    def end(self):
        need(not self.data, "more than there should be")


AUTH_ENVELOPED = oid("1.2.840.113549.1.9.16.1.23")
DATA = oid("1.2.840.113549.1.7.1")
AES256_WRAP = algorithm("2.16.840.1.101.3.4.1.45")
SHA256 = algorithm("2.16.840.1.101.3.4.2.1")
AES256_GCM = oid("2.16.840.1.101.3.4.1.46")
EC_AGREEMENT = algorithm("1.3.132.1.11.1", AES256_WRAP)
EC_PUBLIC = algorithm("1.2.840.10045.2.1")
OAEP = algorithm("1.2.840.113549.1.1.7",
                 tlv(0x30, tlv(0xa0, SHA256) + tlv(0xa1, algorithm("1.2.840.113549.1.1.8", SHA256))))


def shared_info():
    """ECC-CMS-SharedInfo (RFC 5753 section 7.2): the wrap algorithm, no user keying material, 256 bits."""
    return tlv(0x30, AES256_WRAP + tlv(0xa2, tlv(0x04, (256).to_bytes(4, "big"))))


def agree(recipient, key, key_id):
    """The content key out of a KeyAgreeRecipientInfo."""
    recipient.expect(tlv(0x02, b"\x03"), "version of the recipient")
    originator = recipient.into(0xa0)
    public = originator.into(0xa1).expect(EC_PUBLIC, "originator")
    originator.end()
    point = public.take(0x03)
    public.end()
    need(len(point) == 66 and point[:2] == b"\x00\x04", "a point that is not uncompressed")
    recipient.expect(EC_AGREEMENT, "key agreement")
    keys = recipient.into(0x30)
    recipient.end()
    one = keys.into(0x30)
    keys.end()
    identifier = one.into(0xa0)
    need(identifier.take(0x04) == key_id, "it was sealed for somebody else")
    identifier.end()
    wrapped = one.take(0x04)
    one.end()
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[1:])
        kek = X963KDF(hashes.SHA256(), 32, shared_info()).derive(key.exchange(ec.ECDH(), peer))
        return keywrap.aes_key_unwrap(kek, wrapped)
    except (ValueError, keywrap.InvalidUnwrap):
        raise Malformed("it does not open") from None


def transport(recipient, key, key_id):
    """The content key out of a KeyTransRecipientInfo."""
    recipient.expect(tlv(0x02, b"\x02"), "version of the recipient")
    need(recipient.take(0x80) == key_id, "it was sealed for somebody else")
    recipient.expect(OAEP, "key transport")
    encrypted = recipient.take(0x04)
    recipient.end()
    try:
        return key.decrypt(encrypted, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    except ValueError:
        raise Malformed("it does not open") from None


def open_sealed(data, key, key_id):
    """The content; key: the recipient's private key, key_id: its certificate's subject key identifier."""
    need(len(data) <= SEALED_MAX, "too long")
    outer = Der(data)
    info = outer.into(0x30).expect(AUTH_ENVELOPED, "type of content")
    outer.end()
    wrapper = info.into(0xa0)
    info.end()
    enveloped = wrapper.into(0x30).expect(tlv(0x02, b"\x00"), "version")
    wrapper.end()
    recipients = enveloped.into(0x31)
    rsa = isinstance(key, RSAPrivateKey)
    recipient = recipients.into(0x30 if rsa else 0xa1)
    recipients.end()
    content = enveloped.into(0x30).expect(DATA, "type of the encrypted content")
    mac = enveloped.take(0x04)
    enveloped.end()
    cipher = content.into(0x30).expect(AES256_GCM, "cipher")
    encrypted = content.take(0x80)
    content.end()
    parameters = cipher.into(0x30)
    cipher.end()
    nonce = parameters.take(0x04)
    parameters.expect(tlv(0x02, b"\x10"), "length of the mac").end()
    need(len(nonce) == 12 and len(mac) == 16, "a nonce or mac of another length")
    content_key = (transport if rsa else agree)(recipient, key, key_id)
    need(len(content_key) == 32, "a content key of another length")
    try:
        return AESGCM(content_key).decrypt(nonce, encrypted + mac, None)
    except InvalidTag:
        raise Malformed("the mac is not good") from None


def private_key(data):
    """Out of a OneAsymmetricKey, version 1; the two halves belong together."""
    try:
        key = serialization.load_der_private_key(data, None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            derived = ec.derive_private_key(key.private_numbers().private_value, key.curve)
            need(derived.public_key().public_numbers() == key.public_key().public_numbers(), "two halves of different keys")
    except (ValueError, TypeError) as e:
        raise Malformed(f"no private key: {e}") from None
    return key
