"""Reservations beyond this machine, and how each provider that makes them gives one back."""

from __future__ import annotations

from collections.abc import Callable

from discovery.errors import DiscoveryError
from discovery.testbed.grid5000.open import cancel_grid5000, find_grid5000
from discovery.testbed.ledger import Held, tell_once
from discovery.testbed.static.open import cancel_static

# Apart from the registry of providers: the local provider, which is in that one, releases its nodes
# through the ledger, and the ledger's release needs this.
CANCEL: dict[str, Callable[[Held], None]] = {
    "static": cancel_static,
    "grid5000": cancel_grid5000,
}

# Who can be asked for the reservations that carry this state folder's mark. A `static` machine has
# none: what was started there is known from the ledger alone.
FIND: dict[str, Callable[[], list[Held]]] = {"grid5000": find_grid5000}


def find_reservations() -> list[Held]:
    """This state folder's reservations beyond this machine, by their marks.

    Only where the user has credentials; who does not answer is told in a sentence.
    """
    found: list[Held] = []
    for find in FIND.values():
        try:
            found += find()
        except DiscoveryError as error:
            tell_once(f"{error} Reservations there that the ledger does not know are not shown.")
    return found
