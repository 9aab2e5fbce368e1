"""Sets, gets and deletes over a fixed set of keys, until SIGINT. For each a line with redis's process id goes to LOG.

Half of the keys are there from the beginning, as many as there will be on average.

    redis.py SOCKET LOG
"""

import random
import signal
import socket
import struct
import sys
import time

KEYS = 5000
over = False


def main(path, log):
    def end(*_):
        global over
        over = True

    signal.signal(signal.SIGINT, end)
    choice = random.Random(1)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def ask(*words):
        client.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
        client.recv(65536)

    def value():
        return "v" * choice.randrange(2000)

    for n in range(0, KEYS, 2):
        ask("SET", f"key:{n}", value())
    with open(log, "a", buffering=1) as log:
        while not over:
            key = f"key:{choice.randrange(KEYS)}"
            words = choice.choice([["SET", key, value()], ["GET", key], ["EXISTS", key], ["DEL", key]])
            ask(*words)
            log.write(f"{pid} {words[0]}\n")
            time.sleep(0.002)


main(*sys.argv[1:])
