"""The records of PROTOCOL.intent, written from that document alone: offers, statements, intents, receipts, tickets,
items, acknowledgements, sealed keys, and the payloads of PROTOCOL.device section 7.

A type knows how to write a value and how to read one back; it takes what a writer after the document would have
written and nothing else. A record is read into a dictionary, with the names of the document.
"""

import base64
import hashlib
import ipaddress
import re

RECORD_MAX = 65536
TIME_MAX = 253402300799999
KEY_TYPES = ("p256", "p384", "rsa2048", "rsa3072", "rsa4096")
PURPOSES = {1: "authentication", 2: "signing", 3: "encryption", 4: "decryption"}
INTENT_HEAD = b" " * 64 + b"derivd intent v1\0"


class Malformed(Exception):
    """Bytes that nobody who follows the document would have written."""


def need(condition, why):
    if not condition:
        raise Malformed(why)


def sha256(data):
    return hashlib.sha256(data).digest()


def labelled(label, data):
    """What a signature is made over."""
    return label.encode() + b"\0" + data


def H(label, data):
    return sha256(labelled(label, data))


NOT_SHOWN = ((0, 0x1f), (0x7f, 0x9f), (0x2028, 0x2029), (0x61c, 0x61c), (0x200e, 0x200f), (0x202a, 0x202e), (0x2066, 0x2069),
             (0xfeff, 0xfeff), (0xe0000, 0xe007f))


def text_is_printable(text):
    """PROTOCOL.frame section 4."""
    return not any(first <= ord(c) <= last for c in text for first, last in NOT_SHOWN)


# ---- types of values: write(value) -> bytes, read(bytes) -> value ----

class Bytes:
    def __init__(self, least, most=None):
        self.least, self.most = least, least if most is None else most

    def write(self, value):
        need(self.least <= len(value) <= self.most, f"{len(value)} bytes, not {self.least} to {self.most}")
        return bytes(value)

    read = write


HASH = Bytes(32)
ID = Bytes(16)


class Text:
    def __init__(self, most, least=0, pattern=None):
        self.least, self.most, self.pattern = least, most, pattern and re.compile(pattern)

    def write(self, value):
        data = value.encode()
        need(self.least <= len(data) <= self.most, f"a text of {len(data)} bytes, not {self.least} to {self.most}")
        need(text_is_printable(value), "a text with control characters")
        need(not self.pattern or self.pattern.fullmatch(value), f"the text \"{value}\"")
        return data

    def read(self, data):
        try:
            value = data.decode()
        except UnicodeDecodeError:
            raise Malformed("a text that is not UTF-8") from None
        self.write(value)
        return value


class Number:
    def __init__(self, size, least=0, most=None):
        self.size, self.least, self.most = size, least, 256 ** size - 1 if most is None else most

    def write(self, value):
        need(self.least <= value <= self.most, f"the number {value}, not {self.least} to {self.most}")
        return value.to_bytes(self.size, "big")

    def read(self, data):
        need(len(data) == self.size, f"a number in {len(data)} bytes, not {self.size}")
        value = int.from_bytes(data, "big")
        self.write(value)
        return value


def u8(least, most):
    return Number(1, least, most)


TIME = Number(8, 0, TIME_MAX)


class Optional:
    def __init__(self, inner):
        self.inner = inner

    def write(self, value):
        return b"" if value is None else self.inner.write(value)

    def read(self, data):
        return self.inner.read(data) if data else None


def pieces(data):
    """The values behind their lengths."""
    found, at = [], 0
    while at < len(data):
        need(len(data) - at >= 4, "a length that is cut off")
        size = int.from_bytes(data[at:at + 4], "big")
        at += 4
        need(size <= len(data) - at, "a value that is cut off")
        found.append(data[at:at + size])
        at += size
    return found


def join(values):
    return b"".join(len(v).to_bytes(4, "big") + v for v in values)


class List:
    """ascending: what elements are in strictly ascending order of. unique: no two are the same."""

    def __init__(self, inner, least, most, ascending=None, unique=False):
        self.inner, self.least, self.most, self.ascending, self.unique = inner, least, most, ascending, unique

    def write(self, values):
        need(self.least <= len(values) <= self.most, f"{len(values)} elements, not {self.least} to {self.most}")
        if self.ascending:
            order = [self.ascending(v) for v in values]
            need(all(a < b for a, b in zip(order, order[1:])), "a list out of its order")
        need(not self.unique or len(set(values)) == len(values), "the same element twice")
        return join(self.inner.write(v) for v in values)

    def read(self, data):
        values = [self.inner.read(p) for p in pieces(data)]
        self.write(values)
        return values


