"""What the forwarder can be told, through its control socket.

=========================================================== =====================================
``{"do": "shape", "delays_ms": [[…]], "jitter_ms": 0,``     sets the whole matrix at once (one-way
``"loss_percent": 0, "rate_mbit": null}``                   ms, row = from site, column = to site)
``{"do": "cut", "pairs": [["site-1", "site-2"], …]}``       takes ordered pairs down
``{"do": "heal"}``                                          takes every pair up
``{"do": "status"}``                                        counters of every pair, and its own
``{"do": "pulse"}``                                         its pid, how many pairs are down, and
                                                            when it stood still, in few bytes
``{"do": "stop"}``                                          ends the forwarder
=========================================================== =====================================

Every answer has ``ok``; a request that cannot be done changes nothing and has ``error``. Answers
to changes have ``time``: seconds since the epoch at which it was in force.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from discovery.testbed.wan.link import Link
from discovery.testbed.wan.tun import set_offload

Message = dict[str, Any]


class Emulation(Protocol):
    """The part of the forwarder that requests see."""

    names: list[str]
    links: dict[tuple[int, int], Link]
    devices: list[int]
    scheduling: str
    stopping: bool
    not_ipv4: int
    unknown_destination: int
    refused: int
    worst_lateness: float
    stalls: deque[dict[str, float]]

    def changed(self) -> None:
        """Takes up a change of the links' queues."""


def answer(emulation: Emulation, request: Message) -> Message:
    """Does what ``request`` says; raises ValueError, KeyError or TypeError if it cannot be."""
    known: dict[str, Callable[[Emulation, Message], Message]] = {
        "shape": _shape,
        "cut": _cut,
        "heal": _heal,
        "status": _status,
        "stop": _stop,
        "pulse": _pulse,
    }
    if request.get("do") not in known:
        raise ValueError(f"unknown request {request.get('do')!r}: one of {', '.join(known)}")
    return known[request["do"]](emulation, request)


def _shape(emulation: Emulation, request: Message) -> Message:
    matrix = request["delays_ms"]
    size = len(emulation.names)
    if len(matrix) != size or any(len(row) != size for row in matrix):
        raise ValueError(f"delays_ms is not {size} x {size}, one row and column per site")
    delays = {pair: float(matrix[pair[0]][pair[1]]) / 1e3 for pair in emulation.links}
    jitter = float(request["jitter_ms"]) / 1e3
    loss = float(request["loss_percent"]) / 100
    rate = float(request["rate_mbit"]) * 1e6 if request["rate_mbit"] is not None else None
    if min(delays.values()) < 0 or jitter < 0 or not 0 <= loss <= 1 or (rate and rate <= 0):
        raise ValueError("delays, jitter and loss are 0 or more, a rate is more than 0")
    # A loss must hit one packet of the network at a time, not the up to 44 of a super-packet.
    for device in emulation.devices:
        set_offload(device, segmentation=loss == 0)
    for pair, link in emulation.links.items():
        link.shape(delays[pair], jitter, loss, rate)
    emulation.worst_lateness = 0.0
    return {"time": time.time()}


def _cut(emulation: Emulation, request: Message) -> Message:
    number = {name: position for position, name in enumerate(emulation.names)}
    links = [emulation.links[number[a], number[b]] for a, b in request["pairs"]]
    for link in links:
        link.cut()
    emulation.changed()
    return {"time": time.time()}


def _heal(emulation: Emulation, _request: Message) -> Message:
    for link in emulation.links.values():
        link.heal()
    return {"time": time.time()}


def _status(emulation: Emulation, _request: Message) -> Message:
    used = os.times()
    return {
        "pid": os.getpid(),
        "scheduling": emulation.scheduling,
        "cpu_s": used.user + used.system,
        "worst_lateness_ms": emulation.worst_lateness * 1e3,
        "not_ipv4": emulation.not_ipv4,
        "unknown_destination": emulation.unknown_destination,
        "refused": emulation.refused,
        "pairs": [
            {
                "source": emulation.names[source],
                "destination": emulation.names[destination],
                "up": link.up,
                "one_way_delay_ms": link.delay * 1e3,
                "packets": link.packets,
                "bytes": link.bytes,
                "dropped_loss": link.dropped_loss,
                "dropped_queue": link.dropped_queue,
                "dropped_cut": link.dropped_cut,
                "under_way": len(link.queue),
            }
            for (source, destination), link in emulation.links.items()
        ],
    }


def _pulse(emulation: Emulation, _request: Message) -> Message:
    return {
        "pid": os.getpid(),
        "down": sum(not link.up for link in emulation.links.values()),
        "stalls": list(emulation.stalls),
    }


def _stop(emulation: Emulation, _request: Message) -> Message:
    emulation.stopping = True
    return {"time": time.time()}
