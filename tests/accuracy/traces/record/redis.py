"""Sets, gets and deletes over a fixed set of keys, until SIGINT. For each a line with redis's process id goes to LOG.

    redis.py SOCKET LOG
"""

import random
import signal
import socket
import struct
import sys
import time

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
    with open(log, "a", buffering=1) as log:
        while not over:
            key = f"key:{choice.randrange(5000)}"
            size = choice.randrange(2000)
            command = choice.choice([["SET", key, "v" * size], ["GET", key], ["LRANGE", "list", "0", "20"], ["DEL", key]])
            client.sendall(f"*{len(command)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in command))
            client.recv(65536)
            log.write(f"{pid} {command[0]}\n")
            time.sleep(0.002)


main(*sys.argv[1:])
