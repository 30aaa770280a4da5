#!/usr/bin/python3
"""derivd-card with real pcscd, real OpenSC and the virtual PIV card: readers, reading, the PIN, signing."""

import os
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("abs_top_srcdir", os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
import pcsc  # noqa: E402
from card import Card, count_apdus  # noqa: E402
from rig import Rig, build_dir, sanitized  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
build = build_dir()
top = tap.use(tempfile.TemporaryDirectory(prefix="card-"))
PIN, WRONG = "73519264", "46291537"
IN_USE, NO_PIN = "PC/SC error 8010000B", "6982"
OPENSC = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
VERIFY, AUTHENTICATE = "20", "87"
sessions = 0


# ---- what the tests are made of ----

def make_card(name, *options):
    """A card's directory; the PKI comes with the first."""
    tool = [os.path.join(SOURCE, "tests/fixtures/make-card")]
    pki, out = os.path.join(top, "pki"), os.path.join(top, name)
    if not os.path.exists(pki):
        subprocess.run(tool + ["pki", pki], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(out):
        subprocess.run(tool + ["card", "--ca", pki, out, "--pin", PIN, *options], check=True,
                       stdout=subprocess.DEVNULL)
    return out


def ada():
    return make_card("ada", "--name", "Ada Lovelace", "--alg", "rsa2048")


def bob():
    return make_card("bob", "--name", "Bob Example", "--alg", "p256")


def session(rig, conf="", **env):
    """A new derivd-card."""
    global sessions
    sessions += 1
    return Card(build, os.path.join(top, f"etc{sessions}"), {**rig.env, **env}, conf)


def expect_error(answer, kind, *parts):
    tap.equal(answer.get("error"), kind, f"error in {answer}")
    for part in parts:
        tap.contains(answer["text"], part, "text")


def expect_signed(answer):
    tap.check(answer.get("intent") and answer.get("signature"), f"not signed: {answer}")


def expect_open(answer):
    tap.check("certs" in answer, f"not opened: {answer}")
    return answer


def expect_clean(rig, reader):
    """No PIN is left verified, and another program that tries 9A (P-256) gets nothing."""
    tap.contains(reader.ctl("status"), "pin=unverified")
    tap.equal(pcsc.intrude(rig.socket, reader.pcsc_name), NO_PIN, "another program's signature")


def until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        tap.check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.01)


# ---- readers ----

@tap.test("no PC/SC service: said as such, and found when it comes back")
def _():
    with Rig() as rig, session(rig) as card, session(rig) as watch:
        rig.add_reader(card=bob())
        while watch.ask(do="watch")["readers"][0]["state"] != "present":
            pass
        rig.pcscd.end()
        os.unlink(rig.socket)
        tap.equal(watch.ask(do="next", timeout=15000)["trouble"], "pcsc-unreachable", "while watching")
        tap.equal(card.ask(do="readers"), {"readers": [], "trouble": "pcsc-unreachable"}, "readers")
        expect_error(card.open(), "pcsc-unreachable")
        rig._start_pcscd()
        while not (found := watch.ask(do="next", timeout=15000)["readers"]) or found[0]["state"] != "present":
            pass
        expect_open(card.open())
        rig.pcscd.end()
        expect_error(card.sign("9A", PIN), "pcsc-unreachable")


@tap.test("a PC/SC service that our question starts: the reader and the card that were there before it are found")
def _():
    with Rig() as rig:
        rig.add_reader(card=bob())
        for _ in range(5):
            rig.pcscd.end()
            os.unlink(rig.socket)
            rig._start_pcscd()
            with session(rig) as card:
                expect_open(card.open())


@tap.test("no reader, then one that is plugged in later; no card, then one")
def _():
    with Rig() as rig, session(rig) as card:
        expect_error(card.open(), "no-reader")
        tap.equal(card.ask(do="readers")["readers"], [], "readers")
        reader = rig.add_reader()
        tap.equal([r["state"] for r in card.ask(do="readers")["readers"]], ["empty"], "states")
        expect_error(card.open(), "no-card", "Virtual Reader (r0)")
        reader.put(bob())
        tap.equal([r["state"] for r in card.ask(do="readers")["readers"]], ["present"], "states")
        tap.equal(expect_open(card.open())["label"], "Bob Example", "label")


@tap.test("watching: reader in, card in, card held, card out, reader out, service gone")
def _():
    with Rig() as rig, session(rig) as watch:
        tap.equal(watch.ask(do="watch")["readers"], [], "readers at first")

        def next_states():
            answer = watch.ask(do="next", timeout=15000)
            return answer.get("trouble") or [r["state"] for r in answer.get("readers", [answer])]

        reader = rig.add_reader()
        tap.equal(next_states(), ["empty"], "reader in")
        reader.put(bob())
        while (states := next_states()) != ["present"]:
            tap.check(states in (["empty"], ["mute"]), f"card in: {states}")
        with session(rig) as other:
            expect_open(other.open())
            tap.equal(next_states(), ["in-use"], "card held")
        while (states := next_states()) != ["present"]:
            tap.equal(states, ["in-use"], "card let go")
        reader.pull()
        tap.equal(next_states(), ["empty"], "card out")
        rig.remove_reader("r0")
        while (states := next_states()) != []:
            tap.equal(states, ["empty"], "reader out")
        rig.pcscd.end()
        tap.equal(next_states(), "pcsc-unreachable", "service gone")
        tap.equal(watch.end(), 0, "exit status after hanging up")


@tap.test("who hangs up while it watches has ended it: no failure")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        for _ in range(3):
            with session(rig) as watch:
                watch.ask(do="watch")
                watch.hang_up()
                reader.pull()
                reader.insert()
                tap.equal(watch.end(), 0, "exit status")
                tap.equal(watch.messages(), "", "log")


@tap.test("a watch ends with the next request")
def _():
    with Rig() as rig, session(rig) as card:
        rig.add_reader(card=bob())
        card.ask(do="watch")
        expect_open(card.open())


@tap.test("two cards: both named; one is chosen by its reader")
def _():
    with Rig() as rig, session(rig) as card:
        first, second = rig.add_reader(card=ada()), rig.add_reader(card=bob())
        expect_error(card.open(), "several-cards", first.pcsc_name, second.pcsc_name)
        expect_error(card.open(reader="Nonsense 00 00"), "unknown-reader", "Nonsense", second.pcsc_name)
        first.ctl("count reset")
        tap.equal(expect_open(card.open(reader=second.pcsc_name))["label"], "Bob Example", "label")
        tap.equal(first.count(), 0, "APDUs to the card that was not chosen")
        expect_signed(card.sign("9A", PIN))


@tap.test("more readers than OpenSC sees by default")
def _():
    with Rig() as rig, session(rig) as card:
        for _ in range(6):
            rig.add_reader()
        last = rig.add_reader(card=bob())
        tap.equal(expect_open(card.open())["reader"], last.pcsc_name, "reader")


@tap.test("a reader whose name cannot be shown does not take the others along")
def _():
    with Rig() as rig, session(rig) as card, session(rig) as watch:
        good = rig.add_reader(card=bob())
        open(rig.at("usb/.bad"), "w").close()
        os.rename(rig.at("usb/.bad"), rig.at("usb/\a\033[2J"))
        rig.wait(lambda states: len(states) == 2)
        tap.equal([r["name"] for r in card.ask(do="readers")["readers"]], [good.pcsc_name], "readers")
        expect_open(card.open())
        tap.equal(len(watch.ask(do="watch")["readers"]), 1, "readers that are watched")
        expect_signed(card.sign("9A", PIN))


@tap.test("a card that another program holds, shared or exclusively")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        for exclusive in (False, True):
            with reader.hold(exclusive):
                expect_error(card.open(), "reader-in-use", reader.pcsc_name)
            # pcscd notices the other program's end a moment later.
            with session(rig) as other:
                expect_open(other.open())


@tap.test("a card that does not answer")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=make_card("mute", "--atr", "none"))
        expect_error(card.open(), "card-mute", reader.pcsc_name)
        tap.equal([r["state"] for r in card.ask(do="readers")["readers"]], ["mute"], "states")


