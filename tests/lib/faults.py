"""For tests of what goes wrong at a kiosk: a session that must not succeed, and everything that must be as before.

    faults = Faults(tap, kiosk)
    end = faults.refused("pin-wrong", 3, pin="654321", verifies=1, tries=2)
    tap.contains(end.text, "…")
    faults.good()
"""

from kiosk import OPERATOR, PIN, KioskError, wait_for


class End:
    """How a session ended: derivctl's events, its error if there was one, its exit status, the request's row."""

    def __init__(self, events, status, request):
        self.events, self.status, self.request = events, status, request
        self.error = next((e["error"] for e in events if "error" in e), None)

    def __getattr__(self, name):
        if self.error is None or name not in ("kind", "fate", "text", "remedy"):
            raise AttributeError(f"{name}: it ended with {self.status}: {self.events[-1:]}")
        return self.error[name]


class Faults:
    def __init__(self, tap, kiosk):
        self.tap, self.kiosk = tap, kiosk
        self.count = 0
        self.good_card = None

    # ---- what must be as before ----

    def rows(self, what):
        return self.kiosk.ctl_json(what, "list")

    def issued(self):
        """All that an enrollment leaves behind when it succeeds."""
        return {"credentials": [(c["id"], c["state"]) for c in self.rows("credential")],
                "devices": [(d["id"], d["state"]) for d in self.rows("device")],
                "queue": [(q["id"], q["what"]) for q in self.rows("queue") if q["what"] not in ("crl", "deliver")]}

    def readers(self):
        return [r for r in self.kiosk.rig.readers.values() if r.process]

    def cards(self):
        """Of each card in a reader: (tries left, PINs sent to it so far)."""
        return {r.name: (r.tries(), r.verifies()) for r in self.readers()}

    def expect_locked_up(self):
        """No card is left with a verified PIN. derivd-card resets it just after it has answered."""
        for reader in self.readers():
            wait_for(f"the reset of the card in {reader.name}", lambda r=reader: "pin=unverified" in r.ctl("status"))

    # ---- sessions ----

    def run(self, *words, pin=PIN, hooks=None, uid=OPERATOR):
        """A session with a device; hooks: {event: function} that are called when derivctl tells the event."""
        known = {r["id"] for r in self.rows("request")}
        hooks = hooks or {}
        self.count += 1
        device = self.kiosk.device(f"phone-{self.count}")
        with self.kiosk.session("--yes", *words, pin=pin, uid=uid) as s:
            while (event := s.next()) is not None:
                # A row of the audit chain has a name of the same kind.
                name = event.get("event") if "sequence" not in event else None
                if name == "invited":
                    device.enroll(s.uri())
                if name == "digits-needed":
                    device.digits()
                if name in hooks:
                    hooks[name]()
                if name == "digits-needed":
                    s.type(device.digits())
            s.rest()
        device.stop()
        new = [r for r in self.rows("request") if r["id"] not in known]
        new = new and [self.kiosk.ctl_json("request", "show", new[0]["id"])[0]] + new[1:]
        self.tap.check(len(new) <= 1, f"one session made {len(new)} requests")
        return End(s.events, s.status, new[0] if new else None)

    def refused(self, kind, status=None, *words, tries=None, verifies=0, request=None, after=None, **how):
        """A session that must end with this kind of error and exit status (or one of {kind: status}), with nothing issued
        and nothing open.
        tries: left on the card in r0 afterwards (as before); verifies: PINs that were sent to it. request: the state in
        which the request ends; None: there must be none. after: called when derivctl has ended."""
        issued, cards = self.issued(), self.cards()
        end = self.run(*words, **how)
        if after:
            after()
        tap = self.tap
        tap.check(end.error, f"no error came, but {end.events}")
        if isinstance(kind, dict):  # whichever of two true stories comes first
            kind, status = end.kind, kind.get(end.kind)
        tap.equal((end.kind, end.status), (kind, status), f"the end ({end.error})")
        self.expect_speaking(end)
        tap.equal(self.issued(), issued, "what was issued")
        tap.equal(end.request and end.request["state"], request, f"the request {end.request}")
        if end.request:
            self.expect_cause(end)
        left = self.cards()
        cards = {name: card for name, card in cards.items() if name in left}
        if "r0" in cards:
            before = cards["r0"]
            cards["r0"] = (before[0] if tries is None else tries, before[1] + verifies)
        tap.equal({name: left[name] for name in cards}, cards, "tries and PINs sent")
        self.expect_locked_up()
        return end

    def expect_speaking(self, end):
        """A text for people: one that says something, without what only a developer wants to read."""
        tap = self.tap
        tap.check(len(end.text) > 12, f"the text says nothing: \"{end.text}\"")
        tap.check(len(end.text) <= 300, f"nobody reads a text of {len(end.text)} characters:\n{end.text}")
        tap.check(end.remedy, f"no remedy for {end.kind}")
        for part in (self.kiosk.dir, "C_", "CKR_", "SCard", "errno", "derivd-card: "):
            tap.lacks(end.text, part, "text")
        tap.note(f"{end.kind}: {end.text} | {end.remedy}")

    def expect_cause(self, end):
        """The request tells its end to whoever looks at it later."""
        self.tap.check(end.request["cause"], f"the request ended {end.request['state']} without a cause")
        self.tap.lacks(end.request["cause"], self.kiosk.dir, "cause")

    def good(self, *words, **how):
        """The next enrollment: the good card, and all credentials."""
        if self.good_card is None:
            self.good_card = self.kiosk.card("good", name="Goodie Goodman")
        rig = self.kiosk.rig
        reader = rig.readers.get("r0") or rig.add_reader("r0")
        reader.put(self.good_card)
        reader.wait(True)
        end = self.run(*words, **how)
        if end.error:
            raise KioskError(f"the good card is refused: {end.error}\n{self.kiosk.logs()}")
        self.tap.equal(end.status, 0, "exit status")
        states = {c["purpose"]: c["state"] for c in end.events[-1]["credentials"]}
        self.tap.equal(states, dict.fromkeys(("authentication", "signing", "encryption"), "active"), "credentials")
        return end
