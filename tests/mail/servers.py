"""Real servers, each with its own directory, users and ports on loopback, configured as doc/MAIL.md says."""

import os
import shutil
import socket

from guide import Guide
from kiosk import KioskError, WebServer, free_port, run, wait_for
from postfix import Postfix
from rig import Process

MAIL_UID = 47250  # who owns the mailboxes; in no /etc/passwd
SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"


def answers(port):
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Site:
    """The machine of the mail servers: where the CA's certificates and CRLs are, the servers' own certificate, and a web server
    that shows what derivd-ca publishes."""

    def __init__(self, directory, published, people):
        self.dir = directory
        self.people = people  # mail addresses of who has a mailbox
        self.web = WebServer(published)
        for name in ("derivd-mail", "bin", "log"):
            os.makedirs(self.at(name), exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.places = {"/etc/derivd-mail": self.at("derivd-mail"), "http://pki.example.org": self.web.url}
        self.env = {"PATH": f"{self.at('bin')}:{SBIN}", "LC_ALL": "C.UTF-8"}

    def at(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(name)), exist_ok=True)
        with open(self.at(name), "w") as f:
            f.write(text)
        os.chmod(self.at(name), mode)
        return self.at(name)

    def guide(self, title, **places):
        """A part of doc/MAIL.md, with the places of this machine."""
        return Guide({**places, **self.places}).text(title)

    def command(self, name, *words):
        """What an administrator calls by its name: the same for the server that is here."""
        program = shutil.which(name, path=SBIN)
        self.write(f"bin/{name}", "#!/bin/sh\nexec " + " ".join([program, *words]) + ' "$@"\n', 0o755)

    def shell(self, script, **how):
        return run("sh", "-eu", "-c", script, env=self.env, **how)

    def __enter__(self):
        self.web.up()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=mail.example.org", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.at("mail.key"),
            "-out", self.at("mail.pem"))
        # Until a server is here to be told.
        for name in ("doveadm", "nginx", "ldapmodify"):
            self.write(f"bin/{name}", "#!/bin/sh\n", 0o755)
        self.shell(self.guide("/etc/derivd-mail/ca.pem"))
        self.write("bin/derivd-mail-crl", self.guide("/usr/local/sbin/derivd-mail-crl"), 0o755)
        self.fetch_crl()
        return self

    def __exit__(self, *_):
        self.web.down()

    def fetch_crl(self, **how):
        return run(self.at("bin/derivd-mail-crl"), env=self.env, **how)


class MailPostfix(Postfix):
    """Behind Dovecot's submission service on self.inner; on self.submissions it takes certificates itself, by the list "phones"."""

    def __init__(self, site):
        self.site = site
        os.makedirs(site.at("postfix"), exist_ok=True)
        super().__init__(site.at("postfix"))
        self.inner, self.submissions = free_port(), free_port()
        self.allow("")

    def text(self, title):
        return self.site.guide(title, **{"/etc/postfix": self.dir, "127.0.0.1:10587": f"127.0.0.1:{self.inner}",
                                         "submissions inet": f"127.0.0.1:{self.submissions} inet"})

    def delivery(self):
        self.write("derivd-senders", self.text("/etc/postfix/derivd-senders"))
        self.write("derivd-people", "".join(f"{who} x\n" for who in self.site.people))
        return self.text("/etc/postfix/main.cf")

    def services(self):
        return "lmtp unix - - n - - lmtp\n" + self.text("/etc/postfix/master.cf") + self.text("/etc/postfix/master.cf for port 465")

    def allow(self, phones):
        """The list of fingerprints."""
        self.write("derivd-phones", phones)
        if self.port:
            self.run("reload")


