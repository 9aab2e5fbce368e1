#!/usr/bin/env python3
"""A small server whose work is done by one or another of its processes.

PORT comes from the environment, TOLD is a file to which whoever serves a request, or does a job, writes its PID, and SHAPE:

alone     one process, which forks nobody             hands    the parent accepts, and hands connections to two children
helpers   the parent serves; two children that were   queue    nobody listens; two children have jobs of their own
          forked with the socket do nothing           spawned  two children serve; one that was forked like them, but closed
both      the parent serves as its child does
late      one child serves; another comes after two            the socket, does nothing
          seconds of load                             sleepers two children serve; 600 that were forked before
                                                               them, without the socket, sleep
Whoever serves keeps KEEP bytes of each request.
"""

import os
import select
import signal
import socket
import time

SHAPE, KEEP = os.environ["SHAPE"], int(os.environ.get("KEEP", "0"))
# Whoever serves alone must not wait on a kept connection while another one waits for it.
ALONE = SHAPE in ("alone", "helpers")
TOLD = os.open(os.environ["TOLD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
kept = []


def works():
    os.write(TOLD, b"%d\n" % os.getpid())
    kept.append(os.urandom(KEEP))
    sum(range(2000))


def answer(connection):
    pending = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in pending:
                read = connection.recv(65536)
                if not read:
                    return
                pending += read
            pending = pending.split(b"\r\n\r\n", 1)[1]
            works()
            last = b"Connection: close\r\n" if ALONE else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok" % last)
            if ALONE:
                return


def serve(listener):
    while True:
        try:
            answer(listener.accept()[0])
        except OSError:
            pass


def receive(channel):
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        try:
            answer(socket.socket(fileno=descriptors[0]))
        except OSError:
            pass


def jobs():
    while True:
        works()
        time.sleep(0.01)


def child(work, *arguments):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work(*arguments)


def idle(listener=None):
    if listener:
        listener.close()
    while True:
        time.sleep(60)


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ["PORT"])))
    listener.listen(64)
    return listener


def hands(listener):
    channels = []
    for _ in range(2):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.fork() == 0:
            listener.close()
            receive(theirs)
        channels.append(ours)
    turn = 0
    while True:
        connection, _ = listener.accept()
        socket.send_fds(channels[turn % 2], [b"."], [connection.fileno()])
        connection.close()
        turn += 1


def sleepers():
    for _ in range(600):
        child(idle)
    listener = listen()
    for _ in range(2):
        child(serve, listener)
    idle()


def late(listener):
    child(serve, listener)
    # Whoever was asked whether the target is ready was a child: the load has begun once there were twenty requests.
    while os.path.getsize(os.environ["TOLD"]) < 120:
        time.sleep(0.02)
    time.sleep(4)
    child(serve, listener)
    idle()


def main():
    if SHAPE == "queue":
        for _ in range(2):
            child(jobs)
        idle()
    if SHAPE == "sleepers":
        sleepers()
    listener = listen()
    if SHAPE == "hands":
        hands(listener)
    if SHAPE == "both":
        child(serve, listener)
    if SHAPE == "late":
        late(listener)
    if SHAPE in ("spawned", "helpers"):
        child(idle, listener if SHAPE == "spawned" else None)
        child(serve if SHAPE == "spawned" else idle, *([listener] if SHAPE == "spawned" else []))
    if SHAPE == "spawned":
        child(serve, listener)
        idle()
    serve(listener)


main()