@tap.test("a card of no known kind, an empty one, one of a kind that is not accepted")
def _():
    empty = os.path.join(top, "empty")
    os.makedirs(empty, exist_ok=True)
    with open(os.path.join(empty, "5FC107"), "wb") as f:
        f.write(bytes.fromhex("5302FE00"))
    with Rig() as rig:
        reader = rig.add_reader(card=empty)
        with session(rig) as card:
            expect_error(card.open(), "unknown-card")
            reader.put(bob())
            expect_open(card.open())
        with session(rig, "card-drivers = {openpgp}\n") as card:
            expect_error(card.open(), "unknown-card")
        with session(rig, "card-types = {generic}\n") as card:
            tap.equal(expect_open(card.open())["type"], "generic", "type")
            expect_signed(card.sign("", PIN))


# ---- reading ----

@tap.test("an RSA card: facts, and signatures of 9A and 9C")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=ada())
        for slot, verifies in (("9A", 1), ("9C", 2)):
            before = reader.verifies()
            with session(rig) as card:
                facts = expect_open(card.open())
                tap.equal((facts["type"], facts["label"], facts["pin"], facts["tries"], facts["pin_pad"]),
                          ("piv", "Ada Lovelace", "ok", 3, False), "facts")
                tap.equal([(c["slot"], c["has_key"], c["always"]) for c in facts["certs"]],
                          [("9A", True, False), ("9C", True, True), ("9D", False, False), ("9E", True, False)],
                          "certificates")
                tap.equal(len(facts["serial"]), 32, "digits of the GUID")
                tap.contains(facts["chuid"], facts["serial"], "CHUID")
                expect_signed(card.sign(slot, PIN))
                tap.contains(reader.ctl("status"), "pin=unverified")
                tap.equal(card.close(), {"ok": True}, "close")
                tap.equal(card.end(), 0, "exit status")
                tap.lacks(card.messages(), PIN, "log")
            tap.equal(reader.verifies() - before, verifies, f"PINs sent for {slot}")


