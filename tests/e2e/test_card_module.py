#!/usr/bin/python3
"""derivd-card with PKCS#11 modules that hang, crash and lie: tokens without PC/SC. Honest ones: test_card_tokens.py."""

import os
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("abs_top_srcdir", os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
import card as card_lib  # noqa: E402
from rig import build_dir, sanitized  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
build = build_dir()
top = tap.use(tempfile.TemporaryDirectory(prefix="module-"))
PIN, WRONG = "73519264", "46291537"
LYING = os.path.join(build, "tests/mock/lying.so")
SEGV, KILL = 256 if sanitized() else 11, 9
sessions = 0


def run(*args, **how):
    return subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)


def key_and_cert(name, *kind):
    """A key and a certificate over it, as files."""
    key, cert = os.path.join(top, f"{name}.key"), os.path.join(top, f"{name}.pem")
    if not os.path.exists(cert):
        run("openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", key, "-out", cert, "-subj",
            f"/CN={name}", "-addext", "basicConstraints=critical,CA:FALSE", "-days", "30")
    return key, cert


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def session(module, conf="", env=None):
    global sessions
    sessions += 1
    text = f'module = "{module}"\npcsc = false\ncall-timeout = 1s\n' + conf
    return card_lib.Card(build, os.path.join(top, f"etc{sessions}"), {**os.environ, **(env or {})}, text)


def liar(lie="", conf=""):
    key, cert = key_and_cert("liar", *EC)
    return session(LYING, conf, env={"LYING": lie, "LYING_KEY": key, "LYING_CERT": cert, "LYING_PIN": PIN})


def expect_error(answer, kind, what=""):
    tap.equal(answer.get("error"), kind, f"{what}: error in {answer}")


def expect_signed(answer, what=""):
    tap.check(answer.get("intent") and answer.get("signature"), f"{what}: not signed: {answer}")


def expect_open(answer, what=""):
    tap.check("certs" in answer, f"{what}: not opened: {answer}")
    return answer


# ---- the liar, honest ----

@tap.test("a generic token without PC/SC")
def _():
    with liar() as card:
        tap.equal(card.ask(do="readers")["readers"], [{"name": "lying.so", "state": "present", "atr": ""}], "readers")
        facts = expect_open(card.open())
        tap.equal((facts["type"], facts["reader"], facts["label"], facts["serial"], facts["pin"], facts["tries"]),
                  ("generic", "lying.so", "Lying token", "42", "ok", 0), "facts")
        tap.equal([(c["slot"], c["label"], c["has_key"]) for c in facts["certs"]], [("", "Liar", True)], "certificates")
        expect_error(card.sign("", WRONG), "pin-wrong")
        expect_signed(card.sign("", PIN))


@tap.test("honest in other words: interface 3.0, odd lengths, hashing mechanisms, a PIN for each use")
def _():
    for how in ("interface", "interface-none", "pin-lengths", "mechanism-hash", "mechanism-key", "always",
                "write-protected", "chatter", "close-descriptors"):
        with liar(how) as card:
            expect_open(card.open(), how)
            expect_signed(card.sign("", PIN), how)
            tap.equal(card.end(), 0, f"{how}: exit status")


# ---- lies ----

@tap.test("hangs: the process is killed in time, the other side hears of it")
def _():
    for function in ("C_Initialize", "C_GetSlotList", "C_GetAttributeValue"):
        with liar(f"hang:{function}") as card:
            began = time.monotonic()
            expect_error(card.open(), "gone", function)
            took = time.monotonic() - began
            tap.check(0.8 < took < 4, f"{function}: {took:.1f} s")
            tap.equal(card.end(), KILL, f"{function}: wait status")
    with liar("hang:exit") as card:
        expect_open(card.open())
        began = time.monotonic()
        tap.equal(card.end(), KILL, "a library that does not let the process exit: wait status")
        tap.check(time.monotonic() - began < 20, "killed too late")
    for function in ("C_Login", "C_Sign", "C_Finalize"):
        with liar(f"hang:{function}") as card:
            expect_open(card.open(), function)
            expect_error(card.sign("", PIN), "gone", function)
            tap.equal(card.end(), KILL, f"{function}: wait status")


@tap.test("crashes and exits: the connection is all that is lost")
def _():
    for lie, status in (("crash", SEGV), ("exit", 0)):
        for function in ("C_GetFunctionList", "C_Initialize", "C_GetTokenInfo", "C_OpenSession", "C_FindObjectsInit"):
            with liar(f"{lie}:{function}") as card:
                expect_error(card.open(), "gone", f"{lie} {function}")
                tap.equal(card.end(), status, f"{lie} {function}: wait status")
        for function in ("C_Login", "C_Sign", "C_CloseSession"):
            with liar(f"{lie}:{function}") as card:
                expect_open(card.open(), function)
                expect_error(card.sign("", PIN), "gone", f"{lie} {function}")


