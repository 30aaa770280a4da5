#!/usr/bin/python3
"""The virtual card in a reader that is not ours: the stock vpcd of Debian (vsmartcard-vpcd).

vpcd listens on all interfaces, so its pcscd runs in a network namespace of its own, together with the card.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from rig import SOURCE, Process, Rig, build_dir  # noqa: E402
from tap import Tap  # noqa: E402

DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
PORT = 0x8C7B
PATIENCE = 60


def enter_namespace():
    """Runs this program again where there is no network but a loopback interface."""
    if os.environ.get("IN_NAMESPACE"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
        return
    unshare = ["unshare", "--net"] + ([] if os.getuid() == 0 else ["--map-root-user"])
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode:
        print("1..0 # SKIP no network namespace may be made here")
        sys.exit(0)
    os.environ["IN_NAMESPACE"] = "1"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


tap = Tap()
tap.need("pcscd", "opensc-tool", "pkcs11-tool", "openssl", "unshare")
if not os.path.exists(DRIVER):
    print("1..0 # SKIP vsmartcard-vpcd is not installed")
    sys.exit(0)
enter_namespace()
tmp = tap.use(tempfile.TemporaryDirectory(prefix="tv-"))


def at(name):
    return os.path.join(tmp, name)


def run(*args, env=None):
    done = subprocess.run(args, env=env, capture_output=True, timeout=PATIENCE)
    text = (done.stdout + done.stderr).decode(errors="replace")
    tap.check(done.returncode == 0, f"{' '.join(args)}: exit status {done.returncode}\n{text}")
    return text


def ctl(words):
    return run(VCARD, "--ctl", at("ctl"), *words.split()).strip()


make_card = os.path.join(SOURCE, "tests/fixtures/make-card")
run(make_card, "pki", at("pki"))
for name, alg in (("Ada", "rsa2048"), ("Bob", "p256")):
    run(make_card, "card", "--ca", at("pki"), at(name), "--alg", alg, "--name", name)
with open(at("data"), "w") as f:
    f.write("what is to be signed\n")
os.makedirs(at("rig/etc"))
os.symlink(DRIVER, at("rig/vpcd.so"))  # the rig hides the directory that the driver is in
with open(at("rig/etc/vpcd"), "w") as f:
    f.write(f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:{PORT:#x}\n'
            f"LIBPATH {at('rig/vpcd.so')}\nCHANNELID {PORT:#x}\n")

VCARD = os.path.join(build_dir(), "tests/mock/vcard/vcard")
rig = tap.use(Rig(at("rig")))


def wait_for_card(present):
    rig.wait(lambda states: any(n.startswith("Virtual PCD 00 00") and s[0] == present for n, s in states.items()))


card = Process.start([VCARD, "--connect", f"127.0.0.1:{PORT}", "--control", at("ctl"), at("Ada")],
                     at("card.log"), tied=True)
tap.cleanups.callback(card.end)


@tap.test("the card is seen, and signs")
def _():
    wait_for_card(True)
    tap.contains(run("pkcs11-tool", "-L", env=rig.env), "token label        : Ada")
    run("pkcs11-tool", "-l", "-p", "123456", "-s", "--id", "01", "-m", "SHA256-RSA-PKCS", "-i", at("data"),
        "-o", at("signature"), env=rig.env)
    run("openssl", "x509", "-in", at("Ada/9a.pem"), "-pubkey", "-noout", "-out", at("public"))
    tap.contains(run("openssl", "dgst", "-sha256", "-verify", at("public"), "-signature", at("signature"),
                     at("data")), "Verified OK")


@tap.test("no command waits for delayed acknowledgements")
def _():
    def work():
        ctl("count reset")
        began = time.monotonic()
        run("pkcs11-tool", "-O", env=rig.env)
        return time.monotonic() - began, int(ctl("count").split()[1])

    took, count = min(work() for _ in range(3))  # the machine may be busy with something else
    tap.note(f"{count} commands in {took:.3f} s")
    tap.check(count > 20 and took / count < 0.03, f"{count} commands in {took:.3f} s; 40 ms each would be too slow")


@tap.test("pulled, put in, swapped: the stock reader notices each")
def _():
    ctl("pull")
    wait_for_card(False)
    ctl("insert")
    wait_for_card(True)
    ctl(f"card {at('Bob')}")
    wait_for_card(False)
    wait_for_card(True)
    tap.contains(run("pkcs11-tool", "-L", env=rig.env), "token label        : Bob")


@tap.test("only loopback addresses are taken for a reader")
def _():
    for target, says in (("192.0.2.1:35963", "not a loopback address"), ("localhost:35963", "not a numeric"),
                         ("127.0.0.1", "neither HOST:PORT nor a path"), ("127.0.0.1:0", "neither")):
        done = subprocess.run([VCARD, "--connect", target, at("Ada")], capture_output=True, timeout=PATIENCE)
        tap.equal(done.returncode, 1, f"exit status with {target}")
        tap.contains(done.stderr.decode(), says)


tap.run()