@tap.test("EC cards, P-256 and P-384, with every slot that signs")
def _():
    with Rig() as rig:
        reader = rig.add_reader()
        for name, alg, number in (("bob", "p256", 2), ("cleo", "p384", 3)):
            reader.put(make_card(name, "--name", f"{name.title()} Example", "--alg", alg))
            for slot in ("9A", "9C"):
                with session(rig) as card:
                    expect_open(card.open())
                    answer = card.sign(slot, PIN)
                    expect_signed(answer)
                    tap.equal(answer["algorithm"], number, "algorithm")


@tap.test("a card that speaks T=0")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=make_card("t0", "--alg", "rsa2048", "--atr", "3B0476504956"))
        tap.equal(expect_open(card.open())["tries"], 3, "tries left")
        expect_error(card.sign("9A", WRONG), "pin-wrong", "tries left: 2")
        expect_signed(card.sign("9A", PIN))
        tap.contains(reader.ctl("status"), "pin=unverified")


@tap.test("a certificate whose key does not sign")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        expect_open(card.open())
        expect_error(card.sign("9D", PIN), "no-signing-key", "9D")
        tap.equal(reader.verifies(), 0, "PINs sent")
        expect_signed(card.sign("9A", PIN))


# ---- the PIN ----

@tap.test("wrong PIN: tries left; not sent twice; the right one signs")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        expect_open(card.open())
        expect_error(card.sign("9A", WRONG), "pin-wrong", "tries left: 2")
        tap.equal((reader.tries(), reader.verifies()), (2, 1), "tries left, PINs sent")
        expect_error(card.sign("9A", WRONG), "pin-wrong", "not sent")
        tap.equal((reader.tries(), reader.verifies()), (2, 1), "tries left, PINs sent")
        expect_signed(card.sign("9A", PIN))
        tap.equal(reader.tries(), 3, "tries left")
        expect_clean(rig, reader)
        tap.lacks(card.messages(), WRONG, "log")


