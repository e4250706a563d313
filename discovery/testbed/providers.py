"""The registry of providers: one entry makes a new one known everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from discovery.testbed.config import Testbed
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.grid5000.open import open_grid5000
from discovery.testbed.local.config import LocalTestbed
from discovery.testbed.local.open import open_local
from discovery.testbed.request import Opened, Request
from discovery.testbed.static.config import StaticTestbed
from discovery.testbed.static.open import open_static


@dataclass(frozen=True)
class ProviderEntry:
    """A provider: the model of its testbed file, and how it leases.

    ``open`` returns when every node answers on SSH. There is no ``close``: what it made is in the
    ledger, and is removed from there, also if it raises. One that makes things of kind
    ``reservation`` (whose details have ``provider``) has an entry in
    :data:`~discovery.testbed.reservations.CANCEL`, too.
    """

    model: type[Testbed]
    open: Callable[[Any, Request], Opened]


PROVIDERS: dict[str, ProviderEntry] = {
    "local": ProviderEntry(LocalTestbed, open_local),
    "static": ProviderEntry(StaticTestbed, open_static),
    "grid5000": ProviderEntry(Grid5000Testbed, open_grid5000),
}
