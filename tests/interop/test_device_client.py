#!/usr/bin/python3
"""The phone of another maker (device_client.py) at a kiosk: enrolled with a card, interrupted at each moment, given further
credentials, revoked; what it got is used."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from kiosk import OFFICER, Kiosk, free_port, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("protoc", "openssl")
tap.need_modules(cryptography="python3-cryptography", google__protobuf="python3-protobuf")

from app import DIED, App  # noqa: E402
from keeper import Keeper  # noqa: E402

PURPOSES = ["authentication", "encryption", "signing"]
ACTIVE = [(p, "active") for p in PURPOSES]


kiosk = tap.use(Kiosk(start=False))
kiosk.configure(derivd="devices-per-holder = 100\n")
kiosk.start()
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))


def credentials(app):
    rows = [r for r in kiosk.ctl_json("credential", "list") if r["device"] == app.id]
    return sorted((r["purpose"], r["state"]) for r in rows)


def all_active(app):
    wait_for("the credentials", lambda: credentials(app) == ACTIVE)


@tap.test("the app enrolls: three credentials, kept with their chain")
def _():
    app = App(kiosk, "first")
    settled = kiosk.provision(app, "--label", "another maker's phone")[-1]
    tap.equal(app.wait(), 0, "exit status")
    tap.equal(sorted((c["purpose"], c["state"]) for c in settled["credentials"]), ACTIVE)
    tap.equal([e["stage"] for e in app.events("progress")], [1, 2, 3, 4, 5], "stages that it was told")
    tap.check(all(e["status"] == 0 for e in app.events("item")), f"items: {app.events('item')}")
    where = app.export()
    for purpose in PURPOSES:
        run("openssl", "verify", "-x509_strict", "-CAfile", f"{where}/{purpose}/chain.pem",
            f"{where}/{purpose}/certificate.pem")


@tap.test("authentication: a TLS 1.3 login")
def _():
    where, port = kiosk.devices[0].dir + "-pem", free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1", "-tls1_3",
         "-cert", kiosk.at("etc/gateway/gateway.pem"), "-key", kiosk.at("etc/gateway/gateway.key"), "-Verify", "3",
         "-verify_return_error", "-purpose", "sslclient", "-CAfile", f"{where}/authentication/chain.pem"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for("s_server", lambda: listens(port))
        client = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-cert",
                     f"{where}/authentication/certificate.pem", "-key", f"{where}/authentication/key.pem", input="hello\nQ\n",
                     check=False)
        said = server.communicate(timeout=30)[0]
    finally:
        server.kill()
    tap.contains(said, "hello", f"the server ({client.stderr})")
    tap.contains(said, "Ada Lovelace", "the server")
    tap.lacks(said, "verify error", "the server")


def listens(port):
    with open("/proc/net/tcp", encoding="ascii") as f:
        return f"0100007F:{port:04X} 00000000:0000 0A" in f.read()


@tap.test("signing and encryption: a message is signed, one comes encrypted")
def _():
    where = kiosk.devices[0].dir + "-pem"
    message = kiosk.write("message.txt", "Content-Type: text/plain\n\nThe Analytical Engine weaves algebraic patterns.\n")
    signed, sealed, opened = (kiosk.at(f"message.{n}") for n in ("signed", "sealed", "opened"))
    run("openssl", "cms", "-sign", "-in", message, "-signer", f"{where}/signing/certificate.pem", "-inkey",
        f"{where}/signing/key.pem", "-out", signed)
    done = run("openssl", "cms", "-verify", "-in", signed, "-CAfile", f"{where}/signing/chain.pem")
    tap.contains(done.stdout, "algebraic patterns")
    run("openssl", "cms", "-encrypt", "-aes256", "-in", message, "-out", sealed, f"{where}/encryption/certificate.pem")
    run("openssl", "cms", "-decrypt", "-in", sealed, "-recip", f"{where}/encryption/certificate.pem", "-inkey",
        f"{where}/encryption/key.pem", "-out", opened)
    with open(opened, encoding="utf-8") as f:
        tap.contains(f.read(), "algebraic patterns")


MOMENTS = ["keys-made", "statement-stored", "statement-sent", "reveal-stored", "opened-sent", "accepted", "item-3-before",
           "item-1-stored", "item-1-acknowledged", "item-2-before", "item-2-stored", "item-2-acknowledged"]


@tap.test("the app loses power at each moment and goes on from there: three credentials, never more")
def _():
    for moment in MOMENTS:
        app = App(kiosk, f"dies-{moment}")
        with kiosk.session("--yes") as s:
            app.enroll(s.uri(), "--die-at", moment)
            early = moment in MOMENTS[:5]
            if early:
                tap.equal(app.wait(), DIED, f"it died at {moment}")
                app.go_on()
            s.type(app.digits())
            if not early:
                tap.equal(app.wait(), DIED, f"it died at {moment}")
                app.go_on()
            s.finish()
        tap.equal(app.wait(), 0, f"exit status after {moment}")
        all_active(app)
        numbers = [e["number"] for e in app.events("item") if e["status"] is not None]
        tap.equal(sorted(set(numbers)), sorted(numbers), f"items applied, {moment}")


@tap.test("services that are killed while the app enrolls: it goes on, on the same connection or a new one")
def _():
    for program in ("derivd", "derivd-gateway"):
        app = App(kiosk, f"without-{program}")
        with kiosk.session("--yes") as s:
            app.enroll(s.uri())
            s.type(app.digits())
            app.has_said("progress", stage=4)
            kiosk.kill(program)
            tap.equal(app.wait(), 0, f"exit status after {program} was killed")
        all_active(app)


@tap.test("the card has signed, derivd-ca is away, the app comes back meanwhile: it is told to wait, and gets everything later")
def _():
    app, socket = App(kiosk, "patient"), kiosk.at("run/ca.sock")
    with kiosk.session("--yes", "--no-wait") as s:
        app.enroll(s.uri())
        digits = app.digits()
        kiosk.reader.ctl("slow 100")
        s.type(digits)
        s.expect("signing")
        os.rename(socket, socket + ".away")
        kiosk.kill("derivd-ca")
        try:
            s.expect("committed")
            kiosk.reader.ctl("slow 0")
            app.has_said("progress", stage=3)
            tap.equal(app.events("item"), [], "items before derivd-ca is back")
            app.stop()
            app.go_on()
            app.has_said("progress", more=1, stage=3)
        finally:
            os.rename(socket + ".away", socket)
    kiosk.ctl("queue", "retry")
    tap.equal(app.wait(), 0, "exit status")
    all_active(app)


@tap.test("an app that is connected gets successors when the card signs for them, also if it dies meanwhile")
def _():
    app = kiosk.devices[0]
    before = {k["purpose"]: k["hash"] for k in app.state["keys"]}
    items = len(app.events("item"))
    app.start("--die-at", "issue-stored")
    wait_for("the app", lambda: kiosk.ctl_json("device", "show", app.id)[0]["connected"])
    with kiosk.session("--yes", "--device", app.id, "--replace", command="issue") as s:
        tap.equal(app.wait(), DIED, "it died")
        app.start()
        s.finish()
    tap.equal(app.events("issue"), [], "statements made anew after it died")
    wait_for("the successors", lambda: len(app.events("item")) >= items + 4)
    keys = app.state["keys"]
    whole = {k["purpose"]: k["hash"] for k in keys if k["certificate"]}
    tap.check(all(whole[p] != before[p] for p in (1, 2, 3)), "a key did not change")
    tap.equal(whole.get(4), before[3], "the older encryption key, kept for decryption")
    tap.equal(len(keys), 4, "keys on the device")
    opened = kiosk.at("message.opened-later")
    Keeper(app.dir).export(app.dir + "-pem2")
    name = f"{app.dir}/keys/{before[3]}.pem"
    run("openssl", "cms", "-decrypt", "-in", kiosk.at("message.sealed"), "-inkey", name, "-out", opened)
    app.stop()


@tap.test("a QR code is good for one app: a second one is told so, and one that comes later too")
def _():
    one, two, late = App(kiosk, "one"), App(kiosk, "two"), App(kiosk, "late")
    with kiosk.session("--yes") as s:
        uri = s.uri()
        one.enroll(uri)
        one.digits()
        two.enroll(uri)
        tap.equal(s.error()["kind"], "two-devices", "what the kiosk says")
    tap.equal((one.wait(), two.wait()), (1, 1), "exit status")
    told = [e["kind"] for app in (one, two) for e in app.events("error")]
    over = [e["why"] for app in (one, two) for e in app.events("over")]
    tap.check("two-devices" in told or any("two-devices" in w or "cancelled" in w for w in over), f"{told} {over}")
    late.enroll(uri)
    tap.equal(late.wait(), 1, "exit status of the late one")
    tap.contains(late.events("over")[0]["why"], "invitation", "what the late one is told")


@tap.test("a lost phone that comes back forgets everything, and says that it did, if need be once more")
def _():
    app = App(kiosk, "lost")
    kiosk.provision(app)
    kiosk.ctl("device", "revoke", app.id, uid=OFFICER)
    app.start("--die-at", "item-6-stored")
    tap.equal(app.wait(), DIED, "it died")
    app.start()
    tap.equal(app.wait(), 0, "exit status")
    tap.equal([e["status"] for e in app.events("item") if e["kind"] == 6], [None], "it acknowledged once more")
    state = app.state
    tap.equal((state["keys"], state["certificates"], state["chain"], state["enrolled"]), ([], [], [], False))
    left = sorted(os.listdir(f"{app.dir}/keys"))
    tap.equal(left, sorted([f"{state['identity']}.pem", f"{state['identity']}.tls", f"{state['sealing']}.pem"]), "keys left")
    wait_for("the acknowledgement", lambda: not [q for q in kiosk.ctl_json("queue", "list")
                                                 if q["what"] == "deliver" and q.get("device") == app.id])


tap.run()
