#!/usr/bin/python3
"""What can go wrong with readers, cards and PINs in front of a kiosk, through all programs, pcscd and OpenSC: each case ends
with what happened and what to do, nothing issued, no try lost but those that were used up, and a kiosk that goes on."""

import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import pcsc  # noqa: E402
from faults import Faults  # noqa: E402
from kiosk import PIN, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("pcscd", "pkcs11-tool", "openssl")
kiosk = tap.use(Kiosk(crl="files", readers=0, start=False))
kiosk.configure(derivd="devices-per-holder = 100\n", card="call-timeout = 8s\n")
kiosk.start()
faults = Faults(tap, kiosk)
WRONG = "654321"
VERIFY, AUTHENTICATE = "20", "87"
IN_USE, NO_PIN = "PC/SC error 8010000B", "6982"


def card(who, **options):
    where = kiosk.at(f"cards/{who}")
    return where if os.path.exists(where) else kiosk.card(who, **options)


def ada():
    return card("ada", name="Ada Lovelace")


def bob():
    return card("bob", name="Bob Example")


def insert(directory, reader="r0"):
    """The card, as it is when nothing has happened to it."""
    reader = kiosk.rig.readers.get(reader) or kiosk.rig.add_reader(reader)
    reader.put(directory)
    if not reader.ctl("status").startswith("in"):
        reader.insert()
    for words in ("unmute", "clear", "tries 3"):
        reader.ctl(words)
    return reader


def in_reader(words, reader="r0"):
    """For a hook: says it to the card."""
    return lambda: kiosk.rig.readers[reader].ctl(words)


def intruder():
    """What another program gets that tries to sign with the card's PIV authentication key."""
    return pcsc.intrude(kiosk.rig.socket, kiosk.reader.pcsc_name)


def pkcs11_tool(*words):
    return run("pkcs11-tool", *words, env=kiosk.rig.env, check=False)


# ---- readers and cards ----

@tap.test("no reader: said so; a reader that is plugged in later is found, also the first one ever")
def _():
    faults.refused("no-reader", 4)
    with kiosk.session("--yes", "--wait-card", 60) as s:
        wait_for("a look at the readers", lambda: "no reader" in kiosk.log("derivd-card") or
                 kiosk.log("derivd-card").count("\n") > 3)
        kiosk.rig.add_reader("r0", card=ada())
        s.expect("invited")
    faults.good()


@tap.test("no card: said so; one that is put in later is waited for")
def _():
    insert(ada())
    kiosk.reader.pull()
    end = faults.refused("no-card", 4)
    tap.contains(end.text, kiosk.reader.pcsc_name)
    faults.good_card = None
    with kiosk.session("--yes", "--wait-card", 60) as s:
        kiosk.reader.insert()
        s.expect("invited")


@tap.test("waiting for a card for long costs one worker, and no line in the journal for each look")
def _():
    kiosk.reader.pull()
    seen = kiosk.log("derivd-card").count("no card in")
    with kiosk.session("--yes", "--wait-card", 60) as s:
        s.expect("card-needed")
        # The first look has its line; it may come after the answer.
        wait_for("the first look's line", lambda: kiosk.log("derivd-card").count("no card in") > seen)
        workers, lines = set(), kiosk.log("derivd-card").count("\n")
        for _ in range(30):
            workers.update(kiosk.pids("derivd-card"))
            time.sleep(0.1)
        tap.equal(len(workers), 1, "processes of derivd-card")
        tap.equal(kiosk.log("derivd-card").count("\n") - lines, 0, "lines in the journal")
        tap.check(kiosk.kill("derivd-card") == 1, "no derivd-card was there")
        time.sleep(1.5)
        kiosk.reader.insert()
        s.expect("invited")


@tap.test("what a person reads: what happened, and what to do")
def _():
    insert(ada())
    kiosk.reader.pull()
    done = kiosk.ctl("provision", "--plain", "--show-uri", check=False)
    tap.equal(done.returncode, 4, "exit status")
    lines = done.stderr.splitlines()
    tap.equal(len(lines), 2, f"lines in {lines}")
    tap.contains(lines[0], f"derivctl: no card in {kiosk.reader.pcsc_name}")
    tap.contains(lines[1], "derivctl: Put the card into the reader")


@tap.test("a second reader that is plugged in later is found while the first one is empty")
def _():
    with kiosk.session("--yes", "--wait-card", 60) as s:
        seen = kiosk.log("derivd-card").count("no card in")
        wait_for("a look at the readers", lambda: kiosk.log("derivd-card").count("no card in") > seen)
        kiosk.rig.add_reader("r1", card=bob())
        tap.equal(s.expect("card")["reader"], kiosk.rig.readers["r1"].pcsc_name, "the reader")
    kiosk.rig.remove_reader("r1")


