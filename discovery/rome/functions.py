"""SQL functions that every handle on a database has: a schema may call them."""

from __future__ import annotations

import re

from discovery.rome.catalogue import Value


def regexp(*arguments: Value) -> bool | None:
    """``text REGEXP pattern``, without case, as MySQL's default collation has it."""
    pattern, text = arguments
    if pattern is None or text is None:
        return None
    return re.search(str(pattern), str(text), re.IGNORECASE) is not None
