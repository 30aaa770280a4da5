#!/usr/bin/python3
"""derivctl setup, as root at a terminal and without one: mistakes on purpose, Ctrl-C, killed after each step and within the
programs that it runs, run again; and the kiosk that comes of it enrolls."""

import glob
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import GROUPS, MONITOR, OPERATOR, AUDITOR, OFFICER, UIDS, Kiosk, Terminal, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
PURPOSES = ["authentication", "encryption", "signing"]
# Takes the place of a program and says when it was run; what it does besides is in a file, and done once.
WRAPPER = """#!/bin/sh
echo "$(basename "$0") $1" >>{log}
[ -e {todo} ] || exec {real} "$@"
read -r when what program command <{todo}
[ "$program $command" = "$(basename "$0") $1" ] || exec {real} "$@"
rm {todo}
[ "$when" = after ] || kill -s "$what" "$PPID"
{real} "$@"
status=$?
[ "$when" = before ] || kill -s "$what" "$PPID"
exit $status
"""


class Fresh(Kiosk):
    """A tree with the programs and nothing else, as a machine with the packages."""

    def __init__(self):
        super().__init__(start=False)

    def init(self):
        for d in ("etc", "run", "lib", "log", "devices"):
            os.makedirs(self.at(d), exist_ok=True)
        for program in ("derivd", "derivd-ca"):
            os.makedirs(self.at(f"lib/{program}"))
            os.chown(self.at(f"lib/{program}"), UIDS[program], UIDS[program])
        for name in ("card-root.pem", "card-ca.pem", "root.crl", "ca.crl"):
            shutil.move(self.at(f"etc/{name}"), self.at(name))
        self.clear()

    def clear(self):
        """As installed."""
        for d in ("etc", "lib/derivd-ca", "keys"):
            shutil.rmtree(self.at(d), ignore_errors=True)
        os.makedirs(self.at("etc"))
        os.makedirs(self.at("lib/derivd-ca"))
        os.chown(self.at("lib/derivd-ca"), UIDS["derivd-ca"], UIDS["derivd-ca"])
        # What is no matter of setup: who is who on a machine that has no users, and a web server that is this machine's.
        self.write("etc/derivd.conf", f'operator-group = "{GROUPS[OPERATOR]}"\nofficer-group = "{GROUPS[OFFICER]}"\n'
                   f'auditor-group = "{GROUPS[AUDITOR]}"\nmonitor-group = "{GROUPS[MONITOR]}"\n')
        self.write("etc/courier.conf", 'allow = { "http://127.0.0.1:*" }\n')
        self.write("etc/card.conf", "")

    def users(self):
        return [w for name, uid in UIDS.items() for w in ("--user", f"{name}={uid}:{uid}")]

    def options(self, **changes):
        given = {"organization": "Example, Inc.", "host": self.host, "port": self.port, "anchors": self.at("cas"), "escrow": "new",
                 "other-certificates": "yes"} | changes
        return [w for name, value in given.items() if value is not None for w in (f"--{name}", str(value))]

    def setup(self, *words, check=True, **changes):
        return self.ctl("setup", "--defaults", "--insist", *self.users(), *words, *self.options(**changes), uid=0, check=check)

    def left(self):
        """All that setup might have made."""
        found = glob.glob(self.at("etc/**"), recursive=True) + glob.glob(self.at("lib/derivd-ca/**"), recursive=True)
        known = ("derivd.conf", "courier.conf", "card.conf")
        return sorted(f for f in found if os.path.isfile(f) and os.path.basename(f) not in known) + glob.glob(self.at("keys"))

    def whole(self):
        """derivd-ca's own opinion; and the keys that leave have left."""
        run(self.program("derivd-ca"), "check", env=self.environment("derivd-ca"))
        tap.equal(sorted(os.listdir(self.at("keys"))), ["escrow.key", "escrow.pem", "history.key", "root.key"])
        tap.check(not os.path.exists(self.at("lib/derivd-ca/ceremony")), "keys that should have left")
        tap.check(not os.path.exists(self.at("etc/deployment.conf.part")), "something half")
        for name in ("root.key", "history.key", "escrow.key"):
            tap.equal(os.stat(self.at(f"keys/{name}")).st_mode & 0o7777, 0o600, name)


