"""The head of a database on Redis and its schema: what both a boot and the tools begin with."""

from __future__ import annotations

import re
from typing import Any

from discovery.rome.damage import damaged
from discovery.rome.errors import Damaged, OperationalError, StoreRefused
from discovery.rome.settings import Settings
from discovery.rome.store import Command, Store, mapping
from discovery.rome.totals import Loss

FORMAT = b"2"
"""What new databases are."""

UNCOUNTED = b"1"
"""A database that was made before there were totals; `discovery rome repair` adds them."""

KNOWN = (UNCOUNTED, FORMAT)

HELD = {
    "log": ("its log", "entries"),
    "schema": ("its schema", "statements"),
    "totals": ("its list of totals", "tables"),
    "versions": ("its version index", "keys"),
    "ids": ("its list of generated keys", "counters"),
}
"""What is held in the keys of which the head knows the length."""

Head = dict[str, bytes]

NUMBERS = ("seq", "oldest", "keep", "schema")
"""Fields without which nothing can be said of a database, and that are numbers."""

TEXTS = ("epoch", "hash")
"""Fields without which nothing can be said of it, and that are texts."""


def head_of(reply: Any) -> Head:
    """HGETALL's answer about the head; nothing where there is no database."""
    return {name.decode(errors="replace"): value for name, value in mapping(reply).items()}


def lacks(head: Head) -> list[str]:
    """What a head must have, and this one has not."""
    lost = [name for name in TEXTS if name not in head]
    lost += [name for name in NUMBERS if not head.get(name, b"").isdigit()]
    return lost if "format" in head else ["format", *lost]


def read_head(store: Store, *more: Command) -> tuple[Head, list[bytes], list[Any]]:
    """The head, the schema, and the answers to ``more``, as of one moment: one round trip."""
    reply, schema, *answers = store.at_once(
        [["HGETALL", store.keys.head], ["LRANGE", store.keys.schema, 0, -1], *more]
    )
    return head_of(reply), schema, answers


def same_schema(before: Head, after: Head) -> bool:
    """Whether the tables are what they were: no DDL in between, nor another database."""
    return all(before.get(name) == after.get(name) for name in ("epoch", "schema"))


def uncounted(
    head: Head, statements: int, totals: int, entries: int, versions: int, ids: int
) -> list[Loss]:
    """Which of a database's keys do not hold as much as its head says; counters may be more."""
    if head.get("format") != FORMAT:
        return []
    kept = int(head.get("seq", 0)) - int(head.get("oldest", 1)) + 1
    return [
        Loss(name, f"{held} {what}", str(right), key in {"schema", "totals"})
        for (key, (name, what)), held, right in zip(
            HELD.items(),
            (entries, statements, totals, versions, ids),
            (kept, *(_number(head, name) for name in _LENGTHS)),
            strict=True,
        )
        if (held < right if key == "ids" else held != right)
    ]


_LENGTHS = ("statements", "totals", "versions", "ids")


def _number(head: Head, name: str) -> int:
    said = head.get(name, b"")
    return int(said) if said.isdigit() else 0


def all_told(head: Head, totals: int) -> bool:
    """Whether there are totals of as many tables as the head says."""
    return totals >= _number(head, "totals")


def check_format(store: Store, head: Head) -> None:
    """Refuse keys that another ROME wrote, or somebody else, or that have lost their head.

    Raises:
        Damaged, StoreRefused: with what was found.
    """
    if head.get("format", KNOWN[0]) not in KNOWN:
        raise foreign(store, head["format"])
    if lacks(head):
        raise foreign(store, b"none")


def foreign(store: Store, found: bytes) -> StoreRefused | Damaged:
    """The sentence for keys of another format, or that have no whole head (``none``)."""
    where = f"redis at {store.settings.address}: keys {store.keys.prefix}:…"
    if found == b"none":
        lost = lost_of(store)
        if lost is not None:
            return damaged(
                store.settings,
                f"its head {lost}",
                "it can neither be read nor written until that is put right",
            )
        return StoreRefused(
            f"{where} are not ROME's; choose another database name in the URL (or load a backup "
            "under one, if these have lost their head, log, version index and totals)"
        )
    return StoreRefused(
        f"{where} have format {found.decode(errors='replace')} and this ROME knows formats "
        f"{b', '.join(KNOWN).decode()}; use one that is as new as the one that wrote them"
    )


def lost_of(store: Store) -> str | None:
    """What is lost of the head of a database, if that or its other keys tell that it is ROME's."""
    keys = store.keys
    reply, entries, version, total = store.at_once(
        [
            ["HGETALL", keys.head],
            ["XRANGE", keys.log, "-", "+", "COUNT", 1],
            ["HRANDFIELD", keys.versions, 1, "WITHVALUES"],
            ["HRANDFIELD", keys.totals, 1, "WITHVALUES"],
        ]
    )
    head = head_of(reply)
    ours = (
        head.keys() & {*TEXTS, *NUMBERS},
        [fields for _, fields in entries if mapping(fields).keys() == {b"h", b"d", b"k"}],
        version and len(version[0]) in _KEY_BYTES and version[1].isdigit(),
        total and _TOTAL.fullmatch(total[1]),
    )
    if not any(ours):
        return None
    return f"lacks {', '.join(lacks(head))}" if head else "is lost"


_KEY_BYTES = (8, 16)
_TOTAL = re.compile(rb"\d+ \d+")


def missing(settings: Settings) -> OperationalError:
    """The sentence for a database that is not there, where one is to be looked at."""
    return OperationalError(f"redis at {settings.address} holds no database {settings.database!r}")
