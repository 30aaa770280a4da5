#!/usr/bin/python3
"""libderivd-device as an app's author has it: installed, found by pkg-config, with nothing of this tree but the header; an app
that was built so enrolls at a kiosk and receives its credentials."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import OFFICER, Device, Kiosk, KioskError, run, wait_for  # noqa: E402
from rig import SOURCE, build_dir, sanitized  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("cc", "c++", "make", "nm", "objdump", "pkg-config")
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
SYMBOLS = os.path.join(SOURCE, "contrib/debian/libderivd-device0.symbols")
PURPOSES = ["authentication", "encryption", "signing"]
ROOT = tempfile.mkdtemp(prefix="derivd-library-", dir="/tmp")
tap.cleanups.callback(shutil.rmtree, ROOT, ignore_errors=True)
os.chmod(ROOT, 0o755)
kiosk = tap.use(Kiosk(crl="files"))


def make(*args):
    """In a make of its own: not a part of the one that runs this test."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR")}
    return run("make", "-s", "-C", build_dir(), *args, env=env, timeout=600)


def variable(name):
    """As the build has it."""
    with open(os.path.join(build_dir(), "Makefile")) as f:
        text = re.search(rf"^{name} = (.*)$", f.read(), re.M).group(1)
    return re.sub(r"\$[({](\w+)[)}]", lambda m: variable(m.group(1)), text)


LIBDIR = ROOT + variable("libdir")
LIBRARY = os.path.join(LIBDIR, "libderivd-device.so")
HEADER = ROOT + os.path.join(variable("includedir"), "derivd-device.h")