kiosk = tap.use(Fresh())
os.makedirs(kiosk.at("cas"))
shutil.copy(kiosk.at("card-root.pem"), kiosk.at("cas/root.pem"))
shutil.copy(kiosk.at("card-ca.pem"), kiosk.at("cas/ca.pem"))
DEPLOYMENT = kiosk.at("etc/deployment.conf")


def certificate(name, subject, *words, days=3650):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days, "-subj",
        f"/CN={subject}", "-keyout", kiosk.at(f"{name}.key"), "-out", kiosk.at(f"{name}.pem"), *words)
    return kiosk.at(f"{name}.pem")


SERVER = certificate("server", "www.example.org", "-addext", "basicConstraints=critical,CA:FALSE")
OFFICER_CERTIFICATE = certificate("officer", "Escrow Officer", "-addext", "keyUsage=critical,keyAgreement")
SIGNS_ONLY = certificate("signs", "Signer", "-addext", "keyUsage=critical,digitalSignature")
with open(kiosk.at("both.pem"), "w") as both:
    for part in (OFFICER_CERTIFICATE, kiosk.at("officer.key")):
        with open(part) as f:
            both.write(f.read())


@tap.test("who is not root hears it at once; without a person, all options that are missing are named; nothing is written")
def _():
    done = kiosk.ctl("setup", check=False)
    tap.contains(done.stderr, "only root")
    # Whoever begins elsewhere is sent here.
    tap.equal(kiosk.ctl_error("status"), "not-set-up")
    tap.contains(kiosk.ctl("readers", check=False).stderr, "derivctl setup")
    done = kiosk.ctl("setup", "--defaults", uid=0, check=False)
    tap.equal(done.returncode, 2)
    for option in ("--organization NAME", "--host NAME", "--anchors FILE|DIR", "--escrow FILE|new"):
        tap.contains(done.stderr, option)
    done = kiosk.ctl("setup", "--json", uid=0, check=False)
    tap.contains(done.stdout, "--defaults")
    tap.equal(kiosk.left(), [])


@tap.test("an option that is wrong is named with what is wrong; what is doubtful takes --insist; nothing is written")
def _():
    for option, value, text in (("host", "a b", "host name"), ("port", "70000", "65535"), ("anchors", SERVER, "no CA's"),
                                ("anchors", kiosk.at("card-ca.pem"), "give that certificate too"),
                                ("escrow", kiosk.at("both.pem"), "private key"), ("url", "https://x.example", "http://"),
                                ("policy", "PIV", "object identifier"), ("from", "a@example.org", "--smtp"),
                                ("operator", "root", "in a tree"), ("keys", "keys", "whole path")):
        done = kiosk.setup(check=False, **{option: value})
        tap.equal(done.returncode, 2, f"{option} = {value}: {done.stdout}")
        tap.contains(done.stderr, f"--{option}")
        tap.contains(done.stderr, text)
    done = kiosk.ctl("setup", "--defaults", *kiosk.options(), uid=0, check=False)
    tap.equal(done.returncode, 2)
    tap.contains(done.stderr, "no phone gets there")
    tap.contains(done.stderr, "--insist")
    tap.equal(kiosk.left(), [])


@tap.test("--dry-run says what would be done, and does nothing")
def _():
    done = kiosk.setup("--dry-run")
    tap.contains(done.stdout, "would do the CA")
    tap.contains(done.stdout, "would do whose cards are believed")
    tap.equal(kiosk.left(), [])


@tap.test("a directory with other things in it: what is a CA's certificate is taken, the rest is named with the reason")
def _():
    mixed = kiosk.at("mixed")
    shutil.copytree(kiosk.at("cas"), mixed)
    shutil.copy(SERVER, mixed)
    shutil.copy(kiosk.at("server.key"), f"{mixed}/notes.txt")
    done = kiosk.setup("--dry-run", anchors=mixed)
    tap.contains(done.stdout, "Test Root CA")
    tap.contains(done.stdout, "server.pem: \"CN=www.example.org\" is no CA's certificate")
    tap.contains(done.stdout, "notes.txt: there is no certificate in it")


