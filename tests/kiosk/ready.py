"""An installed kiosk that is set up as README.md says and serves: where the longer tests begin."""

import json
import os

from installed import UNITS, InstalledKiosk, readme_setup
from kiosk import OFFICER, KioskError, wait_for

PURPOSES = ["authentication", "encryption", "signing"]


class ReadyKiosk(InstalledKiosk):
    def prepare(self):
        super().prepare()
        self.apt_install()
        self.set_up()
        self.insert(self.card("ada", name="Ada Lovelace"))
        self.sees("PRESENT")

    def set_up(self, commands=None):
        self.hire()
        self.bring_certificates()
        for line in commands or [readme_setup()]:
            self.machine.run("sh", "-e", "-c", f"cd /root && {line}", timeout=120)
        self.serves()

    def units(self):
        """That are to be active."""
        return UNITS

    def states(self, *units):
        return {u: self.machine.show(u, "ActiveState") for u in units}

    def serves(self):
        """All is up, and each knows the others."""
        wait_for("the services", lambda: set(self.states(*self.units()).values()) == {"active"})
        for what in ("ca_reachable", "gateway_connected"):
            wait_for(what, lambda w=what: self.ctl_json("status")[0][w])

    def sees(self, what):
        wait_for(f"a reader with {what}", lambda: what in self.ctl("readers", check=False).stdout)

    def clear(self):
        """The phones so far are given back, so that the person may have others."""
        for device in self.ctl_json("device", "list"):
            if device["state"] == "enrolled":
                self.ctl("device", "revoke", device["id"], uid=OFFICER)

    def good_enrollment(self, name):
        self.clear()
        phone = self.device(name)
        settled = self.provision(phone)[-1]
        got = sorted((c["purpose"], c["state"]) for c in settled["credentials"])
        if got != [(p, "active") for p in PURPOSES]:
            raise KioskError(f"the credentials of {name}: {got}")
        return phone

    def commit(self, name):
        """An enrollment up to where nothing needs the person. The phone then goes away."""
        self.clear()
        phone = self.device(name)
        with self.session("--yes", "--no-wait") as s:
            phone.enroll(s.uri())
            s.type(phone.digits())
            s.expect("committed")
            phone.stop()
            s.rest()
        return phone

    def doctor(self, *words):
        """({(check, kind)} of what is no good, exit status)"""
        done = self.machine.run("derivctl", "--json", "doctor", *words, check=False)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        if not rows:
            raise KioskError(f"doctor says nothing: {done.stderr}")
        return {(r["check"], r["kind"]): r for r in rows if r["verdict"] in ("warning", "fault")}, done.returncode

    def file(self, path):
        return self.machine.path(path)

    def folder(self, name):
        path = self.at(name)
        os.makedirs(path, exist_ok=True)
        return path
