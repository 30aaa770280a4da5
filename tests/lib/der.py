"""DER, as much of it as certificates, CRLs and signed messages need: a writer, and a small reader."""

import datetime


def tlv(tag, *parts):
    value = b"".join(parts)
    n = len(value)
    if n < 0x80:
        return bytes([tag, n]) + value
    length = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def seq(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *sorted(parts))


def context(number, *parts, primitive=False):
    return tlv((0x80 if primitive else 0xA0) | number, *parts)


def integer(n):
    return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def octets(data):
    return tlv(0x04, data)


def bits(data, unused=0):
    return tlv(0x03, bytes([unused]), data)


def named_bits(*numbers):
    """A BIT STRING of named bits, without trailing zero bits."""
    top = max(numbers)
    data = bytearray(top // 8 + 1)
    for n in numbers:
        data[n // 8] |= 0x80 >> n % 8
    return bits(bytes(data), 7 - top % 8)


def oid(dotted):
    arcs = [int(a) for a in dotted.split(".")]
    out = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        part = bytes([arc & 0x7F])
        while arc > 0x7F:
            arc >>= 7
            part = bytes([arc & 0x7F | 0x80]) + part
        out += part
    return tlv(0x06, out)


def utf8(text):
    return tlv(0x0C, text.encode())


def printable(text):
    return tlv(0x13, text.encode("ascii"))


def ia5(text):
    return tlv(0x16, text.encode("ascii"))


def null():
    return b"\x05\x00"


def time(when):
    """UTCTime through 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5)."""
    when = when.astimezone(datetime.timezone.utc)
    if when.year < 2050:
        return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def read(data, at=0):
    """(tag, value, offset of the next element) of the element at an offset; one-byte tags."""
    tag, n, at = data[at], data[at + 1], at + 2
    if n & 0x80:
        count = n & 0x7F
        n, at = int.from_bytes(data[at:at + count], "big"), at + count
    if at + n > len(data):
        raise ValueError("an element ends after its data")
    return tag, data[at:at + n], at + n


def children(value):
    """The elements in a constructed value: a list of (tag, value, whole bytes)."""
    out, at = [], 0
    while at < len(value):
        tag, inner, end = read(value, at)
        out.append((tag, inner, value[at:end]))
        at = end
    return out