@tap.test("more certificates than derivd-ca takes are refused at the question, not when the CA is made")
def _():
    certificate("many", "Many Root", "-addext", "keyUsage=critical,keyCertSign")
    run("openssl", "req", "-new", "-key", kiosk.at("many.key"), "-subj", "/CN=Many CA", "-out", kiosk.at("many.csr"))
    kiosk.write("many.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
    os.makedirs(kiosk.at("many"))
    shutil.copy(kiosk.at("many.pem"), kiosk.at("many/root.pem"))
    for i in range(64):
        run("openssl", "x509", "-req", "-in", kiosk.at("many.csr"), "-CA", kiosk.at("many.pem"), "-CAkey", kiosk.at("many.key"),
            "-set_serial", i + 1, "-days", 30, "-extfile", kiosk.at("many.ext"), "-out", kiosk.at(f"many/{i}.pem"))
    done = kiosk.setup("--dry-run", check=False, anchors=kiosk.at("many"))
    tap.equal(done.returncode, 2, done.stdout)
    tap.contains(done.stderr, "64 certificates, of which 63 can be taken")
    os.unlink(kiosk.at("many/0.pem"))
    done = kiosk.setup("--dry-run", anchors=kiosk.at("many"))
    tap.equal(done.stdout.count("CN=Many CA"), 63)
    shutil.rmtree(kiosk.at("many"))


@tap.test("a bundle with a damaged certificate in the middle is refused, and not taken up to there")
def _():
    with open(kiosk.at("card-root.pem")) as f:
        root = f.read()
    lines = root.splitlines(keepends=True)
    broken = "".join(lines[:2] + lines[3:])
    with open(kiosk.at("card-ca.pem")) as f:
        bundle = kiosk.write("bundle.pem", root + broken + f.read())
    done = kiosk.setup("--dry-run", check=False, anchors=bundle)
    tap.equal(done.returncode, 2, done.stdout)
    tap.contains(done.stderr, "does not parse")


def interview():
    return kiosk.terminal("--lang", "en", "setup", *kiosk.users(), uid=0)


@tap.test("at a terminal: Ctrl-C at any question leaves, and nothing is written")
def _():
    for answers in ((), ("Example Agency",), ("Example Agency", kiosk.host, kiosk.host, "")):
        with interview() as t:
            t.expect("Organization: ")
            for a in answers:
                t.type(a + "\n")
                t.expect(r"(: |\]: )$")
            t.type("\x03")
            tap.equal(t.end(), 6)
            tap.contains(t.all, "nothing was written")
    tap.equal(kiosk.left(), [])


@tap.test("at a terminal, with every mistake: each is explained and asked again; the summary has what was answered; then it is done")
def _():
    with interview() as t:
        dialogue = (
            ("Organization: ", "", None), ("Organization: ", "x" * 65, "1 to 64"), ("Organization: ", "Example, Inc.", None),
            ("Host name for phones.*: ", "no host", "one host name"), ("Host name.*: ", "203.0.113.9", "no address of this machine"),
            ("Host name.*: ", kiosk.host, "no phone gets there"), ("Host name.*: ", kiosk.host, None),
            ("Port.*7443.*: ", "port", "65535"), ("Port.*: ", str(kiosk.port), None),
            ("CA certificates.*: ", "/nonexistent", "No such file"), ("CA certificates.*: ", SERVER, "no CA's certificate"),
            ("CA certificates.*: ", f"{kiosk.at('card-root.pem')}, {kiosk.at('card-ca.pem')}", "Test Card CA"),
            ("Policies.*none.*: ", "PIV", "object identifier"), ("Policies.*: ", "2.16.840.1.101.3.2.1.48.11", None),
            ("other certificates: ", "", None), ("other certificates: ", "maybe", "yes or no"), ("other certificates: ", "yes", None),
            ("escrow officer.*new.*: ", kiosk.at("both.pem"), "stays with the officer"),
            ("escrow officer.*: ", SIGNS_ONLY, "cannot be sealed"), ("escrow officer.*: ", OFFICER_CERTIFICATE, "Escrow Officer"),
            ("CRLs.*: ", "https://pki.example.org", "http://"), ("CRLs.*: ", "http://pki.example.org/", None),
            ("keys that leave.*: ", "/mnt/no-such-stick", "nothing is mounted there"),
            ("keys that leave.*: ", "/tmp", "others than root"), ("keys that leave.*: ", "", None),
            ("Mail server.*: ", "ftp://127.0.0.1", "smtp://"), ("Mail server.*: ", "127.0.0.1:2525", None),
            ("Sender.*: ", "nobody", "no mail address"), ("Sender.*: ", "kiosk@example.org", None),
            ("addresses of operators.*: ", "ops@example.org, two@example.org", None),
        )
        for prompt, answer, reply in dialogue:
            t.expect(prompt)
            t.type(answer + "\n")
            if reply:
                t.expect(reply)
        summary = t.expect(r"(?s)(.*)Do it\? \[yes\]: ").group(1)
        for text in ("Example, Inc.", str(kiosk.port), OFFICER_CERTIFICATE, "http://pki.example.org", "same-subject"):
            tap.contains(summary, text)
        t.type("perhaps\n")
        t.expect(r"yes or no\?\r\nDo it\? \[yes\]: ")
        tap.equal(kiosk.left(), [], "written before the answer")
        t.type("\n")
        tap.equal(t.end(), 0, t.all)
        tap.contains(t.all, "done     the CA")
        tap.contains(t.all, "Take away the keys")
        tap.contains(t.all, "They have no passphrase")
    with open(kiosk.at("etc/courier.conf.d/10-setup.conf")) as f:
        text = f.read()
    for line in ('smtp = "smtp://127.0.0.1:2525"', "smtp-tls = false", 'operators = {"ops@example.org", "two@example.org"}'):
        tap.contains(text, line)
    tap.equal(sorted(os.listdir(kiosk.at("keys"))), ["history.key", "root.key"])


def enrolled(name):
    kiosk.insert(kiosk.card(name, name="Ada Lovelace"))
    settled = kiosk.provision(kiosk.device(name))[-1]
    tap.equal(sorted((c["purpose"], c["state"]) for c in settled["credentials"]), [(p, "active") for p in PURPOSES])


@tap.test("what came of it serves: a person is enrolled, and the certificates name what was answered")
def _():
    kiosk.start()
    enrolled("ada")
    text = run("openssl", "x509", "-inform", "DER", "-in", kiosk.at("lib/derivd-ca/public/ca.crt"), "-noout", "-text").stdout
    tap.contains(text, "Example, Inc.")
    tap.contains(text, "http://pki.example.org/root.crl")


@tap.test("run again: it shows what is there, offers what is missing, changes nothing; another host name is refused")
def _():
    before = {f: open(f, "rb").read() for f in kiosk.left() if os.path.isfile(f) and not f.endswith(("-wal", "-shm"))}
    with interview() as t:
        tap.equal(t.end(), 0, t.all)
        tap.contains(t.all, "nothing is to be done")
        tap.lacks(t.all, "Organization")
        tap.contains(t.all, f"{kiosk.host}, port {kiosk.port}")
    done = kiosk.setup(smtp="127.0.0.1", check=False)
    tap.equal(done.returncode, 0, done.stderr)
    tap.contains(done.stdout, "--smtp: that is there already")
    done = kiosk.setup(host="127.0.0.9", check=False)
    tap.equal(done.returncode, 2)
    tap.contains(done.stderr, "phones know it by that")
    tap.contains(done.stderr, "OPERATE.md, another name")
    after = {f: open(f, "rb").read() for f in before}
    tap.equal([f for f in before if before[f] != after[f]], [], "files that changed")
    kiosk.halt()


@tap.test("a passphrase, put on the root's key as setup says, is asked for when the CRL is renewed")
def _():
    kept = kiosk.at("root.kept")
    run("openssl", "pkey", "-aes256", "-in", kiosk.at("keys/root.key"), "-out", kept, "-passout", "pass:open sesame")
    with Terminal([kiosk.program("derivd-ca"), "crl", "--root", kept], env={**os.environ, **kiosk.environment("derivd-ca")}) as t:
        t.expect("pass phrase")
        t.type("open sesame\n")
        t.expect("The root's CRL is published")
        tap.equal(t.end(), 0)


def interpose(name, todo):
    real = kiosk.program(f".{name}")
    if not os.path.exists(real):
        os.rename(kiosk.program(name), real)
        # Programs tell by their own name who they are.
        os.makedirs(kiosk.at("real"), exist_ok=True)
        os.link(real, kiosk.at(f"real/{name}"))
        kiosk.write(f"bin/{name}", WRAPPER.format(log=kiosk.at("ran"), todo=kiosk.at("todo"), real=kiosk.at(f"real/{name}")),
                    0o755)
    kiosk.write("todo", todo + "\n")


@tap.test("killed while another program does its part, before it and after it: run again it goes on, and all is whole")
def _():
    for program, command in (("derivd-gateway", "init"), ("derivd-ca", "init"), ("derivd-ca", "check")):
        for when in ("before", "after"):
            kiosk.clear()
            interpose(program, f"{when} KILL {program} {command}")
            done = kiosk.setup(check=False)
            tap.equal(done.returncode, -signal.SIGKILL, f"{when} {program} {command}")
            wait_for("what was under way", lambda: not kiosk.pids(program))
            kiosk.setup()
            kiosk.whole()


@tap.test("killed when it has said that a step is done: run again it does only what is missing, with the same CA")
def _():
    n = 0
    while True:
        kiosk.clear()
        n += 1
        p = subprocess.Popen(kiosk.ctl_command("setup", "--defaults", "--insist", *kiosk.users(), *kiosk.options()),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = 0
        for line in p.stdout:
            said += line.startswith("done ")
            if said == n:
                break
        p.kill()
        p.communicate()
        if said < n:
            break
        made = open(DEPLOYMENT).read() if os.path.exists(DEPLOYMENT) else None
        kiosk.setup()
        kiosk.whole()
        tap.check(made in (None, open(DEPLOYMENT).read()), "another CA")
    tap.check(n > 5, f"only {n} steps")


@tap.test("Ctrl-C while a program does its part: that part ends well, and it says how to go on")
def _():
    kiosk.clear()
    interpose("derivd-ca", "before INT derivd-ca init")
    done = kiosk.setup(check=False)
    tap.equal(done.returncode, 6, done.stderr)
    tap.contains(done.stderr, "goes on from here")
    tap.check(os.path.exists(DEPLOYMENT), "the CA is not made")
    made = open(DEPLOYMENT).read()
    kiosk.setup()
    kiosk.whole()
    tap.equal(open(DEPLOYMENT).read(), made)


@tap.test("Ctrl-C when the keys that leave have left: it says where they are, since the next setup does not know")
def _():
    kiosk.clear()
    interpose("derivd-ca", "before INT derivd-ca check")
    done = kiosk.setup(check=False)
    tap.equal(done.returncode, 6, done.stderr)
    tap.contains(done.stdout, f"Take away the keys in {kiosk.at('keys')}")
    kiosk.setup()
    kiosk.whole()


@tap.test("a CA whose deployment.conf was lost is not made anew: it says what to do")
def _():
    os.unlink(DEPLOYMENT)
    done = kiosk.setup(check=False)
    tap.check(done.returncode != 0, done.stdout)
    tap.contains(done.stderr, "restored")


@tap.test("a gateway's key that was made elsewhere, as gateway.conf says, is the one that phones will know")
def _():
    kiosk.clear()
    kiosk.write("etc/gateway.conf", f'key = "{kiosk.at("etc/tls/gateway.key")}"\ncertificate = "{kiosk.at("etc/tls/gateway.pem")}"\n')
    done = kiosk.setup(check=False)
    tap.check(done.returncode != 0, done.stdout)
    tap.contains(done.stderr, "etc/tls/gateway.pem, which is not there")
    pin = run(kiosk.program("derivd-gateway"), "init", "--owner", f"{UIDS['derivd-gateway']}:{UIDS['derivd-gateway']}",
              kiosk.at("etc/tls")).stdout.strip()
    kiosk.setup()
    with open(DEPLOYMENT) as f:
        tap.contains(f.read(), pin)
    tap.check(not os.path.exists(kiosk.at("etc/gateway.key")), "another key was made")


@tap.test("keys of another CA in the directory are kept")
def _():
    kiosk.clear()
    os.makedirs(kiosk.at("keys"), 0o700)
    kiosk.write("keys/root.key", "the other one\n", 0o600)
    kiosk.setup()
    with open(kiosk.at("keys/root.key.1")) as f:
        tap.equal(f.read(), "the other one\n")


@tap.test("an escrow key in the directory that has lost its certificate is kept, and opens what is sealed from now on, too")
def _():
    before = open(kiosk.at("keys/escrow.key")).read()
    keys = kiosk.at("keys")
    kept = kiosk.at("kept")
    os.rename(keys, kept)
    kiosk.clear()
    os.rename(kept, keys)
    for name in ("escrow.pem", "root.key", "root.key.1", "history.key"):
        os.unlink(kiosk.at(f"keys/{name}"))
    kiosk.setup()
    kiosk.whole()
    tap.equal(open(kiosk.at("keys/escrow.key")).read(), before)
    public = run("openssl", "pkey", "-in", kiosk.at("keys/escrow.key"), "-pubout").stdout
    tap.equal(run("openssl", "x509", "-in", kiosk.at("etc/escrow-1.crt"), "-noout", "-pubkey").stdout, public)


@tap.test("a directory that derivd-ca has put where its keys were: root does not touch what it points to")
def _():
    victim = kiosk.write("victim/root.key", "somebody's\n", 0o600)
    ceremony = kiosk.at("lib/derivd-ca/ceremony")
    for place in (lambda: os.symlink(kiosk.at("victim"), ceremony), lambda: shutil.copytree(kiosk.at("victim"), ceremony)):
        place()
        if not os.path.islink(ceremony):
            os.chown(ceremony, UIDS["derivd-ca"], UIDS["derivd-ca"])
        tap.equal(kiosk.setup(check=False).returncode, 1 if os.path.islink(ceremony) else 5)
        tap.check(os.path.exists(victim), "gone")
        os.unlink(ceremony) if os.path.islink(ceremony) else shutil.rmtree(ceremony)


@tap.test("links that derivd-ca's user has put where the CA is made: root writes through none of them")
def _():
    for name, target in (("keys", "elsewhere"), ("public", "elsewhere"), ("log.db", "elsewhere/log.db"), ("log.db.lock", "elsewhere/lock")):
        kiosk.clear()
        shutil.rmtree(kiosk.at("elsewhere"), ignore_errors=True)
        os.makedirs(kiosk.at("elsewhere"), 0o755)
        link = kiosk.at(f"lib/derivd-ca/{name}")
        os.symlink(kiosk.at(target), link)
        os.lchown(link, UIDS["derivd-ca"], UIDS["derivd-ca"])
        done = kiosk.setup(check=False)
        tap.check(done.returncode != 0, f"{name}: {done.stdout}")
        tap.contains(done.stderr, link)
        tap.equal(os.listdir(kiosk.at("elsewhere")), [], f"through {name}")
        os.unlink(link)
        kiosk.setup()
        kiosk.whole()


@tap.test("without a person, as lines of JSON; and the kiosk serves, with an escrow key that opens what was sealed to it")
def _():
    kiosk.clear()
    shutil.rmtree(kiosk.at("lib/derivd"))
    os.makedirs(kiosk.at("lib/derivd"))
    os.chown(kiosk.at("lib/derivd"), UIDS["derivd"], UIDS["derivd"])
    rows = kiosk.ctl_json("setup", "--defaults", "--insist", *kiosk.users(), *kiosk.options(), uid=0)
    tap.equal([r["step"] for r in rows], ["gateway", "anchors", "escrow", "ca", "keys", "check"])
    tap.equal({r["result"] for r in rows}, {"done"})
    kiosk.start()
    enrolled("grace")
    public = run("openssl", "pkey", "-in", kiosk.at("keys/escrow.key"), "-pubout").stdout
    tap.equal(run("openssl", "x509", "-in", kiosk.at("etc/escrow-1.crt"), "-noout", "-pubkey").stdout, public)


@tap.test("in German, for whoever has it")
def _():
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TEXTDOMAINDIR": kiosk.at("locale")}
    with kiosk.terminal("--lang", "de", "setup", *kiosk.users(), uid=0, env=env) as t:
        t.expect("Was da ist:")
        t.expect("Mailserver.*keine.*: ")
        t.type("\n")
        tap.equal(t.end(), 0, t.all)
        tap.contains(t.all, "nichts zu tun")


tap.run()
