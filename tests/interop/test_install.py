#!/usr/bin/python3
"""derivd-device-install: what a phone got, in an NSS database and in a PKCS#11 token, used by programs that look there."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from kiosk import OFFICER, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PASSWORD, PIN = "of the database", "4711"

tap = Tap()
tap.need("certutil", "cmsutil", "openssl", "softhsm2-util", "pkcs11-tool")
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
phone = kiosk.device("phone")
kiosk.provision(phone)
os.environ["SOFTHSM2_CONF"] = kiosk.at("softhsm2.conf")


def write(name, text):
    with open(kiosk.at(name), "w") as f:
        f.write(text)
    return kiosk.at(name)


def install(*words, **how):
    return run(kiosk.program("derivd-device-install"), "--state", phone.state, *words, **how)


def refused(text, *words):
    done = install(*words, check=False)
    tap.equal(done.returncode, 1, f"exit status ({done.stderr})")
    tap.contains(done.stderr, text)


def database(name, password=""):
    """A database with a password; a certificate of somebody else's is in it."""
    os.mkdir(kiosk.at(name))
    file = write(f"{name}.password", password + "\n")
    run("certutil", "-N", "-d", f"sql:{kiosk.at(name)}", "-f", file)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Mine", "-days", "9", "-keyout", "/dev/null",
        "-out", kiosk.at("mine.pem"))
    run("certutil", "-A", "-d", f"sql:{kiosk.at(name)}", "-f", file, "-n", "Mine", "-t", ",,", "-i", kiosk.at("mine.pem"))
    return ["--nss", kiosk.at(name), "--password-file", file]


def listed(name, what="-L"):
    return run("certutil", what, "-d", f"sql:{kiosk.at(name)}", "-f", kiosk.at(f"{name}.password"), check=False).stdout


def serials():
    return {c["purpose"]: c["serial"] for c in json.loads(phone.run("list", "--json").stdout)}


def nick(purpose):
    return f"derivd {purpose} {serials()[purpose][:8]}"


def installed(name):
    return sorted(re.findall(r"^(derivd \w+) [0-9a-f]{8} ", listed(name), re.M))


def in_token():
    return run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "Ada's", "--login", "--pin", PIN, "-O").stdout


def replace(*purposes):
    """Further credentials in the place of those that it has."""
    device = kiosk.ctl_json("device", "list")[0]["id"]
    phone.start()
    wait_for("the phone", lambda: kiosk.ctl_json("device", "show", device)[0]["connected"])
    with kiosk.session("--device", device, "--replace", "--yes", "--purposes", ",".join(purposes), command="issue") as s:
        s.finish()
    wait_for("the successors", lambda: all(
        c["state"] != "queued" for c in kiosk.ctl_json("credential", "list")))
    phone.stop()


@tap.test("an NSS database without a password: three credentials and the CA, which is believed for mail and for nothing else")
def _():
    database("plain")
    done = install("--nss", kiosk.at("plain"))
    tap.contains(done.stdout, "derivd signing")
    tap.equal(installed("plain"), ["derivd authentication", "derivd encryption", "derivd signing"])
    tap.equal(len(re.findall(r"^<", listed("plain", "-K"), re.M)), 3, "keys")
    trust = re.findall(r"^(.*\S) +(\S*,\S*,\S*) *$", listed("plain"), re.M)
    tap.equal([t for name, t in trust if name.endswith("CA 1") or name.endswith("Root CA")], [",,", ",C,"], f"trust in {trust}")
    tap.contains(listed("plain"), "Mine")


@tap.test("what is signed with the database's key, OpenSSL verifies")
def _():
    message = write("message", "Dear Bob,\n")
    run("cmsutil", "-S", "-d", f"sql:{kiosk.at('plain')}", "-N", nick("signing"), "-H", "SHA256", "-G", "-i", message,
        "-o", kiosk.at("signed"))
    phone.run("export", "--pem", kiosk.at("pem"))
    done = run("openssl", "cms", "-verify", "-inform", "DER", "-in", kiosk.at("signed"), "-purpose", "smimesign",
               "-CAfile", kiosk.at("pem/signing/chain.pem"))
    tap.equal(done.stdout, "Dear Bob,\n")


