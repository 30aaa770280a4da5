#!/usr/bin/python3
"""The gateway changes its key: one device is there and hears of it in time; another one is away during all of it and comes back
afterwards, by a pin set that anybody may hand over and only derivd-ca can make."""

import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import UIDS, Kiosk, run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
kiosk = tap.use(Kiosk(crl="files"))
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
HERE_DEVICE, AWAY, LATE = (kiosk.device(name) for name in ("here", "away", "late"))
NAME = {}


def ca(*words, check=True):
    """derivd-ca, as root."""
    return run(kiosk.program("derivd-ca"), *words, env=kiosk.environment("derivd-ca"), check=check)


def told():
    """(epoch, devices, acknowledged), and the labels of those that have not."""
    *rows, count = kiosk.ctl_json("pins")
    return (count["pins_epoch"], count["devices"], count["acknowledged"]), [r["label"] for r in rows]


def pin(name):
    return run(kiosk.program("derivd-gateway"), "pin", kiosk.at(f"etc/gateway/{name}.pem"),
               env=kiosk.environment()).stdout.strip()


def reload():
    tap.check(kiosk.kill("derivd", 1) > 0, "derivd does not run")


def use(name):
    """The gateway's key, from a new start on."""
    kiosk.write("etc/gateway.conf", f"""
certificate = "{kiosk.at(f'etc/gateway/{name}.pem')}"
key = "{kiosk.at(f'etc/gateway/{name}.key')}"
""")
    kiosk.kill("derivd-gateway")


def connects(device):
    """Does it get through to derivd?"""
    before = len(device.said())
    device.start()
    wait_for("an answer", lambda: re.search('"connected"|wrong-gateway-key', device.said()[before:]), 60)
    return '"connected"' in device.said()[before:]


for device in (HERE_DEVICE, AWAY):
    kiosk.provision(device, "--label", device.name)
HERE_DEVICE.start()
wait_for("a connected device", lambda: any(d["connected"] for d in kiosk.ctl_json("device", "list")))


@tap.test("before any change: nothing to acknowledge, nothing to sign")
def _():
    tap.equal(told()[0][0], 0, "epoch")
    tap.contains(kiosk.ctl("pins").stdout, "never changed")
    tap.contains(ca("pins").stdout, pin("gateway"))
    done = ca("pins", "sign", check=False)
    tap.equal(done.returncode, 1, "exit status")
    tap.contains(done.stderr, "never changed")
    done = ca("pins", "drop", kiosk.at("etc/gateway/gateway.pem"), check=False)
    tap.contains(done.stderr, "only key")
    tap.equal(HERE_DEVICE.status()["pins_epoch"], 0, "epoch of a device")


@tap.test("the next key is announced: who is connected has it at once, who is not stands in derivctl's list")
def _():
    run(kiosk.program("derivd-gateway"), "init", "--name", "next", "--owner",
        f"{UIDS['derivd-gateway']}:{UIDS['derivd-gateway']}", kiosk.at("etc/gateway"), env=kiosk.environment())
    out = ca("pins", "add", kiosk.at("etc/gateway/next.pem")).stdout
    tap.contains(out, pin("next"))
    tap.contains(out, "reload derivd")
    tap.contains(ca("pins", "add", pin("next"), check=False).stderr, "already")
    tap.equal(oct(os.stat(kiosk.at("etc/deployment.conf")).st_mode & 0o777), "0o644", "mode of deployment.conf")
    tap.equal(told()[0], (0, 2, 2), "before the reload")
    reload()
    wait_for("the acknowledgement", lambda: told()[0] == (1, 2, 1))
    tap.equal(told()[1], ["away"], "who has not acknowledged")
    tap.contains(kiosk.ctl("pins").stdout, "1 of 2 devices")
    status = HERE_DEVICE.status()
    tap.equal((status["pins"], status["pins_epoch"]), ([pin("gateway"), pin("next")], 1), "pins of the device")
    tap.equal(AWAY.status()["pins"], [pin("gateway")], "pins of the other")
    NAME["old"] = ca("pins", "sign").stdout


@tap.test("the gateway changes its key: the device that was told goes on by itself, a new one is enrolled and told, too")
def _():
    before = HERE_DEVICE.said().count('"connected"')
    use("next")
    wait_for("the device again", lambda: HERE_DEVICE.said().count('"connected"') > before, 60)
    tap.lacks(HERE_DEVICE.said(), "wrong-gateway-key")
    kiosk.provision(LATE, "--label", "late")
    tap.equal(LATE.status()["pins_epoch"], 1, "epoch of the new device")
    wait_for("the new one's acknowledgement", lambda: told()[1] == ["away"])
    ca("pins", "drop", kiosk.at("etc/gateway/gateway.pem"))
    reload()
    wait_for("the acknowledgement", lambda: HERE_DEVICE.status()["pins"] == [pin("next")])
    wait_for("the list", lambda: sorted(told()[1]) == ["away", "late"])


