#!/usr/bin/python3
"""pcscd and OpenSC with the virtual card: what they say of it is what they would say of a real one."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from rig import SOURCE, Rig, RigError  # noqa: E402
from tap import Tap  # noqa: E402

MAKE_CARD = os.path.join(SOURCE, "tests/fixtures/make-card")
RIG = os.path.join(SOURCE, "tests/mock/rig")
PATIENCE = 60
WRONG_PIN = "999999"

tap = Tap()
tap.need("pcscd", "opensc-tool", "pkcs11-tool", "openssl")
tmp = tap.use(tempfile.TemporaryDirectory(prefix="tv-"))


def at(name):
    return os.path.join(tmp, name)


def run(*args, env=None, status=0):
    """Output of a command, both streams; its exit status must be this (None: any but 0)."""
    done = subprocess.run(args, env=env, capture_output=True, timeout=PATIENCE)
    text = (done.stdout + done.stderr).decode(errors="replace")
    good = done.returncode != 0 if status is None else done.returncode == status
    tap.check(good, f"{' '.join(args)}: exit status {done.returncode}\n{text}")
    return text


def make_card(name, *options):
    run(MAKE_CARD, "card", "--ca", at("pki"), at(name), *options)
    return at(name)


run(MAKE_CARD, "pki", at("pki"))
RSA = make_card("rsa", "--alg", "rsa2048", "--name", "Ada Lovelace", "--id", "1000000001")
EC = make_card("ec", "--alg", "p256", "--name", "Björn Ångström", "--history", "2", "--id", "1000000002")
with open(at("data"), "wb") as f:
    f.write(b"what is to be signed\n")

rig = tap.use(Rig())
reader = rig.add_reader(card=RSA)


def p11(*args, status=0, slot=None):
    where = ["--slot", str(slot)] if slot is not None else []
    return run("pkcs11-tool", *where, *args, env=rig.env, status=status)


def login(pin="123456"):
    return ["--login", "--pin", pin]


def sign(key_id, mechanism, *args, status=0):
    return p11(*args, "--sign", "--id", key_id, "-m", mechanism, "-f", "openssl", "-i", at("data"),
               "-o", at("signature"), status=status)


def public_key(card, slot):
    run("openssl", "x509", "-in", f"{card}/{slot}.pem", "-pubkey", "-noout", "-out", at("public"))
    return at("public")


def verify(card, slot):
    text = run("openssl", "dgst", "-sha256", "-verify", public_key(card, slot), "-signature",
               at("signature"), at("data"))
    tap.contains(text, "Verified OK")


MECHANISM = {RSA: "SHA256-RSA-PKCS", EC: "ECDSA-SHA256"}


# ---- what it looks like ----

@tap.test("OpenSC takes it for a PIV card")
def _():
    reader.put(RSA)
    tap.contains(run("opensc-tool", "-n", env=rig.env), "Personal Identity Verification Card")
    tap.contains(run("opensc-tool", "-a", env=rig.env), "3b:8b:80:01:80:f9:a0:00:00:03:08:00:00:10:00:c8")
    tap.contains(run("opensc-tool", "-l", env=rig.env), "Yes             Virtual Reader (r0) 00 00")


@tap.test("the token, its certificates and data objects")
def _():
    token = p11("-L")
    tap.contains(token, "token label        : Ada Lovelace")
    tap.contains(token, "login required")
    objects = p11("-O")
    for what in ("Authentication", "Digital Signature", "Key Management", "Card Authentication"):
        tap.contains(objects, f"Certificate for {what}" if what[0] == "C" or " " in what
                     else f"Certificate for PIV {what}")
    for what in ("Card Capability Container", "Card Holder Unique Identifier", "Security Object",
                 "Discovery Object", "Key History Object"):
        tap.contains(objects, what)
    private = p11("-O", *login())
    for what in ("SIGN key", "Printed Information", "Facial Image"):
        tap.lacks(objects, what)
        tap.contains(private, what)


@tap.test("the certificate comes off the card as it went on")
def _():
    p11("--read-object", "--type", "cert", "--id", "01", "-o", at("read.der"))
    with open(at("read.der"), "rb") as f:
        read = f.read()
    run("openssl", "x509", "-in", f"{RSA}/9a.pem", "-outform", "DER", "-out", at("made.der"))
    with open(at("made.der"), "rb") as f:
        tap.equal(read, f.read(), "certificate")


@tap.test("retired keys are there with the history that names them")
def _():
    reader.put(EC)
    objects = p11("-O", *login())
    tap.contains(objects, "Retired KEY MAN 2")
    tap.contains(objects, "Retired Certificate for Key Management 2")
    tap.lacks(objects, "Retired KEY MAN 3")


@tap.test("it gives random numbers")
def _():
    first = p11("--generate-random", "16", "-o", at("random1"))
    p11("--generate-random", "16", "-o", at("random2"))
    with open(at("random1"), "rb") as a, open(at("random2"), "rb") as b:
        one, two = a.read(), b.read()
    tap.equal(len(one), 16, first)
    tap.check(one != two, "twice the same")


# ---- keys ----

for card, name in ((RSA, "RSA"), (EC, "P-256")):
    @tap.test(f"{name}: signs with the authentication key")
    def _(card=card):
        reader.put(card)
        sign("01", MECHANISM[card], *login())
        verify(card, "9a")

    @tap.test(f"{name}: signs with the signature key after a second login")
    def _(card=card):
        reader.ctl("count reset")
        before = reader.verifies()
        sign("02", MECHANISM[card], *login())
        verify(card, "9c")
        tap.equal(reader.verifies() - before, 2, "times that the PIN was sent")


# pkcs11-tool logs in before it signs, whatever the key. So these speak to the card themselves.
GENERAL_AUTHENTICATE = "00:87:11:{}:26:7C:24:82:00:81:20" + ":5A" * 32 + ":00"


@tap.test("the card authentication key needs no PIN, the others do")
def _():
    reader.put(EC)
    tap.contains(run("opensc-tool", "-s", GENERAL_AUTHENTICATE.format("9E"), env=rig.env), "SW1=0x90, SW2=0x00")
    for slot in ("9A", "9C"):
        tap.contains(run("opensc-tool", "-s", GENERAL_AUTHENTICATE.format(slot), env=rig.env), "SW1=0x69, SW2=0x82")


@tap.test("RSA: PSS, too")
def _():
    reader.put(RSA)
    sign("01", "SHA256-RSA-PKCS-PSS", *login())
    tap.contains(run("openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-verify",
                     public_key(RSA, "9a"), "-signature", at("signature"), at("data")), "Verified OK")


@tap.test("RSA: decrypts with the key management key")
def _():
    public = public_key(RSA, "9d")
    run("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", at("data"), "-out", at("secret"))
    p11(*login(), "--decrypt", "--id", "03", "-m", "RSA-PKCS", "-i", at("secret"), "-o", at("clear"))
    with open(at("clear"), "rb") as a, open(at("data"), "rb") as b:
        tap.equal(a.read(), b.read(), "decrypted")


@tap.test("P-256: agrees with the key management key and with a retired one")
def _():
    reader.put(EC)
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", at("peer"))
    run("openssl", "pkey", "-in", at("peer"), "-pubout", "-outform", "DER", "-out", at("peer.pub"))
    for key_id, slot in (("03", "9d"), ("05", "82")):
        p11(*login(), "--derive", "-m", "ECDH1-DERIVE", "--id", key_id, "-i", at("peer.pub"), "-o", at("derived"))
        run("openssl", "pkeyutl", "-derive", "-inkey", at("peer"), "-peerkey", public_key(EC, slot),
            "-out", at("wanted"))
        with open(at("derived"), "rb") as a, open(at("wanted"), "rb") as b:
            tap.equal(a.read(), b.read(), f"secret agreed with {slot}")


# ---- PIN ----

@tap.test("wrong PINs: one try left is announced, then locked")
def _():
    reader.put(RSA)
    reader.ctl("tries 3")
    for left in (2, 1):
        tap.contains(p11(*login(WRONG_PIN), "-O", status=None), "CKR_PIN_INCORRECT")
        tap.equal(reader.tries(), left, "tries left")
    tap.contains(p11("-L"), "final user PIN try")
    tap.contains(p11(*login(WRONG_PIN), "-O", status=None), "CKR_PIN")
    tap.contains(p11("-L"), "user PIN locked")
    tap.contains(p11(*login(), "-O", status=None), "CKR_PIN_LOCKED")


@tap.test("power and pulling do not restore the tries, the same card put in again does not either")
def _():
    reader.pull()
    reader.insert()
    reader.put(EC)
    tap.equal(reader.tries(), 3, "the other card's tries")
    reader.put(RSA)
    tap.equal(reader.tries(), 0, "tries left")
    reader.ctl("tries 3")


@tap.test("the PIN can be changed, and set with the PUK")
def _():
    p11("--change-pin", "--login", "--pin", "123456", "--new-pin", "654321")
    tap.contains(p11(*login(), "-O", status=None), "CKR_PIN_INCORRECT")
    p11(*login("654321"), "-O")
    reader.ctl("lock")
    run("pkcs15-tool", "--unblock-pin", "--puk", "12345678", "--new-pin", "123456", env=rig.env)
    p11(*login(), "-O")


@tap.test("a short PIN costs no try")
def _():
    p11(*login("123"), "-O", status=None)
    tap.equal(reader.tries(), 3, "tries left")


@tap.test("a reader with a PIN pad asks there, and the program never sees the PIN")
def _():
    pad = rig.add_reader("pad", card=EC)

    def sign_by_pad(status=0):
        p11("--slot", "4", "--login", "--sign", "--id", "01", "-m", "ECDSA-SHA256", "-f", "openssl", "-i",
            at("data"), "-o", at("signature"), status=status)

    tap.contains(p11("-L"), "PIN pad present")
    pad.ctl("type 123456")
    sign_by_pad()
    verify(EC, "9a")
    pad.ctl("type 999999")
    sign_by_pad(status=None)
    tap.equal(pad.tries(), 2, "tries left")
    for typed in ("type", "type 12"):  # the cancel key; too short
        before = pad.verifies()
        pad.ctl(typed)
        sign_by_pad(status=None)
        tap.equal(pad.verifies(), before, "PINs that came to the card")
    rig.remove_reader("pad")


# ---- what happens to cards ----

@tap.test("pulled and put in, pcscd knows")
def _():
    reader.pull()
    tap.contains(run("opensc-tool", "-l", env=rig.env), "No              Virtual Reader (r0)")
    tap.contains(p11("-L"), "(empty)")
    reader.insert()
    sign("01", MECHANISM[RSA], *login())


@tap.test("another card is another token")
def _():
    reader.put(EC)
    tap.contains(p11("-L"), "Björn Ångström")
    reader.put(RSA)
    tap.contains(p11("-L"), "Ada Lovelace")


@tap.test("pulled before the PIN is compared, and after")
def _():
    for done, left in (("", 3), (" done", 2)):
        reader.ctl(f"pullat 20 2{done}")  # the first is OpenSC's look at the tries
        p11(*login(WRONG_PIN), "-O", status=None)
        reader.wait(False)
        tap.equal(reader.tries(), left, "tries left")
        reader.insert()
    reader.ctl("tries 3")


@tap.test("pulled in the middle of signing, swapped in the middle of signing")
def _():
    reader.ctl("pullat 87 1")
    sign("01", MECHANISM[RSA], *login(), status=None)
    reader.wait(False)
    reader.insert()
    events = reader.state()[1]
    reader.ctl(f"swapat 87 1 {EC}")
    sign("01", MECHANISM[RSA], *login(), status=None)
    reader.wait(True, after=events + 1)
    tap.contains(reader.ctl("status"), f"pin=unverified card={os.path.realpath(EC)}")
    reader.put(RSA)


@tap.test("a card that fails to sign fails to sign, and then signs")
def _():
    reader.ctl("refuse 87 6F00")
    sign("01", MECHANISM[RSA], *login(), status=None)
    reader.ctl("clear")
    sign("01", MECHANISM[RSA], *login())
    verify(RSA, "9a")


@tap.test("a mute card hangs its reader until it speaks again")
def _():
    reader.ctl("muteat CB 3")
    client = subprocess.Popen(["pkcs11-tool", "-O"], env=rig.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + PATIENCE
    while "mute" not in reader.ctl("status"):
        tap.check(time.monotonic() < end, "nobody asked the card")
        time.sleep(0.01)
    with tap.raises(subprocess.TimeoutExpired):
        client.wait(0.3)
    reader.ctl("unmute")
    tap.contains(client.communicate(timeout=PATIENCE)[0].decode(), "Certificate for PIV Authentication")


@tap.test("a slow card is slow")
def _():
    reader.ctl("count reset")
    reader.ctl("slow 20")
    began = time.monotonic()
    run("opensc-tool", "-n", env=rig.env)
    took = time.monotonic() - began
    reader.ctl("slow 0")
    tap.check(took >= reader.count() * 0.02, f"{reader.count()} commands in {took:.3f} s")


@tap.test("equal work, equal number of commands")
def _():
    def work():
        reader.reset()
        reader.ctl("count reset")
        sign("01", MECHANISM[RSA], *login())
        return reader.count()

    counts = {work() for _ in range(3)}
    tap.equal(len(counts), 1, f"different counts of commands in equal runs {counts}")
    tap.note(f"{counts.pop()} commands for pkcs11-tool to log in and sign with 9A")


@tap.test("the power goes some seconds after the last program, and the PIN's state with it")
def _():
    p11(*login(), "-O")
    before, end = reader.resets(), time.monotonic() + PATIENCE
    tap.contains(reader.ctl("status"), "pin=verified")
    while reader.resets() == before:
        tap.check(time.monotonic() < end, "pcscd left the power on")
        time.sleep(0.05)
    tap.contains(reader.ctl("status"), "pin=unverified")


# ---- other cards ----

@tap.test("cards without Discovery, without Key History, without a signature on the CHUID")
def _():
    for options in (["--no-discovery"], ["--no-history"], ["--unsigned-chuid", "--no-fascn"]):
        reader.put(make_card("bare" + options[0], "--alg", "p256", *options))
        sign("01", "ECDSA-SHA256", *login())
        verify(at("bare" + options[0]), "9a")


@tap.test("a T=0 card")
def _():
    card = make_card("t0", "--alg", "rsa2048", "--atr", "3B0476504956")
    reader.put(card)
    tap.contains(run("opensc-tool", "-a", env=rig.env), "3b:04:76:50:49:56")
    sign("01", MECHANISM[RSA], *login())
    verify(card, "9a")
    sign("02", MECHANISM[RSA], *login())
    verify(card, "9c")


@tap.test("P-384 and RSA-3072")
def _():
    for alg, mechanism in (("p384", "ECDSA-SHA256"), ("rsa3072", "SHA256-RSA-PKCS")):
        card = make_card(alg, "--alg", alg, "--slots", "9a")
        reader.put(card)
        sign("01", mechanism, *login())
        verify(card, "9a")


@tap.test("a card that is not PIV until it is selected")
def _():
    card = make_card("late", "--alg", "p256")
    with open(card + "/card.conf", "a") as f:
        f.write("default-app no\n")
    reader.put(card)
    sign("01", "ECDSA-SHA256", *login())


# ---- the rig ----

@tap.test("two readers, each with its card")
def _():
    reader.put(RSA)
    second = rig.add_reader(card=EC)
    tokens = p11("-L")
    tap.contains(tokens, "Ada Lovelace")
    tap.contains(tokens, "Björn Ångström")
    sign("01", "ECDSA-SHA256", *login(), "--slot", "4")
    verify(EC, "9a")
    rig.remove_reader(second.name)
    tap.lacks(run("opensc-tool", "-l", env=rig.env), "(r1)")
    sign("01", MECHANISM[RSA], *login())


@tap.test("no reader at first, one later; two rigs at once do not see each other")
def _():
    with Rig() as other:
        tap.contains(run("opensc-tool", "-l", env=other.env), "No smart card readers found")
        late = other.add_reader("late")
        waiting = subprocess.Popen(["opensc-tool", "--wait", "-a"], env=other.env, stderr=subprocess.DEVNULL)
        tap.contains(run("opensc-tool", "-l", env=other.env), "No              Virtual Reader (late)")
        late.put(EC)
        tap.equal(waiting.wait(PATIENCE), 0, "exit status of a program that waited for a card")
        tap.lacks(run("opensc-tool", "-l", env=rig.env), "late")
        tap.lacks(run("opensc-tool", "-l", env=other.env), "r0")
        directory = other.dir
    tap.check(not os.path.exists(directory), f"{directory} is left")


def processes_of(directory):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as e, open(f"/proc/{pid}/cmdline", "rb") as c:
                if directory.encode() in e.read() + c.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            pass
    return found


@tap.test("the rig command: start, status, put, pull, insert, ctl, readers, stop; nothing is left")
def _():
    directory = at("rig")
    run(RIG, "start", directory, "--card", RSA, "--readers", "2")
    try:
        tap.contains(run(RIG, "status", directory), "r0\tVirtual Reader (r0) 00 00\tpresent\tin tries=3")
        tap.contains(run(RIG, "start", directory, status=1), "a rig is (or was) there")
        env = {**os.environ, "PCSCLITE_CSOCK_NAME": run(RIG, "env", directory).split("=")[1].strip()}
        tap.contains(run("pkcs11-tool", "-L", env=env), "Ada Lovelace")
        run(RIG, "pull", directory)
        tap.contains(run(RIG, "status", directory), "(r0) 00 00\tempty\tout")
        run(RIG, "insert", directory, "r0")
        run(RIG, "put", directory, "r1", EC)
        tap.contains(run("pkcs11-tool", "-L", env=env), "Björn Ångström")
        tap.equal(run(RIG, "ctl", directory, "r1", "tries"), "3\n", "tries")
        tap.contains(run(RIG, "ctl", directory, "r1", "eject", status=1), "unknown command \"eject\"")
        tap.contains(run(RIG, "pull", directory, "r7", status=1), "no reader \"r7\"")
        run(RIG, "add-reader", directory, "desk")
        run(RIG, "remove-reader", directory, "r0")
        tap.lacks(run(RIG, "status", directory), "r0")
    finally:
        run(RIG, "stop", directory)
    tap.equal(processes_of(directory), [], "processes that are left")
    tap.check(not os.path.exists(directory), f"{directory} is left")


@tap.test("a rig whose test is killed goes with it")
def _():
    code = ("import sys, time; sys.path.insert(0, sys.argv[1]); from rig import Rig\n"
            "rig = Rig(sys.argv[2]).start(cards=[sys.argv[3]]); print('up', flush=True); time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", code, os.path.join(SOURCE, "tests/lib"), at("killed"), RSA],
                             stdout=subprocess.PIPE)
    tap.equal(child.stdout.readline(), b"up\n", "the child's word")
    child.kill()
    child.wait()
    end = time.monotonic() + PATIENCE
    while processes_of(at("killed")):
        tap.check(time.monotonic() < end, "its pcscd or card still runs")
        time.sleep(0.01)


@tap.test("a bad card directory is explained")
def _():
    os.makedirs(at("empty"))
    with tap.raises(RigError, "neither a container"):
        reader.put(at("empty"))
    with tap.raises(RigError, "No such file"):
        rig.add_reader(card=at("missing"))
    sign("01", MECHANISM[RSA], *login(), "--slot", "0")


@tap.test("other users' programs can use the card, and not what the rig keeps")
def _():
    if os.getuid() != 0:
        tap.skip("only root can try")
    other = shutil.which("setpriv")
    os.chmod(tmp, 0o711)
    nobody = [other, "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    tap.contains(run(*nobody, "pkcs11-tool", "-L", env=rig.env), "Ada Lovelace")
    run(*nobody, "ls", rig.dir, status=None)


tap.run()
