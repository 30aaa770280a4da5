#!/usr/bin/python3
"""derivctl in the person's language: a whole session in German, chosen with --lang or by the locale, installed or not; what
programs read, and what is recorded, stays English."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import screen  # noqa: E402
from kiosk import AUDITOR, OPERATOR, PIN, Kiosk, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk(crl="files"))
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))


def environment(**locale):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    return {**clean, "TEXTDOMAINDIR": kiosk.at("locale"), **locale}


def said(*words, status=None, uid=OPERATOR, **locale):
    done = kiosk.ctl(*words, uid=uid, check=False, env=environment(**locale))
    if status is not None:
        tap.equal(done.returncode, status, "exit status")
    return done.stdout + done.stderr


def session(*words, **locale):
    return kiosk.terminal("provision", *words, env={"TERM": "xterm", **environment(**locale)})


def whole(t, phone):
    """What a person does who reads German only."""
    t.expect(r"Diese Karte gehört\s+Ada Lovelace")
    t.expect("Authentisierung: zum Anmelden")
    t.expect("Weiter mit ja: ")
    t.type("ja\n")
    t.expect(r"Lesen Sie diesen Code.*?10 Minuten.*?\n")
    wait_for("the code", lambda: t._read(0.1) is False and screen.decode(t.screen()))
    phone.enroll(screen.decode(t.screen()))
    t.expect("sechs Ziffern. Geben Sie sie hier ein: ")
    t.type("00 00 00\n" if phone.digits() != "00 00 00" else "11 11 11\n")
    t.expect("Das sind nicht die Ziffern. Noch 2 Versuche.")
    t.expect("Geben Sie sie hier ein: ")
    t.type(phone.digits() + "\n")
    t.expect("Das ist Ihr Gerät")
    t.expect(r"nicht angezeigt\), noch 3 Versuche: ")
    t.type("999999\n")
    t.expect(r"die PIN war falsch.*\n.*noch einmal ein.*noch 2 Versuche: ")
    t.type(PIN + "\n")
    t.expect("Nehmen Sie Ihre Karte")
    t.expect("Zertifikat|zertifiziert")
    t.expect("Das Gerät hat jetzt")
    t.expect("Verschlüsselung: gültig bis 20")
    t.expect("melden Sie das sofort")
    t.expect("Die Eingabetaste löscht den Bildschirm")
    t.type("\n")
    tap.equal(t.end(), 0, "exit status")


@tap.test("a whole session in German, by --lang, where no locale is set")
def _():
    with session("--lang", "de") as t:
        whole(t, kiosk.device("phone1"))
        for english in ("This card", "Type the", "Scan this", "Your device", "Take your", "The device now"):
            tap.lacks(t.all, english, "the session")


@tap.test("a whole session in German, by a locale that is not installed")
def _():
    with session(LANG="de_AT.UTF-8") as t:
        whole(t, kiosk.device("phone2"))


@tap.test("what is recorded is English: the audit chain, the cause of an end")
def _():
    with session(LANG="de_DE.UTF-8") as t:
        t.expect("Weiter mit ja: ")
        t.type("nein\n")
        t.expect("Abgebrochen. Es wurde nichts ausgestellt")
        tap.check(t.end() == 6, "exit status")
    rows = kiosk.ctl_json("audit", "show", uid=AUDITOR)
    cancelled = wait_for("the end", lambda: [r for r in rows if r["event"] == "cancelled"] or None)
    tap.contains(cancelled[-1]["text"], "stopped")
    for row in rows:
        tap.check(row["text"].isascii(), row["text"])


@tap.test("what programs read is English, whatever the locale")
def _():
    for words in (("--json", "--lang", "de", "device", "show", "00"), ("device", "show", "00", "--json")):
        text = said(*words, status=3, LANG="de_DE.UTF-8")
        tap.equal(json.loads(text)["error"]["remedy"], "Look at the list for valid ids.", "remedy")
    tap.equal(said("request", "list", LANG="de_DE.UTF-8").split()[0], said("request", "list").split()[0], "title")


@tap.test("errors and usage: the remedy is in the language, and so is what derivctl says itself")
def _():
    tap.contains(said("device", "show", "00", status=3, LC_ALL="de_DE"), "Gültige Kennungen stehen in der Liste")
    tap.contains(said("--lang=de", "--help", status=0), "ein Gerät mit der Karte im Leser anmelden")
    tap.contains(said("device", "--lang", "de", "frobnicate", status=2), "Hinter »device« gehört eines von: list, show, revoke")
    tap.contains(said("issue", "--lang=de", status=2), "issue braucht --device")


@tap.test("doctor says what it finds in the language, and its kinds and JSON in English")
def _():
    good = said("--lang", "de", "doctor", "--no-card")
    for german in ("0 Fehler, 0 Warnungen", "antwortet:", "Leser "):
        tap.contains(good, german)
    for english in (" answers", "the gateway", "none for somebody", "faults"):
        tap.lacks(good, english, "doctor in German")
    for row in map(json.loads, said("doctor", "--no-card", "--json", LANG="de_DE.UTF-8").splitlines()):
        tap.check(row["text"].isascii() and row["verdict"] in ("ok", "skipped"), str(row))


@tap.test("the locale says which: C and others are English, LANGUAGE comes before LANG, --lang before all")
def _():
    def is_german(*words, **locale):
        return "mit der Karte im Leser" in said(*words, "--help", **locale)
    for wanted, words, locale in (
            (False, (), {}), (False, (), {"LANG": "C"}), (False, (), {"LANG": "en_GB.UTF-8"}), (False, (), {"LANG": "tlh"}),
            (True, (), {"LANG": "de_DE.UTF-8"}), (True, (), {"LANG": "de"}), (True, (), {"LC_MESSAGES": "de_CH.UTF-8", "LANG": "C"}),
            (False, (), {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}), (True, (), {"LANG": "C.UTF-8", "LANGUAGE": "de"}),
            (False, ("--lang", "en"), {"LANG": "de_DE.UTF-8"}), (True, ("--lang", "de"), {"LC_ALL": "C"})):
        tap.equal(is_german(*words, **locale), wanted, f"German with {words} {locale}")
    for odd in ("xx", "../..", "", "d", "de/../de", "x" * 100):
        tap.contains(said(f"--lang={odd}", "status", status=2), "there are no texts in")


@tap.test("a terminal that shows no UTF-8 gets letters that it has")
def _():
    done = subprocess.run(kiosk.ctl_command("--lang", "de", "--help"), env=environment(LC_ALL="POSIX"), capture_output=True)
    tap.contains(done.stdout.decode("ascii", "strict"), "anmelden")


tap.run()
