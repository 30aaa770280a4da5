"""What pcscd says of its readers, asked as any client asks: libpcsclite through ctypes."""

import ctypes
import os
import signal
import time

PRESENT = 0x20
EXCLUSIVE, SHARED, ANY_PROTOCOL, UNPOWER = 1, 2, 3, 2
TIMEOUT = 0x8010000A
NO_READERS = 0x8010002E


class State(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("user", ctypes.c_void_p), ("current", ctypes.c_ulong),
                ("event", ctypes.c_ulong), ("atr_n", ctypes.c_ulong), ("atr", ctypes.c_ubyte * 33)]


class Client:
    """One PC/SC context. libpcsclite reads the socket's name once in a process: see ask()."""

    def __init__(self):
        self.lib = ctypes.CDLL("libpcsclite.so.1")
        for f in ("SCardEstablishContext", "SCardListReaders", "SCardGetStatusChange", "SCardConnect",
                  "SCardDisconnect", "SCardTransmit"):
            getattr(self.lib, f).restype = ctypes.c_ulong
        self.context = ctypes.c_long()
        self._check(self.lib.SCardEstablishContext(2, None, None, ctypes.byref(self.context)))

    @staticmethod
    def _check(code):
        if code & 0xFFFFFFFF:
            raise OSError(f"PC/SC error {code & 0xFFFFFFFF:08X}")

    def readers(self):
        n = ctypes.c_ulong(0)
        code = self.lib.SCardListReaders(self.context, None, None, ctypes.byref(n)) & 0xFFFFFFFF
        if code == NO_READERS:
            return []
        self._check(code)
        room = ctypes.create_string_buffer(n.value)
        code = self.lib.SCardListReaders(self.context, None, room, ctypes.byref(n)) & 0xFFFFFFFF
        return [] if code == NO_READERS else [r.decode() for r in room.raw[:n.value].split(b"\0") if r]

    def states(self, previous=None, timeout_ms=0):
        """{reader: (present, events so far, ATR)}; with previous, waits until something differs."""
        names = self.readers()
        room = (State * (len(names) + 1))()
        for i, name in enumerate(names):
            room[i].name = name.encode()
            if previous and name in previous:
                room[i].current = previous[name][3]
        room[len(names)].name = b"\\\\?PnP?\\Notification"
        room[len(names)].current = len(names) << 16
        code = self.lib.SCardGetStatusChange(self.context, ctypes.c_ulong(timeout_ms), room, len(room))
        if code & 0xFFFFFFFF != TIMEOUT:
            self._check(code)
        return {s.name.decode(): (bool(s.event & PRESENT), s.event >> 16 & 0xFFFF,
                                  bytes(s.atr[:s.atr_n]), s.event & ~2) for s in room[:len(names)]}

    def connect(self, reader, exclusive=False):
        """A handle to the card in a reader; OSError with PC/SC's code."""
        card, protocol = ctypes.c_long(), ctypes.c_ulong()
        share = ctypes.c_ulong(EXCLUSIVE if exclusive else SHARED)
        self._check(self.lib.SCardConnect(self.context, reader.encode(), share, ctypes.c_ulong(ANY_PROTOCOL),
                                          ctypes.byref(card), ctypes.byref(protocol)))
        return card

    def disconnect(self, card, disposition=0):
        self._check(self.lib.SCardDisconnect(card, ctypes.c_ulong(disposition)))

    def power_off(self, reader):
        self.disconnect(self.connect(reader), UNPOWER)

    def transmit(self, handle, apdu):
        """One APDU (hex) and its whole answer with the status word (hex)."""
        command = bytes.fromhex(apdu)
        room, n = (ctypes.c_ubyte * 65538)(), ctypes.c_ulong(65538)
        pci = (ctypes.c_ulong * 2)(2, 16)  # T=1
        self._check(self.lib.SCardTransmit(handle, pci, command, ctypes.c_ulong(len(command)), None, room,
                                           ctypes.byref(n)))
        return bytes(room[:n.value]).hex().upper()

    def wait(self, good, timeout):
        """Waits until good(states) is true; returns the last states, or raises with them."""
        end = time.monotonic() + timeout
        states = self.states()
        while not good(states):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"pcscd still says {states}")
            states = self.states(states, min(int(left * 1000) + 1, 1000))
        return states


def _answer(socket, question, send):
    """The child's part: whatever happens, it never returns into the program that it was forked from."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["PCSCLITE_CSOCK_NAME"] = socket
        try:
            text, code = question(Client()), 0
        except Exception as e:
            text = f"{type(e).__name__}: {e}"
        os.write(send, (text or "").encode())
    finally:
        os._exit(code)


def ask(socket, question):
    """Runs question(client) against the pcscd behind a socket, in a child; returns what it returns (a text).

    A process can talk to one pcscd only, and tests talk to several."""
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(receive)
        _answer(socket, question, send)
    os.close(send)
    with os.fdopen(receive, "rb") as f:
        text = f.read().decode()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise RuntimeError(text)
    return text


def intrude(socket, reader, verify=None):
    """What another program gets when it uses 9A of a PIV card (P-256) without a PIN of its own: the status word of
    the signature, or PC/SC's code. verify: sends this PIN first, and leaves it verified."""
    def question(client):
        try:
            handle = client.connect(reader)
            client.transmit(handle, "00A4040009A0000003080000100000")
            if verify:
                client.transmit(handle, "0020008008" + verify.encode().ljust(8, b"\xff").hex())
            sw = client.transmit(handle, "0087119A267C2482008120" + "5A" * 32 + "00")[-4:]
            client.disconnect(handle)
            return sw
        except OSError as e:
            return str(e)
    return ask(socket, question)