@tap.test("errors from every function")
def _():
    for lie, kinds in (("fail", ("card-failed", "module", "unknown-card")), ("vendor", ("module", "unknown-card")),
                       ("removed", ("card-removed", "module", "unknown-card")),
                       ("invalid", ("card-failed", "module", "unknown-card"))):
        for function in ("C_GetFunctionList", "C_Initialize", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo",
                         "C_OpenSession", "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal",
                         "C_GetAttributeValue"):
            with liar(f"{lie}:{function}") as card:
                answer = card.open()
                tap.check(answer.get("error") in kinds, f"{lie} {function}: {answer}")
                tap.equal(card.end(), 0, f"{lie} {function}: exit status")
        for function in ("C_Login", "C_SignInit", "C_Sign"):
            with liar(f"{lie}:{function}") as card:
                expect_open(card.open(), function)
                answer = card.sign("", PIN)
                tap.check(answer.get("error") in kinds, f"{lie} {function}: {answer}")
                expect_error(card.sign("", PIN), "session-over", f"{lie} {function}")
        for function in ("C_Logout", "C_CloseSession", "C_Finalize"):
            with liar(f"{lie}:{function}") as card:
                expect_open(card.open(), function)
                expect_signed(card.sign("", PIN), f"{lie} {function}")


@tap.test("numbers and lengths that are not so")
def _():
    lies = {"list-none": "module", "list-gap": "module", "list-version": "module", "slots-many": "module",
            "slots-more": "module", "slots-none": "unknown-card", "find-more": "module",
            "find-endless": "unknown-card", "value-long": "module", "value-unavailable": "unknown-card",
            "value-empty": "unknown-card"}
    for lie, kind in lies.items():
        with liar(lie) as card:
            expect_error(card.open(), kind, lie)
            tap.equal(card.end(), 0, f"{lie}: exit status")


@tap.test("texts that are none are shown in a safe form")
def _():
    for lie, start in (("text-binary", "\\xfe\\xfe"), ("text-escape", "\\x1b\\x1b")):
        with liar(lie) as card:
            facts = expect_open(card.open(), lie)
            for field in ("label", "model", "manufacturer", "serial"):
                tap.check(facts[field].startswith(start), f"{lie}: {field} is {facts[field]!r}")
    with liar("label-long") as card:
        label = expect_open(card.open(), "label-long")["certs"][0]["label"]
        tap.equal(label, "\\x01x" + 125 * "é", "a label that is cut between characters")


@tap.test("signatures that are none never come out")
def _():
    for lie in ("wrong", "zero", "odd", "empty"):
        with liar(f"signature-{lie}") as card:
            expect_open(card.open(), lie)
            expect_error(card.sign("", PIN), "card-failed", lie)
    with liar("signature-long") as card:
        expect_open(card.open())
        expect_error(card.sign("", PIN), "module", "signature-long")


@tap.test("a PIN that is refused only for the signature; one that is taken though wrong")
def _():
    with liar("login-refused:context") as card:
        expect_open(card.open())
        expect_error(card.sign("", PIN), "pin-wrong")
        answer = card.sign("", PIN)
        expect_error(answer, "pin-wrong")
        tap.contains(answer["text"], "not sent again", "text")
    with liar("login-malformed") as card:
        expect_open(card.open())
        expect_error(card.sign("", PIN), "pin-format")
        answer = card.sign("", PIN)
        expect_error(answer, "pin-wrong")
        tap.contains(answer["text"], "not sent again", "text")
    with liar("login-any") as card:
        expect_open(card.open())
        expect_signed(card.sign("", WRONG))


@tap.test("another certificate at the second look; a key that does not fit or does not sign")
def _():
    for lie, kind in (("changes", "card-changed"), ("no-sign", "no-signing-key"), ("key-type", "no-signing-key"),
                      ("mechanism-none", "no-signing-key")):
        with liar(lie) as card:
            expect_open(card.open(), lie)
            expect_error(card.sign("", PIN), kind, lie)
    with liar("value-garbage") as card:
        expect_open(card.open())
        expect_error(card.sign("", PIN), "certificate-malformed")


@tap.test("no module there, one that is not a module, a module that lacks what we call")
def _():
    for path in ("/nonexistent/module.so", "/etc/passwd", os.path.join(build, "tests/mock/reader/ifd.so")):
        with session(path) as card:
            answer = card.open()
            expect_error(answer, "module", path)
            tap.contains(answer["text"], path, "text")


