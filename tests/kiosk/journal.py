"""The journal of a machine, as its operators read it: what our programs said there is in the catalogue, and no secret is."""

import json
import os
import re

# What starts our programs, and says so, is not ours.
SYSTEMD = "systemd"


def ours(machine):
    """Every entry that a program of derivd made, whichever way it came there, on all boots."""
    found = []
    for entry in machine.journal():
        program = os.path.basename(entry.get("_EXE", ""))
        if (program.startswith("deriv") or entry.get("SYSLOG_IDENTIFIER", "").startswith("deriv")) and program != SYSTEMD:
            found.append(entry)
    return found


def catalogue(machine):
    """{id: text} of all that is installed."""
    texts = {}
    for part in re.split(r"^-- ", machine.run("journalctl", "--dump-catalog").stdout, flags=re.M)[1:]:
        number, _, text = part.partition("\n")
        texts[number.strip()] = text
    return texts


def trouble(entry, texts):
    """What is wrong with it, or None: it has an id; the catalogue says of that what it means and what to do, with nothing left open."""
    if "MESSAGE_ID" not in entry:
        return "no id"
    text = texts.get(entry["MESSAGE_ID"], "")
    if not text:
        return f"not in the catalogue: {entry['MESSAGE_ID']}"
    if "Cause:" not in text or "Remedy:" not in text:
        return f"{entry['MESSAGE_ID']} without cause and remedy"
    missing = [f for f in re.findall(r"@(\w+)@", text) if not entry.get(f)]
    return f"its text in the catalogue speaks of {missing}, which it has not" if missing else None


def explain(tap, machine):
    """Each entry of ours is explained; returns them."""
    entries, texts = ours(machine), catalogue(machine)
    bad = {f"{why}: {e.get('SYSLOG_IDENTIFIER')}: {e['MESSAGE']}" for e in entries if (why := trouble(e, texts))}
    tap.check(not bad, "\n".join(sorted(bad)))
    kinds, boots = {e["MESSAGE_ID"] for e in entries}, {e["_BOOT_ID"] for e in entries}
    tap.note(f"{len(entries)} entries of {len(kinds)} kinds on {len(boots)} boots")
    for kind in kinds:
        shown = machine.run("journalctl", "-x", "-n", "1", f"MESSAGE_ID={kind}").stdout
        tap.contains(shown, "\u2591\u2591 Remedy:", "journalctl -x")
    return entries


def written(machine):
    """All that somebody wrote into the journal: what journald itself adds is its own."""
    lines = []
    for entry in machine.journal():
        lines += [str(v) for k, v in entry.items() if not k.startswith("_") and k not in ("SYSLOG_PID", "TID")]
    return "\n".join(lines).lower()


def card_numbers(card):
    """In full, as any program might write them."""
    with open(os.path.join(card, "card.json")) as f:
        facts = json.load(f)
    numbers = {facts["guid"], facts["guid"].replace("-", ""), facts["fascn"], *facts["serials"].values()}
    return {n.lower() for n in numbers}


def keeps_secrets(tap, machine, words, cards):
    """words: secrets of whatever kind; cards: directories of those that were used."""
    text = written(machine)
    for word in words:
        # As a word of its own: six digits are easily found within a hash.
        tap.check(not re.search(rf"(?<![0-9a-z]){re.escape(word.lower())}(?![0-9a-z])", text), f"in the journal: {word}")
    for card in cards:
        for number in card_numbers(card):
            spaced = ":".join(re.findall("..", number))
            tap.check(number not in text and spaced not in text, f"in the journal: {number} of {card}")
