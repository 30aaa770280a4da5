#!/usr/bin/python3
"""The manual pages and doc/ against the code's own tables: each key of each configuration file with its default, each option and
command that a program knows, each thing that doctor and the alert rules say; and the other way round. Nothing is built or run."""

import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from tap import Tap  # noqa: E402

tap = Tap()
ROOMS = ("base", "proto", "evidence", "pkcs11", "daemon/backup", "daemon/core", "daemon/ca", "daemon/courier", "daemon/gateway",
         "daemon/spawn", "client/ctl", "client/device", "client/agent", "client/install", "client/metrics")

# Each of libconfuse's tables in the code: its page, and the section of the file that it describes.
TABLES = {("daemon/core/settings.c", "options"): ("daemon/core/derivd.conf.5", ""),
          ("daemon/ca/settings.c", "options"): ("daemon/ca/ca.conf.5", ""),
          ("daemon/ca/settings.c", "app_options"): ("daemon/ca/ca.conf.5", "app"),
          ("daemon/ca/settings.c", "approval_options"): ("daemon/ca/ca.conf.5", "approval"),
          ("daemon/ca/settings_anchor.c", "options"): ("daemon/ca/ca.conf.5", "anchor"),
          ("daemon/ca/settings_profile.c", "options"): ("daemon/ca/ca.conf.5", "profile"),
          ("daemon/courier/settings.c", "options"): ("daemon/courier/courier.conf.5", ""),
          ("daemon/gateway/settings.c", "options"): ("daemon/gateway/gateway.conf.5", ""),
          ("pkcs11/settings.c", "options"): ("pkcs11/card.conf.5", ""),
          ("proto/deployment.c", "options"): ("proto/deployment.conf.5", "")}
# Files that programs write for themselves and for each other, in the same language.
NOT_CONFIGURED = {("daemon/backup/manifest.c", "options"), ("evidence/checkpoint.c", "options")}
# Each program: its page, and the folder of its sources.
PROGRAMS = {"derivctl": ("client/ctl/derivctl.1", "client/ctl"), "derivd-device": ("client/agent/derivd-device.1", "client/agent"),
            "derivd-device-install": ("client/install/derivd-device-install.1", "client/install"),
            "derivd": ("daemon/core/derivd.8", "daemon/core"), "derivd-ca": ("daemon/ca/derivd-ca.8", "daemon/ca"),
            "derivd-card": ("pkcs11/derivd-card.8", "pkcs11"),
            "derivd-courier": ("daemon/courier/derivd-courier.8", "daemon/courier"),
            "derivd-gateway": ("daemon/gateway/derivd-gateway.8", "daemon/gateway"),
            "derivd-metrics": ("client/metrics/derivd-metrics.8", "client/metrics"),
            "derivd-spawn": ("daemon/spawn/derivd-spawn.8", "daemon/spawn")}
DOCS = ("README.md", "doc/INSTALL.md", "doc/OPERATE.md", "doc/TROUBLESHOOT.md", "doc/SECURITY.md", "doc/BACKUP.md", "doc/BY-HAND.md", "doc/GATEWAY-KEY.md", "doc/PRIVSEP.md", "doc/TOUR.md")


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def sources(room):
    return [f"{room}/{name}" for name in sorted(os.listdir(os.path.join(SOURCE, room))) if name.endswith((".c", ".def"))]


# ---- configuration files ----

def default_of(text, written):
    """The values that a default has: none for NULL and empty ones, else those that the page has to say."""
    named = re.search(rf"\b{written}\[\] = ((?:\s*\"(?:[^\"\\]|\\.)*\")+)", text) if re.fullmatch(r"\w+", written) else None
    if written in ("cfg_true", "cfg_false"):
        return [written[4:]]
    value = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', named.group(1) if named else written)) or written
    value = value.replace('\\"', "")
    if value in ("NULL", "", "{}", '""'):
        return []
    if value == "OPENSC_MODULE":
        return ["opensc-pkcs11.so"]
    return [v.strip() for v in value.strip("{}").split(",")]


