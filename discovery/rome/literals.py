"""Values as SQL: what is read back is the value that was written, to the bit."""

from __future__ import annotations

import math

import apsw

from discovery.rome.catalogue import Value


def literal(value: Value) -> str:
    """``value`` as an expression of SQL."""
    if isinstance(value, str) and "\0" in value:  # a literal would end there
        return f"CAST(X'{value.encode().hex()}' AS TEXT)"
    if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
        return "-0.0"
    text: str = apsw.format_sql_value(value)
    return text
