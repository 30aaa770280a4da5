#!/usr/bin/python3
"""derivctl at a terminal, in front of a person: what stands on the screen and what does not, and every way for a session to
end. Real services, real pcscd and OpenSC, a terminal that is typed to."""

import os
import re
import signal
import sys
import termios
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import screen  # noqa: E402
from between import Between  # noqa: E402
from kiosk import PIN, Kiosk, wait_for  # noqa: E402
from sitting import CODE, CONSENT, DIGITS, PIN_PROMPT, Sitting  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("zbarimg")
kiosk = Kiosk(start=False, crl="files")
tap.use(kiosk)
kiosk.configure(derivd='grace = "3s"\ndevices-per-holder = 100\n', ca='nonce-lifetime = "10s"\n')
kiosk.start()

ADA = kiosk.card("ada", name="Ada Lovelace", id="1112223333")
OTHER = kiosk.card("charles", name="Charles Babbage")
kiosk.insert(ADA)
Sitting.kiosk, Sitting.tap = kiosk, tap


def phone():
    return Sitting.new_phone()


def newest():
    return max(kiosk.ctl_json("request", "list"), key=lambda r: r["created_ms"])


def ended_as(state, cause=""):
    """How derivd saw the end; it may be told a moment later than we are."""
    wait_for(f"a {state} request", lambda: newest()["state"] == state, 20)
    tap.contains(newest()["cause"], cause, "cause")


STAGES = {
    "the question of consent": Sitting.at_consent,
    "the code": Sitting.at_code,
    "the digits": Sitting.at_digits,
    "the PIN": Sitting.at_pin,
}


@tap.test("a whole session: each screen shows what it should, and in the end nothing")
def _():
    with Sitting() as s:
        t = s.t
        s.at_consent()
        for part in ("Ada Lovelace", "number ends in 3333", "authentication", "signing", "encryption", "recovery"):
            tap.contains(t.screen(), part, "consent")
        tap.lacks(t.screen(), "1112223333")
        tap.lacks(t.screen(), "ada@example.org")
        t.type("yes\n")
        t.expect(CODE)
        wait_for("the code", lambda: t._read(0.1) is False and screen.decode(t.screen()))
        tap.lacks(t.screen(), "Lovelace", "the screen with the code")
        tap.check(screen.decode(t.screen()).startswith("derivd:1?"), "no invitation in the code")
        s.scan()
        t.expect("A device has answered")
        tap.check(not screen.rows_of(t.screen()), "the code stands on the screen after its use")
        t.expect(DIGITS)
        t.type(s.phone.digits() + "\n")
        t.expect("this is your device")
        t.expect(r"it is not shown\), 3 tries left: ")
        tap.check(not t.modes()[3] & termios.ECHO, "there is an echo")
        t.type(PIN + "\n")
        t.expect("Take your card")
        t.expect("The device now has")
        t.expect("authentication: valid until 20")
        t.expect("derivctl device revoke [0-9a-f]{64}")
        t.expect("Press Enter to clear the screen")
        tap.lacks(t.all, PIN, "everything that was shown")
        t.type("\n")
        s.ends(0)
        tap.equal(t.screen(), "", "the last screen")


@tap.test("the code goes when a device has scanned it, not when the device has answered; nor does it come back")
def _():
    answered = threading.Event()

    def hold_back(m):
        if m.inner == "DEVICE_STATEMENT":
            answered.wait(60)
        return [m]

    with Between(kiosk, "gateway") as between, Sitting() as s:
        between.hook = hold_back
        s.at_code().scan()
        s.t.expect("A device has scanned the code")
        tap.check(not screen.rows_of(s.t.screen()), "the code stands on the screen after its use")
        s.t.resize(50, 110)
        kiosk.kill("derivd")
        s.t.expect("derivd does not answer")
        answered.set()
        s.t.expect(DIGITS)
        tap.equal(s.t.all.count("Scan this code"), 1, "how often the code was shown")
        tap.equal(between.trouble, [], "trouble in between")
        s.t.type("\003")
        s.ends(6)


