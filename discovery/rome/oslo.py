"""What oslo.db is told about the driver's errors, where oslo.db is installed.

oslo.db knows SQLite's messages for violated keys, which are ours. It does not know certification,
nor that a database in a file can lose its connection.
"""

from __future__ import annotations

import functools
from typing import Any, NoReturn

from sqlalchemy import exc


@functools.cache
def register() -> bool:
    """Add the two filters, once; False where there is no oslo.db."""
    try:
        from oslo_db import exception  # noqa: PLC0415
        from oslo_db.sqlalchemy import exc_filters  # noqa: PLC0415
    except ImportError:
        return False

    def deadlock(error: Any, match: Any, engine_name: str, is_disconnect: bool) -> NoReturn:
        raise exception.DBDeadlock(error)

    def lost(error: Any, match: Any, engine_name: str, is_disconnect: bool) -> NoReturn:
        raise exception.DBConnectionError(error)

    for pattern, function in (
        (r".*rome: deadlock.*", deadlock),
        (r".*redis connection lost.*", lost),
    ):
        exc_filters.filters("sqlite", exc.OperationalError, pattern)(function)

    return True
