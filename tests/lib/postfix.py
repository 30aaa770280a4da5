"""A Postfix of one's own on loopback: its own configuration, queue and mail directories, nothing of the machine's.

    with Postfix("/tmp/x") as server:
        server.port               it offers STARTTLS; server.at("ca.pem")
        server.mails("ada")           what ada@example.org got, as email.message.Message
        server.refuse("ada", "450 4.2.1 full")

With users={"kiosk": "secret"} it takes mail from those who say name and password, over TLS only, and from nobody else.
"""

import email
import email.policy
import grp
import os
import pwd
import shutil
import socket
import subprocess
import time

SASLPASSWD = shutil.which("saslpasswd2", path="/usr/sbin:/usr/bin")
POSTFIX = shutil.which("postfix", path="/usr/sbin:/usr/bin:/sbin:/bin")

# Who has a mailbox. (Postfix's virtual takes nothing from what a pattern matched.)
MAPS = "".join(f"/^{name}@example[.]org$/ {name}/\n" for name in ("ada", "bob", "eve", "kiosk", "ops"))


class Postfix:
    def __init__(self, directory, users=None):
        self.dir = directory
        self.users = users or {}
        self.port = None
        for name in ("etc", "queue", "data", "mail"):
            os.makedirs(self.at(name), exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(self.at("data"), user.pw_uid, user.pw_gid)
        self.uid, self.gid = user.pw_uid, grp.getgrnam("postdrop").gr_gid
        os.chown(self.at("mail"), user.pw_uid, user.pw_gid)

    def at(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.at(name), "w") as f:
            f.write(text)
        return self.at(name)

    def start(self):
        if not self.port:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.port = s.getsockname()[1]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "30", "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                            self.at("key.pem"), "-out", self.at("ca.pem")], check=True, capture_output=True)
            os.chmod(self.at("ca.pem"), 0o644)
            self.write("access", "")
        self.write("etc/main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.at("queue")}
data_directory = {self.at("data")}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.net
mydestination =
mynetworks = 127.0.0.0/8
local_recipient_maps =
alias_maps =
default_transport = error:no mail leaves this machine
{self.delivery()}
smtpd_recipient_restrictions = check_recipient_access regexp:{self.at("access")}, {self.logins()}, reject
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.at("ca.pem")}
smtpd_tls_key_file = {self.at("key.pem")}
maillog_file = {self.at("maillog")}
maillog_file_prefixes = {self.dir}
""")
        self.write("etc/master.cf", f"""
127.0.0.1:{self.port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
{self.services()}""")
        self.run("start")
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def delivery(self):
        """Of main.cf, where mail goes: into directories here."""
        return f"""virtual_mailbox_domains = example.org
virtual_mailbox_base = {self.at("mail")}
virtual_mailbox_maps = regexp:{self.write("maps", MAPS)}
virtual_uid_maps = static:{self.uid}
virtual_gid_maps = static:{self.uid}"""

    def services(self):
        """Further lines of master.cf."""
        return ""

    def logins(self):
        """Who may send mail; for users the rest of what a login needs, too: SASL with a database of its own."""
        if not self.users:
            return "permit_mynetworks"
        os.makedirs(self.at("etc/sasl"), exist_ok=True)
        self.write("etc/sasl/smtpd.conf", f"""pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {self.at("sasldb2")}
""")
        for name, password in self.users.items():
            subprocess.run([SASLPASSWD, "-c", "-p", "-f", self.at("sasldb2"), "-u", "mail.example.net", name],
                           input=password, text=True, check=True, capture_output=True)
        os.chown(self.at("sasldb2"), self.uid, self.uid)
        return f"""permit_sasl_authenticated, reject
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {self.at("etc/sasl")}
smtpd_sasl_local_domain = mail.example.net
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated"""

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def run(self, what, check=True):
        return subprocess.run([POSTFIX, "-c", self.at("etc"), what], check=check, capture_output=True, text=True, timeout=60)

    def stop(self):
        if self.port:
            self.run("stop", check=False)

    def refuse(self, who, answer):
        """From now on; answer "" takes it back. Running smtpd processes read it when they begin anew."""
        self.write("access", f"/^{who}@/ {answer}\n" if answer else "")
        self.run("reload")

    def mails(self, who):
        directory = self.at(f"mail/{who}/new")
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        found = []
        for name in names:
            with open(os.path.join(directory, name), "rb") as f:
                found.append(email.message_from_binary_file(f, policy=email.policy.default))
        return found

    def log(self):
        with open(self.at("maillog")) as f:
            return f.read()
