"""A UDP stream with a packet each millisecond, and what of it arrives when.

    python udp_stream.py receive ADDRESS PORT             prints [[number, sent, arrived], …]
    python udp_stream.py send ADDRESS PORT SECONDS

Both say ``ready`` first. The receiver ends half a second after its standard input. Times are in s
since the epoch; both ends are on one machine.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

INTERVAL = 0.001
LINGER = 0.5


def receive(address: str, port: int) -> None:
    arrivals = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind((address, port))
        print("ready", flush=True)
        sources: list[object] = [taker, sys.stdin]
        end = float("inf")
        while (now := time.monotonic()) < end:
            readable, _, _ = select.select(sources, [], [], min(end - now, 60.0))
            if taker in readable:
                arrivals.append([*struct.unpack("<qd", taker.recv(100)), time.time()])
            if sys.stdin in readable:
                sources.remove(sys.stdin)
                end = time.monotonic() + LINGER
    print(json.dumps(arrivals))


def send(address: str, port: int, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        print("ready", flush=True)
        start = time.monotonic()
        for number in range(round(seconds / INTERVAL)):
            wait = start + number * INTERVAL - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            sender.sendto(struct.pack("<qd", number, time.time()), (address, port))


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(sys.argv[2], int(sys.argv[3]))
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
