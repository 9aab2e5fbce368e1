"""A web shop with a MariaDB behind it: a pool of connections, and one more for each request that finds all of them in use.

Of those extra connections it forgets to close one in so many. So connections leak, and only when more requests are in
flight than the pool is large: with fewer, the same code never forgets one.

    python3 shop.py PORT SOCKET POOL FORGOTTEN    # one in FORGOTTEN extra connections stays open; 0: none does
"""

import http.server
import itertools
import queue
import random
import resource
import sys
import time

from load import Connection, prepare, request

# How long the database works on a page, in seconds: long enough that requests in flight are there at the same time.
WORK = 0.02


class Shop(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, port, path, pool, forgotten):
        self.path, self.forgotten, self.pool = path, forgotten, queue.SimpleQueue()
        for _ in range(pool):
            self.pool.put(Connection(path))
        self.extra, self.open = itertools.count(1), []
        super().__init__(("127.0.0.1", port), Page)

    def page(self, _path):
        try:
            connection, extra = self.pool.get_nowait(), 0
        except queue.Empty:
            connection, extra = Connection(self.path), next(self.extra)
        request(connection, random)
        connection.query(f"DO SLEEP({WORK})")
        if not extra:
            self.pool.put(connection)
        elif self.forgotten and extra % self.forgotten == 0:
            self.open.append(connection)
        else:
            connection.close()


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.page(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def database(path):
    """A connection to the database, as soon as that is there."""
    while True:
        try:
            return Connection(path)
        except OSError:
            time.sleep(0.1)


def main(port, path, pool, forgotten):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    prepare(database(path))
    Shop(int(port), path, int(pool), int(forgotten)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