def tables():
    """(file, table): {key: the values of its default}."""
    found = {}
    for room in ROOMS:
        for path in sources(room):
            text = read(path)
            for name, body in re.findall(r"cfg_opt_t (\w+)\[\] = \{(.*?)\n\t?\};", text, re.S):
                keys = re.findall(r'(?:CFG_(?:STR|INT|BOOL|FLOAT|STR_LIST)|LIST)\("([^"]+)", ("[^"]*"|[\w-]+)', body)
                found[path, name] = {key: default_of(text, default) for key, default in keys}
    return {table: keys for table, keys in found.items() if table not in NOT_CONFIGURED}


def items(page):
    """{section: {key: text of its item}} of a page of section 5, of which a key has a line ".It Ic key , key Li = Ar what"."""
    found, section, keys = {"": {}}, "", []
    for line in read(page).splitlines():
        head = re.match(r"\.S[sh] (?:Section )?(.*)", line)
        item = re.match(r"\.It Ic ([a-z0-9 ,-]+?)(?: Li = .*)?$", line)
        if head:
            section = head.group(1) if line.startswith(".Ss Section") else ""
            keys = []
        elif item:
            keys = re.split(r" , ", item.group(1))
            for key in keys:
                found.setdefault(section, {})[key] = ""
        else:
            for key in keys:
                found[section][key] += re.sub(r"^\.\w+ ", "", line) + "\n"
    return found


@tap.test("each table of settings has a page")
def _():
    tap.equal(sorted(tables()), sorted(TABLES), "tables in the code")
    tap.check(sum(map(len, tables().values())) > 80, "too few keys were found to be all of them")


@tap.test("each key is in its page, and each key of a page is one that the code reads")
def _():
    documented = {page: items(page) for page, _ in TABLES.values()}
    for table, keys in tables().items():
        page, section = TABLES[table]
        tap.equal(sorted(documented[page].get(section, {})), sorted(keys), f"{page} {section}")


@tap.test("each key's item has the default, or says that it is needed")
def _():
    for table, keys in tables().items():
        page, section = TABLES[table]
        for key, values in keys.items():
            text = items(page)[section][key]
            tap.check("Default" in text or "Needed" in text, f"{page}: {key} has neither a default nor is it needed")
            for value in values if "Default" in text else []:
                tap.check(value in text.replace("\\&", "").replace("\\(dq", ""), f"{page}: {key} does not have its default {value}")


# ---- programs ----

def strings(text):
    return "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', text))


def known_options(room):
    """What the program compares with, has in tables and prints as its usage."""
    found = set()
    for path in sources(room):
        text = read(path)
        found |= set(re.findall(r'\{ "([a-z0-9-]+)", (?:required_argument|no_argument|OPTION_\w+),', text))
        found |= set(re.findall(r'(?:strcmp|strncmp)\([^;{}]*?, "--([a-z0-9-]+)=?"', text))
        for usage in re.findall(r"usage: (?:.|\n)*?;\n", text):
            found |= set(re.findall(r"--([a-z][a-z0-9-]+)", usage))
    return found | (set().union(*ctl_commands().values()) if room == "client/ctl" else set())


def paged_options(text):
    return set(re.findall(r"(?:\bFl|\|) -([a-z][a-z0-9-]*)", text))


@tap.test("each option of each program is in its page, and the other way round")
def _():
    for program, (page, room) in PROGRAMS.items():
        known, paged = known_options(room), paged_options(read(page))
        tap.equal(sorted(known - paged), [], f"options of {program} that {page} does not have")
        tap.equal(sorted(paged - known), [], f"options in {page} that {program} does not have")


def ctl_commands():
    """{"verb sub": options} out of derivctl's table."""
    table = re.search(r"commands\[\] = \{(.*?)\n\};", read("client/ctl/main.c"), re.S).group(1)
    found = {}
    for verb, sub, usage in re.findall(r'\{ "([a-z-]+)", (NULL|"[a-z-]+"), cmd_\w+,\s*((?:"[^"]*"\s*)+),', table):
        found[" ".join([verb] + ([] if sub == "NULL" else [strings(sub)]))] = set(re.findall(r"--([a-z0-9-]+)", strings(usage)))
    return found


