"""TUN devices in other network namespaces, and a timer finer than a millisecond.

Standard library only: the forwarder starts in a fraction of the time that the workbench's other
dependencies take to load. Constants are those of <linux/if_tun.h>, <sched.h> and <time.h>.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
TUN_F_CSUM = 0x01
TUN_F_TSO4 = 0x02
CLONE_NEWNET = 0x40000000
CLOCK_MONOTONIC = 1
TFD_NONBLOCK = 0o4000
TFD_TIMER_ABSTIME = 1
PR_SET_TIMERSLACK = 29

# flags, gso_type, hdr_len, gso_size, csum_start, csum_offset of struct virtio_net_hdr
VNET_HEADER = 10
# A TCP super-packet is at most 64 KB; one read takes it whole.
READ_SIZE = VNET_HEADER + 65536
# Packets that wait for the forwarder. Deep, because a WAN must not lose what it was not asked to.
DEVICE_QUEUE = 10_000

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def open_tun(namespace: Path, name: str, routes: Iterable[str]) -> int:
    """Makes the TUN device ``name`` in ``namespace`` with ``routes`` (CIDRs) through it.

    Returns its non-blocking file descriptor; the device and its routes go with it. The caller is
    back in its own namespace afterwards.
    """
    with inside(namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        set_offload(device, segmentation=True)
        lines = [f"link set {name} txqueuelen {DEVICE_QUEUE} up"]
        lines += [f"route replace {cidr} dev {name}" for cidr in routes]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
    return device


@contextmanager
def inside(namespace: Path) -> Iterator[None]:
    """The calling thread, and no other, is in the network ``namespace`` while the body runs.

    Raises OSError if it cannot be entered.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(target, CLONE_NEWNET), f"enter {namespace}")
        finally:
            os.close(target)
        try:
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET), "return to the first network namespace")
    finally:
        os.close(home)


def set_offload(device: int, *, segmentation: bool) -> None:
    """Lets TCP pass in super-packets of up to 64 KB (few system calls), or packet by packet."""
    fcntl.ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | (TUN_F_TSO4 if segmentation else 0))


class Timer:
    """A timerfd: readable when the time it is set to has come (monotonic clock, seconds)."""

    def __init__(self) -> None:
        _libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        self.fd = _check(_libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd_create")
        self._spec = _Timespec()
        self._reference = ctypes.byref(self._spec)

    def set(self, when: float) -> None:
        """Sets it to ``when``, on the clock of :func:`time.monotonic`; 0 switches it off."""
        seconds = int(when)
        self._spec.value_s = seconds
        self._spec.value_ns = int((when - seconds) * 1e9)
        _libc.timerfd_settime(self.fd, TFD_TIMER_ABSTIME, self._reference, None)

    def clear(self) -> None:
        """Makes it unreadable until the time it is set to next."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return