@tap.test("two cards: both readers are named, and --reader chooses one")
def _():
    kiosk.rig.add_reader("r1", card=bob())
    insert(ada())
    end = faults.refused("several-cards", 3)
    names = [kiosk.rig.readers[r].pcsc_name for r in ("r0", "r1")]
    for name in names:
        tap.contains(end.text, name)
    tap.contains(end.remedy, "--reader")
    end = faults.refused("unknown-reader", 3, "--reader", "no such reader")
    tap.contains(end.text, "no such reader")
    end = faults.good("--reader", names[0])
    tap.equal(next(e for e in end.events if e["event"] == "card")["reader"], names[0], "the reader")
    tap.equal(kiosk.rig.readers["r1"].verifies(), 0, "PINs sent to the other card")
    kiosk.rig.remove_reader("r1")


@tap.test("a card of no known kind, and a PIV card without certificates")
def _():
    for name, conf in (("empty", ""), ("foreign", "default-app no\n")):
        kiosk.write(f"cards/{name}/card.conf", conf)
        with open(kiosk.at(f"cards/{name}/5FC107"), "wb") as f:
            f.write(bytes.fromhex("5302FE00"))
        insert(kiosk.at(f"cards/{name}"))
        if name == "foreign":
            kiosk.reader.ctl("refuse A4 6A82")  # SELECT: no application of that name
        faults.refused("unknown-card", 3)
    faults.good()


@tap.test("a card that does not answer: one that is the wrong way round, and one that falls silent")
def _():
    insert(card("upside-down", atr="none"))
    faults.refused("card-mute", 4)
    insert(ada())
    faults.refused("module-hung", 4, hooks={"digits-right": in_reader(f"muteat {AUTHENTICATE}")}, request="cancelled",
                   verifies=1, after=in_reader("unmute"))
    faults.good()


# ---- the PIN ----

@tap.test("a wrong PIN costs one try, never two, and nothing else")
def _():
    insert(ada())
    end = faults.refused("pin-wrong", 3, pin=WRONG, verifies=1, tries=2, request="cancelled")
    tap.contains(end.text, "2 tries left")
    tap.contains(end.request["cause"], "wrong")
    faults.good()


@tap.test("a wrong PIN, then the right one, typed at the terminal: the person is told how many tries are left")
def _():
    insert(ada())
    phone = kiosk.device("typed")
    t = kiosk.terminal("provision", "--plain", "--show-uri")
    try:
        t.expect("Type yes to go on: ")
        t.type("yes\n")
        phone.enroll(t.expect(r"invitation: (\S+)").group(1))
        t.expect("Type them here: ")
        t.type(phone.digits() + "\n")
        t.expect("3 tries left: ")
        t.type(WRONG + "\n")
        t.expect("PIN was wrong")
        t.expect("2 tries left: ")
        t.type(PIN + "\n")
        t.expect("Take your card")
        tap.equal(kiosk.reader.tries(), 3, "tries")
        t.expect("The device now has:")
        phone.wait()
    finally:
        t.kill()


@tap.test("a PIN of the wrong form costs no try")
def _():
    insert(ada())
    faults.refused("pin-format", 3, pin="123", request="cancelled")
    faults.refused("pin-format", 3, pin="123456789", request="cancelled")
    faults.good()


@tap.test("one try left: refused before anything is typed, and tried only with --last-try")
def _():
    insert(ada()).ctl("tries 1")
    end = faults.refused("pin-last-try", 3)
    tap.contains(end.remedy, "--last-try")
    end = faults.run("--last-try")
    tap.equal((end.error, end.status), (None, 0), "with --last-try")
    tap.equal(kiosk.reader.tries(), 3, "tries after the right PIN")


@tap.test("a wrong PIN with --last-try locks the card; a locked card is refused, and gets no PIN")
def _():
    insert(ada()).ctl("tries 1")
    end = faults.refused("pin-locked", 3, "--last-try", pin=WRONG, verifies=1, tries=0, request="cancelled")
    tap.contains(end.remedy, "office")
    faults.refused("pin-locked", 3)
    faults.refused("pin-locked", 3, "--last-try")
    faults.good()


# ---- pulled and swapped ----

@tap.test("the card is pulled before the PIN")
def _():
    insert(ada())
    end = faults.refused("card-removed", 4, hooks={"digits-needed": kiosk.reader.pull}, request="cancelled")
    tap.contains(end.request["cause"], "the card left the reader")
    faults.good()


@tap.test("the reader is unplugged before the PIN")
def _():
    kiosk.rig.add_reader("r1", card=bob())
    name = kiosk.rig.readers["r1"].pcsc_name
    faults.refused("card-removed", 4, "--reader", name, hooks={"digits-needed": lambda: kiosk.rig.remove_reader("r1")},
                   request="cancelled")
    faults.good()


@tap.test("the card is pulled while the PIN is on its way, before it gets it and after")
def _():
    insert(ada())
    faults.refused("card-removed", 4, hooks={"digits-right": in_reader(f"pullat {VERIFY}")}, request="cancelled")
    insert(ada())
    faults.refused("card-removed", 4, hooks={"digits-right": in_reader(f"pullat {VERIFY} 1 done")}, request="cancelled",
                   verifies=1)
    faults.good()