@tap.test("the device that was away does not speak to a key that it does not know, and says how it comes back")
def _():
    tap.check(not connects(AWAY), "it connected")
    line = [x for x in AWAY.said().splitlines() if "wrong-gateway-key" in x][0]
    tap.contains(line, "none of those that this device knows")
    held = AWAY.run("repin", NAME["old"].splitlines()[-1], check=False)
    tap.contains(held.stderr, "derivd-device run")
    AWAY.stop()


@tap.test("a pin set is believed from anybody, if derivd-ca has signed it for this deployment, in time, and it is newer")
def _():
    good = ca("pins", "sign").stdout.splitlines()[-1]
    tap.check(re.fullmatch(r"derivd-pins:1\?b=[\w-]+&k=[\w-]+&s=[\w-]+", good), f"not a pin set: {good}")
    old = NAME["old"].splitlines()[-1]
    parts = re.split("[&?]", good)
    forged = {
        "another set's signature": "&".join([good.rsplit("&", 1)[0], old.rsplit("&", 1)[1]]),
        "cut off": good[:-4],
        "not a pin set": "derivd-pins:1?" + parts[2],
        "over": ca("pins", "sign", "--days", "0").stdout.splitlines()[-1],
    }
    with Kiosk(crl="files") as other:
        run(other.program("derivd-ca"), "pins", "add", "ab" * 32, env=other.environment("derivd-ca"))
        forged["another deployment's"] = run(other.program("derivd-ca"), "pins", "sign",
                                             env=other.environment("derivd-ca")).stdout.splitlines()[-1]
    for what, text in forged.items():
        done = AWAY.run("repin", "--json", text, check=False)
        tap.equal(done.returncode, 1, f"exit status: {what}")
        tap.contains(done.stdout, "pin-set-refused", what)
        tap.equal(AWAY.status()["pins"], [pin("gateway")], f"pins after: {what}")
    path = kiosk.at("devices/pins.txt")
    with open(path, "w") as f:
        f.write(ca("pins", "sign").stdout)
    tap.contains(AWAY.run("repin", path).stdout, "change 2")
    tap.equal((AWAY.status()["pins"], AWAY.status()["pins_epoch"]), ([pin("next")], 2), "pins")
    tap.contains(AWAY.run("repin", good).stdout, "Nothing is new")
    back = AWAY.run("repin", "--json", old, check=False)
    tap.contains(back.stdout, "pin-set-refused", "an older set, that is still good")
    tap.equal(AWAY.status()["pins_epoch"], 2, "epoch")


@tap.test("it comes back: connected, told, and its credentials are what they were")
def _():
    tap.check(connects(AWAY), "it does not connect")
    wait_for("the acknowledgement", lambda: told()[1] == ["late"])
    LATE.start()
    wait_for("all of them", lambda: told()[0] == (2, 3, 3))
    tap.contains(kiosk.ctl("pins").stdout, "3 of 3 devices")
    tap.equal([j for j in kiosk.ctl_json("queue", "list", "--open") if j["device"]], [], "queue")
    tap.equal(len([c for c in kiosk.ctl_json("credential", "list") if c["state"] == "active"]) > 0, True, "credentials")


@tap.test("deployment.conf was put back to before the change: devices that know more do not count as told")
def _():
    path = kiosk.at("etc/deployment.conf")
    kept = open(path).read()
    tap.contains(kept, "pins-epoch = 2")
    with open(path, "w") as f:
        f.write(kept.replace("pins-epoch = 2", "pins-epoch = 1"))
    reload()
    wait_for("the older configuration", lambda: told()[0] == (1, 3, 0))
    tap.contains(kiosk.ctl("pins").stdout, "DEVICES KNOW CHANGE 2, deployment.conf ONLY 1")
    with open(path, "w") as f:
        f.write(kept)
    reload()
    wait_for("the newer one", lambda: told()[0] == (2, 3, 3))


@tap.test("without a role nobody sees the devices' list")
def _():
    from kiosk import NOBODY
    tap.equal(kiosk.ctl_error("pins", uid=NOBODY), "denied", "kind")


tap.run()
