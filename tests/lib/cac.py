"""A Common Access Card of the older kind, in software, independent of tests/mock/vcard: applets with GSC-IS 2.1 buffers and
no PIV application, as OpenSC's cac driver knows it. One RSA key and certificate. For the rig's virtual reader.

    with Cac(rig, reader, key_file, certificate, pin="123456") as cac: ...
"""

import os
import socket
import struct
import subprocess
import tempfile
import threading

ATR = bytes.fromhex("3BDB9600801F030031C064B0F3100007900080")
PKI_APPLET = bytes.fromhex("A0000000790100")
GOOD, NOT_FOUND, NO_INSTRUCTION, NOT_VERIFIED, BLOCKED, BAD_DATA = 0x9000, 0x6A82, 0x6D00, 0x6982, 0x6983, 0x6A80
SELECT, VERIFY, READ, SIGN, GET_RESPONSE, PROPERTIES = 0xA4, 0x20, 0x52, 0x42, 0xC0, 0x56
TAGS, VALUES = 1, 2


def buffers(certificate):
    """The two buffers of a certificate's file: what there is and how long, and the values (GSC-IS section 8.4)."""
    tags = bytes([0x70, 0xFF]) + struct.pack("<H", len(certificate)) + bytes([0x71, 1, 0x72, 0])
    values = certificate + b"\x00"
    return {TAGS: struct.pack("<H", len(tags)) + tags, VALUES: struct.pack("<H", len(values)) + values}


class Cac:
    def __init__(self, rig, reader, key, certificate, pin):
        self.rig, self.reader, self.key = rig, reader, key
        self.files = buffers(certificate)
        self.pin = pin.encode().ljust(8, b"\xff")
        self.tries, self.verifies, self.signatures = 3, 0, 0
        self.reset()

    def reset(self):
        self.selected, self.verified, self.chain, self.rest = False, False, b"", b""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.rig.at(f"slot/{self.reader.name}"))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.reader.wait(True)
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def serve(self):
        try:
            while True:
                message = self.read(struct.unpack(">H", self.read(2))[0])
                if len(message) == 1 and message[0] != 4:
                    self.reset()
                    continue
                answer = ATR if len(message) == 1 else self.answer(message)
                self.socket.sendall(struct.pack(">H", len(answer)) + answer)
        except (EOFError, OSError):
            pass

    # ---- commands ----

    def answer(self, apdu):
        ins, p1, p2 = apdu[1:4]
        body = apdu[4:]
        data = body[1:1 + body[0]] if len(body) > 1 else b""
        limit = body[0] if len(body) == 1 else body[-1] if len(body) > 1 + len(data) else None
        if ins == GET_RESPONSE:
            out, status = self.rest, GOOD
        else:
            out, status = self.command(ins, p1, p2, data)
        room = 256 if not limit else limit
        self.rest = out[room:]
        if self.rest:
            status = 0x6100 | min(len(self.rest), 0xFF)
        return out[:room] + struct.pack(">H", status)

    def command(self, ins, p1, p2, data):
        if ins == SELECT:
            self.selected = data == PKI_APPLET
            return b"", GOOD if self.selected else NOT_FOUND
        if ins == VERIFY:
            return b"", self.verify(data)
        if not self.selected:
            return b"", NO_INSTRUCTION
        if ins == READ and data[0] in self.files:
            at = p1 << 8 | p2
            return self.files[data[0]][at:at + data[1]], GOOD
        if ins == SIGN:
            return self.sign(p1, data)
        return b"", NO_INSTRUCTION

    def verify(self, data):
        if not data:
            return GOOD if self.verified else 0x63C0 | self.tries if self.tries else BLOCKED
        self.verifies += 1
        if not self.tries:
            return BLOCKED
        self.verified = data == self.pin
        self.tries = 3 if self.verified else self.tries - 1
        return GOOD if self.verified else 0x63C0 | self.tries if self.tries else BLOCKED

    def sign(self, p1, data):
        if not self.verified:
            return b"", NOT_VERIFIED
        self.chain += data
        if p1 & 0x80:
            return b"", GOOD
        block, self.chain = self.chain, b""
        with tempfile.NamedTemporaryFile() as f:
            f.write(block)
            f.flush()
            done = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", self.key, "-pkeyopt", "rsa_padding_mode:none",
                                   "-in", f.name], capture_output=True)
        self.signatures += done.returncode == 0
        return (done.stdout, GOOD) if done.returncode == 0 else (b"", BAD_DATA)