@tap.test("--plain: no code, no control sequence; without another way for the invitation it is refused")
def _():
    with Sitting("--plain") as s:
        tap.equal(s.t.end(), 2, "exit status")
        tap.contains(s.t.all, "--show-uri")
    with Sitting("--plain", "--show-uri", "--yes") as s:
        uri = s.t.expect(r"invitation: (derivd:\S+)").group(1)
        s.phone = phone()
        s.phone.enroll(uri)
        s.t.expect(DIGITS)
        s.t.type(s.phone.digits() + "\n")
        s.t.expect(PIN_PROMPT)
        s.t.type(PIN + "\n")
        tap.equal(s.t.end(), 0, "exit status")
        tap.lacks(s.t.all, "\033", "everything that was shown")
        tap.lacks(s.t.all, PIN)


@tap.test("a window that is too small says so, and shows the code once it is larger")
def _():
    with Sitting("--yes", rows=24, columns=80) as s:
        s.t.expect("too small for the code: the code takes .* lines")
        tap.check(not screen.rows_of(s.t.screen()), "a part of the code is drawn")
        s.t.resize(60, 120)
        s.t.expect(CODE)
        wait_for("the code", lambda: s.t._read(0.1) is False and screen.decode(s.t.screen()))
        s.t.resize(24, 120)
        s.t.expect("too small")
        tap.check(not screen.rows_of(s.t.screen()), "the code stands in a window that is too small")
        s.t.type("\003")
        s.ends(6, "Stopped")


@tap.test("a narrow window, and a terminal that does not show UTF-8: what to do is said, and nothing is drawn")
def _():
    for lang, part in (("C.UTF-8", "room for 40 and 16"), ("C", "LANG=C.UTF-8")):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("LC_")}, "LANG": lang}
        with Sitting("--yes", rows=20, columns=40, env=env) as s:
            s.t.expect("too small for the code")
            s.t.expect(part)
            s.t.resize(160, 160)
            s.t.expect(r"\033\[107m  " if lang == "C" else "▀")
            wait_for("the code", lambda: s.t._read(0.3) is False)
            tap.check(lang != "C" or "▀" not in s.t.all, "a block in a terminal that shows none")
            s.t.type("\003")
            s.ends(6)
            tap.lacks(s.t.screen(), "\033[107m", "screen")


for name, lead in STAGES.items():
    @tap.test(f"Ctrl-C at {name}")
    def _(lead=lead):
        with Sitting() as s:
            lead(s).t.type("\003")
            s.ends(6, "Stopped. Nothing was issued.")
            ended_as("cancelled", "stopped")

    @tap.test(f"the card is pulled at {name}")
    def _(lead=lead):
        with Sitting() as s:
            lead(s)
            kiosk.reader.pull()
            try:
                s.ends(4, "the card left the reader")
                ended_as("cancelled", "the card left the reader")
            finally:
                kiosk.reader.insert()

    @tap.test(f"nobody answers at {name}: a warning that a key answers, then the end")
    def _(lead=lead):
        with Sitting("--time-limit", "4") as s:
            lead(s)
            for _ in range(3):
                s.t.expect(r"2 seconds left; any key gives more time")
                s.t.type(" ")
            s.ends(3, "nothing happened for too long")
            ended_as("cancelled", "nothing happened for too long")

    @tap.test(f"derivd is killed and comes back at {name}")
    def _(lead=lead):
        with Sitting() as s:
            lead(s)
            kiosk.kill("derivd")
            s.t.expect("derivd does not answer")
            if s.phone is None and lead is Sitting.at_consent:
                s.t.type("yes\n")
                s.t.expect(CODE)
                wait_for("the code", lambda: s.t._read(0.1) is False and screen.decode(s.t.screen()))
            if s.phone is None:
                s.scan()
                s.t.expect(DIGITS)
            if lead is not Sitting.at_pin:
                s.t.type(s.phone.digits() + "\n")
                s.t.expect(PIN_PROMPT)
            s.t.type(PIN + "\n")
            s.t.expect("Press Enter")
            s.t.type("\n")
            s.ends(0)


for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    @tap.test(f"{number.name} at the PIN: the terminal is as before, the screen clear")
    def _(number=number):
        with Sitting() as s:
            s.at_pin()
            s.t.type("12")
            s.t.process.send_signal(number)
            s.ends(6, "Stopped")
            ended_as("cancelled", "stopped")


