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
    """Add the filters, once; False where there is no oslo.db."""
    try:
        from oslo_db import exception  # noqa: PLC0415
        from oslo_db.sqlalchemy import exc_filters  # noqa: PLC0415
    except ImportError:
        return False

    def deadlock(error: Any, match: Any, engine_name: str, is_disconnect: bool) -> NoReturn:
        raise exception.DBDeadlock(error)

    def lost(error: Any, match: Any, engine_name: str, is_disconnect: bool) -> NoReturn:
        raise exception.DBConnectionError(error)

    def not_unicode(error: Any, match: Any, engine_name: str, is_disconnect: bool) -> NoReturn:
        raise exception.DBInvalidUnicodeParameter

    for kind, pattern, function in (
        (exc.OperationalError, r".*rome: (deadlock|lock wait timed out).*", deadlock),
        (exc.OperationalError, r".*redis connection lost.*", lost),
        (exc.DataError, r".*codec can't encode.*", not_unicode),
    ):
        exc_filters.filters("sqlite", kind, pattern)(function)

    return True