def ctl_page_blocks():
    """{"verb": the text of its items} of derivctl(1)."""
    found = {}
    for part in re.split(r"^(?=\.It Cm |\.Sh |\.Ss )", read("client/ctl/derivctl.1"), flags=re.M):
        first = part.split("\n", 1)[0]
        if not first.startswith(".It Cm "):
            continue
        verb = first.split()[2]
        found[verb] = found.get(verb, "") + part
    return found


@tap.test("each command of derivctl has an item, with its options")
def _():
    commands, blocks = ctl_commands(), ctl_page_blocks()
    tap.check(len(commands) > 25, f"only {len(commands)} commands were found")
    for command, options in commands.items():
        verb, _, sub = command.partition(" ")
        tap.check(verb in blocks, f"derivctl(1) has no {verb}")
        # A session's options are told of once.
        text = blocks[verb] + (blocks["provision"] if verb == "issue" else "")
        tap.check(not sub or re.search(rf"Cm (?:{verb} )?{sub}\b", text), f"derivctl(1) has no {command}")
        for option in options:
            tap.check(f"Fl -{option}" in text, f"derivctl(1), {command}: no --{option}")
    for verb in blocks:
        tap.check(any(c.split()[0] == verb for c in commands), f"derivctl has no {verb}, but its page does")


@tap.test("each exit status of derivctl is in its page")
def _():
    section = re.search(r"\.Sh EXIT STATUS\n(.*?)\.Sh", read("client/ctl/derivctl.1"), re.S).group(1)
    known = re.findall(r"^\tCTL_\w+ = (\d+),", read("client/ctl/ctl.h"), re.M)
    tap.equal(re.findall(r"^\.It (\d+)$", section, re.M), known, "exit statuses")


@tap.test("each program says how it ends; each page is installed, and refers to pages that there are")
def _():
    listed = "".join(read(f"{room}/local.mk") for room in (*ROOMS, "doc"))
    pages = [f"{room}/{name}" for room in (*ROOMS, "doc") for name in os.listdir(os.path.join(SOURCE, room))
             if re.search(r"\.[13578]$", name)]
    names = {os.path.basename(page) for page in pages}
    for page in pages:
        tap.check(re.search(rf"^dist_man_MANS \+=.*\b{re.escape(page)}\b", listed, re.M) or page.endswith("derivd-spawn.8"),
                  f"{page} is not installed")
        for name, number in re.findall(r"\bXr ([\w.-]+) (\d)", read(page)):
            tap.check(name != "derivd-spawn" or page.endswith("derivd-spawn.8"), f"{page} refers to derivd-spawn(8), which is not installed")
            ours = name.startswith(("deriv", "libderiv")) or f"{name}.{number}" in names or name.endswith(".conf") and number == "5"
            foreign = ("opensc.conf", "pkcs11.conf", "journald.conf", "systemd.exec")
            tap.check(not ours or name in foreign or f"{name}.{number}" in names, f"{page}: there is no {name}({number})")
        tap.check(page.endswith((".3", ".5", ".7")) or "\n.Sh EXIT STATUS\n" in read(page), f"{page} has no exit status")


# ---- doc/ ----

def paragraphs(path):
    """{name: text} of the paragraphs and headings that begin with `name`."""
    found = {}
    for part in re.split(r"\n(?=#|\n)", read(path)):
        head = re.match(r"\n?(?:#+ |- |\*\*)?((?:`[A-Za-z0-9-]+`(?:, | and )?)+)", part)
        for name in re.findall(r"`([A-Za-z0-9-]+)`", head.group(1)) if head else []:
            found[name] = found.get(name, "") + part
    return found


