"""Programs that are not ours, as they log in: curl, openssl s_client, gnutls-cli."""

import contextlib
import os
import subprocess
import tempfile
import time

import wbxml
from kiosk import WAIT, run


class Talk:
    """A conversation with an IMAP server through a program: a line is said when the server has answered to the one before."""

    def __init__(self, args):
        self.out = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(a) for a in args], stdin=subprocess.PIPE, stdout=self.out, stderr=self.out)
        self.seen, self.commands = 0, 0

    def __enter__(self):
        self.wait("* OK")
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.heard = self.read()
        self.out.close()

    def read(self):
        self.out.seek(0)
        return self.out.read().decode("utf-8", "replace")

    def wait(self, start):
        """Whether a line that begins so comes, before the server or the program hangs up."""
        until = time.monotonic() + WAIT
        while True:
            alive, lines = self.process.poll() is None, self.read()[self.seen:].splitlines(keepends=True)
            if any(line.startswith(start) and line.endswith("\n") for line in lines):
                self.seen += len("".join(lines))
                return True
            if not alive or time.monotonic() > until:
                return False
            time.sleep(0.02)

    def answers(self, command):
        self.commands += 1
        try:
            self.process.stdin.write(f"a{self.commands} {command}\r\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return self.wait(f"a{self.commands} ")


def talk(args, commands):
    """All that was heard; it gets no further than the server goes."""
    with Talk(args) as t:
        for command in commands:
            if not t.answers(command):
                break
    return t.heard


def certificate(person, purpose, cert="--cert", key="--key"):
    return [cert, person.pem(purpose, "certificate"), key, person.pem(purpose, "key")] if person else []


class Submission:
    """Mail handed in over TLS: to Dovecot with AUTH EXTERNAL, to Postfix with the certificate alone."""

    def __init__(self, port, ca, login=True):
        self.port, self.ca, self.login = port, ca, login

    def curl(self, text, sender, recipient, person=None, purpose="authentication"):
        login = ["--login-options", "AUTH=EXTERNAL", "--sasl-ir", "-u", ":"] if self.login else []
        return run("curl", "-sS", "-v", "--max-time", WAIT, "--cacert", self.ca, *login, *certificate(person, purpose), "--mail-from",
                   sender, "--mail-rcpt", recipient, "--upload-file", "-", f"smtps://127.0.0.1:{self.port}/phone", input=text,
                   check=False)


class Imap:
    """Log in with the certificate of a purpose (or none), say who one would like to be, and look at the mailboxes."""

    SAY = ("AUTHENTICATE EXTERNAL =", "LIST \"\" *", "LOGOUT")

    def __init__(self, port, ca):
        self.port, self.ca = port, ca

    def curl(self, person=None, purpose="authentication", user="", path="", *more):
        return run("curl", "-sS", "-v", "--max-time", WAIT, "--cacert", self.ca, "--login-options", "AUTH=EXTERNAL", "-u", f"{user}:",
                   *certificate(person, purpose), *more, f"imaps://127.0.0.1:{self.port}/{path}", check=False)

    def inbox(self, person):
        """All mails there are, as they are."""
        found, number = [], 1
        while True:
            with tempfile.NamedTemporaryFile() as out:
                done = self.curl(person, "authentication", "", f"INBOX;MAILINDEX={number}", "-o", out.name)
                text = out.read()
            if done.returncode != 0 or not text:
                return found
            found.append(text.decode("ascii"))
            number += 1

    def s_client(self, person, purpose):
        return ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", self.ca, "-connect", f"127.0.0.1:{self.port}",
                *certificate(person, purpose, "-cert", "-key")]

    def openssl(self, person=None, purpose="authentication"):
        return talk(self.s_client(person, purpose), self.SAY)

    @contextlib.contextmanager
    def stay(self, person):
        """Somebody who is logged in meanwhile."""
        with Talk(self.s_client(person, "authentication")) as there:
            there.answers(self.SAY[0])
            yield there

    def gnutls(self, person=None, purpose="authentication"):
        return talk(["gnutls-cli", "--x509cafile", self.ca, "-p", self.port, "127.0.0.1",
                     *certificate(person, purpose, "--x509certfile", "--x509keyfile")], self.SAY)

    def all(self, person=None, purpose="authentication"):
        """What each of them heard."""
        return {"curl": (lambda done: done.stdout + done.stderr)(self.curl(person, purpose)),
                "openssl": self.openssl(person, purpose), "gnutls": self.gnutls(person, purpose)}


class Phone:
    """A phone that speaks ActiveSync, over curl; it says no password."""

    def __init__(self, port, ca, directory):
        self.url, self.ca, self.dir = f"https://127.0.0.1:{port}/Microsoft-Server-ActiveSync", ca, directory
        os.makedirs(directory, exist_ok=True)
        with open(self.at("first"), "wb") as f:
            f.write(wbxml.encode(("FolderSync", [("SyncKey", "0")])))

    def at(self, name):
        return os.path.join(self.dir, name)

    def curl(self, *words, person=None, purpose="authentication", ca=None):
        """(status, header and body), or what curl has against it."""
        done = run("curl", "-sS", "-i", "--max-time", WAIT, "--cacert", ca or self.ca, *certificate(person, purpose), "-o",
                   self.at("answer"), "-w", "%{http_code}", *words, check=False)
        if done.returncode != 0:
            return done.stderr, b""
        with open(self.at("answer"), "rb") as f:
            return done.stdout, f.read()

    def options(self, person, *words, purpose="authentication"):
        return self.curl("-X", "OPTIONS", *words, self.url, person=person, purpose=purpose)

    def folders(self, person, *words):
        """(status, the names of the folders that the phone is shown, or what came in their place)."""
        status, answer = self.curl("-H", "Content-Type: application/vnd.ms-sync.wbxml", "-H", "MS-ASProtocolVersion: 14.1", *words,
                                   "--data-binary", f"@{self.at('first')}",
                                   f"{self.url}?Cmd=FolderSync&User=anybody&DeviceId=1&DeviceType=phone", person=person)
        if status != "200":
            return status, answer
        element = wbxml.decode(answer.partition(b"\r\n\r\n")[2])
        good = [e[1] for e in wbxml.find(element, "Status")] == ["1"]
        return status if good else "bad", [name[1] for name in wbxml.find(element, "DisplayName")]
