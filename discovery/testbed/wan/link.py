"""One direction between two sites as pure arithmetic: when does a packet that enters leave?

Standard library only, no input or output, and the time is passed in, so that the forwarder and
the property tests run the very same code. Times are seconds on any monotonic clock.
"""

from __future__ import annotations

from collections import deque
from random import Random

# How long a packet may wait for the capped line before the queue counts as full: the depth of a
# usual WAN router's buffer. Packets beyond it are dropped at the tail, as a router does.
QUEUE_SECONDS = 0.1
# What may be under way on one link. Only a sender that ignores losses reaches it.
QUEUE_BYTES = 128 * 1024 * 1024


class Link:
    """The way from one site to another: one-way delay, jitter, loss, rate, and a state.

    Packets leave in the order in which they came, never before their delay has passed, and no
    faster than the rate allows. Jitter is uniform in ``±jitter``; where it would let a packet
    overtake another, the packet waits for the other (so the jitter of packets that follow each
    other closer than ``2 × jitter`` is smaller than asked, and they are late rather than early).
    """

    __slots__ = (
        "_free",
        "_last",
        "_random",
        "bytes",
        "delay",
        "dropped_cut",
        "dropped_loss",
        "dropped_queue",
        "jitter",
        "loss",
        "packets",
        "queue",
        "queued_bytes",
        "seconds_per_byte",
        "up",
    )

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self.delay = 0.0
        self.jitter = 0.0
        self.loss = 0.0
        self.seconds_per_byte = 0.0
        self.up = True
        self.queue: deque[tuple[float, bytes]] = deque()
        self.queued_bytes = 0
        self._free = 0.0
        self._last = 0.0
        self.packets = 0
        self.bytes = 0
        self.dropped_loss = 0
        self.dropped_queue = 0
        self.dropped_cut = 0

    def shape(self, delay: float, jitter: float, loss: float, rate: float | None) -> None:
        """Sets delay and jitter (s), loss (0 to 1) and rate (bit/s, or none) for what enters now.

        What is under way keeps its time of arrival, so the order holds across a change.
        """
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.seconds_per_byte = 8.0 / rate if rate else 0.0
        self._free = 0.0

    def enter(self, now: float, packet: bytes, size: int, segments: int) -> float | None:
        """Puts a packet of ``size`` bytes on the way; returns when it arrives, or None if dropped.

        ``segments`` is how many packets of the network it stands for (segmentation offload).
        """
        if not self.up:
            self.dropped_cut += segments
            return None
        if self.loss and self._random() < self.loss:
            self.dropped_loss += segments
            return None
        if self.queued_bytes + size > QUEUE_BYTES:
            self.dropped_queue += segments
            return None
        leaves = now
        if self.seconds_per_byte:
            starts = self._free if self._free > now else now
            if starts - now > QUEUE_SECONDS:
                self.dropped_queue += segments
                return None
            self._free = leaves = starts + size * self.seconds_per_byte
        arrives = leaves + self.delay
        if self.jitter:
            arrives += self.jitter * (2.0 * self._random() - 1.0)
            arrives = max(arrives, leaves)
        self._last = arrives = max(arrives, self._last)
        self.packets += segments
        self.bytes += size
        self.queued_bytes += len(packet)
        self.queue.append((arrives, packet))
        return arrives

    def take(self) -> bytes:
        """Takes out the packet that arrives first."""
        packet = self.queue.popleft()[1]
        self.queued_bytes -= len(packet)
        return packet

    def cut(self) -> None:
        """Takes the link down; what is under way is lost, as on a cable that is cut."""
        self.up = False
        self.dropped_cut += len(self.queue)
        self.queue.clear()
        self.queued_bytes = 0
        self._last = self._free = 0.0

    def heal(self) -> None:
        """Takes the link up again; the first packet arrives after the link's delay."""
        self.up = True