@tap.test("Ctrl-Z puts no session aside")
def _():
    with Sitting() as s:
        s.at_pin()
        s.t.type("\032")
        s.t.process.send_signal(signal.SIGTSTP)
        s.t.type(PIN + "\n")
        s.t.expect("Take your card")
        s.t.expect("Press Enter")
        s.t.type("\n")
        s.ends(0)


@tap.test("digits that are wrong twice, then right; three times end it")
def _():
    with Sitting() as s:
        s.at_digits()
        wrong = "00 00 00" if s.phone.digits() != "00 00 00" else "11 11 11"
        s.t.type(wrong + "\n")
        s.t.expect("2 more tries")
        s.t.expect(DIGITS)
        s.t.type("hello\n")
        s.t.expect("One more try")
        s.t.expect(DIGITS)
        s.t.type(" " + s.phone.digits().replace(" ", "-") + " \n")
        s.t.expect(PIN_PROMPT)
        s.t.type("\003")
        s.ends(6)
    with Sitting() as s:
        s.at_digits()
        for _ in range(3):
            s.t.type(wrong + "\n")
        # Lines that were typed before they were asked for are no answers.
        s.t.expect("2 more tries")
        s.t.expect(DIGITS)
        s.t.type(wrong + "\n")
        s.t.expect("One more try")
        s.t.expect(DIGITS)
        s.t.type(wrong + "\n")
        s.ends(3, "wrong")
        ended_as("cancelled", "digits")


@tap.test("a wrong PIN is asked for again, and never sent twice; then the right one")
def _():
    before = kiosk.reader.verifies()
    with Sitting() as s:
        s.at_pin().t.type("654321\n")
        s.t.expect(r"PIN was wrong\.\s+Type the PIN again, or just Enter to stop, 2 tries left: ")
        tap.equal(kiosk.reader.tries(), 2, "tries")
        s.t.type("654321\n")
        s.t.expect("not sent again")
        s.t.expect("Type the PIN again.*: ")
        tap.equal(kiosk.reader.tries(), 2, "tries")
        s.t.type("12\n")
        s.t.expect("Type the PIN again.*: ")
        tap.equal(kiosk.reader.tries(), 2, "tries")
        s.t.type(PIN + "\n")
        s.t.expect("Press Enter")
        for pin in (PIN, "654321"):
            tap.lacks(s.t.all, pin)
        s.t.type("\n")
        s.ends(0)
    tap.equal(kiosk.reader.tries(), 3, "tries")
    tap.note(f"{kiosk.reader.verifies() - before} PINs sent")


@tap.test("the last try of a PIN is refused: at once on the next card, in the midst of a session too; --last-try insists")
def _():
    with Sitting() as s:
        s.at_pin().t.type("654321\n")
        s.t.expect("2 tries left: ")
        s.t.type("765432\n")
        s.ends(3, "one try is left")
        ended_as("cancelled", "one try is left")
    tap.equal(kiosk.reader.tries(), 1, "tries")
    with Sitting() as s:
        tap.equal(s.t.end(), 3, "exit status")
        tap.contains(s.t.all, "--last-try")
        tap.lacks(s.t.all, CONSENT)
    with Sitting("--last-try") as s:
        s.at_digits().t.type(s.phone.digits() + "\n")
        s.t.expect("THE LAST TRY: a wrong PIN locks the card: ")
        s.t.type(PIN + "\n")
        s.t.expect("Press Enter")
        s.t.type("\n")
        s.ends(0)
    tap.equal(kiosk.reader.tries(), 3, "tries")


@tap.test("no consent, no credential: another word than yes, in any case of letters; and an empty PIN")
def _():
    with Sitting() as s:
        s.at_consent().t.type("y\n")
        s.ends(6, "Stopped")
    with Sitting() as s:
        s.at_consent().t.type(" YES \n")
        s.t.expect(CODE)
        s.t.type("\003")
        s.ends(6)
    with Sitting() as s:
        s.at_pin().t.type("\n")
        s.ends(6, "Stopped")


