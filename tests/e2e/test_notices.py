#!/usr/bin/python3
"""People are told: by a real Postfix and by a command, of what was issued, ends soon or was revoked; once, not three times; later
when the server is away; and where nobody can be told, that is said."""

import json
import os
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import AUDITOR, OFFICER, Kiosk, kiosk_home, wait_for  # noqa: E402
from postfix import POSTFIX, SASLPASSWD, Postfix  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
if not POSTFIX or not SASLPASSWD:
    print("1..0 # SKIP there is no Postfix with SASL: apt-get install postfix sasl2-bin")
    sys.exit(0)
directory = tempfile.mkdtemp(prefix="kiosk-", dir=kiosk_home())
kiosk = Kiosk(directory, setenv={"CREDENTIALS_DIRECTORY": os.path.join(directory, "credentials")})
kiosk.own = True
os.makedirs(kiosk.at("told"))
os.chmod(kiosk.at("told"), 0o777)
kiosk.services.may_write("derivd-notice@", kiosk.at("told"))
tap.use(kiosk)
os.makedirs(kiosk.at("postfix"))
server = tap.use(Postfix(kiosk.at("postfix")))
hook = kiosk.write("hook", f"#!/bin/sh\n{{ echo \"$*\"; cat; echo; }} >>{kiosk.at('told/log')}\n", 0o755)
MAIL = f"""
smtp = "smtp://127.0.0.1:{server.port}"
smtp-ca = "{server.at("ca.pem")}"
from = "kiosk@example.org"
operators = {{ "ops@example.org" }}
contact = "the help desk"
"""
state = {}


def reload(**changes):
    kiosk.configure(**changes)
    kiosk.kill("derivd", signal.SIGHUP)


def status():
    return kiosk.ctl_json("status")[0]["notices"]


def audit(event):
    return [r for r in kiosk.ctl_json("audit", "show", uid=AUDITOR) if r["event"] == event]


def queue():
    return [q for q in kiosk.ctl_json("queue", "list") if q["what"] == "notice"]


def mails(who, n):
    wait_for(f"{n} mails to {who}", lambda: len(server.mails(who)) >= n or None)
    return server.mails(who)


def hooked(n):
    def read():
        lines = open(kiosk.at("told/log")).read().splitlines() if os.path.exists(kiosk.at("told/log")) else []
        return lines if len(lines) >= 2 * n else None
    lines = wait_for(f"{n} calls of the hook", read)
    return [(lines[i], json.loads(lines[i + 1])) for i in range(0, len(lines), 2)]


@tap.test("nothing is configured: the status, the chain and derivctl say that nobody is told, and nothing waits")
def _():
    wait_for("the channels", lambda: "NOBODY IS TOLD" in status())
    kiosk.insert(kiosk.card("bob", name="Bob Test"))
    phone = kiosk.device("bob")
    steps = [e["row"]["event"] for e in kiosk.provision(phone) if e.get("event") == "step"]
    tap.check("notice-nobody" in steps, f"the session says so: {steps}")
    tap.contains(audit("notice-nobody")[0]["text"], "NOBODY IS TOLD", "the chain")
    tap.equal(queue(), [], "nothing waits")
    device = kiosk.ctl_json("device", "list")[0]["id"]
    credential = kiosk.ctl_json("credential", "list")[0]["id"]
    tap.contains(kiosk.ctl("credential", "revoke", credential, uid=OFFICER).stdout, "NOBODY IS TOLD", "derivctl, of a credential")
    tap.contains(kiosk.ctl("device", "revoke", device, uid=OFFICER).stdout, "NOBODY IS TOLD", "derivctl, of a device")
    tap.contains(kiosk.ctl("doctor", check=False).stdout, "NOBODY IS TOLD", "doctor")


@tap.test("issued: one mail for one request, to the card's address, over TLS; and the command, once")
def _():
    reload(courier=MAIL + f'hook = {{ "{hook}", "--from", "a b" }}\n')
    wait_for("the channels", lambda: "smtp://" in status())
    kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
    phone = kiosk.device("ada")
    kiosk.provision(phone)
    state["device"] = [d["id"] for d in kiosk.ctl_json("device", "list") if d["state"] == "enrolled"][0]
    mail = mails("ada", 1)[0]
    text = mail.get_content()
    tap.equal(mail["Subject"], "Credentials were issued to a device of yours", "subject")
    tap.equal(mail["Auto-Submitted"], "auto-generated", "header")
    for word in ("Hello Ada Lovelace,", state["device"], "authentication, signing, encryption", "the help desk"):
        tap.contains(text, word, "text")
    tap.contains(mail["Received"], "ESMTPS", "over TLS")
    words, said = hooked(1)[0]
    tap.equal(words, "--from a b issued", "arguments")
    tap.equal((said["notice"], said["mail"], said["device"]), ("issued", "ada@example.org", state["device"]), "JSON")
    wait_for("the row", lambda: audit("notice-sent"))
    tap.equal((len(server.mails("ada")), len(hooked(1)), queue()), (1, 1, []), "once each")