class Record:
    def __init__(self, *fields, prefix=b"", most=RECORD_MAX):
        self.fields, self.prefix, self.most = fields, prefix, most

    def write(self, values):
        need(set(values) == {name for name, _ in self.fields}, f"the fields {sorted(values)}")
        data = self.prefix + join(kind.write(values[name]) for name, kind in self.fields)
        need(len(data) <= self.most, f"a record of {len(data)} bytes")
        return data

    def read(self, data):
        need(len(data) <= self.most, f"a record of {len(data)} bytes")
        need(data.startswith(self.prefix), "another beginning")
        found = pieces(data[len(self.prefix):])
        need(len(found) == len(self.fields), f"{len(found)} fields, not {len(self.fields)}")
        values = {}
        for (name, kind), piece in zip(self.fields, found):
            try:
                values[name] = kind.read(piece)
            except Malformed as e:
                raise Malformed(f"{name}: {e}") from None
        return values


class Facts:
    """A dictionary; pairs of fields in the order of the names."""
    NAME, VALUE, MOST = Text(32, 1, "[a-z0-9-]+"), Text(1024, 1), 24

    def write(self, values):
        need(len(values) <= self.MOST, f"{len(values)} facts")
        return join(x for name in sorted(values) for x in (self.NAME.write(name), self.VALUE.write(values[name])))

    def read(self, data):
        found = pieces(data)
        need(len(found) % 2 == 0, "a fact without its value")
        pairs = [(self.NAME.read(n), self.VALUE.read(v)) for n, v in zip(found[::2], found[1::2])]
        need(all(a[0] < b[0] for a, b in zip(pairs, pairs[1:])), "facts out of their order")
        need(len(pairs) <= self.MOST, f"{len(pairs)} facts")
        return dict(pairs)


# ---- the records ----

def by_purpose(element):
    return element["purpose"]


KEY = Bytes(1, 1024)
PURPOSE = u8(1, 4)
CERTIFICATES = List(HASH, 1, 8, unique=True)
CONSENTS = List(Record(("kind", Text(31, 1, "[a-z0-9-]+")), ("until", TIME)), 0, 8,
                ascending=lambda c: c["kind"].encode())

STATEMENT = Record(
    ("version", u8(1, 1)), ("host", Text(253)), ("deployment", ID), ("invitation key", Optional(HASH)),
    ("offer digest", HASH), ("identity key", KEY), ("sealing", Bytes(1, 2048)), ("platform", Text(64)),
    ("requests", List(Record(("purpose", PURPOSE), ("PKCS#10", Bytes(1, 4096)), ("attestation", Bytes(0, 32768))), 0, 8,
                      ascending=by_purpose)),
    ("commitment", HASH), most=32768)

CHALLENGE = Record(("challenge", HASH), ("purpose", PURPOSE), ("identity key", KEY))

OFFER = Record(
    ("operation", u8(1, 2)), ("deployment", ID), ("request id", ID), ("issuer", HASH), ("predecessor", HASH),
    ("created", TIME), ("expires", TIME), ("certificates", CERTIFICATES),
    ("purposes", List(Record(("purpose", PURPOSE), ("origin", u8(1, 2)), ("key type", Text(16, 1, "|".join(KEY_TYPES))),
                             ("profile", HASH), ("challenge", HASH)), 1, 8, ascending=by_purpose)),
    ("facts", Facts()))

HOLDER = Record(("anchor", Text(1024, 1)), ("id-type", Text(1024, 1)), ("id", Text(1024, 1)))

PURPOSES_OF_INTENT = List(Record(("purpose", PURPOSE), ("profile", HASH), ("origin", u8(1, 2)), ("key", Optional(HASH))),
                          1, 8, ascending=by_purpose)

