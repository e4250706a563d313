"""The WAN between sites where the kernel has no netem: a forwarder in user space, on TUN devices.

    python -m discovery.testbed.wan.forwarder CONFIG

One process for the whole matrix of sites, started in the first network namespace. It waits for a
line on standard input (whoever starts it writes its process down first; on end of file it leaves
without a trace), makes a TUN device in every site's namespace, says ``ready`` on standard output
and forwards until it is told to stop, or until its configuration file, a site's namespace or a
device is gone. ``CONFIG`` is JSON: ``{"device": "wan0", "socket": "wan.sock", "sites": [{"name",
"namespace", "cidr"}, …]}``; the socket is made in the configuration file's folder. What it is told
through the socket stands in :mod:`discovery.testbed.wan.commands`.

Standard library only. How it stays on time: TCP comes in super-packets of up to 64 KB, so there
are few of them; it runs with real-time priority, because a forwarder that waits for a busy
machine's next time slice is milliseconds late; every packet is stamped as soon as it can be read;
and neither reading nor releasing goes on for long while the other has something due.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
from collections import deque
from heapq import heapify, heappop, heappush, heapreplace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from random import Random
from time import monotonic, time
from types import FrameType

from discovery.testbed.wan.commands import answer
from discovery.testbed.wan.control import ControlServer
from discovery.testbed.wan.link import Link
from discovery.testbed.wan.tun import READ_SIZE, VNET_HEADER, Timer, open_tun

# Packets read, or released, before the other gets its turn.
READ_BATCH = 8
RELEASE_BATCH = 16
IPV4_HEADER = 20
# Addresses remembered with their site; a scan of addresses must not fill the memory.
KNOWN_ADDRESSES = 65536
REALTIME_PRIORITY = 10
# How often (s) it looks whether its lease is still there.
LEASE_CHECK = 1.0
# How long (s) a turn of its loop waits for something to do, at most …
TURN = 0.2
# … so that a turn that took longer than this is one in which it was stopped, and the WAN with it.
STALL = 0.5
# Of the stalls that it remembers, the oldest are forgotten first.
MOST_STALLS = 200

# A link with its number (which orders those due at the same time) and the device it ends in.
Lane = tuple[int, Link, int]
Due = tuple[float, int, Link, int]


class Forwarder:
    """The links between every two sites, the devices they end in, and the loop over them."""

    def __init__(self, config: Path) -> None:
        document = json.loads(config.read_text(encoding="utf-8"))
        # An open device keeps its namespace alive, so a namespace has gone when its name has.
        self.lease = [config, *(Path(site["namespace"]) for site in document["sites"])]
        self.names: list[str] = [site["name"] for site in document["sites"]]
        self.networks = [IPv4Network(site["cidr"]) for site in document["sites"]]
        self.links = {
            (source, destination): Link(Random())
            for source in range(len(self.names))
            for destination in range(len(self.names))
            if source != destination
        }
        self.devices: list[int] = []
        for number, site in enumerate(document["sites"]):
            routes = [str(lan) for other, lan in enumerate(self.networks) if other != number]
            self.devices.append(open_tun(Path(site["namespace"]), document["device"], routes))
        self.timer = Timer()
        self.control = ControlServer(
            config.parent, document["socket"], lambda request: answer(self, request)
        )
        self.scheduling = "normal"
        self.stopping = False
        self.not_ipv4 = 0
        self.unknown_destination = 0
        self.refused = 0
        self.worst_lateness = 0.0
        self.stalls: deque[dict[str, float]] = deque(maxlen=MOST_STALLS)
        self._due: list[Due] = []
        self._site_of: dict[bytes, int] = {}

    def changed(self) -> None:
        """Takes up a change of the links' queues."""
        self._due[:] = [
            (link.queue[0][0], number, link, self.devices[pair[1]])
            for number, (pair, link) in enumerate(self.links.items())
            if link.queue
        ]
        heapify(self._due)

    def hasten(self) -> None:
        """Asks the kernel for real-time priority, else for the highest there is."""
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        try:
            os.sched_setscheduler(0, policy, os.sched_param(REALTIME_PRIORITY))
            self.scheduling = "realtime"
        except PermissionError:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, -20)
                self.scheduling = "high"
            except PermissionError:
                self.scheduling = "normal"

    def run(self) -> None:
        """Forwards until told to stop, or until the lease is gone."""
        poller = select.epoll()
        for watched in (*self.devices, self.timer.fd):
            poller.register(watched, select.EPOLLIN)
        self.control.register(poller)
        lanes = self._lanes()
        due = self._due
        armed = 0.0
        next_check = 0.0
        turned = monotonic()
        while not self.stopping:
            now = monotonic()
            if now - turned > STALL:
                self._stood_still(now - turned)
            turned = now
            if now > next_check:
                next_check = now + LEASE_CHECK
                if not all(path.exists() for path in self.lease):
                    return
            if due and due[0][0] <= now:
                self._release(now)
            if due and due[0][0] != armed:
                armed = due[0][0]
                self.timer.set(armed)
            for fd, _ in poller.poll(TURN):
                if fd in lanes:
                    self._receive(fd, lanes[fd])
                elif fd == self.timer.fd:
                    self.timer.clear()
                    armed = 0.0
                else:
                    self.control.serve(fd)

    def _stood_still(self, seconds: float) -> None:
        self.stalls.append({"time": time() - seconds, "seconds": round(seconds, 3)})

    def _lanes(self) -> dict[int, list[Lane | None]]:
        """For each device, by the number of the site a packet goes to: where it is put."""
        lanes: dict[int, list[Lane | None]] = {
            device: [None] * (len(self.devices) + 1) for device in self.devices
        }
        for number, ((source, destination), link) in enumerate(self.links.items()):
            out = self.devices[destination]
            lanes[self.devices[source]][destination] = (number, link, out)
        return lanes

    def _receive(self, device: int, lanes: list[Lane | None]) -> None:
        """Puts the packets that wait at ``device`` on their links."""
        due = self._due
        for _ in range(READ_BATCH):
            try:
                packet = os.read(device, READ_SIZE)
            except BlockingIOError:
                return
            now = monotonic()
            if len(packet) < VNET_HEADER + IPV4_HEADER or packet[VNET_HEADER] >> 4 != 4:
                self.not_ipv4 += 1
                continue
            lane = lanes[self._site(packet[26:30])]
            if lane is None:
                self.unknown_destination += 1
                continue
            number, link, out = lane
            size = len(packet) - VNET_HEADER
            segments = 1
            if packet[1]:
                headers = _header_bytes(packet)
                segments = -((headers - size) // (packet[4] | packet[5] << 8))
                size += (segments - 1) * headers
            arrives = link.enter(now, packet, size, segments)
            if arrives is not None and len(link.queue) == 1:
                if arrives <= now:
                    self._write(out, link.take())
                else:
                    heappush(due, (arrives, number, link, out))
            if due and due[0][0] <= now:
                self._release(now)

    def _release(self, now: float) -> None:
        due = self._due
        self.worst_lateness = max(self.worst_lateness, now - due[0][0])
        for _ in range(RELEASE_BATCH):
            _, number, link, out = due[0]
            packet = link.take()
            if link.queue:
                heapreplace(due, (link.queue[0][0], number, link, out))
            else:
                heappop(due)
            self._write(out, packet)
            if not due or due[0][0] > now:
                return

    def _write(self, device: int, packet: bytes) -> None:
        try:
            os.write(device, packet)
        except OSError:
            self.refused += 1

    def _site(self, address: bytes) -> int:
        """The number of the site that ``address`` is in, -1 if in none."""
        number = self._site_of.get(address)
        if number is None:
            if len(self._site_of) >= KNOWN_ADDRESSES:
                self._site_of.clear()
            wanted = IPv4Address(address)
            number = next((n for n, lan in enumerate(self.networks) if wanted in lan), -1)
            self._site_of[address] = number
        return number


def _header_bytes(packet: bytes) -> int:
    """The IPv4 and TCP headers of a super-packet (its ``hdr_len`` is a hint, often too large)."""
    ipv4 = (packet[VNET_HEADER] & 15) * 4
    return ipv4 + (packet[VNET_HEADER + ipv4 + 12] >> 4) * 4


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main(config: Path) -> int:
    """Runs the forwarder of ``config``; its exit status."""
    if not sys.stdin.readline():
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forwarder = Forwarder(config)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The WAN forwarder could not start: {error}", file=sys.stderr)
        return 1
    try:
        forwarder.hasten()
        gc.collect()
        gc.freeze()
        gc.disable()
        print("ready", flush=True)
        forwarder.run()
    except OSError as error:
        print(f"The WAN forwarder stopped, a site's device is gone: {error}", file=sys.stderr)
        return 1
    finally:
        forwarder.control.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