@tap.test("a PIN of the wrong form costs no try")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        expect_open(card.open())
        for bad in ("", "123", "123456789", "1234\n67"):
            expect_error(card.sign("9A", bad), "pin-format")
        tap.equal(reader.verifies(), 0, "PINs sent")
        expect_signed(card.sign("9A", PIN))


@tap.test("the last try: refused unless the person insists; then lost, then locked")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        reader.ctl("tries 1")
        with session(rig) as card:
            facts = expect_open(card.open())
            tap.equal((facts["pin"], facts["tries"]), ("final", 1), "PIN")
            expect_error(card.sign("9A", PIN), "pin-last-try", "tries left: 1")
            tap.equal(reader.verifies(), 0, "PINs sent")
            expect_signed(card.sign("9A", PIN, insist=True))
        reader.ctl("tries 2")
        with session(rig) as card:
            expect_open(card.open())
            expect_error(card.sign("9A", WRONG), "pin-wrong", "tries left: 1")
            expect_error(card.sign("9A", PIN), "pin-last-try")
            expect_error(card.sign("9A", WRONG, insist=True), "pin-wrong", "not sent")
            expect_error(card.sign("9A", "11111111", insist=True), "pin-locked", "tries left: 0")
            tap.equal(reader.tries(), 0, "tries left")
        with session(rig) as card:
            facts = expect_open(card.open())
            tap.equal((facts["pin"], facts["tries"]), ("locked", 0), "PIN")
            sent = reader.verifies()
            expect_error(card.sign("9A", PIN, insist=True), "pin-locked")
            tap.equal(reader.verifies(), sent, "PINs sent")


# ---- the card moves ----

@tap.test("pulled between reading and signing")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        expect_open(card.open())
        reader.pull()
        expect_error(card.sign("9A", PIN), "card-removed", reader.pcsc_name)
        expect_error(card.sign("9A", PIN), "session-over")
        tap.equal(card.end(), 0, "exit status")
    with Rig() as rig, session(rig) as card:
        rig.add_reader("there", card=bob())
        expect_open(card.open())
        rig.remove_reader("there")
        expect_error(card.sign("9A", PIN), "card-removed")


@tap.test("another card, or the same one, put in between reading and signing")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        twin = make_card("twin", "--name", "Bob Example", "--alg", "p256")
        for other in (ada(), twin):
            with session(rig) as card:
                expect_open(card.open())
                reader.put(other)
                expect_error(card.sign("9A", PIN), "card-changed")
                reader.put(bob())
        with session(rig) as card:
            expect_open(card.open())
            reader.pull()
            reader.insert()
            expect_error(card.sign("9A", PIN), "card-changed")
        tap.equal(reader.verifies(), 0, "PINs sent")


@tap.test("pulled or swapped while the PIN or the signature is on its way")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        for words in (f"pullat {VERIFY}", f"pullat {VERIFY} done", f"pullat {AUTHENTICATE}",
                      f"pullat {AUTHENTICATE} done", f"swapat {VERIFY} 1 {ada()}",
                      f"swapat {AUTHENTICATE} 1 {ada()}"):
            with session(rig) as card:
                expect_open(card.open())
                reader.ctl(words)
                answer = card.sign("9A", PIN)
                tap.check(answer.get("error") in ("card-removed", "card-changed"), f"{words}: {answer}")
                tap.equal(card.end(), 0, f"exit status after {words}")
            reader.ctl("clear")
            reader.put(bob())
            expect_clean(rig, reader)


