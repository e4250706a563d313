"""Whether the WAN of a lease is dead, asked from another process and without EnOSlib (1.5 s)."""

from __future__ import annotations

from pathlib import Path

from discovery.errors import WanError
from discovery.testbed.wan.base import Wan
from discovery.testbed.wan.local import CONFIG, ForwarderWan


def ailment(folder: Path) -> str | None:
    """What is wrong with the WAN of the lease in ``folder``, in a sentence; None if nothing is.

    Between machines that are not ours there is nobody to ask, so nothing is known to be wrong.
    """
    try:
        for wan in _looked_at(folder):
            wan.pulse()
    except WanError as error:
        return str(error)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"what {folder} says of it cannot be read; release the lease and take a new one."
    return None


def _looked_at(folder: Path) -> list[Wan]:
    """The WAN in ``folder``, as often as it takes to see all of it."""
    from discovery.testbed.wan.netem import STATE, NetemWan  # noqa: PLC0415 (loads pydantic)

    if (folder / CONFIG).exists():
        return [ForwarderWan(folder, None)]
    if (folder / STATE).exists():
        netem = NetemWan(folder, None)
        return [netem] * len(netem.networks)
    return []
