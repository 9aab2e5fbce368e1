"""A worker whose garbage nobody collects: each request leaves a cycle behind, as a framework's request objects do.

With the collector off (as some services run it, for speed) its memory rises exactly like a leak, until GET /gc collects.
`LEAK=1` keeps 2 KiB of each request for good as well.
"""

import gc
import os
import socketserver
import sys


class Cycle:
    """4 KiB that refer to themselves."""

    def __init__(self):
        self.body = bytearray(4096)
        self.itself = self


kept = []


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    timeout = 5

    def handle(self):
        try:
            while self.answer():
                pass
        except OSError:
            pass  # the client went away

    def answer(self):
        line = self.rfile.readline(8192)
        if not line:
            return False
        while self.rfile.readline(8192) not in (b"\r\n", b""):
            pass
        if line.startswith(b"GET /gc "):
            gc.collect()
        else:
            Cycle()
            if os.environ.get("LEAK"):
                kept.append(bytearray(2048))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        return True


class Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 64


gc.disable()
with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    server.serve_forever()