class Dovecot:
    """IMAP for who has a certificate, in self.port; with a Postfix behind, submission too, in self.submissions."""

    def __init__(self, site, postfix=None):
        self.site, self.postfix = site, postfix
        self.port, self.submissions = free_port(), free_port()
        self.conf = None

    def mail(self):
        """What it does with mail."""
        if not self.postfix:
            return ""
        return self.site.guide("/etc/dovecot/conf.d/99-derivd-submission.conf", **{
            "port = 465": f"port = {self.submissions}", "port = 10587": f"port = {self.postfix.inner}",
            "/var/spool/postfix": self.postfix.at("queue")})

    def __enter__(self):
        site = self.site
        for name in ("dovecot/run", "dovecot/state", "mail"):
            os.makedirs(site.at(name), exist_ok=True)
        os.chown(site.at("mail"), MAIL_UID, MAIL_UID)
        site.write("dovecot/derivd-users", "".join(
            f"{who}::{MAIL_UID}:{MAIL_UID}::{site.at('mail')}/{who}::\n" for who in site.people))
        ours = site.guide("/etc/dovecot/conf.d/99-derivd.conf", **{"/etc/dovecot/mail": site.at("mail"),
                                                                  "/etc/dovecot": site.at("dovecot")})
        self.conf = site.write("dovecot/dovecot.conf", f"""
base_dir = {site.at("dovecot/run")}
state_dir = {site.at("dovecot/state")}
log_path = {site.at("log/dovecot")}
protocols = imap
listen = 127.0.0.1
mail_location = maildir:~/Maildir
service imap-login {{
    inet_listener imap {{
        port = 0
    }}
    inet_listener imaps {{
        port = {self.port}
    }}
}}
# Who was refused is not made to wait, since all come from one address here.
auth_failure_delay = 0
service anvil {{
    unix_listener anvil-auth-penalty {{
        mode = 0
    }}
}}
{ours}
{self.mail()}""")
        site.command("doveadm", "-c", self.conf)
        self.process = Process.start(["/usr/sbin/dovecot", "-F", "-c", self.conf], site.at("log/dovecot"), True, env=site.env)
        wait_for("Dovecot", lambda: answers(self.port) or not self.process.alive())
        if not self.process.alive():
            raise KioskError(f"Dovecot does not start:\n{self.log()}")
        return self

    def __exit__(self, *_):
        self.process.end(20)

    def log(self):
        with open(self.site.at("log/dovecot")) as f:
            return "".join(line for line in f if ": Debug: " not in line)


class Nginx:
    """HTTPS for who has a certificate, in self.port; behind it a server on the port that is given."""

    def __init__(self, site, behind):
        self.site, self.behind, self.port = site, behind, free_port()

    def __enter__(self):
        site = self.site
        ours = site.guide("/etc/nginx/conf.d/derivd.conf", **{
            "listen 443": f"listen 127.0.0.1:{self.port}", "127.0.0.1:20000": f"127.0.0.1:{self.behind}",
            "/etc/nginx/mail": site.at("mail")})
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            os.makedirs(site.at(f"nginx/{name}"), exist_ok=True)
        paths = "".join(f"    {name}_temp_path {site.at(f'nginx/{name}')};\n" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
        conf = site.write("nginx/nginx.conf", f"""daemon off;
pid {site.at("nginx/pid")};
error_log {site.at("log/nginx")} info;
events {{}}
http {{
    access_log {site.at("log/nginx-access")};
    client_body_temp_path {site.at("nginx/body")};
{paths}{ours}}}
""")
        words = ["-e", site.at("log/nginx"), "-p", site.at("nginx"), "-c", conf]
        site.command("nginx", *words)
        self.process = Process.start([shutil.which("nginx", path=SBIN), *words], site.at("log/nginx"), True, env=site.env)
        wait_for("nginx", lambda: answers(self.port) or not self.process.alive())
        if not self.process.alive():
            raise KioskError(f"nginx does not start:\n{self.log()}")
        return self

    def __exit__(self, *_):
        self.process.end(20)

    def log(self):
        with open(self.site.at("log/nginx")) as f:
            return f.read()

    def workers(self):
        """The processes that take connections; after a reload others do, and these end."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return set(f.read().split())
