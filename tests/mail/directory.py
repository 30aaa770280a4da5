"""A slapd of one's own, in the form that Debian's has: configured in its own directory, changed over ldapi by root."""

import base64
import os
import pwd
import re
import shutil

from kiosk import KioskError, free_port, run, wait_for
from rig import Process
from servers import SBIN, answers

BASE = "dc=example,dc=org"
ROOT = "gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
argsfile {dir}/args
TLSCertificateFile {dir}/mail.pem
TLSCertificateKeyFile {dir}/mail.key
database config
access to * by dn.exact={root} manage
database mdb
suffix "{base}"
directory {dir}/data
access to * by dn.exact={root} write
"""


class Directory:
    """LDAPS for who has a certificate, in self.port; root changes it."""

    def __init__(self, site):
        self.site, self.port = site, free_port()
        self.dir = site.at("slapd")
        self.socket = "ldapi://" + self.at("socket").replace("/", "%2F")

    def at(self, name):
        return os.path.join(self.dir, name)

    def guide(self, title):
        return self.site.guide(title, **{"/etc/ldap/mail": self.at("mail")})

    def __enter__(self):
        site, user = self.site, pwd.getpwnam("openldap")
        for name in ("config", "data"):
            os.makedirs(self.at(name))
        for name in ("mail.pem", "mail.key"):
            shutil.copy(site.at(name), self.dir)
        site.write("slapd/slapd.conf", CONFIG.format(dir=self.dir, base=BASE, root=ROOT))
        run("/usr/sbin/slapadd", "-f", self.at("slapd.conf"), input=self.entries())
        run("/usr/sbin/slaptest", "-f", self.at("slapd.conf"), "-F", self.at("config"))
        # AppArmor would let the one in /usr/sbin read /etc/ldap only.
        shutil.copy("/usr/sbin/slapd", self.at("slapd"))
        for where, _, files in os.walk(self.dir):
            for path in [where, *(os.path.join(where, f) for f in files)]:
                os.chown(path, user.pw_uid, user.pw_gid)
        self.process = Process.start([self.at("slapd"), "-d", "stats", "-u", "openldap", "-g", "openldap", "-F", self.at("config"), "-h",
                                      f"{self.socket} ldaps://127.0.0.1:{self.port}"], site.at("log/slapd"), True, env=site.env)
        wait_for("slapd", lambda: answers(self.port) or not self.process.alive())
        if not self.process.alive():
            raise KioskError(f"slapd does not start:\n{self.log()}")
        site.write("bin/ldapmodify", f"#!/bin/sh\nexec {shutil.which('ldapmodify', path=SBIN)} \"$@\"\n", 0o755)
        site.places["ldapi:///"] = self.socket
        site.write("derivd-mail/slapd.ldif", self.guide("/etc/derivd-mail/slapd.ldif"))
        site.write("bin/derivd-mail-crl", site.guide("/usr/local/sbin/derivd-mail-crl"), 0o755)
        self.change(open(site.at("derivd-mail/slapd.ldif")).read())
        # For root, too, and for root first.
        access = self.guide("access of the database").replace("to * ", f"to * by dn.exact={ROOT} write ")
        self.change("dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcAccess\n" + access)
        return self

    def __exit__(self, *_):
        self.process.end(20)

    def log(self):
        with open(self.site.at("log/slapd"), errors="replace") as f:
            return f.read()

    def entries(self):
        """An entry for each person, without a certificate."""
        entries = [f"dn: {BASE}\nobjectClass: domain\ndc: example\n", f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n"]
        for mail in self.site.people:
            entries.append(f"dn: uid={mail},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {mail}\nmail: {mail}\ncn: {mail}\nsn: {mail}\n")
        return "\n".join(entries)

    def change(self, ldif, *words, check=True):
        return run("ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.socket, *words, input=ldif, check=check)

    def search(self, mail, person=None, purpose="authentication"):
        """ldapsearch, with the certificate of that purpose or none."""
        env = {**self.site.env, "LDAPTLS_CACERT": self.site.at("mail.pem"), "LDAPCONF": "/dev/null"}
        if person:
            env |= {"LDAPTLS_CERT": person.pem(purpose, "certificate"), "LDAPTLS_KEY": person.pem(purpose, "key")}
        return run("ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-o", "ldif-wrap=no", "-b", BASE, "-H", f"ldaps://127.0.0.1:{self.port}",
                   f"(mail={mail})", "userCertificate;binary", env=env, check=False)

    def certificate(self, mail, person):
        """What a person finds, in PEM; None for nothing."""
        found = re.search(r"userCertificate;binary:: (\S+)", self.search(mail, person).stdout)
        return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(base64.b64decode(found.group(1))).decode()}-----END CERTIFICATE-----\n" \
            if found else None
