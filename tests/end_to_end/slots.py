"""A server with so many slots: a request takes one for TIME seconds. One that finds none waits, is refused with 503, or kills it.

    python3 slots.py PORT SLOTS TIME waits|refuses|dies [LEAKS_FROM]

With as many as LEAKS_FROM requests in flight, each leaves a descriptor open.
"""

import asyncio
import os
import sys

port, slots, time, full = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
leaks_from = int(sys.argv[5]) if len(sys.argv) > 5 else 1 << 30
free = asyncio.Semaphore(slots)
in_flight = 0
kept = []


async def answer():
    global in_flight
    in_flight += 1
    try:
        if in_flight >= leaks_from and len(kept) < 20000:
            kept.append(os.open("/dev/null", os.O_RDONLY))
        if full == "refuses" and free.locked():
            return b"503 Service Unavailable"
        if full == "dies" and free.locked():
            os._exit(3)
        async with free:
            await asyncio.sleep(time)
        return b"200 OK"
    finally:
        in_flight -= 1


async def client(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            status = await answer()
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    async with await asyncio.start_server(client, "127.0.0.1", port, backlog=512) as server:
        await server.serve_forever()


asyncio.run(main())