@tap.test("the card is pulled while it signs, before it has signed and after")
def _():
    for done in ("", " done"):
        insert(ada())
        faults.refused("card-removed", 4, hooks={"digits-right": in_reader(f"pullat {AUTHENTICATE} 1{done}")},
                       request="cancelled", verifies=1)
    faults.good()


@tap.test("the card is pulled after it has signed: nothing depends on it any more")
def _():
    faults.good(hooks={"committed": kiosk.reader.pull})


@tap.test("the card is swapped between reading and signing: the other card gets no PIN")
def _():
    moved = {"card-removed": 4, "card-changed": 3}
    insert(ada())
    faults.refused(moved, hooks={"digits-needed": lambda: kiosk.reader.put(bob())}, request="cancelled")
    for instruction, sent in ((VERIFY, 0), (AUTHENTICATE, 1)):
        insert(ada())
        faults.refused(moved, hooks={"digits-right": in_reader(f"swapat {instruction} 1 {bob()}")}, request="cancelled",
                       verifies=sent)
    faults.good()


@tap.test("the card is swapped while the PIN is typed again: the other card gets none")
def _():
    insert(ada())
    phone = kiosk.device("swapped")
    t = kiosk.terminal("provision", "--plain", "--show-uri", "--yes")
    try:
        phone.enroll(t.expect(r"invitation: (\S+)").group(1))
        t.expect("Type them here: ")
        t.type(phone.digits() + "\n")
        t.expect("3 tries left: ")
        t.type(WRONG + "\n")
        t.expect("2 tries left: ")
        sent = kiosk.reader.verifies()
        kiosk.reader.put(bob())
        t.type(PIN + "\n")
        t.expect("card")
        tap.check(t.end() in (3, 4), "exit status")
        tap.equal(kiosk.reader.verifies(), sent, "PINs sent to the other card")
    finally:
        t.kill()
        phone.stop()


# ---- others ----

@tap.test("another program gets nothing of the card during the session, and nothing after it")
def _():
    insert(ada())
    seen = {}

    def look(when):
        def hook():
            tool = pkcs11_tool("--login", "--pin", PIN, "--sign", "--mechanism", "ECDSA", "--id", "01", "--input-file",
                               kiosk.at("etc/deployment.conf"))
            seen[when] = (tool.returncode != 0, intruder())
        return hook

    before = kiosk.reader.verifies()
    end = faults.run(hooks={"digits-needed": look("before the PIN")})
    tap.equal((end.error, end.status), (None, 0), "the session")
    tap.equal(seen["before the PIN"], (True, IN_USE), "during the session")
    tap.equal(kiosk.reader.verifies() - before, 1, "PINs sent to the card")
    tap.equal(intruder(), NO_PIN, "another program's signature after the session")


def verified():
    return "pin=verified" in kiosk.reader.ctl("status")


def session_at_the_signature(device):
    """A session whose card is verified and silent; it has still to sign."""
    s = kiosk.session("--yes")
    device.enroll(s.uri())
    s.expect("digits-needed")
    kiosk.reader.ctl(f"muteat {AUTHENTICATE}")
    s.type(device.digits())
    wait_for("the PIN", verified)
    return s


@tap.test("another program gets nothing while the PIN is verified, nor after SIGKILL of derivd-card")
def _():
    insert(ada())
    issued = faults.issued()
    phone = kiosk.device("killed")
    with session_at_the_signature(phone) as s:
        tap.equal(intruder(), IN_USE, "another program's signature while the PIN is verified")
        tap.check(kiosk.kill("derivd-card") > 0, "no derivd-card was there")
        kiosk.reader.ctl("unmute")
        error = s.error()
        tap.equal((error["kind"], s.status), ("module-hung", 4), "the end")
        wait_for("the reset", lambda: not verified())
    phone.stop()
    tap.equal(intruder(), NO_PIN, "another program's signature after SIGKILL")
    tap.equal(faults.issued(), issued, "what was issued")
    newest = max(faults.rows("request"), key=lambda r: r["created_ms"])
    tap.equal(newest["state"], "cancelled", "the request")
    faults.good()


@tap.test("another program has the card: said so; and it is enough that it ends")
def _():
    insert(ada())
    with kiosk.reader.hold():
        end = faults.refused("reader-in-use", 4)
        tap.contains(end.text, "another program uses the card")
    faults.good()


@tap.test("a second derivctl at the same reader is refused, and the first goes on undisturbed")
def _():
    insert(ada())
    second = []

    def try_it():
        with kiosk.session("--yes") as s:
            second.append((s.error(), s.status))

    end = faults.run(hooks={"digits-needed": try_it})
    tap.equal((end.error, end.status), (None, 0), "the first session")
    error, status = second[0]
    tap.equal((error["kind"], status), ("reader-in-use", 4), "the second session")
    tap.contains(error["text"], kiosk.reader.pcsc_name)


tap.run()
