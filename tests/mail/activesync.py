"""A server of Exchange ActiveSync as far as the beginning of every conversation: OPTIONS, and FolderSync over the mailboxes that
Dovecot keeps. It knows no password: who it is, a proxy in front says, as with SOGo."""

import http.server
import os
import threading
import urllib.parse

import wbxml

WHO = "x-webobjects-remote-user"
INBOX, OF_THE_USER = "2", "12"  # types of folders (MS-ASCMD 2.2.3.186.3)


def handler(mail):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def mailbox(self):
            who = self.headers.get_all(WHO, [])
            home = os.path.join(mail, who[0], "Maildir") if len(who) == 1 and "/" not in who[0] else None
            return home if home and os.path.isdir(home) else None

        def do_OPTIONS(self):
            if not self.mailbox():
                self.answer(401)
                return
            self.answer(200, MS_Server_ActiveSync="14.1", MS_ASProtocolVersions="12.1,14.0,14.1",
                        MS_ASProtocolCommands="FolderSync", Allow="OPTIONS,POST")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            home = self.mailbox()
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            if not home:
                self.answer(401)
            elif query.get("Cmd") != ["FolderSync"]:
                self.answer(501)
            else:
                key = wbxml.find(wbxml.decode(body), "SyncKey")[0][1]
                self.answer(200, wbxml.encode(folders(home, key)), Content_Type="application/vnd.ms-sync.wbxml")

    return Handler


def folders(home, key):
    """The first FolderSync has key 0 and gets all folders; another key is not known here."""
    if key != "0":
        return ("FolderSync", [("Status", "9")])
    names = [("Inbox", INBOX)] + [(n[1:], OF_THE_USER) for n in sorted(os.listdir(home)) if n[0] == "."]
    adds = [("Add", [("ServerId", str(i)), ("ParentId", "0"), ("DisplayName", name), ("Type", kind)])
            for i, (name, kind) in enumerate(names, 1)]
    return ("FolderSync", [("Status", "1"), ("SyncKey", "1"), ("Changes", [("Count", str(len(adds))), *adds])])


class ActiveSync:
    """On loopback, in self.port."""

    def __init__(self, mail):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(mail))
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
