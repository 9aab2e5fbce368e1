"""Clients of a MariaDB, as a web application has them: a pool of four connections, and one more whenever all are in use.

The application forgets to close one in ten of those extra connections. So it leaks in the server, but only when more
than four requests run at the same time: as many threads as CONCURRENCY says send requests, one after the other.

    CONCURRENCY=8 python3 load.py SOCKET LOG    # until SIGINT; then prints how many requests were answered

For each request a line goes to LOG: the server's process id and what was asked for.
"""

import os
import random
import resource
import signal
import socket
import struct
import sys
import threading
import time

POOL = 4
ROWS = 1000
WARM_UP = 2000
FORGOTTEN = 10
PAUSE = 0.01


class Connection:
    """As much of the client's protocol as is needed: root without a password, over a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.pid = struct.unpack("3i", self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        self.stream = self.socket.makefile("rb")
        self.packet()
        capabilities = 0x1 | 0x200 | 0x8000 | 0x80000
        answer = struct.pack("<IIB23x", capabilities, 1 << 24, 45) + b"root\0\0mysql_native_password\0"
        self.send(1, answer)
        self.answer()

    def close(self):
        self.stream.close()
        self.socket.close()

    def packet(self):
        head = self.stream.read(4)
        if len(head) < 4:
            raise ConnectionError("the server has closed the connection")
        body = self.stream.read(int.from_bytes(head[:3], "little"))
        if body[:1] == b"\xff":
            raise RuntimeError(body[3:].decode(errors="replace"))
        return body

    def send(self, number, body):
        self.socket.sendall(len(body).to_bytes(3, "little") + bytes([number]) + body)

    def answer(self):
        """The rows of a result, each as it came; none if there is nothing but success."""
        if self.packet()[0] == 0:
            return []
        rows = []
        for kept in (False, True):
            while (row := self.packet())[0] != 0xFE:
                if kept:
                    rows.append(row)
        return rows

    def query(self, text):
        self.send(0, b"\x03" + text.encode())
        return self.answer()

    def prepare(self, text):
        """Prepares a statement, which the server keeps until it is closed or the connection is."""
        self.send(0, b"\x16" + text.encode())
        columns, parameters = struct.unpack_from("<HH", self.packet(), 5)
        for count in (parameters, columns):
            for _ in range(count + 1 if count else 0):
                self.packet()


def prepare(connection):
    """Makes the table, and lets the server fill its caches."""
    connection.query("CREATE DATABASE IF NOT EXISTS shop")
    connection.query("CREATE TABLE IF NOT EXISTS shop.item (id INT PRIMARY KEY, stock INT, note VARCHAR(200))")
    values = ", ".join(f"({n}, 0, REPEAT('x', 200))" for n in range(ROWS))
    connection.query(f"INSERT IGNORE INTO shop.item VALUES {values}")
    choice = random.Random(WARM_UP)
    for _ in range(WARM_UP):
        request(connection, choice)
    connection.close()


def request(connection, choice):
    item = choice.randrange(ROWS)
    if choice.random() < 0.3:
        connection.query(f"UPDATE shop.item SET stock = stock + 1 WHERE id = {item}")
        return "order"
    connection.query(f"SELECT * FROM shop.item WHERE id BETWEEN {item} AND {item + 20} ORDER BY note, id DESC")
    return "list"


def client(path, number, log, over, served, forgotten):
    choice = random.Random(number)
    own = Connection(path) if number < POOL else None
    while not over.is_set():
        connection = own or Connection(path)
        what = request(connection, choice)
        served[number] += 1
        log.write(f"{connection.pid} {what}\n")
        if not own:
            if served[number] % FORGOTTEN == 0:
                forgotten.append(connection)
            else:
                connection.close()
        time.sleep(PAUSE)


def main(path, log):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    over = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: over.set())
    prepare(Connection(path))
    clients = int(os.environ.get("CONCURRENCY", POOL))
    served, forgotten = [0] * clients, []
    with open(log, "a", buffering=1) as log:
        threads = [
            threading.Thread(target=client, args=(path, n, log, over, served, forgotten)) for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{sum(served)} requests, {len(forgotten)} connections forgotten")


if __name__ == "__main__":
    main(*sys.argv[1:])
