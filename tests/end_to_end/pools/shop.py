#!/usr/bin/env python3
"""A small prefork server whose faults lie beside its workers' own memory.

PORT and LOG come from the environment, and FAULT:

none            nothing                             worker-keeps    a worker keeps 2 kB of each request
parent-keeps    the parent keeps 4 kB of each       parent-warms    the parent takes 8 MB at first, and no more
helpers-stay    every 20 requests a worker leaves   helpers-go      the same, and it ends after half a second
                a process of 1 MB behind            log-ten         ten lines of log for each request
zombies         the same, and it ends at once;      log-other       lines that no pattern expects
                nobody waits for it                 log-strangers   lines with a PID of nobody
memfd           a worker writes 2 kB of each        born-bigger     workers live for 60 requests; each begins with
                request to a memfd that it maps                     300 kB more than the one before
logger          the parent keeps 8 B of each        busy-neighbour  a process beside the pool uses all the CPU it gets
"""

import mmap
import os
import select
import signal
import socket
import sys
import time

FAULT = os.environ.get("FAULT", "none")
WORKERS = 2


def beside(size, seconds):
    """Leaves a process behind that holds so many bytes for so long."""
    if os.fork() == 0:
        own = bytearray(b"x" * size)
        time.sleep(seconds)
        os._exit(len(own) % 2)


class Worker:
    def __init__(self, listener, told, size):
        self.listener, self.told, self.kept, self.served = listener, told, [bytearray(b"b" * size)], 0
        self.log = open(os.environ["LOG"], "a", buffering=1)
        self.memfd = os.memfd_create("frames") if FAULT == "memfd" else None
        self.frames = None
        # Helpers that end are waited for by the kernel, but for the fault that is about them.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if FAULT == "zombies" else signal.SIG_IGN)

    def serve(self):
        self.served += 1
        os.write(self.told, b".")
        if FAULT == "worker-keeps":
            self.kept.append(os.urandom(1000).hex())
        if FAULT == "helpers-stay" and self.served % 20 == 0:
            beside(1_000_000, 120)
        if FAULT == "helpers-go" and self.served % 20 == 0:
            beside(1_000_000, 0.5)
        if FAULT == "zombies" and self.served % 20 == 0:
            beside(0, 0)
        if FAULT == "memfd":
            os.pwrite(self.memfd, b"f" * 2000, 2000 * self.served)
            whole = 2000 * (self.served + 1)
            if self.frames is None or len(self.frames) < whole:
                self.frames = mmap.mmap(self.memfd, 0)
            sum(self.frames[at] for at in range(max(0, whole - 8000), whole, 1000))
        line = f"{os.getpid()} /\n"
        if FAULT == "log-other":
            line = f"worker={os.getpid()} ok\n"
        if FAULT == "log-strangers":
            line = "999999 /\n"
        self.log.write(line * (10 if FAULT == "log-ten" else 1))

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                self.answer(connection)
            if FAULT == "born-bigger" and self.served >= 60:
                return

    def answer(self, connection):
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                read = connection.recv(65536)
                if not read:
                    return
                pending += read
            pending = pending.split(b"\r\n\r\n", 1)[1]
            self.serve()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def spawn(listener, told, size):
    pid = os.fork()
    if pid == 0:
        try:
            Worker(listener, told, size).run()
        except OSError:
            pass
        os._exit(0)
    return pid


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ["PORT"])))
    listener.listen(64)
    hear, told = os.pipe()
    size, kept, begun = 100_000, [], time.monotonic()
    if FAULT == "busy-neighbour" and os.fork() == 0:
        os.execvp("sh", ["sh", "-c", "while :; do :; done"])
    pids = {spawn(listener, told, size) for _ in range(WORKERS)}
    while True:
        if select.select([hear], [], [], 0.05)[0]:
            for _ in os.read(hear, 65536):
                if FAULT == "parent-keeps":
                    kept.append(os.urandom(2000).hex())
                if FAULT == "logger":
                    kept.append(time.monotonic())
                    del kept[:-1000]
        if FAULT == "parent-warms" and len(kept) < 80 and time.monotonic() - begun > len(kept) / 50:
            kept.append(bytearray(b"w" * 100_000))
        while FAULT == "born-bigger":
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid not in pids:
                break
            pids.remove(pid)
            size += 300_000
            pids.add(spawn(listener, told, size))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
