"""The services of a kiosk under derivd-spawn, everything of theirs in the kiosk's directory: what all tests have but those of
installed services (units.py)."""

import glob
import os
import shutil

from kiosk import UIDS
from rig import Process, Rig, build_dir


class Spawned:
    """What kiosk.Kiosk asks of its services."""

    port = None

    def __init__(self, kiosk):
        self.kiosk = kiosk

    @property
    def bin(self):
        return self.at("bin")

    def at(self, name):
        return os.path.join(self.kiosk.dir, name)

    def program(self, name):
        return os.path.join(self.kiosk.bin, name)

    def ctl(self):
        return [self.program("derivctl"), "-C", self.kiosk.dir]

    def rig(self, readers):
        return Rig(self.at("rig")).start(readers)

    def may_write(self, service, path):
        """What a drop-in has to say for this one."""

    def gateway_owner(self):
        return ["--owner", f"{UIDS['derivd-gateway']}:{UIDS['derivd-gateway']}"]

    def gateway_conf(self):
        return f"""
certificate = "{self.at('etc/gateway/gateway.pem')}"
key = "{self.at('etc/gateway/gateway.key')}"
"""

    def install(self):
        """The tree may be where nobody but root looks, such as root's home: services and people run programs from here."""
        os.makedirs(self.kiosk.bin)
        for path in glob.glob(os.path.join(build_dir(), "deriv*")) + glob.glob(os.path.join(build_dir(), "lib*.so.*")):
            if os.path.isfile(path):
                shutil.copy(path, self.kiosk.bin)
        for path in glob.glob(os.path.join(build_dir(), "po/*/LC_MESSAGES")):
            shutil.copytree(path, self.at(f"locale/{path.split('/')[-2]}/LC_MESSAGES"))

    def start(self):
        """What runs then: it is alive(), and end()s."""
        kiosk = self.kiosk
        host = f"[{kiosk.host}]" if ":" in kiosk.host else kiosk.host
        args = [self.program("derivd-spawn"), "--bin", kiosk.bin, "--listen", f"{host}:{kiosk.port}"]
        for name, uid in UIDS.items():
            args += ["--user", f"{name}={uid}:{uid}"]
        for name, value in kiosk.setenv.items():
            args += ["--setenv", f"{name}={value}"]
        args += ["--mode", "card.sock=0666", "--mode", "officer.sock=0666", kiosk.dir]
        return Process.start(args, self.at("log/spawn.log"), True, env=kiosk.environment())

    def ready(self):
        return os.path.exists(self.at("run/ready"))

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.at("log"))):
            with open(self.at(f"log/{name}"), errors="replace") as f:
                text += f"--- {name}\n{f.read()[-4000:]}"
        return text

    def log(self, program):
        with open(self.at(f"log/{program}.log"), errors="replace") as f:
            return f.read()

    def said(self):
        """All that they said which is in no file of log/."""
        return b""

    def pids(self, program):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
                with open(f"/proc/{pid}/environ", "rb") as f:
                    mine = f"RUNTIME_DIRECTORY={self.at('run')}".encode() in f.read()
            except OSError:
                continue
            if mine and os.path.basename(exe) == program:
                found.append(int(pid))
        return found

    def stop(self):
        pass
