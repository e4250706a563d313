"""Testbed: leases of nodes grouped in sites, the WAN between them, the ledger of what is held.

What the other rooms use is loaded when it is first asked for: the WAN's forwarder is a module of
this package, and starts at once only if pydantic stays out of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discovery.testbed.config import Testbed
    from discovery.testbed.factory import lease
    from discovery.testbed.leases import Lease, Node
    from discovery.testbed.load import load_testbed

__all__ = ["Lease", "Node", "Testbed", "lease", "load_testbed"]

_HOMES = {
    "Lease": "leases",
    "Node": "leases",
    "Testbed": "config",
    "lease": "factory",
    "load_testbed": "load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
