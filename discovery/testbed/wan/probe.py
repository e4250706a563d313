"""Which WAN back end this machine's kernel can run."""

from __future__ import annotations

import subprocess
from typing import Literal

from discovery.errors import MachineError

LocalBackend = Literal["netem", "forwarder"]

_TRIAL = " && ".join(
    (
        "tc qdisc add dev lo root handle 1: htb",
        "tc class add dev lo parent 1: classid 1:10 htb rate 1gbit",
        "tc qdisc add dev lo parent 1:10 netem delay 1ms",
    )
)


def local_backend() -> LocalBackend:
    """``netem`` if this kernel has what it takes (HTB and netem), else ``forwarder``.

    Tried on the loopback interface of a network namespace that ends with the trial.
    """
    try:
        trial = subprocess.run(
            ["unshare", "--net", "sh", "-c", _TRIAL], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise MachineError("`unshare` is missing: install the package util-linux.") from None
    return "netem" if trial.returncode == 0 else "forwarder"
