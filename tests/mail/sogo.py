"""A SOGo of one's own: with a PostgreSQL, a memcached, and a Dovecot that lets it in, which listens on loopback for it alone."""

import glob
import os
import pwd
import shutil

from kiosk import KioskError, free_port, run, wait_for
from rig import Process
from servers import MAIL_UID, SBIN, answers

POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/nowhere", key=lambda p: int(p.split("/")[4]))


class Sogo:
    """ActiveSync on loopback, in self.port; who it is, the proxy in front says."""

    def __init__(self, site):
        self.site, self.port = site, free_port()
        self.database, self.imap = free_port(), free_port()
        self.processes = []

    def at(self, name):
        return self.site.at(f"sogo/{name}")

    def own(self, name, user):
        os.makedirs(self.at(name), mode=0o700)
        os.chown(self.at(name), pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        return self.at(name)

    def start(self, what, args, ready, user=None):
        args = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *args] if user else args
        process = Process.start(args, self.site.at(f"log/{what}"), True, env=self.site.env, cwd="/")
        self.processes.insert(0, process)
        wait_for(what, lambda: ready() or not process.alive())
        if not process.alive():
            raise KioskError(f"{what} does not start:\n{self.log(what)}")

    def log(self, what="sogod"):
        with open(self.site.at(f"log/{what}"), errors="replace") as f:
            return f.read()

    def __enter__(self):
        os.makedirs(self.at("etc"))
        self.start_database()
        memory = os.path.join(self.own("memory", "sogo"), "socket")
        self.start("memcached", ["memcached", "-s", memory], lambda: os.path.exists(memory), "sogo")
        self.start_imap()
        self.start_sogo(memory)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.end(20)

    def start_database(self):
        data, sockets = self.own("data", "postgres"), self.own("sockets", "postgres")
        run("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", f"{POSTGRES}/initdb", "-D", data, "-U", "sogo",
            "--auth=trust", "-E", "UTF8", cwd="/")
        self.start("postgres", [f"{POSTGRES}/postgres", "-D", data, "-h", "127.0.0.1", "-p", str(self.database), "-k", sockets],
                   lambda: answers(self.database), "postgres")
        people = "".join(f"INSERT INTO people VALUES ('{who}', '{who}', 'none', '{who}', '{who}');" for who in self.site.people)
        wait_for("the database", lambda: self.sql("postgres", "SELECT 1").returncode == 0)
        self.sql("postgres", "CREATE DATABASE sogo", check=True)
        self.sql("sogo", "CREATE TABLE people (c_uid text, c_name text, c_password text, c_cn text, mail text);" + people, check=True)

    def sql(self, database, text, check=False):
        return run(f"{POSTGRES}/psql", "-h", "127.0.0.1", "-p", str(self.database), "-U", "sogo", "-d", database, "-c", text, check=check)

    def start_imap(self):
        for name in ("run", "state"):
            os.makedirs(self.at(f"dovecot/{name}"))
        conf = self.site.write("sogo/dovecot/dovecot.conf", f"""
base_dir = {self.at("dovecot/run")}
state_dir = {self.at("dovecot/state")}
log_path = {self.site.at("log/dovecot-sogo")}
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
service imap-login {{
    inet_listener imap {{
        port = {self.imap}
    }}
}}
passdb {{
    driver = static
    args = nopassword allow_nets=127.0.0.0/8
}}
userdb {{
    driver = static
    args = uid={MAIL_UID} gid={MAIL_UID} home={self.site.at("mail")}/%u
}}
""")
        self.start("dovecot-sogo", ["/usr/sbin/dovecot", "-F", "-c", conf], lambda: answers(self.imap))

    def start_sogo(self, memory):
        database = f"postgresql://sogo:none@127.0.0.1:{self.database}/sogo"
        home = self.own("home", "sogo")
        self.site.write("sogo/etc/sogo.conf", f"""{{
    SOGoProfileURL = "{database}/sogo_user_profile";
    OCSFolderInfoURL = "{database}/sogo_folder_info";
    OCSSessionsFolderURL = "{database}/sogo_sessions_folder";
    OCSEMailAlarmsFolderURL = "{database}/sogo_alarms_folder";
    OCSCacheFolderURL = "{database}/sogo_cache_folder";
    OCSStoreURL = "{database}/sogo_store";
    OCSAclURL = "{database}/sogo_acl";
    SOGoTrustProxyAuthentication = YES;
    SOGoUserSources = ({{
        type = sql;
        id = people;
        viewURL = "{database}/people";
        canAuthenticate = YES;
        userPasswordAlgorithm = none;
    }});
    SOGoMailDomain = "example.org";
    SOGoIMAPServer = "imap://127.0.0.1:{self.imap}";
    SOGoMemcachedHost = "{memory}";
    WOPort = "127.0.0.1:{self.port}";
    WOLogFile = "-";
    WOPidFile = "{home}/pid";
    WONoDetach = YES;
    WOWorkersCount = 2;
}}
""")
        # It reads /etc/sogo/sogo.conf and no other: in a mount namespace of its own that is this one.
        script = f'mount --bind {self.at("etc")} /etc/sogo && HOME={home} exec setpriv --reuid=sogo --regid=sogo --init-groups "$0"'
        self.start("sogod", ["unshare", "-m", "sh", "-c", script, shutil.which("sogod", path=SBIN)], lambda: answers(self.port))
