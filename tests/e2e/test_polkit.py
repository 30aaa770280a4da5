#!/usr/bin/python3
"""The rule for a pcscd that asks polkit: a real polkitd reads it, on a message bus and in a mount namespace of their own, and is
asked what pcscd asks it."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("dbus-daemon", "pkcheck", "unshare")
RULE = os.path.join(HERE, "../../contrib/polkit/60-derivd-card.rules")
POLKITD = "/usr/lib/polkit-1/polkitd"
PCSC = "org.debian.pcsc-lite.access_pcsc"
CARD = "org.debian.pcsc-lite.access_card"
# As pcsc-lite declares them: who sits there may, nobody else.
ACTION = """<action id="{}"><description>x</description><message>x</message><defaults><allow_any>no</allow_any>
<allow_inactive>no</allow_inactive><allow_active>yes</allow_active></defaults></action>"""
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={0}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/></policy></busconfig>
"""
UIDS = {"derivd-card": 47103, "derivd": 47101}
# pkcheck speaks for a process of that user, as pcscd does for who connects.
INSIDE = """
set -e
mount --bind {0}/rules /usr/share/polkit-1/rules.d
mount --bind {0}/actions /usr/share/polkit-1/actions
mount --bind {0}/passwd /etc/passwd
export DBUS_SYSTEM_BUS_ADDRESS=unix:path={0}/bus
dbus-daemon --config-file={0}/bus.conf --nofork --print-address >{0}/address 2>{0}/bus.log &
until [ -s {0}/address ]; do sleep 0.05; done
{1} --no-debug >{0}/polkit.log 2>&1 &
n=0
until timeout 5 pkcheck --action-id {2} --process $$ >/dev/null 2>&1 || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
while read -r uid action; do
	setpriv --reuid "$uid" --regid "$uid" --clear-groups sleep 60 </dev/null >/dev/null 2>&1 & who=$!
	until [ "$(stat -c %u /proc/$who)" = "$uid" ]; do sleep 0.02; done
	if timeout 10 pkcheck --action-id "$action" --process $who >>{0}/polkit.log 2>&1; then echo "$uid $action yes"; else echo "$uid $action no"; fi
	kill $who
done <{0}/questions
"""


def answers(rule, questions):
    """What polkitd says with that rule (or none) to each (user, action)."""
    with tempfile.TemporaryDirectory(prefix="derivd-polkit-") as d:
        os.chmod(d, 0o755)
        for name in ("rules", "actions"):
            os.mkdir(f"{d}/{name}")
        if rule:
            with open(RULE) as f, open(f"{d}/rules/60-derivd-card.rules", "w") as out:
                out.write(f.read())
        with open(f"{d}/actions/pcsc.policy", "w") as f:
            f.write("<?xml version=\"1.0\"?><policyconfig>" + ACTION.format(PCSC) + ACTION.format(CARD) +
                    ACTION.format("org.example.other") + "</policyconfig>")
        with open("/etc/passwd") as f, open(f"{d}/passwd", "w") as out:
            out.write("".join(line for line in f if not line.startswith("derivd")))
            for name, uid in UIDS.items():
                out.write(f"{name}:x:{uid}:{uid}::/:/bin/sh\n")
        with open(f"{d}/bus.conf", "w") as f:
            f.write(BUS.format(d))
        with open(f"{d}/questions", "w") as f:
            f.writelines(f"{UIDS[user]} {action}\n" for user, action in questions)
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", INSIDE.format(d, POLKITD, PCSC)], capture_output=True,
                              text=True, timeout=30)
        with open(f"{d}/polkit.log") as f:
            tap.note(f.read())
        tap.equal(done.returncode, 0, f"exit status ({done.stderr})")
        return [line.split()[2] for line in done.stdout.splitlines()]


@tap.test("without the rule derivd-card is refused: it sits nowhere")
def _():
    tap.equal(answers(False, [("derivd-card", PCSC), ("derivd-card", CARD)]), ["no", "no"], "answers")


@tap.test("with it derivd-card has reader and card, nothing else, and nobody else has them")
def _():
    asked = [("derivd-card", PCSC), ("derivd-card", CARD), ("derivd-card", "org.example.other"), ("derivd", PCSC),
             ("derivd", CARD)]
    tap.equal(answers(True, asked), ["yes", "yes", "no", "no", "no"], "answers")


tap.run()
