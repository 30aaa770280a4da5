#!/usr/bin/python3
"""What bash and zsh offer behind derivctl: commands, their options, ids of what there is."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import NOBODY, OPERATOR, Kiosk  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("bash", "zsh")
kiosk = tap.use(Kiosk(crl="files"))
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
HOME = kiosk.at("completions")
os.makedirs(HOME)
for name in ("derivctl.bash", "_derivctl"):
    with open(os.path.join(HERE, "../../contrib/completions", name)) as f:
        kiosk.write(f"completions/{name}", f.read())

BASH = """
source {home}/derivctl.bash
complete -p derivctl >/dev/null || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_derivctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What compadd is given; zsh itself takes what begins as the word does.
ZSH = """
compadd() {{ for w in "$@"; do [[ $w == -- ]] || print -r -- $w; done }}
_files() {{ print -r -- "(files)" }}
words=("$@"); CURRENT=$#words
source {home}/_derivctl
"""


def offered(shell, *words, uid=OPERATOR):
    script = {"bash": ["bash", "--norc", "-c", BASH.format(home=HOME), "bash"],
              "zsh": ["zsh", "-f", "-c", ZSH.format(home=HOME), "zsh"]}[shell]
    words = ["derivctl", *kiosk.services.ctl()[1:], *words]
    done = subprocess.run(script + words, capture_output=True, text=True, cwd=HOME, **kiosk.as_person(uid),
                          env={"PATH": f"{kiosk.bin}:{os.environ['PATH']}", "LANG": "de_DE.UTF-8"}, timeout=60)
    tap.equal(done.stderr, "", f"what {shell} complains of")
    return sorted({w for w in done.stdout.split() if w.startswith(words[-1])})


def both(*words, **how):
    bash, zsh = (offered(shell, *words, **how) for shell in ("bash", "zsh"))
    tap.equal(zsh, bash, f"zsh for {words}")
    return bash


@tap.test("commands, and the second word of those that have one")
def _():
    help_text = kiosk.ctl("--help").stdout
    verbs = sorted({line.split()[0] for line in help_text.splitlines() if line.startswith("  ")})
    tap.equal(both(""), verbs, "commands")
    tap.equal(both("cr"), ["credential"], "cr")
    tap.equal(both("device", ""), ["list", "revoke", "show"], "device")
    tap.equal(both("queue", "re"), ["retry"], "queue re")
    tap.equal(both("status", ""), [], "status")


@tap.test("options of the command, and values that are known")
def _():
    options = both("provision", "--")
    for option in ("--wait-card", "--label", "--json", "--lang"):
        tap.check(option in options, f"{option} is not in {options}")
    tap.check("--replace" not in options, "an option of another command")
    tap.equal(both("issue", "--repl"), ["--replace"], "issue")
    tap.equal(both("--lang", ""), ["de", "en"], "languages")
    tap.equal(both("device", "revoke", "00", "--reason", "key"), ["key-compromise"], "reasons")
    tap.equal(both("setup", "--esc"), ["--escrow"], "setup")
    tap.equal(both("setup", "--other-certificates", ""), ["no", "yes"], "other certificates")


@tap.test("ids of what there is, for whom the roles allow it; nothing and no complaint otherwise")
def _():
    tap.equal(both("device", "show", ""), [], "before there is a device")
    kiosk.provision(kiosk.device("phone"))
    device = kiosk.ctl_json("device", "list")[0]["id"]
    tap.equal(both("device", "show", ""), [device], "devices")
    tap.equal(both("device", "show", device[:5]), [device], "devices by their beginning")
    tap.equal(both("issue", "--device", ""), [device], "issue")
    tap.equal(len(both("credential", "revoke", "")), 3, "credentials")
    tap.equal(len(both("credential", "list", "--request", "")), 1, "requests")
    tap.equal(both("device", "list", ""), [], "list")
    tap.equal(both("device", "show", "", uid=NOBODY), [], "for nobody")
    kiosk.halt()
    tap.equal(both("device", "show", ""), [], "while derivd is away")


tap.run()
