"""Test programs that speak TAP: functions in a row, each one a test, each assertion with its story.

    tap = Tap()

    @tap.test("the card signs")
    def _():
        tap.equal(sign(), "ok")

    tap.run()
"""

import atexit
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
import traceback


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Tap:
    def __init__(self):
        self.tests = []
        # {part of a title: why it is skipped}, from who runs the tests where not all of them can be run.
        self.left_out = json.loads(os.environ.get("TAP_LEFT_OUT", "{}"))
        self.cleanups = contextlib.ExitStack()
        # What was set up is cleared away also when the test is told to stop, or breaks off while setting up.
        atexit.register(self.cleanups.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def test(self, title):
        def add(function):
            self.tests.append((title, function))
            return function
        return add

    def need(self, *programs):
        """Skips the whole file, saying why, if a program is not installed."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        missing = [p for p in programs if not shutil.which(p, path=path)]
        if missing:
            print(f"1..0 # SKIP not installed: {' '.join(missing)}")
            sys.exit(0)

    def need_modules(self, **packages):
        """The same for modules of Python: module=package that has it; a dot is written as two underscores."""
        missing = [p for m, p in packages.items() if not self._has_module(m.replace("__", "."))]
        if missing:
            print(f"1..0 # SKIP not installed: {' '.join(missing)}")
            sys.exit(0)

    def _has_module(self, name):
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            return False

    def use(self, context):
        """Enters a context (a Rig, a directory) that is left when all tests are done."""
        return self.cleanups.enter_context(context)

    # ---- inside a test ----

    def note(self, text):
        for line in str(text).rstrip().split("\n"):
            print(f"# {line}", flush=True)

    def skip(self, why):
        raise Skipped(why)

    def check(self, condition, story):
        if not condition:
            raise Failed(story)

    def equal(self, got, wanted, what="value"):
        self.check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")

    def contains(self, text, part, what="output"):
        self.check(part in text, f"{what}: \"{part}\" is not in it:\n{text}")

    def lacks(self, text, part, what="output"):
        self.check(part not in text, f"{what}: \"{part}\" is in it:\n{text}")

    @contextlib.contextmanager
    def raises(self, kind, part=""):
        try:
            yield
        except kind as e:
            self.check(part in str(e), f"the error says \"{e}\", not \"{part}\"")
            return
        raise Failed(f"no {kind.__name__}")

    # ---- the run ----

    def _run_one(self, number, title, function):
        began = time.monotonic()
        try:
            for part, why in self.left_out.items():
                if part in title:
                    self.skip(why)
            function()
            print(f"ok {number} - {title}", flush=True)
            result = True
        except Skipped as e:
            print(f"ok {number} - {title} # SKIP {e}", flush=True)
            result = True
        except Exception as e:
            self.note(e if isinstance(e, Failed) else traceback.format_exc())
            print(f"not ok {number} - {title}", flush=True)
            result = False
        if os.environ.get("TAP_TIMES"):
            self.note(f"{time.monotonic() - began:.2f} s")
        return result

    def run(self):
        """Runs all tests (or those whose titles contain the first argument) and exits."""
        part = sys.argv[1] if len(sys.argv) > 1 else ""
        chosen = [(t, f) for t, f in self.tests if part in t]
        print(f"1..{len(chosen)}", flush=True)
        with self.cleanups:
            results = [self._run_one(i, t, f) for i, (t, f) in enumerate(chosen, 1)]
        sys.exit(0 if all(results) else 1)