def pkg_config(*args):
    env = {**os.environ, "PKG_CONFIG_PATH": os.path.join(LIBDIR, "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": ROOT}
    return run("pkg-config", *args, "libderivd-device", env=env).stdout.split()


def compile_app(name, *libraries):
    path = os.path.join(ROOT, name)
    more = ["-fsanitize=address,undefined"] if sanitized() else []
    run("cc", "-std=gnu11", "-g", *STRICT, *more, *pkg_config("--cflags"), os.path.join(HERE, "app.c"), "-o", path,
        *libraries, "-pthread")
    return path


def functions():
    """Of the header."""
    with open(HEADER) as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return sorted(set(re.findall(r"\b(derivd_device_\w+)\(", text)))


def exported(path):
    out = run("nm", "-D", "--defined-only", path).stdout
    return sorted(line.split()[-1].replace("@@", "@") for line in out.splitlines() if " A " not in line)


class App(Device):
    """A phone with the test's own app."""

    program = None

    def command(self, *words):
        return ["env", f"LD_LIBRARY_PATH={LIBDIR}", self.program, self.state, *words]

    def begin(self, *words, stdin=subprocess.PIPE):
        with open(self.log, "a") as out:
            self.process = subprocess.Popen(self.command(*words), stdin=stdin, stdout=out, stderr=out, text=True)
        return self

    def enroll(self, uri, word="enroll"):
        self.begin(word)
        self.process.stdin.write(uri + "\n")
        self.process.stdin.close()
        return self

    def until(self, text):
        wait_for(f"\"{text}\"", lambda: text in self.said() or self.process.poll() is not None)
        if text not in self.said():
            raise KioskError(f"\"{text}\" did not come; there was:\n{self.said()}")


def device(name, program):
    d = App(kiosk, name)
    d.program = program
    kiosk.devices.append(d)
    return d


def usable(text):
    return sorted(re.findall(r"^usable (\w+) ", text, re.M))


@tap.test("make install: header, library, its links, pkg-config's file; the program finds the library")
def _():
    make("install", f"DESTDIR={ROOT}")
    real = os.path.realpath(LIBRARY)
    tap.check(os.path.islink(LIBRARY) and os.path.basename(real).startswith("libderivd-device.so.0."), "the link")
    tap.contains(run("objdump", "-p", real).stdout, "libderivd-device.so.0\n", "soname")
    tap.equal(pkg_config("--modversion"), [variable("PACKAGE_VERSION")], "version")
    agent = ROOT + os.path.join(variable("bindir"), "derivd-device")
    tap.lacks(run("objdump", "-p", agent).stdout, "$ORIGIN", "the way to the build directory")
    env = {**os.environ, "LD_LIBRARY_PATH": LIBDIR}
    tap.contains(run("ldd", agent, env=env).stdout, f"libderivd-device.so.0 => {LIBDIR}")
    tap.contains(run(agent, "--version", env=env).stdout, variable("PACKAGE_VERSION"))


@tap.test("the header stands alone: C11, and C++")
def _():
    for language, standard, compiler in (("c", "c11", "cc"), ("c++", "c++11", "c++")):
        run(compiler, f"-std={standard}", *STRICT, "-fsyntax-only", "-x", language, "-include", HEADER, "/dev/null")


@tap.test("what is exported is what the header declares, and what Debian's symbols file says")
def _():
    with open(SYMBOLS) as f:
        said = sorted(re.findall(r"^ (\S+) \d", f.read(), re.M))
    tap.equal(exported(LIBRARY), [s for s in said if not s.startswith("LIBDERIVD")], "exported, and the symbols file")
    tap.equal([s.split("@")[0] for s in exported(LIBRARY)], functions(), "exported, and the header")
    archive = run("nm", "--defined-only", "--extern-only", os.path.join(LIBDIR, "libderivd-device.a")).stdout
    tap.equal(sorted(re.findall(r" [A-Z] (\w+)$", archive, re.M)), functions(), "names in the archive")


@tap.test("the library prints nothing, ends nothing, and changes nothing of the process")
def _():
    if sanitized():
        return
    out = run("nm", "-D", "--undefined-only", LIBRARY).stdout
    wanted = {line.split()[-1].split("@")[0] for line in out.splitlines()}
    for name in ("printf", "__printf_chk", "puts", "putchar", "fprintf", "__fprintf_chk", "fputs", "fwrite", "perror", "stdout",
                 "stderr", "exit", "_exit", "quick_exit", "fork", "execve", "signal", "sigaction", "umask", "setlocale",
                 "setrlimit", "chdir", "getenv", "setenv", "sd_journal_sendv", "openlog", "syslog"):
        tap.check(name not in wanted, f"it uses {name}")
    needed = re.findall(r"NEEDED +(\S+)", run("objdump", "-p", LIBRARY).stdout)
    needed = sorted(n for n in needed if not n.startswith("ld-linux"))
    tap.equal(needed, ["libc.so.6", "libcrypto.so.3", "libprotobuf-c.so.1", "libssl.so.3"], "libraries")


@tap.test("an app enrolls at a kiosk: the question, the digits, and all its credentials in every form")
def _():
    kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
    phone = device("app", compile_app("app", *pkg_config("--libs")))
    kiosk.provision(phone)
    said = phone.said()
    tap.equal(phone.process.returncode, 0, f"exit status; it said:\n{said}")
    tap.contains(said, "question Ada Lovelace: authentication signing encryption\n")
    tap.lacks(said, "ERROR")
    text = phone.run("list").stdout
    tap.equal(usable(text), PURPOSES, "usable")
    tap.contains(text, "enrolled, Ada Lovelace, 3 of 3 usable")
    tap.equal(text.count("BEGIN PRIVATE KEY"), 3, "keys")
    tap.equal(text.count("BEGIN CERTIFICATE"), 9, "certificates: three, each with issuer and root")
    tap.equal(len(re.findall(r"^pkcs12 \d{4} bytes$", text, re.M)), 6, "PKCS#12, in two forms")


@tap.test("it stays connected beside a second thread, outlives the gateway, and ends when its signal handler says so")
def _():
    phone = kiosk.devices[0]
    phone.begin("stay", stdin=subprocess.DEVNULL)
    wait_for("a second connection", lambda: phone.said().count("connected\n") > 1)
    held = subprocess.run(phone.command("idle"), capture_output=True, text=True)
    tap.contains(held.stdout, "error busy: ", "a second one that would change it")
    kiosk.kill("derivd-gateway")
    phone.until("disconnected ")
    before = phone.said().count("\nconnected\n")
    wait_for("it to come back", lambda: phone.said().count("\nconnected\n") > before or phone.process.poll() is not None)
    phone.process.send_signal(signal.SIGTERM)
    tap.equal(phone.wait(), 1, "exit status")
    tap.contains(phone.said(), "error stopped: ")


@tap.test("an app that is woken fetches what waits, and is done")
def _():
    phone = kiosk.devices[0]
    tap.equal(phone.run("idle").stdout.splitlines(), ["connected", "done"], "with nothing to fetch")
    row = next(c for c in kiosk.ctl_json("credential", "list") if c["purpose"] == "signing")
    kiosk.ctl("credential", "revoke", row["id"], uid=OFFICER)
    wait_for("the removal", lambda: "item removal signing 0\n" in phone.run("idle").stdout)
    tap.equal(usable(phone.run("list").stdout), ["authentication", "encryption"], "usable after the revocation")


@tap.test("the archive links as well; a person who says no gets nothing, and nothing was made or sent")
def _():
    kiosk.insert(kiosk.card("grace", name="Grace Hopper"))
    static = [w for w in pkg_config("--libs", "--static") if w != "-lderivd-device"]
    phone = device("declining", compile_app("static", os.path.join(LIBDIR, "libderivd-device.a"), *static))
    tap.lacks(run("objdump", "-p", phone.program).stdout, "libderivd-device", "of what it needs")
    with kiosk.session("--yes") as s:
        phone.enroll(s.uri(), "decline")
        tap.equal(phone.wait(), 1, "exit status")
    tap.contains(phone.said(), "question Grace Hopper: ")
    tap.contains(phone.said(), "error offer-not-wanted: ")
    tap.lacks(phone.said(), "digits")
    tap.contains(phone.run("list").stdout, "enrolling, , 0 of 0 usable")
    tap.equal(len(os.listdir(os.path.join(phone.state, "keys"))), 2, "keys: identity and sealing")


tap.run()
