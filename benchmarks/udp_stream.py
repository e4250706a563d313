"""A UDP stream with a packet each millisecond, and what of it arrives when.

    python udp_stream.py receive ADDRESS PORT SECONDS     prints [[number, sent, arrived], …]
    python udp_stream.py send ADDRESS PORT SECONDS

Times are seconds since the epoch; both ends are on one machine.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time

INTERVAL = 0.001


def receive(address: str, port: int, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind((address, port))
        taker.settimeout(0.1)
        print("ready", flush=True)
        arrivals = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                packet = taker.recv(100)
            except TimeoutError:
                continue
            arrivals.append([*struct.unpack("<qd", packet), time.time()])
    print(json.dumps(arrivals))


def send(address: str, port: int, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        start = time.monotonic()
        for number in range(round(seconds / INTERVAL)):
            wait = start + number * INTERVAL - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            sender.sendto(struct.pack("<qd", number, time.time()), (address, port))


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](
        sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    )
