"""Frames and bodies of the device protocol (PROTOCOL.frame sections 3 and 4, PROTOCOL.device sections 1 and 2), with the code
that protoc makes from the .proto files, as a maker of apps would have it.

What such code does not look at (a field that comes twice, the length of a text) is looked at here, in the bytes.
"""

import hashlib
import importlib
import os
import re
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from records import Malformed, need, text_is_printable

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.environ.get("abs_top_srcdir") or os.path.dirname(os.path.dirname(HERE))
UNKNOWN_MAX, DEPTH_MAX = 64, 6
BODY_MAX = 1048576  # of a server
ALPN = "derivd/1"


def generate():
    """The modules that protoc makes of common.proto and device.proto."""
    with tempfile.TemporaryDirectory() as made:
        subprocess.run(["protoc", f"--proto_path={SOURCE}", f"--python_out={made}", "proto/common.proto", "proto/device.proto"],
                       check=True)
        sys.path.insert(0, made)
        try:
            return importlib.import_module("proto.common_pb2"), importlib.import_module("proto.device_pb2")
        finally:
            sys.path.remove(made)


common, device = generate()


def table(name, macro):
    """The rows of messages.def or limit.def."""
    with open(os.path.join(SOURCE, "proto", name)) as f:
        return [[p.strip() for p in row.split(",")] for row in re.findall(rf"^{macro}\(([^)]*)\)", f.read(), re.M)]


class Message:
    def __init__(self, number, name, sender, maximum, package, body):
        self.number, self.name, self.sender, self.maximum = int(number, 16), name, sender, int(maximum)
        camel = "".join(w.capitalize() for w in body.split("_"))
        self.type = getattr(common if package == "common" else device, camel)


MESSAGES = [Message(n, name[len("DEVICE_"):], sender, size, package, body)
            for n, name, link, sender, _, size, package, body in table("messages.def", "MSG") if link == "DEVICE"]
BY_NUMBER = {m.number: m for m in MESSAGES}
BY_NAME = {m.name: m for m in MESSAGES}
LIMITS = {(package, message, field): (kind, int(least), int(most), int(count))
          for package, message, field, kind, least, most, count in table("limit.def", "LIMIT")}


def limit_of(field):
    message = re.sub("(?<=[a-z])(?=[A-Z])", "_", field.containing_type.name).lower()
    return LIMITS.get((field.file.package, message, field.name))


# ---- bodies ----

def varint(data, at):
    value = 0
    for i in range(10):
        need(at + i < len(data), "a number that is cut off")
        value |= (data[at + i] & 0x7f) << 7 * i
        if data[at + i] < 0x80:
            return value, at + i + 1
    raise Malformed("a number without an end")


def value_at(data, at, wire):
    """(value, where the next field begins)"""
    if wire == 0:
        return varint(data, at)
    need(wire in (1, 2, 5), f"the wire type {wire}")
    size = {1: 8, 5: 4}.get(wire)
    if size is None:
        size, at = varint(data, at)
    need(size <= len(data) - at, "a field that is cut off")
    return data[at:at + size], at + size


def check_enum(field, number):
    need(field.enum_type is None or number in field.enum_type.values_by_number, f"{field.full_name} is {number}")


def check_length(field, value):
    kind, least, most, _ = limit_of(field)
    need(least <= len(value) <= most or kind == "MAYBE" and not value, f"{field.full_name} has {len(value)} bytes")
    if kind in ("TEXT", "LINES"):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise Malformed(f"{field.full_name} is not UTF-8") from None
        allowed = "\n\t" if kind == "LINES" else ""
        need(text_is_printable("".join(c for c in text if c not in allowed)), f"{field.full_name} has control characters")


def check_value(field, value, wire, depth):
    """Returns how many elements it is."""
    numeric = field.type not in (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE)
    if numeric and wire == 2:
        need(field.label == field.LABEL_REPEATED, f"{field.full_name} has another wire type")
        at = count = 0
        while at < len(value):
            number, at = varint(value, at)
            check_enum(field, number)
            count += 1
        return count
    need(wire == (0 if numeric else 2), f"{field.full_name} has another wire type")
    if numeric:
        check_enum(field, value)
    elif field.type == field.TYPE_MESSAGE:
        check_body(field.message_type, value, depth + 1)
    else:
        check_length(field, value)
    return 1