@tap.test("again: nothing is there twice")
def _():
    before = listed("plain"), sorted(re.findall(r" ([0-9a-f]{40}) ", listed("plain", "-K")))
    install("--nss", kiosk.at("plain"))
    tap.equal((listed("plain"), sorted(re.findall(r" ([0-9a-f]{40}) ", listed("plain", "-K")))), before)


@tap.test("a database with a password: asked for, a wrong one refused, the right one taken")
def _():
    words = database("secret", PASSWORD)
    refused("--password-file", *words[:2])
    refused("refused", *words[:2], "--password-file", write("wrong", "guess\n"))
    tap.equal(installed("secret"), [])
    install(*words)
    tap.equal(len(installed("secret")), 3)


@tap.test("a token: found by its label; the keys sign; a wrong PIN costs one try")
def _():
    os.mkdir(kiosk.at("tokens"))
    write("softhsm2.conf", f"directories.tokendir = {kiosk.at('tokens')}\nlog.level = ERROR\n")
    run("softhsm2-util", "--init-token", "--free", "--label", "Ada's", "--pin", PIN, "--so-pin", "12345678")
    target = ["--module", SOFTHSM, "--token", "Ada's", "--password-file", write("pin", PIN + "\n")]
    refused('no token "Bob\'s"', *target[:3], "Bob's")
    refused("refused", *target[:5], write("wrong", "0000\n"))
    install(*target)
    install(*target)
    objects = in_token()
    tap.equal(len(re.findall("^Private Key", objects, re.M)), 3, f"keys in {objects}")
    tap.equal(len(set(re.findall("label: +(derivd [a-z]+ [0-9a-f]{8})$", objects, re.M))), 3, f"labels in {objects}")
    tap.contains(objects, "sensitive", "private keys")
    key = re.search(rf"Private Key.*\n +label: +{nick('signing')}\n +ID: +(\w+)", objects).group(1)
    run("openssl", "dgst", "-sha256", "-binary", "-out", kiosk.at("digest"), kiosk.at("message"))
    run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "Ada's", "--login", "--pin", PIN, "--sign", "--mechanism", "ECDSA",
        "--id", key, "--signature-format", "openssl", "-i", kiosk.at("digest"), "-o", kiosk.at("raw"))
    run("sh", "-c", f"openssl x509 -pubkey -noout -in {kiosk.at('pem/signing/certificate.pem')} >{kiosk.at('signer')}")
    run("openssl", "dgst", "-sha256", "-verify", kiosk.at("signer"), "-signature", kiosk.at("raw"), kiosk.at("message"))


@tap.test("replaced credentials: the successors come, the old ones go, but the key of old mail stays")
def _():
    old = serials()
    replace("signing", "encryption")
    tap.check(serials()["signing"] != old["signing"], "not replaced")
    install("--nss", kiosk.at("plain"))
    tap.equal(installed("plain"), ["derivd authentication", "derivd encryption", "derivd encryption", "derivd signing"])
    tap.contains(listed("plain"), nick("signing"))
    tap.lacks(listed("plain"), old["signing"][:8])
    tap.contains(listed("plain"), old["encryption"][:8])


@tap.test("the device is revoked: everything goes that came from here, and nothing else")
def _():
    device = kiosk.ctl_json("device", "list")[0]["id"]
    kiosk.ctl("device", "revoke", device, uid=OFFICER)
    phone.start()
    wait_for("the removal", lambda: phone.status()["stage"] == "removed")
    phone.stop()
    install("--nss", kiosk.at("plain"))
    tap.equal(installed("plain"), [])
    tap.equal(len(re.findall(r"^<", listed("plain", "-K"), re.M)), 0, "keys")
    tap.contains(listed("plain"), "Mine")
    install("--module", SOFTHSM, "--token", "Ada's", "--password-file", kiosk.at("pin"))
    tap.lacks(in_token(), "Private Key")
    tap.lacks(in_token(), "Ada Lovelace")


@tap.test("no database, no module, no target, a device that never enrolled: said as such")
def _():
    refused("certutil -N", "--nss", kiosk.at("nowhere"))
    refused("nowhere.so", "--module", kiosk.at("nowhere.so"), "--token", "x")
    refused("--nss, or --module", "--module", SOFTHSM)
    done = run(kiosk.program("derivd-device-install"), "--state", kiosk.at("devices/none"), "--nss", kiosk.at("plain"), check=False)
    tap.equal(done.returncode, 1)
    tap.contains(done.stderr, "derivd-device enroll")


tap.run()
