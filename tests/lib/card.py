"""A session with derivd-card, through tests/e2e/cardclient: one request, one answer, as dictionaries."""

import json
import os
import signal
import subprocess


class Card:
    """with Card(rig, build, confdir) as card: card.open(); card.sign("9A", "123456")"""

    def __init__(self, build, confdir, env, conf=""):
        self.build, self.confdir, self.env = build, confdir, dict(env)
        os.makedirs(confdir, mode=0o700, exist_ok=True)
        with open(os.path.join(confdir, "card.conf"), "w") as f:
            f.write(conf)

    def __enter__(self):
        self.log = open(os.path.join(self.confdir, "log"), "w+")
        self.process = subprocess.Popen(
            [os.path.join(self.build, "tests/e2e/cardclient"), os.path.join(self.build, "derivd-card"),
             self.confdir],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=self.env, text=True)
        self.pid = self._read()["pid"]
        return self

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"cardclient ended; the log:\n{self.messages()}")
        return json.loads(line)

    def send(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ask(self, **request):
        self.send(**request)
        return self._read()

    answer = _read

    def open(self, reader="", uri=""):
        return self.ask(do="open", reader=reader, uri=uri)

    def sign(self, slot, pin, insist=False, spoil="", operation="enroll"):
        return self.ask(do="sign", slot=slot, pin=pin, insist=insist, spoil=spoil, operation=operation)

    def close(self):
        return self.ask(do="close")

    def holds(self, text):
        """Is this text anywhere in the memory of derivd-card? PermissionError unless we may look."""
        with open(f"/proc/{self.pid}/maps") as maps, open(f"/proc/{self.pid}/mem", "rb") as memory:
            for line in maps:
                area, rights, *_ = line.split()
                if not rights.startswith("rw"):
                    continue
                start, end = (int(x, 16) for x in area.split("-"))
                memory.seek(start)
                try:
                    if text.encode() in memory.read(end - start):
                        return True
                except OSError:
                    continue  # unmapped meanwhile
        return False

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def hang_up(self):
        """Without waiting for derivd-card."""
        self.process.stdin.close()

    def end(self):
        """Hangs up and waits; the wait status of derivd-card."""
        if self.process.stdout.closed:
            return None
        self.process.stdin.close()
        line = self.process.stdout.readline()
        self.process.wait()
        self.process.stdout.close()
        return json.loads(line)["status"] if line else None

    def messages(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def __exit__(self, *_):
        self.end()
        self.log.close()


PIN_FOR_COUNTING = "73519264"


def count_apdus(rig, reader, build, directory, card, alg, pin=PIN_FOR_COUNTING):
    """What a whole session sends to a card, and what pkcs11-tool sends to list it and to sign once. directory: for files."""
    mechanism = "SHA256-RSA-PKCS" if alg.startswith("rsa") else "ECDSA-SHA256"
    message, signature = os.path.join(directory, "message"), os.path.join(directory, "signature")
    with open(message, "w") as f:
        f.write("hello")

    def pkcs11_tool(*args):
        reader.ctl("count reset")
        subprocess.run(["pkcs11-tool", *args], env=rig.env, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return reader.count()

    reader.put(card)
    tool = pkcs11_tool("-O") + pkcs11_tool("--login", "--pin", pin, "--sign", "-m", mechanism, "--id", "01", "-i",
                                           message, "-o", signature)
    reader.ctl("count reset")
    with Card(build, os.path.join(directory, f"etc-count-{alg}"), rig.env) as session:
        answer = session.open()
        if "certs" in answer:
            answer = session.sign("9A", pin)
        if not answer.get("signature"):
            raise RuntimeError(f"derivd-card does not sign: {answer}")
        session.close()
    return reader.count(), tool
