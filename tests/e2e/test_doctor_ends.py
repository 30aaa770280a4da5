#!/usr/bin/python3
"""derivctl doctor, of what time brings about: a CA that ends, CRLs that nobody has renewed. Each is named with its remedy, and the
remedy, carried out as it stands there, makes it go away."""

import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
old = tap.use(Kiosk(init=("--days", 20)))
OK, WARNED, FAULTS = 0, 8, 9
# derivd asks derivd-ca once a minute how it is.
ASKED = 200


def doctor(kiosk):
    """Exit status and what is no good, by kind."""
    done = kiosk.ctl("doctor", "--json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {r["kind"]: r for r in rows if r["verdict"] in ("warning", "fault")}


def expect(kiosk, status, *kinds):
    wait_for(f"{kinds or 'nothing'}", lambda: doctor(kiosk)[1].keys() == set(kinds), timeout=ASKED, every=0.5)
    found, bad = doctor(kiosk)
    tap.equal(found, status, f"exit status with {bad}")
    for r in bad.values():
        tap.note(f"{r['check']}: {r['verdict']}: {r['kind']}: {r['text']} | {r['remedy']}")
    return bad


def enroll(kiosk, who):
    kiosk.insert(kiosk.card(who))
    device = kiosk.device(who)
    kiosk.provision(device)
    return device.status()


def ca(kiosk, *words):
    """derivd-ca as root runs it by hand."""
    return run(kiosk.program("derivd-ca"), *words, env=kiosk.environment("derivd-ca"))


def ends(path):
    return run("openssl", "x509", "-in", path, "-inform", "DER", "-noout", "-checkend", 21 * 86400, check=False).returncode == 1


@tap.test("an issuing CA that ends in 20 days: a warning, whose remedy is a new deployment, where all is well")
def _():
    row = expect(old, WARNED, "issuer-ends")["issuer-ends"]
    tap.equal(row["check"], "ca", "check")
    tap.contains(row["text"], "the issuing certificate is good until")
    tap.contains(row["remedy"], "Set up a new deployment")
    tap.check(ends(old.at("lib/derivd-ca/public/ca.crt")) and not ends(old.at("lib/derivd-ca/public/root.crt")), "what ends")
    # It still issues, but nothing that outlives it.
    enroll(old, "ada")
    old.halt()
    expect(new, OK)
    enroll(new, "ada")
    expect(new, OK)


@tap.test("a time that cannot be is refused before anything is made")
def _():
    empty = {**new.environment(), "CONFIGURATION_DIRECTORY": new.at("empty/etc"), "STATE_DIRECTORY": new.at("empty/lib")}
    for days in ("0", "7301", "soon", "-3"):
        done = run(new.program("derivd-ca"), "init", "--organization", "Example Agency", "--host", "kiosk.example.org", "--port", 9, "--pin",
                   new.at("etc/gateway/gateway.pem"), "--escrow", new.at("escrow/officer.pem"), "--days", days, env=empty, check=False)
        tap.equal(done.returncode, 1, days)
        tap.contains(done.stderr, "--days")
        tap.check(not os.path.exists(new.at("empty")), f"--days {days} made something")


def published(kiosk):
    return run("openssl", "crl", "-in", kiosk.at("lib/derivd-ca/public/ca.crl"), "-inform", "DER", "-noout", "-crlnumber").stdout


@tap.test("our own CRL is past its next update: a fault, until derivd-ca crl was run")
def _():
    # derivd's own of this start is behind us: the next one is an hour away.
    wait_for("derivd's first look", lambda: not [j for j in new.ctl_json("queue", "list") if j["what"] == "crl"])
    # A CRL that is over before derivd's hourly timer comes, and then usual times again, as when somebody had a wrong value there.
    new.configure(ca='crl-validity = "2s"\ncrl-every = "1s"\n')
    ca(new, "crl", "--force")
    new.configure(ca="")
    new.kill("derivd-ca")
    row = expect(new, FAULTS, "own-crl-stale")["own-crl-stale"]
    tap.equal((row["check"], row["verdict"]), ("crl", "fault"), "where")
    tap.contains(row["text"], "the CRL of this CA is out of date since")
    tap.contains(row["remedy"], "derivd-ca crl as root")
    before = published(new)
    done = ca(new, "crl")
    tap.check(published(new) != before, f"no new CRL: {done.stdout}")
    tap.equal(os.stat(new.at("lib/derivd-ca/public/ca.crl")).st_uid, UIDS["derivd-ca"], "its owner")
    expect(new, OK)


@tap.test("the root's CRL ends soon: a warning of doctor and of derivd-ca check, until the ceremony has made another")
def _():
    key = new.at("lib/derivd-ca/ceremony/root.key")
    ca(new, "crl", "--root", key, "--days", 20)
    row = expect(new, WARNED, "root-crl-ends")["root-crl-ends"]
    tap.equal((row["check"], row["verdict"]), ("crl", "warning"), "where")
    tap.contains(row["remedy"], "derivd-ca crl --root FILE")
    tap.contains(ca(new, "check").stdout, "the root's CRL ends soon")
    ca(new, "crl", "--root", key)
    expect(new, OK)
    tap.check("the root's CRL" not in ca(new, "check").stdout, "derivd-ca check")
    for words in (["--root", key, "--days", "0"], ["--root", key, "--days", "366"], ["--days", "3"]):
        done = run(new.program("derivd-ca"), "crl", *words, env=new.environment("derivd-ca"), check=False)
        tap.equal(done.returncode, 1, f"{words}")
        tap.contains(done.stderr, "--days")


new = tap.use(Kiosk())
tap.run()