@tap.test("the card refuses the PIN command or the signature")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        for words in (f"failat {VERIFY} 1", f"failat {AUTHENTICATE} 1", f"failat {AUTHENTICATE} 1 6982"):
            with session(rig) as card:
                expect_open(card.open())
                reader.ctl(words)
                expect_error(card.sign("9A", PIN), "card-failed")
            reader.ctl("clear")
            expect_clean(rig, reader)


@tap.test("a slow card is waited for")
def _():
    with Rig() as rig, session(rig) as card:
        reader = rig.add_reader(card=bob())
        reader.ctl("slow 30")
        expect_open(card.open())
        expect_signed(card.sign("9A", PIN))


@tap.test("a card that falls silent costs this process only, and is reset")
def _():
    with Rig() as rig, session(rig, "call-timeout = 2s\n") as card:
        reader = rig.add_reader(card=bob())
        expect_open(card.open())
        reader.ctl(f"muteat {AUTHENTICATE}")
        expect_error(card.sign("9A", PIN), "gone")
        tap.equal(card.end(), 9, "wait status")
        reader.ctl("unmute")
        until(lambda: "unverified" in reader.ctl("status"), "the card is reset")
        expect_clean(rig, reader)


# ---- whose card it is ----

@tap.test("what another program gets: nothing during the session, nothing after")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        name = reader.pcsc_name
        tap.equal(pcsc.intrude(rig.socket, name, verify=PIN), "9000", "with the PIN")
        tap.equal(pcsc.intrude(rig.socket, name), "9000", "after somebody's PIN")
        with session(rig) as card:
            facts = expect_open(card.open())
            tap.equal(facts["tries"], 3, "tries, hidden behind somebody's PIN")
            tap.equal(pcsc.intrude(rig.socket, name), IN_USE, "after reading")
            tool = subprocess.run(["pkcs11-tool", "-O"], env=rig.env, capture_output=True, text=True)
            tap.lacks(tool.stdout, "Certificate for PIV Authentication", "pkcs11-tool during the session")
            reader.ctl("slow 100")
            card.send(do="sign", slot="9C", pin=PIN)
            until(lambda: "pin=verified" in reader.ctl("status"), "the PIN is verified")
            tap.equal(pcsc.intrude(rig.socket, name), IN_USE, "while the PIN is verified")
            expect_signed(card.answer())
            reader.ctl("slow 0")
            expect_clean(rig, reader)
            tool = subprocess.run(["pkcs11-tool", "-O"], env=rig.env, capture_output=True, text=True)
            tap.contains(tool.stdout, "Certificate for PIV Authentication", "pkcs11-tool after the session")


@tap.test("killed with the PIN verified: the card is reset")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        with session(rig) as card:
            expect_open(card.open())
            reader.ctl("slow 200")
            card.send(do="sign", slot="9A", pin=PIN)
            until(lambda: "pin=verified" in reader.ctl("status"), "the PIN is verified")
            card.kill()
            expect_error(card.answer(), "gone")
            until(lambda: "unverified" in reader.ctl("status"), "the card is reset", 2)
            reader.ctl("slow 0")
            expect_clean(rig, reader)
        with session(rig) as card:
            expect_open(card.open())
            expect_signed(card.sign("9A", PIN))


@tap.test("the other side hangs up with a card open: it is reset and free")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        with session(rig) as card:
            expect_open(card.open())
            resets = reader.resets()
            tap.equal(card.end(), 0, "exit status")
            tap.check(reader.resets() > resets, "the card was not reset")
        with session(rig) as card:
            expect_open(card.open())


@tap.test("a module that does not hold the card exclusively needs allow-shared")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        stock = os.path.join(top, "stock.conf")
        with open(stock, "w") as f:
            f.write("app default {\n}\n")
        with session(rig, f'opensc-conf = "{stock}"\n') as card:
            expect_error(card.open(), "module", "allow-shared")
        with session(rig, f'opensc-conf = "{stock}"\nallow-shared = true\n') as card:
            expect_open(card.open())
            expect_signed(card.sign("9A", PIN))
            expect_clean(rig, reader)


