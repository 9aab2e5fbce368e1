"""The server behind: each request takes 100 ms, in which it waits for something else. It takes as many at a time as come.

    python3 server.py PORT
"""

import asyncio
import sys


async def client(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.1)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main(port):
    async with await asyncio.start_server(client, "127.0.0.1", port, backlog=512) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
