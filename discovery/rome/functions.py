"""SQL functions that every handle on a database has: a schema may call them."""

from __future__ import annotations

import functools
import re

import apsw

from discovery.rome.catalogue import Value, folded
from discovery.rome.errors import NotSupportedError

REGEXP = "regexp"
"""What SQLite calls for ``text REGEXP pattern``; it is `regexp` in every process."""

OURS = "rome_"
"""What names of the driver's own functions begin with."""


@functools.cache
def of_sqlite() -> frozenset[str]:
    """The names of SQLite's own functions, operators such as LIKE among them."""
    database = apsw.Connection(":memory:")
    names = database.execute("SELECT name FROM pragma_function_list WHERE builtin").fetchall()
    database.close()
    return frozenset(folded(str(name)) for (name,) in names)


def check_new(name: str) -> None:
    """Refuse a function of a program that would stand in for one which a schema may call.

    An index or CHECK that calls it would say something else in this process than in all others.

    Raises:
        NotSupportedError: naming it.
    """
    if folded(name) in of_sqlite() or folded(name).startswith(OURS):
        whose = "ROME's" if folded(name).startswith(OURS) else "SQLite's"
        raise NotSupportedError(
            f"{name} is {whose} own function, which indexes and CHECKs mean the same by in every "
            "process; give yours another name"
        )


def regexp(*arguments: Value) -> bool | None:
    """``text REGEXP pattern``, without case, as MySQL's default collation has it."""
    pattern, text = arguments
    if pattern is None or text is None:
        return None
    return re.search(str(pattern), str(text), re.IGNORECASE) is not None
