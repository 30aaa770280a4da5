#!/usr/bin/python3
"""A small web server for the tests of derivd-courier: files of a directory, and paths that misbehave. Prints its port."""
import http.server
import os
import sys
import time


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, chunks, chunk, pause):
        """Without a length, so that only counting finds out how large it is."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for _ in range(chunks):
                self.wfile.write(chunk)
                self.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass
        self.close_connection = True

    def do_GET(self):
        redirect = {"/to-file": "file:///etc/passwd", "/to-loop": "/to-loop", "/to-good": "/good",
                    "/to-gopher": "gopher://127.0.0.1:1/", "/to-other": "http://127.0.0.2:%d/good" % self.server.server_port,
                    "/to-metadata": "http://169.254.169.254/latest"}.get(self.path)
        if redirect:
            self.answer(302, {"Location": redirect})
        elif self.path == "/good":
            self.answer(200, {"Content-Type": "application/pkix-crl"}, b"good")
        elif self.path == "/headers":
            self.answer(200, {"Content-Type": "text/plain"}, str(self.headers).encode())
        elif self.path == "/cookie":
            self.answer(200, {"Set-Cookie": "a=b"}, b"x")
        elif self.path == "/large":
            self.answer(200, {}, b"x" * 5000)
        elif self.path == "/endless":
            self.stream(100000, b"x" * 1000, 0)
        elif self.path == "/slow":
            self.stream(100, b"x", 0.2)
        else:
            super().do_GET()


os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