@tap.test("a PIN pad: no PIN comes through us; given up, and done again; waited for longer")
def _():
    with liar("pad") as card:
        facts = expect_open(card.open())
        tap.equal(facts["pin_pad"], True, "PIN pad")
        expect_error(card.sign("", PIN), "pin-format")
        expect_signed(card.sign("", ""))
    with liar("pad:cancel") as card:
        expect_open(card.open())
        expect_error(card.sign("", ""), "timed-out")
        expect_signed(card.sign("", ""))
    with liar("pad:mistyped") as card:
        expect_open(card.open())
        expect_error(card.sign("", ""), "pin-wrong", "for the key")
        expect_signed(card.sign("", ""), "after both PINs again")
    with liar("pad:hang", "pin-pad-timeout = 3s\n") as card:
        expect_open(card.open())
        began = time.monotonic()
        expect_error(card.sign("", ""), "gone")
        tap.check(time.monotonic() - began > 2.5, "killed before the person had the time")


@tap.test("what cannot work is said before a PIN is sent")
def _():
    with liar("mechanism-unlisted") as card:
        facts = expect_open(card.open())
        tap.equal([c["has_key"] for c in facts["certs"]], [False], "keys")
        expect_error(card.sign("", PIN), "no-signing-key")
    with liar("hidden") as card:
        answer = card.open()
        expect_error(answer, "unknown-card")
        tap.contains(answer["text"], "without its PIN", "text")
    for lie, state in (("pin-unset", "unset"), ("pin-change", "change")):
        with liar(lie) as card:
            tap.equal(expect_open(card.open())["pin"], state, "PIN")
            expect_error(card.sign("", PIN), "pin-expired", lie)
    with liar("arguments") as card:
        answer = card.open()
        expect_error(answer, "module")
        tap.contains(answer["text"], "module-arguments", "text")
    with liar("arguments", 'module-arguments = "who=\'me\'"\n') as card:
        expect_open(card.open())
        expect_signed(card.sign("", PIN))


@tap.test("a token that asks for no PIN")
def _():
    with liar("no-login") as card:
        tap.equal(expect_open(card.open())["pin"], "none", "PIN")
        expect_error(card.sign("", PIN), "pin-format")
        expect_signed(card.sign("", ""))
    with liar("no-login:always") as card:
        expect_open(card.open())
        expect_error(card.sign("", ""), "no-signing-key", "a key that asks for one all the same")


@tap.test("many large certificates: as many as the wire takes")
def _():
    key, cert = key_and_cert("large", *EC, "-addext", "nsComment=" + "x" * 4000)
    env = {"LYING": "many", "LYING_KEY": key, "LYING_CERT": cert, "LYING_PIN": PIN}
    with session(LYING, env=env) as card:
        facts = expect_open(card.open())
        tap.equal(len(facts["certs"]), 16, "certificates")
        expect_signed(card.sign("", PIN))


# ---- card.conf ----

@tap.test("derivd-card check says what is wrong with card.conf, and where")
def _():
    cases = {"": "", "modul = x\n": "card.conf:1", 'module = "opensc.so"\n': "absolute path",
             "call-timeout = 0s\n": "call-timeout", "call-timeout = soon\n": "call-timeout", 'module-arguments = "a\x01b"\n': "module-arguments",
             "card-types = {credit}\n": "credit", "card-types = {}\n": "card-types",
             'card-drivers = {"a;b"}\n': "card-drivers", f'uri = "pkcs11:?pin-value={PIN}"\n': "uri",
             'module = "/nonexistent.so"\n': "/nonexistent.so", 'opensc-conf = "x"\n': "opensc-conf"}
    for text, wanted in cases.items():
        where = tempfile.mkdtemp(dir=top)
        with open(os.path.join(where, "card.conf"), "w") as f:
            f.write(text)
        done = subprocess.run([os.path.join(build, "derivd-card"), "check"], capture_output=True, text=True,
                              env={**os.environ, "CONFIGURATION_DIRECTORY": where})
        tap.equal(done.returncode, 1 if wanted else 0, f"exit status for {text!r}: {done.stderr}")
        tap.contains(done.stderr, wanted, "standard error")
        tap.lacks(done.stderr, PIN, "standard error")


@tap.test("with a card.conf that is wrong every request is answered with what is wrong, and where")
def _():
    with session(LYING, "modul = x\n") as card:
        for _ in range(2):
            answer = card.open()
            expect_error(answer, "config")
            tap.contains(answer["text"], "card.conf:4", "text")
        expect_error(card.ask(do="readers"), "config")


if __name__ == "__main__":
    tap.run()