def check_body(descriptor, data, depth=1):
    """PROTOCOL.frame section 4, which is stricter than protobuf."""
    need(depth <= DEPTH_MAX, "messages within messages too deep")
    at = unknown = 0
    seen = {}
    while at < len(data):
        tag, at = varint(data, at)
        value, at = value_at(data, at, tag & 7)
        field = descriptor.fields_by_number.get(tag >> 3)
        need(tag >> 3, "a field with the number 0")
        if field is None:
            unknown += 1
            need(unknown <= UNKNOWN_MAX, "too many unknown fields")
            continue
        count = check_value(field, value, tag & 7, depth)
        need(field.label == field.LABEL_REPEATED or field.name not in seen, f"{field.full_name} comes twice")
        seen[field.name] = seen.get(field.name, 0) + count
    for field in descriptor.fields:
        limit = limit_of(field)
        if not limit:
            continue
        kind, least, _, most = limit
        need(seen.get(field.name, 0) <= most, f"{field.full_name}: {seen.get(field.name)} elements")
        must = kind == "REQUIRED" or least > 0 and kind != "MAYBE" and field.label != field.LABEL_REPEATED
        need(not must or field.name in seen, f"{field.full_name} is missing")


def read_body(message, data):
    check_body(message.type.DESCRIPTOR, data)
    return message.type.FromString(data)


def frame(number, serial, body):
    return (8 + len(body)).to_bytes(4, "big") + number.to_bytes(2, "big") + bytes(2) + serial.to_bytes(4, "big") + body


# ---- connections ----

class Closed(Exception):
    """The connection is over."""


class NotReached(Closed):
    """There was none."""


class WrongServer(Closed):
    """Somebody else answers."""


def spki_hash(certificate):
    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


class Connection:
    """TLS 1.3 to a gateway: pinned, with the identity key as client certificate (a file with key and certificate)."""

    def __init__(self, host, port, pins, identity, patience=30):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin says who it is
        context.set_alpn_protocols([ALPN])
        context.load_cert_chain(identity)
        self.buffer = b""
        try:
            plain = socket.create_connection((host, port), timeout=patience)
        except OSError as e:
            raise NotReached(str(e)) from None
        try:
            self.tls = context.wrap_socket(plain, server_side=False)
        except OSError as e:
            plain.close()
            raise Closed(f"handshake: {e}") from None
        if self.tls.selected_alpn_protocol() != ALPN or spki_hash(self.tls.getpeercert(True)) not in pins:
            self.close()
            raise WrongServer("the server does not have the key that was promised")

    def close(self):
        self.tls.close()

    def send_bytes(self, data):
        try:
            self.tls.sendall(data)
        except OSError as e:
            raise Closed(f"sending: {e}") from None

    def send(self, name, serial, body=b""):
        self.send_bytes(frame(BY_NAME[name].number, serial, body))

    def _read(self, until):
        left = until - time.monotonic()
        try:
            if not self.tls.pending() and (left <= 0 or not select.select([self.tls], [], [], left)[0]):
                return False
            self.tls.settimeout(30)
            data = self.tls.recv(65536)
        except OSError as e:
            raise Closed(f"receiving: {e}") from None
        if not data:
            raise Closed("the server has hung up")
        self.buffer += data
        return True

    def receive_frame(self, timeout):
        """(number, serial, body), or None if nothing came in time."""
        until = time.monotonic() + timeout
        while True:
            size = int.from_bytes(self.buffer[:4], "big") if len(self.buffer) >= 4 else 8
            need(8 <= size <= 8 + BODY_MAX, f"a frame of {size} bytes")
            if len(self.buffer) >= 4 + size:
                head, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
                need(head[2:4] == bytes(2), "flags")
                return int.from_bytes(head[:2], "big"), int.from_bytes(head[4:8], "big"), head[8:]
            if not self._read(until):
                return None

    def receive(self, timeout):
        """(name, serial, message) of the next message that is known, or None if nothing came in time."""
        while True:
            got = self.receive_frame(timeout)
            if got is None:
                return None
            number, serial, body = got
            message = BY_NUMBER.get(number)
            if message is None:
                continue  # a newer server's
            need(message.sender != "CLIENT", f"{message.name} from a server")
            need(len(body) <= message.maximum, f"{message.name} of {len(body)} bytes")
            return message.name, serial, read_body(message, body)