@tap.test("what is typed before it is asked for never shows and is no answer")
def _():
    kiosk.reader.ctl("slow 20")
    try:
        with Sitting() as s:
            s.t.expect("Reading the card")
            s.t.type("yes\n" + PIN + "\n")
            s.t.expect(CONSENT)
            wait_for("silence", lambda: s.t._read(0.3) is False)
            tap.lacks(s.t.all, PIN)
            tap.lacks(s.t.all, "Scan this code")
            s.t.type("\003")
            s.ends(6)
    finally:
        kiosk.reader.ctl("slow 0")


@tap.test("Ctrl-C while the card is being read, and while it signs")
def _():
    kiosk.reader.ctl("slow 100")
    try:
        with Sitting() as s:
            s.t.expect("Reading the card")
            time.sleep(0.5)
            began = time.monotonic()
            s.t.type("\003")
            s.ends(6)
            tap.check(time.monotonic() - began < 15, "it took long to stop")
    finally:
        kiosk.reader.ctl("slow 0")
    with Sitting() as s:
        s.at_pin()
        kiosk.reader.ctl("slow 100")
        try:
            s.t.type(PIN + "\n")
            s.t.expect("The card signs")
            s.t.type("\003")
            s.ends(6, "Stopped")
            ended_as("cancelled", "stopped")
        finally:
            kiosk.reader.ctl("slow 0")


@tap.test("no card: the person is asked to put it in; another card in the midst of a session is noticed")
def _():
    kiosk.reader.pull()
    with Sitting() as s:
        tap.equal(s.t.end(), 4, "exit status")
        tap.contains(s.t.all, "no card")
    with Sitting("--wait-card", "60") as s:
        s.t.expect("Please put your card into the reader")
        kiosk.reader.insert()
        s.t.expect(CONSENT)
        kiosk.insert(OTHER)
        s.ends(4, "the card left the reader")
    kiosk.insert(ADA)
    kiosk.reader.pull()
    with Sitting("--wait-card", "60") as s:
        s.t.expect("Please put your card into the reader")
        s.t.type("\003")
        s.ends(6)
    kiosk.reader.insert()


@tap.test("SIGKILL before the evidence: nothing remains; after it: the delivery goes on")
def _():
    with Sitting() as s:
        s.at_pin()
        s.t.process.kill()
        s.t.process.wait()
        ended_as("cancelled", "derivctl went away")
    with Sitting("--no-wait") as s:
        s.signed()
        tap.equal(s.t.end(), 7, "exit status")
        tap.contains(s.t.all, "The rest goes on by itself")
        wait_for("the delivery", lambda: newest()["state"] == "complete")
    with Sitting() as s:
        s.signed()
        s.t.process.kill()
        s.t.process.wait()
        wait_for("the delivery", lambda: newest()["state"] == "complete")


@tap.test("Ctrl-C after the evidence only stops watching")
def _():
    with Sitting() as s:
        s.at_pin()
        kiosk.kill("derivd-gateway", signal.SIGSTOP)
        try:
            s.t.type(PIN + "\n")
            s.t.expect("Take your card")
            s.t.type("\003")
            s.t.expect("The rest goes on by itself")
            s.ends(7)
        finally:
            kiosk.kill("derivd-gateway", signal.SIGCONT)
        wait_for("the delivery", lambda: newest()["state"] == "complete")


for comes_back, status, said in ((True, 7, "The rest goes on by itself"), (False, 4, "is not known")):
    @tap.test("Ctrl-C while the evidence is handed over: " +
              ("too late, and nobody says that nothing was issued" if comes_back else "nobody knows, which is said"))
    def _(comes_back=comes_back, status=status, said=said):
        with Sitting() as s:
            s.at_pin()
            kiosk.reader.ctl("slow 50")
            s.t.type(PIN + "\n")
            s.t.expect("The card signs")
            wait_for("the PIN", lambda: "pin=verified" in kiosk.reader.ctl("status"))
            kiosk.kill("derivd", signal.SIGSTOP)
            try:
                kiosk.reader.ctl("slow 0")
                wait_for("the signature", lambda: "pin=unverified" in kiosk.reader.ctl("status"))
                time.sleep(1)
                s.t.type("\003")
                if comes_back:
                    time.sleep(0.5)
                    kiosk.kill("derivd", signal.SIGCONT)
                s.t.expect(said)
                tap.lacks(s.t.screen(), "Nothing was issued", "screen")
            finally:
                kiosk.kill("derivd", signal.SIGCONT)
            s.ends(status)
            # Where it took long the nonce may have expired.
            ends = ["complete"] if comes_back else ["complete", "cancelled"]
            wait_for("the request's end", lambda: newest()["state"] in ends)