@tap.test("doc/TROUBLESHOOT.md has a paragraph on each check of doctor, each kind of error and each alert")
def _():
    there = paragraphs("doc/TROUBLESHOOT.md")
    doctor = read("client/ctl/doctor.def")
    wanted = {"check": re.findall(r'^CHECK\("([^"]+)"', doctor, re.M),
              "verdict of doctor": re.findall(r'^ADVICE\(\w+,\s*"([^"]+)"', doctor, re.M),
              "kind": re.findall(r'^KIND\(\w+,\s*"([^"]+)"', read("proto/kind.def"), re.M),
              "kind that is not of the wire": [k for k in re.findall(r'^FAULT\("([^"]*)"', read("base/note.def"), re.M) if k],
              "kind of the phone": re.findall(r'err_kind ERR_\w+ = \{ "([^"]+)"', read("client/device/fault.c")),
              "alert": re.findall(r"- alert: (\w+)", read("contrib/metrics/alerts.yml"))}
    for what, names in wanted.items():
        tap.check(len(names) >= 10, f"only {len(names)} names: {what}")
        for name in names:
            tap.check(len(there.get(name, "")) > 60, f"there is no paragraph on the {what} `{name}`")
    everything = {name for names in wanted.values() for name in names}
    for name in there:
        tap.check(name in everything, f"`{name}` has a paragraph, and nothing says it")


def commands_in(text):
    """Lines of code, and code within the text, that call programs of ours."""
    for code in re.findall(r"^ {4}(.*)$", text, re.M) + re.findall(r"`([^`\n]+)`", text):
        for part in re.split(r"\|\||&&|\||;", code.split(" #")[0]):
            words = part.strip().removeprefix("sudo ").removeprefix("$ ").split()
            if words and words[0] in PROGRAMS:
                yield words


@tap.test("what doc/ tells people to type is what the programs know")
def _():
    n = 0
    for path in DOCS:
        for words in commands_in(read(path)):
            program = words[0]
            options = {re.match(r"--([a-z0-9-]+)", w).group(1) for w in words if re.match(r"--[a-z]", w)}
            room = PROGRAMS[program][1]
            tap.check(options <= known_options(room), f"{path}: {' '.join(words)}")
            n += 1
            rest = [w for w in words[1:] if re.fullmatch("[a-z][a-z-]*", w)]
            if program != "derivctl" or not rest or words[1].startswith("-"):
                continue
            command = next((c for c in (" ".join(rest[:2]), rest[0]) if c in ctl_commands()), None)
            tap.check(command or any(c.startswith(f"{rest[0]} ") for c in ctl_commands()) and len(words) == 2,
                      f"{path}: derivctl has no {' '.join(rest[:2])}")
            own = ctl_commands().get(command, set()) | {"json", "plain", "lang"}
            tap.check(not command or options <= own, f"{path}: {' '.join(words)}: only {sorted(own)}")
    tap.check(n > 100, f"only {n} commands were found")


def anchors(text):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}


@tap.test("files, journal fields and alerts that doc/ names are there")
def _():
    fields = set()
    for room in ROOMS:
        for path in sources(room):
            fields |= set(re.findall(r'\{ "([A-Z_]+)", ', read(path)))
    for path in DOCS:
        text = read(path)
        for name in re.findall(r"`((?:doc|contrib|proto|client|daemon|base|evidence|pkcs11|tests|systemd|po)/[\w./-]+)`", text):
            tap.check(os.path.exists(os.path.join(SOURCE, name.rstrip("/"))) or "xx" in name, f"{path}: there is no {name}")
        for name, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
            target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            tap.check(os.path.exists(os.path.join(SOURCE, target)), f"{path}: there is no {name}")
            tap.check(not anchor or anchor in anchors(read(target)), f"{path}: {target} has no heading #{anchor}")
        for name in re.findall(r"\bDERIVD_([A-Z_]+)\b", text):
            tap.check(name in fields, f"{path}: nothing logs DERIVD_{name}")


@tap.test("doc/ is in the tarball and is installed")
def _():
    for path in DOCS:
        if path.startswith("doc/"):
            tap.check(re.search(rf"^dist_doc_DATA \+=.*\b{re.escape(path)}\b", read("doc/local.mk").replace("\\\n", " "), re.M), path)


tap.run()
