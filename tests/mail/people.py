"""People who went through the kiosk, and what their phones have to show for it."""

import os
import shutil

from kiosk import OFFICER, Kiosk, KioskError, run, wait_for

PURPOSES = ("authentication", "signing", "encryption")


class Person:
    """who@example.org with a card and an enrolled phone, whose credentials are exported."""

    def __init__(self, kiosk, who, name, **card):
        self.kiosk, self.who = kiosk, who
        self.mail = f"{who}@example.org"
        kiosk.insert(kiosk.card(who, name=name, **card))
        self.phone = kiosk.device(f"{who}-phone")
        kiosk.provision(self.phone)
        self.dir = kiosk.at(f"people/{who}")
        self.export()

    def export(self):
        self.phone.run("export", "--pem", self.dir)

    def pem(self, purpose, what):
        """what: key, certificate, chain."""
        return os.path.join(self.dir, purpose, what + ".pem")

    def p12(self, purpose, *words):
        """(file, file with its password)"""
        path, secret = (os.path.join(self.dir, f"{purpose}.{x}") for x in ("p12", "password"))
        with open(secret, "w") as f:
            f.write("correct horse battery staple\n")
        self.phone.run("export", "--p12", path, "--password-file", secret, "--purpose", purpose, *words)
        return path, secret

    def credentials(self):
        return [c for c in self.kiosk.ctl_json("credential", "list") if c["device"] == self.device]

    @property
    def device(self):
        serial = run("openssl", "x509", "-in", self.pem("authentication", "certificate"), "-noout", "-serial").stdout
        serial = serial.strip().partition("=")[2].lower()
        return next(c["device"] for c in self.kiosk.ctl_json("credential", "list") if c["serial"].lower() == serial)

    def renew(self, purpose):
        """A successor from the kiosk, in the person's presence; the phone has it, and what it exports."""
        self.kiosk.insert(self.kiosk.at(f"cards/{self.who}"))
        device = self.device
        self.phone.start()
        wait_for("the phone", lambda: self.kiosk.ctl_json("device", "show", device)[0]["connected"])
        with self.kiosk.session("--yes", "--device", device, "--purposes", purpose, "--replace", command="issue") as s:
            s.finish()
        self.phone.stop()
        shutil.rmtree(self.dir)
        self.export()

    def lose(self):
        """The phone is reported lost; until the CRL says so."""
        device, crl = self.device, self.kiosk.at("lib/derivd-ca/public/ca.crl")
        serials = [c["serial"].upper() for c in self.credentials() if c["state"] == "active"]
        self.kiosk.ctl("device", "revoke", device, uid=OFFICER)

        def listed():
            text = run("openssl", "crl", "-in", crl, "-inform", "DER", "-noout", "-text").stdout.upper()
            return all(s in text for s in serials)
        wait_for("the CRL", listed)


class Stranger:
    """The same name and address, certified by a CA of their own."""

    def __init__(self, kiosk, person):
        self.dir = kiosk.at("people/stranger")
        os.makedirs(self.dir, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=Example Agency Issuing CA", "-keyout", f"{self.dir}/ca.key", "-out", f"{self.dir}/ca.pem")
        run("openssl", "req", "-x509", "-CA", f"{self.dir}/ca.pem", "-CAkey", f"{self.dir}/ca.key", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/UID={person.mail}", "-addext",
            "extendedKeyUsage=clientAuth", "-addext", "basicConstraints=CA:FALSE", "-keyout", self.pem("authentication", "key"),
            "-out", self.pem("authentication", "certificate"))

    def pem(self, _, what):
        return os.path.join(self.dir, what + ".pem")


def script(kiosk, text, uid):
    """What that person's shell says at the kiosk, where derivctl is this kiosk's."""
    where = os.path.dirname(kiosk.write("commands/derivctl", f'#!/bin/sh\nexec {kiosk.program("derivctl")} -C {kiosk.dir} "$@"\n', 0o755))
    return run("sh", "-eu", "-c", text, env={"PATH": f"{where}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **kiosk.as_person(uid)).stdout


def change_profile(kiosk, profile, was, now):
    """For what is issued from now on."""
    path = kiosk.at("etc/ca.conf")
    with open(path) as f:
        head, title, rest = f.read().partition(f'profile "{profile}" {{')
    if was not in rest:
        raise KioskError(f"the profile {profile} does not say {was}")
    with open(path, "w") as f:
        f.write(head + title + rest.replace(was, now, 1))
    kiosk.restart()


def enrolled(tap):
    """A kiosk with people: (kiosk, {who: Person})."""
    kiosk = tap.use(Kiosk())
    names = {"ada": "Ada Lovelace", "bob": "Robert Boyle", "eve": "Eve Curie", "dan": "Daniel Bernoulli"}
    return kiosk, {who: Person(kiosk, who, name) for who, name in names.items()}