@tap.test("derivd is killed after the evidence: the steps go on where they were, none twice")
def _():
    with Sitting() as s:
        s.signed()
        kiosk.kill("derivd")
        s.t.expect("Press Enter")
        steps = re.findall(r"^  \S+Z  (.*?)\r?$", s.t.all, re.M)
        tap.equal(len(steps), len(set(steps)), f"steps shown, without repetition: {steps}")
        s.t.type("\n")
        s.ends(0)


@tap.test("two phones for one code: both are refused, loudly")
def _():
    with Sitting() as s:
        s.at_code().scan()
        uri = screen.decode(s.t.screen())
        s.t.expect(DIGITS)
        second = phone()
        second.enroll(uri)
        s.ends(3, "another device came with the same invitation")
        second.stop()


@tap.test("a second session cannot have the card of the first, nor its connection")
def _():
    with Sitting() as s:
        s.at_consent()
        with Sitting() as other:
            tap.equal(other.t.end(), 4, "exit status")
            tap.contains(other.t.all, "holds the card")
        s.t.type("\003")
        s.ends(6)


@tap.test("--json: an event for each step; when its reader goes, the session ends")
def _():
    device = phone()
    with kiosk.session() as s:
        s.expect("consent-needed")
        s.type("yes")
        device.enroll(s.uri())
        s.expect("digits-needed")
        s.type(device.digits())
        events = s.finish()
        names = [e.get("event") for e in events]
        for name in ("card", "offer", "consent-needed", "invited", "scanned", "device", "digits-needed", "digits-right", "pin-needed",
                     "signing", "committed", "step", "settled"):
            tap.check(name in names, f"no event {name} in {names}")
        offer = next(e for e in events if e.get("event") == "offer")
        tap.equal((offer["name"], offer["last_four"]), ("Ada Lovelace", "3333"))
    device.wait()
    with kiosk.session("--yes") as s:
        s.uri()
        s.expect("invited")
        s.process.stdout.close()
        tap.equal(s.process.wait(20), 6, "exit status")
        s.process.stdout = open(os.devnull)
        ended_as("cancelled", "nobody reads the output")


@tap.test("the nonce runs out before derivd-ca has verified: the same statement is signed once more, by the same card")
def _():
    with Sitting() as s:
        s.at_pin()
        kiosk.reader.ctl("slow 50")
        s.t.type(PIN + "\n")
        s.t.expect("The card signs")
        kiosk.kill("derivd-ca", signal.SIGSTOP)
        kiosk.reader.ctl("slow 0")
        try:
            s.t.expect("Take your card")
            kiosk.reader.pull()
            time.sleep(11)
        finally:
            kiosk.kill("derivd-ca", signal.SIGCONT)
        s.t.expect("has to be signed once more")
        s.t.expect("put your card into the reader")
        kiosk.reader.insert()
        s.t.expect(PIN_PROMPT)
        s.t.type(PIN + "\n")
        s.t.expect("Take your card")
        s.t.expect("Press Enter")
        s.t.type("\n")
        s.ends(0)


@tap.test("the nonce ran out and nobody signs again: the request ends")
def _():
    with Sitting() as s:
        s.at_pin()
        kiosk.reader.ctl("slow 50")
        s.t.type(PIN + "\n")
        s.t.expect("The card signs")
        kiosk.kill("derivd-ca", signal.SIGSTOP)
        kiosk.reader.ctl("slow 0")
        try:
            s.t.expect("Take your card")
            time.sleep(11)
        finally:
            kiosk.kill("derivd-ca", signal.SIGCONT)
        s.t.expect("has to be signed once more")
        s.t.expect(PIN_PROMPT)
        s.t.process.kill()
        s.t.process.wait()
        ended_as("cancelled")


tap.run()
