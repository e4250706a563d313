"""The head of a database made anew from its other keys, where it is lost or not whole."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from discovery.rome.head import FORMAT, KNOWN, UNCOUNTED, Head, lacks
from discovery.rome.log import TRANSACTION
from discovery.rome.store import Store, mapping
from discovery.rome.totals import Total


@dataclass(slots=True)
class Restored:
    """A head that is whole, what was found of it, and sentences: what is lost, what stays unknown.

    Nobody commits to a database without a whole head, so that its keys stay what they are.
    """

    head: Head
    found: Head
    lost: str
    unknown: list[str] = field(default_factory=list)


def restored(
    store: Store,
    found: Head,
    versions: dict[bytes, int],
    totals: dict[str, Total],
    statements: int,
) -> Restored:
    """What the head must have been, by the log's ends, the version index and the totals."""
    gone = lacks(found)
    lost = f"its head lacks {', '.join(gone)}" if found else "its head is lost"
    made = Restored({name: value for name, value in found.items() if name not in gone}, found, lost)
    head, unknown = made.head, made.unknown
    ends = _ends(store)
    newest = max((number for number, _ in ends), default=0)
    indexed = max(versions.values(), default=0)
    head.setdefault("format", FORMAT if totals or "totals" in found else UNCOUNTED)
    if head["format"] not in KNOWN:
        head["format"] = FORMAT
    if "seq" not in head:
        head["seq"] = str(max(newest, indexed, 1)).encode()
        if not newest and not indexed:
            unknown.append("which commit was the newest: neither log nor version index tells it")
    seq = int(head["seq"])
    head.setdefault("oldest", str(ends[0][0] if ends else seq + 1).encode())
    if "epoch" not in head:
        first = ends[0] if ends and ends[0][0] == 1 else None
        head["epoch"] = first[1][b"k"][-TRANSACTION:] if first else os.urandom(TRANSACTION)
        if first is None:
            unknown.append(
                "which history it is: processes that are connected are told that it is another one"
            )
    if "hash" not in head:
        same = newest == seq and bool(ends)
        head["hash"] = ends[-1][1][b"h"] if same else os.urandom(TRANSACTION).hex().encode()
        if not same:
            unknown.append(f"whether commits are lost: the log does not reach commit {seq}")
    head.setdefault("keep", str(max(store.settings.keep, seq - int(head["oldest"]) + 1)).encode())
    head.setdefault("schema", str(seq).encode())
    if head["format"] == FORMAT:
        rows = any(total.rows for total in totals.values())
        known = statements or not rows
        head.setdefault("statements", str(statements if known else -1).encode())
        head.setdefault("totals", str(len(totals)).encode())
        head.setdefault("versions", str(len(versions)).encode())
    if not totals and "totals" not in found:
        unknown.append("whether rows are lost: the totals are, too")
    return made


def _ends(store: Store) -> list[tuple[int, dict[bytes, bytes]]]:
    """The oldest and the newest entry of the log, where there are any that are entries."""
    log = store.keys.log
    found: list[Any] = [
        *store.at_once([["XRANGE", log, "-", "+", "COUNT", 1]])[0],
        *store.at_once([["XREVRANGE", log, "+", "-", "COUNT", 1]])[0],
    ]
    ends = [(int(number.split(b"-")[0]), mapping(fields)) for number, fields in found]
    return [(number, said) for number, said in ends if said.keys() == {b"h", b"d", b"k"}]
