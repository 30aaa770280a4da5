"""A person at a terminal with derivctl provision."""

import screen
from kiosk import PIN, wait_for

CONSENT, CODE, DIGITS, PIN_PROMPT = "Type yes to go on: ", r"Scan this code.*?\n\r?\n", "Type them here: ", r"not shown\)[^:]*: "


class Sitting:
    """A session at a terminal, led to some point of it. kiosk and tap are the test's."""

    kiosk = tap = None
    phones = 0

    @classmethod
    def new_phone(cls):
        cls.phones += 1
        return cls.kiosk.device(f"phone{cls.phones}")

    def __init__(self, *words, **how):
        self.t = self.kiosk.terminal("provision", *words, **how)
        self.phone = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.t.kill()
        if self.phone:
            self.phone.stop()

    def at_consent(self):
        self.t.expect(CONSENT)
        return self

    def at_code(self):
        self.at_consent().t.type("yes\n")
        self.t.expect(CODE)
        wait_for("the code", lambda: self.t._read(0.1) is False and screen.decode(self.t.screen()))
        return self

    def scan(self):
        self.phone = self.new_phone()
        self.phone.enroll(screen.decode(self.t.screen()))
        return self

    def at_digits(self):
        self.at_code().scan().t.expect(DIGITS)
        return self

    def at_pin(self):
        self.at_digits().t.type(self.phone.digits() + "\n")
        self.t.expect(PIN_PROMPT)
        return self

    def signed(self):
        self.at_pin().t.type(PIN + "\n")
        self.t.expect("Take your card")
        return self

    def ends(self, status, part=""):
        """Ends so, with the screen cleared of what was the person's and the terminal as before."""
        got = self.t.end()
        self.tap.equal(got, status, f"exit status, with {self.t.screen()!r}")
        self.tap.contains(self.t.screen(), part, "screen")
        for secret in ("Ada", "Lovelace", "3333", PIN):
            self.tap.lacks(self.t.screen(), secret, "screen")
        self.tap.check(not screen.rows_of(self.t.screen()), "the code stands on the screen")
        self.tap.equal(self.t.modes(), self.t.before, "modes of the terminal")
