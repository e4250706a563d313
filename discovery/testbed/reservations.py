"""Reservations beyond this machine, and how each provider that makes them gives one back."""

from __future__ import annotations

from collections.abc import Callable

from discovery.testbed.grid5000.open import cancel_grid5000
from discovery.testbed.ledger import Held
from discovery.testbed.static.open import cancel_static

# Apart from the registry of providers: the local provider, which is in that one, releases its nodes
# through the ledger, and the ledger's release needs this.
CANCEL: dict[str, Callable[[Held], None]] = {
    "static": cancel_static,
    "grid5000": cancel_grid5000,
}
