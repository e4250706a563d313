"""How many bytes a node exchanges with each other node, while a cell runs.

``traffic.py CONFIG`` appends JSON lines to CONFIG's ``output`` until it is stopped (SIGTERM), and
once more then. CONFIG is ``{"output": file, "peers": {address: name}, "period_s": …}``. A line is
``{"time", "counter", "peer", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets"}``; numbers are
cumulative, bytes those of IP packets, headers included. Only peers whose numbers changed since the
last line are told.

Two counters, the first that works here:

``nftables``  the kernel's, one per address: exact, and costs next to nothing
``packets``   a socket that sees every packet's first bytes; for kernels and images without nft.
              What it could not keep up with is told as a line ``{"time", "counter", "missed"}``
"""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Protocol

Numbers = dict[str, list[int]]
"""By address: received and sent bytes, received and sent packets."""

TABLE = "discovery_traffic"
RULES = f"""
table ip {TABLE} {{
    set rx {{ type ipv4_addr; size 65535; flags dynamic; counter; }}
    set tx {{ type ipv4_addr; size 65535; flags dynamic; counter; }}
    chain in {{ type filter hook input priority -300; update @rx {{ ip saddr counter }}; }}
    chain out {{ type filter hook output priority -300; update @tx {{ ip daddr counter }}; }}
}}
"""


class Counter(Protocol):
    """What counts."""

    name: str

    def read(self) -> Numbers:
        """Everything since it was made."""

    def missed(self) -> int:
        """Packets that it could not count since it was made."""

    def close(self) -> None:
        """Leave the machine as it was."""


class Nftables:
    """Counters of the kernel in a table of our own, which no other rule sees."""

    name = "nftables"

    def __init__(self) -> None:
        if shutil.which("nft") is None:
            raise OSError("there is no nft")
        subprocess.run(["nft", "delete", "table", "ip", TABLE], capture_output=True, check=False)
        made = subprocess.run(
            ["nft", "-f", "-"], input=RULES, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise OSError(made.stderr.strip())

    def read(self) -> Numbers:  # noqa: D102
        numbers: Numbers = {}
        for column, name in enumerate(("rx", "tx")):
            done = subprocess.run(
                ["nft", "-j", "list", "set", "ip", TABLE, name], capture_output=True, check=True
            )
            for entry in json.loads(done.stdout)["nftables"]:
                for item in entry.get("set", {}).get("elem", []):
                    found = numbers.setdefault(item["elem"]["val"], [0, 0, 0, 0])
                    found[column] = item["elem"]["counter"]["bytes"]
                    found[column + 2] = item["elem"]["counter"]["packets"]
        return numbers

    def missed(self) -> int:  # noqa: D102
        return 0

    def close(self) -> None:  # noqa: D102
        subprocess.run(["nft", "delete", "table", "ip", TABLE], capture_output=True, check=False)


class Packets:
    """A packet socket; a filter in the kernel cuts IPv4 packets to what is read of them."""

    name = "packets"

    _ALL, _IP, _OUTGOING = 0x0003, 0x0800, 4
    _ATTACH_FILTER, _BUFFER_FORCE, _PACKET, _STATISTICS = 26, 33, 263, 6
    _HEADER = 20

    def __init__(self) -> None:
        self._numbers: Numbers = {}
        self._missed = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(self._ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, self._BUFFER_FORCE, 32 << 20)
        # One instruction, "return 20": of every packet its first 20 bytes, which say its length.
        program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, self._HEADER))
        attached = struct.pack("HP", 1, ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, self._ATTACH_FILTER, attached)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        header = bytearray(self._HEADER)
        while True:
            try:
                _, _, _, (_, protocol, kind, _, _) = self._socket.recvmsg_into([header])
            except OSError:
                return
            if self._closed.is_set():
                return
            if protocol != self._IP:
                continue
            # A packet that the card is to cut up is one here, of the length that it has so far.
            length = header[2] << 8 | header[3]
            outgoing = kind == self._OUTGOING
            address = socket.inet_ntoa(header[16:20] if outgoing else header[12:16])
            found = self._numbers.get(address)
            if found is None:
                found = self._numbers[address] = [0, 0, 0, 0]
            found[outgoing] += length
            found[2 + outgoing] += 1

    def read(self) -> Numbers:  # noqa: D102
        return {address: [*found] for address, found in list(self._numbers.items())}

    def missed(self) -> int:  # noqa: D102
        told = self._socket.getsockopt(self._PACKET, self._STATISTICS, 8)
        self._missed += struct.unpack("II", told)[1]  # since it was asked last
        return self._missed

    def close(self) -> None:  # noqa: D102
        self._closed.set()
        self._socket.close()


def counter() -> Counter:
    """The first that works here."""
    try:
        return Nftables()
    except OSError as why:
        print(f"no counters of nftables ({why}); every packet is looked at", file=sys.stderr)
        return Packets()


class Teller:
    """Writes what changed."""

    def __init__(self, stream: IO[str], counts: Counter, peers: dict[str, str]) -> None:
        self._stream = stream
        self._counts = counts
        self._peers = peers
        self._before: Numbers = {}
        self._missed = 0

    def tell(self) -> None:
        """One line for each peer that there is more of."""
        now, numbers = time.time(), self._counts.read()
        for address, name in self._peers.items():
            found = numbers.get(address, [0, 0, 0, 0])
            if found != self._before.get(address):
                self._before[address] = found
                keys = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")
                self._line(now, peer=name, **dict(zip(keys, found, strict=True)))
        missed = self._counts.missed()
        if missed != self._missed:
            self._missed = missed
            self._line(now, missed=missed)

    def _line(self, now: float, **fields: Any) -> None:
        line = {"time": now, "counter": self._counts.name, **fields}
        self._stream.write(json.dumps(line) + "\n")


def main(config_file: str) -> None:
    """Count until stopped."""
    config = json.loads(Path(config_file).read_text(encoding="utf-8"))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    counts = counter()
    try:
        with Path(config["output"]).open("a", encoding="utf-8", buffering=1) as stream:
            teller = Teller(stream, counts, config["peers"])
            teller.tell()
            while not stopped.wait(config["period_s"]):
                teller.tell()
            teller.tell()
    finally:
        counts.close()


if __name__ == "__main__":
    main(sys.argv[1])
