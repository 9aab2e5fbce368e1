"""What clients do: each is a class with one connection, whose ask(n) makes request number n and waits for its answer."""

import random
import socket
import struct


class Http:
    """GET of a path, on a kept connection if the server likes; every `abort`-th download is broken off."""

    def __init__(self, port, path="/", abort=0, kept=True, **_):
        self.port, self.path, self.abort, self.socket = port, path, abort, None
        self.header = "" if kept else "Connection: close\r\n"

    def ask(self, n):
        if not self.socket:
            self.socket = socket.create_connection(("127.0.0.1", self.port), 10)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.stream = self.socket.makefile("rb")
        number = int(random.expovariate(1 / 5000))
        path = self.path.format(n=n, number=number)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: trace-{n}\r\n{self.header}\r\n".encode())
        if self.abort and n % self.abort == 0:
            self.stream.read(1000)
            return self.close()
        close, length = False, 0
        if not (version := self.stream.readline()):
            self.close()
            raise ConnectionError("closed instead of answered")
        while (line := self.stream.readline().lower().strip()) not in (b"", b"\r\n"):
            name, _, value = line.partition(b":")
            close |= (name, value.strip()) == (b"connection", b"close")
            length = int(value) if name == b"content-length" else -1 if name == b"transfer-encoding" else length
        if length >= 0:
            self.stream.read(length)
        while length < 0 and (size := int(self.stream.readline(), 16)) >= 0:
            self.stream.read(size + 2)
            if not size:
                break
        if close or self.header or not version.startswith(b"HTTP/1.1"):
            self.close()

    def close(self):
        self.stream.close()
        self.socket.close()
        self.socket = None


class Http2:
    """One request on an HTTP/2 connection that the client then resets, without GOAWAY."""

    ASK = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\6\1\5\0\0\0\1" + b"\x82\x86\x84\x41\x01a"

    def __init__(self, port, **_):
        self.port = port

    def ask(self, n):
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(self.ASK)
            answer = b""
            while b"hello" not in answer:
                answer += connection.recv(65536) or b"hello"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        pass


class Memcached:
    """Sets and gets of values of all sizes, more keys than there is room for."""

    def __init__(self, port, **_):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.stream = self.socket.makefile("rb")

    def ask(self, n):
        value = b"v" * int(min(random.paretovariate(0.8) * 200, 20000))
        if n % 3:
            self.socket.sendall(b"set key%d 0 0 %d\r\n%s\r\n" % (n, len(value), value))
            self.stream.readline()
        else:
            self.socket.sendall(b"get key%d\r\n" % random.randrange(n))
            while self.stream.readline() not in (b"END\r\n", b""):
                pass

    def close(self):
        self.socket.close()


class Postgres:
    """Statements on a kept connection."""

    STATEMENTS = {
        "buffers": lambda n: f"SELECT note FROM item WHERE id = {random.randrange(200000)}",
        "tables": lambda n: f"SELECT count(*) FROM part{random.randrange(3000)}",
        "prepare": lambda n: f"PREPARE statement{n} AS SELECT note FROM item WHERE id = $1",
    }

    def __init__(self, port, kind, directory, **_):
        import psycopg

        self.connection = psycopg.connect(f"host={directory}/pg port={port} user=postgres", autocommit=True)
        self.cursor, self.statement = self.connection.cursor(), self.STATEMENTS[kind]

    def ask(self, n):
        self.cursor.execute(self.statement(n), prepare=False)

    def close(self):
        self.connection.close()