INTENT = Record(
    ("operation", u8(1, 2)), ("deployment", ID), ("issuer", HASH), ("request id", ID), ("nonce", Bytes(1, 128)),
    ("certificates", CERTIFICATES), ("algorithm", u8(1, 3)), ("statement", HASH), ("invitation key", Optional(HASH)),
    ("purposes", PURPOSES_OF_INTENT), ("facts", HASH), ("consents", CONSENTS), ("predecessor", Optional(HASH)), ("kiosk", ID),
    prefix=INTENT_HEAD, most=4096)

RECEIPT = Record(
    ("intent", HASH), ("evidence", HASH), ("operation", u8(1, 2)), ("deployment", ID), ("request id", ID), ("issuer", HASH),
    ("holder id", HASH), ("facts", Facts()), ("identity key", KEY), ("sealing", Bytes(1, 2048)),
    ("purposes", PURPOSES_OF_INTENT), ("time", TIME), ("nonce time", TIME), ("certificates", CERTIFICATES),
    ("proofs", List(HASH, 0, 16, unique=True)), ("consents", CONSENTS), ("predecessor", Optional(HASH)))

TICKET = Record(
    ("intent", HASH), ("purpose", PURPOSE), ("key", KEY), ("device copy", HASH), ("history copy", Optional(HASH)),
    ("escrow copies", List(HASH, 0, 8, unique=True)), ("time", TIME))

ITEM = Record(
    ("deployment", ID), ("device", HASH), ("item id", ID), ("number", Number(8, 1)), ("kind", u8(1, 6)),
    ("purpose", u8(0, 4)), ("digest", HASH), ("length", Number(8, 0, 131072)), ("time", TIME))

ACKNOWLEDGEMENT = Record(
    ("device", HASH), ("item id", ID), ("number", Number(8, 1)), ("item", HASH), ("status", u8(0, 255)),
    ("detail", Text(255)))

SEALED_LABEL = "derivd sealed key v1"
SEALED = Record(
    ("label", Text(20, 20, SEALED_LABEL)), ("deployment", ID), ("intent", HASH), ("purpose", PURPOSE), ("key hash", HASH),
    ("key", Bytes(1, 4096)))

CHAIN = List(Bytes(1, 16384), 1, 10)
PINS = Record(("deployment", ID), ("epoch", Number(8, 0, 2**63 - 1)), ("until", TIME), ("pins", List(HASH, 1, 4, unique=True)))
APPS = List(Record(("name", Text(64, 1, "[a-z][a-z0-9-]*")), ("type", Text(128)), ("text", Bytes(0, 65536))), 0, 10,
            ascending=lambda a: a["name"].encode())


def holder_id(facts):
    return H("derivd holder v1", HOLDER.write({name: facts.get(name, "") for name in ("anchor", "id-type", "id")}))


def challenge(offered, purpose, identity_key):
    """What an attestation is made over."""
    return H("derivd challenge v1",
             CHALLENGE.write({"challenge": offered, "purpose": purpose, "identity key": identity_key}))


def digits(statement_hash, r_d, r_k):
    v = int.from_bytes(H("derivd digits v1", statement_hash + r_d + r_k)[:8], "big") % 1000000
    return f"{v // 10000:02} {v // 100 % 100:02} {v % 100:02}"


# ---- the QR code ----

LABEL = "(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
HOST = rf"{LABEL}(?:\.{LABEL})*|\[[0-9A-Fa-f:.]+\]"
URI = re.compile(rf"derivd:1\?h=(?P<host>{HOST}):(?P<port>[1-9][0-9]{{0,4}})"
                 r"&d=(?P<deployment>[A-Za-z0-9_-]{22})&s=(?P<seed>[A-Za-z0-9_-]{43})&k=(?P<delivery>[A-Za-z0-9_-]{43})"
                 r"(?P<pins>(?:&p=[A-Za-z0-9_-]{43}){1,4})")


def unbase64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "base64url with bits left over")
    return data


def read_uri(text):
    """The parts of the QR code's text."""
    found = URI.fullmatch(text)
    need(found, "this is not an invitation of derivd")
    host, port = found["host"], int(found["port"])
    need(len(text) <= 1024 and port <= 65535 and len(host) <= 253, "the invitation's host or port is none")
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise Malformed("the invitation's address is none") from None
    return {"host": host.strip("[]"), "port": port, "deployment": unbase64(found["deployment"]),
            "seed": unbase64(found["seed"]), "delivery": unbase64(found["delivery"]),
            "pins": [unbase64(p) for p in found["pins"][3:].split("&p=")]}
