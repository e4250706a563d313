"""Counts round trips at the wire: a proxy beside the client, which adds no delay of its own.

    python counting.py LISTEN-PORT HOST PORT

A round trip is a turn: the client sends after the server has (or first of all). Requests that are
sent together are one. What the push feed asks for in the background (XREAD) is counted by itself.
For each line on its standard input the proxy prints ``{"turns": n, "feed": n}``.
"""

from __future__ import annotations

import asyncio
import json
import sys

counts = {"turns": 0, "feed": 0}


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: list[str], who: str
) -> None:
    try:
        while data := await reader.read(1 << 20):
            if who == "client" and last[0] != "client":
                counts["feed" if b"\r\nXREAD\r\n" in data[:64] else "turns"] += 1
            last[0] = who
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve(listen: int, host: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        last = ["server"]
        await asyncio.gather(
            pump(reader, back, last, "client"), pump(there, writer, last, "server")
        )

    server = await asyncio.start_server(connected, "127.0.0.1", listen)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counts), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
