"""What SQLite's limits are here, for those who meet one; its own words often tell no number."""

from __future__ import annotations

import apsw

MOST_COMMIT_BYTES = 512_000_000
"""What Redis takes as one value (``proto-max-bulk-len``), and so the largest commit."""

IN_A_ROW = 200
"""Terms that SQLite is given side by side: more than 1,000 conditions are too deep an expression,
and more than 500 SELECTs too many."""

_NUMBERED: tuple[tuple[str, int | None], ...] = (
    ("too many terms in compound SELECT", apsw.SQLITE_LIMIT_COMPOUND_SELECT),
    ("too many columns", apsw.SQLITE_LIMIT_COLUMN),
    ("too many arguments on function", apsw.SQLITE_LIMIT_FUNCTION_ARG),
    ("LIKE or GLOB pattern too complex", apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH),
    ("too many levels of trigger recursion", apsw.SQLITE_LIMIT_TRIGGER_DEPTH),
    ("string or blob too big", apsw.SQLITE_LIMIT_LENGTH),
    ("Recursion limit", getattr(apsw, "SQLITE_LIMIT_PARSER_DEPTH", None)),
)


def with_limit(text: str, database: apsw.Connection | None) -> str:
    """SQLite's message, with the number that is allowed where it is about too much of something."""
    if database is not None:
        for words, limit in _NUMBERED:
            if limit is not None and words in text:
                return f"{text}; {database.limit(limit):,} are allowed"
    return text
