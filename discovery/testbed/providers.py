"""The registry of providers: one entry makes a new one known everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from discovery.testbed.config import Testbed
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.grid5000.open import cancel_grid5000, open_grid5000
from discovery.testbed.ledger import Held
from discovery.testbed.local.config import LocalTestbed
from discovery.testbed.local.open import open_local
from discovery.testbed.request import Opened, Request
from discovery.testbed.static.config import StaticTestbed
from discovery.testbed.static.open import cancel_static, open_static


@dataclass(frozen=True)
class ProviderEntry:
    """A provider: the model of its testbed file, and how it leases.

    ``open`` returns when every node answers on SSH. There is no ``close``: what it made is in the
    ledger, and is removed from there, also if it raises. ``cancel`` gives back a
    thing of kind ``reservation`` (whose details have ``provider``), if the provider makes such.
    """

    model: type[Testbed]
    open: Callable[[Any, Request], Opened]
    cancel: Callable[[Held], None] | None = None


PROVIDERS: dict[str, ProviderEntry] = {
    "local": ProviderEntry(LocalTestbed, open_local),
    "static": ProviderEntry(StaticTestbed, open_static, cancel_static),
    "grid5000": ProviderEntry(Grid5000Testbed, open_grid5000, cancel_grid5000),
}