@tap.test("about to expire: one mail for all of a device's, and not again")
def _():
    reload(derivd='expiry-notice = "3650d"\n', courier=MAIL)
    mail = wait_for("the mail", lambda: [m for m in server.mails("ada") if "expire" in m["Subject"]], 150)[0]
    tap.contains(mail.get_content(), "authentication, signing, encryption", "all of them")
    tap.equal(len(server.mails("ada")), 2, "one mail")


@tap.test("the server is away: the queue says why and what to do, issuance goes on, and the mail comes later")
def _():
    server.stop()
    kiosk.insert(kiosk.card("eve", name="Eve Test"))
    events = kiosk.provision(kiosk.device("eve"))
    tap.check(any(e.get("event") == "settled" for e in events), "issued all the same")
    job = wait_for("the cause", lambda: [q for q in queue() if q["state"] == "retry"])[0]
    tap.contains(job["cause"], "127.0.0.1", "cause")
    tap.equal(job["unblock"], f"derivctl queue retry {job['id']}", "remedy")
    server.start()
    kiosk.ctl("queue", "retry", job["id"])
    tap.equal(mails("eve", 1)[0]["Subject"], "Credentials were issued to a device of yours", "it came")
    wait_for("the queue", lambda: not queue())


@tap.test("refused for good: it stays in the queue with the server's words, and can be tried again")
def _():
    server.refuse("eve", "550 5.7.1 mailbox is closed")
    device = [d["id"] for d in kiosk.ctl_json("device", "list") if d["state"] == "enrolled"][-1]
    serial = [c for c in kiosk.ctl_json("credential", "list") if c["device"] == device and c["state"] == "active"][0]["id"]
    kiosk.ctl("credential", "revoke", serial, uid=OFFICER)
    job = wait_for("the refusal", lambda: [q for q in queue() if q["state"] == "failed"])[0]
    tap.contains(job["cause"], "550", "cause")
    told = mails("ops", 1)
    tap.contains(told[0].get_content(), "job-failed (notice-refused)", "operators are told, so that somebody tells eve")
    server.refuse("eve", "")
    kiosk.ctl("queue", "retry", job["id"])
    tap.equal(mails("eve", 2)[1]["Subject"], "Credentials on your device were revoked", "it came")


@tap.test("device lost: one mail, not one for each of its credentials")
def _():
    before = len(server.mails("ada"))
    said = kiosk.ctl("device", "revoke", state["device"], uid=OFFICER).stdout
    tap.check("NOBODY" not in said, "somebody is told")
    mail = mails("ada", before + 1)[-1]
    tap.contains(mail.get_content(), "reported lost", "text")
    wait_for("the revocations", lambda: all(c["state"] == "revoked" for c in kiosk.ctl_json("credential", "list")
                                            if c["device"] == state["device"]))
    wait_for("the queue", lambda: not queue())
    tap.equal(len(server.mails("ada")), before + 1, "one mail")


@tap.test("never a flood: who was told often enough in this hour is told later")
def _():
    reload(derivd="notices-per-hour = 1\n", courier=MAIL)
    before = len(server.mails("eve"))
    device = [d["id"] for d in kiosk.ctl_json("device", "list") if d["state"] == "enrolled"][-1]
    kiosk.ctl("device", "revoke", device, uid=OFFICER)
    job = wait_for("the notice", queue)[0]
    kiosk.ctl("queue", "retry", job["id"])
    wait_for("the revocations", lambda: all(c["state"] == "revoked" for c in kiosk.ctl_json("credential", "list")
                                            if c["device"] == device))
    tap.equal((len(queue()), queue()[0]["state"], len(server.mails("eve"))), (1, "waiting", before), "it waits")


@tap.test("a server that wants a name and a password, over TLS: a wrong one waits with the server's words, the right one sends")
def _():
    users = {"kiosk": "correct horse"}
    os.makedirs(kiosk.at("guarded"))
    guarded = tap.use(Postfix(kiosk.at("guarded"), users))
    mail = MAIL.replace(f":{server.port}", f":{guarded.port}").replace(server.at("ca.pem"), guarded.at("ca.pem"))
    kiosk.write("credentials/smtp-password", "wrong\n")
    reload(derivd="", courier=mail + 'smtp-user = "kiosk"\n')
    wait_for("the channels", lambda: f":{guarded.port}" in status())
    kiosk.ctl("queue", "retry", uid=0)
    kiosk.insert(kiosk.card("bob", name="Bob Test"))
    kiosk.provision(kiosk.device("bobs"))
    job = wait_for("the refusal", lambda: [q for q in queue() if q["state"] == "retry" and "denied" in q["cause"].lower()])[0]
    tap.equal(guarded.mails("bob"), [], "no mail")
    kiosk.write("credentials/smtp-password", "correct horse\n")
    kiosk.kill("derivd", signal.SIGHUP)
    kiosk.kill("derivd-courier")
    kiosk.ctl("queue", "retry", job["id"])
    mail = wait_for("the mail", lambda: guarded.mails("bob"))[0]
    tap.contains(mail["Received"], "ESMTPSA", "logged in, over TLS")
    tap.check("correct horse" not in kiosk.logs(), "the password is in no log")


tap.run()