@tap.test("derivd-card reset takes a PIN away that a module left behind")
def _():
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        rig.add_reader()
        for conf, result in (("", "9000"), ("allow-shared = true\n", NO_PIN)):
            where = tempfile.mkdtemp(dir=top)
            with open(os.path.join(where, "card.conf"), "w") as f:
                f.write(conf)
            tap.equal(pcsc.intrude(rig.socket, reader.pcsc_name, verify=PIN), "9000", "with the PIN")
            subprocess.run([os.path.join(build, "derivd-card"), "reset"], check=True,
                           env={**rig.env, "CONFIGURATION_DIRECTORY": where})
            tap.equal(pcsc.intrude(rig.socket, reader.pcsc_name), result, f"another program, with \"{conf}\"")


@tap.test("no PIN stays in memory after the signature")
def _():
    if sanitized():
        tap.skip("sanitizers keep freed memory")
    with Rig() as rig:
        rig.add_reader(card=bob())
        for slot in ("9A", "9C"):
            with session(rig) as card:
                expect_open(card.open())
                expect_error(card.sign(slot, WRONG), "pin-wrong")
                try:
                    tap.check(card.holds(WRONG), "a PIN that was refused is not remembered")
                except PermissionError:
                    tap.skip("the memory of other processes is closed to us: run as root")
                expect_signed(card.sign(slot, PIN))
                tap.check(not card.holds(PIN), f"{slot}: the PIN is in memory")


# ---- what is signed ----

@tap.test("an offer or statement that does not hold costs no PIN")
def _():
    spoils = {"delivery": "signature-invalid", "expired": "session-over", "deployment": "evidence-invalid",
              "certificate": "card-changed", "further-certificate": "card-changed",
              "invitation": "statement-invalid", "statement": "signature-invalid",
              "identity": "signature-invalid", "commitment": "statement-invalid"}
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        for spoil, kind in spoils.items():
            with session(rig) as card:
                expect_open(card.open())
                answer = card.sign("9A", PIN, spoil=spoil)
                tap.equal(answer.get("error"), kind, f"{spoil}: {answer}")
        tap.equal(reader.verifies(), 0, "PINs sent")


@tap.test("a further issuance needs the receipt of the same device")
def _():
    spoils = {"no-receipt": "evidence-invalid", "receipt": "signature-invalid",
              "predecessor": "evidence-invalid", "other-device": "statement-invalid"}
    with Rig() as rig:
        reader = rig.add_reader(card=bob())
        for spoil, kind in spoils.items():
            with session(rig) as card:
                expect_open(card.open())
                answer = card.sign("9A", PIN, operation="issue", spoil=spoil)
                tap.equal(answer.get("error"), kind, f"{spoil}: {answer}")
        tap.equal(reader.verifies(), 0, "PINs sent")
        with session(rig) as card:
            expect_open(card.open())
            expect_signed(card.sign("9A", PIN, operation="issue"))


@tap.test("one signature a session")
def _():
    with Rig() as rig, session(rig) as card:
        rig.add_reader(card=bob())
        expect_open(card.open())
        expect_signed(card.sign("9A", PIN))
        expect_error(card.sign("9A", PIN), "session-over")
        tap.equal(card.close(), {"ok": True}, "close")


# ---- what it costs ----

@tap.test("APDUs: at most 0.75 of what pkcs11-tool needs to list and to sign")
def _():
    with Rig() as rig:
        reader = rig.add_reader()
        for alg, directory in (("rsa2048", ada()), ("p256", bob())):
            ours, tool = count_apdus(rig, reader, build, top, directory, alg, PIN)
            tap.note(f"figure card-apdus-{alg} {ours / tool:.2f} ({ours} of {tool})")
            tap.check(ours <= 0.75 * tool, f"{alg}: {ours} APDUs, pkcs11-tool {tool}")


if __name__ == "__main__":
    tap.run()
