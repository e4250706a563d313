"""What alembic is told, where alembic is installed.

CockroachDB keeps a unique constraint as an index and drops it as one. Keystone's schema drops one
in its contract step; everything else in it CockroachDB takes as it is.
"""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def register() -> bool:
    """Put our implementation in the place of sqlalchemy-cockroachdb's; False without alembic."""
    try:
        import alembic.ddl.postgresql  # noqa: F401, PLC0415 - with it, the next has CockroachDBImpl
    except ImportError:
        return False
    from sqlalchemy.schema import UniqueConstraint  # noqa: PLC0415
    from sqlalchemy_cockroachdb import base  # noqa: PLC0415

    class CockroachImpl(base.CockroachDBImpl):  # type: ignore[misc]
        """The last class that names a dialect is the one that alembic takes for it."""

        __dialect__ = "cockroachdb"

        def drop_constraint(self, const: Any, **kw: Any) -> None:
            if not isinstance(const, UniqueConstraint):
                super().drop_constraint(const, **kw)
                return
            prepare = self.dialect.identifier_preparer
            exists = "IF EXISTS " if kw.get("if_exists") else ""
            table, name = prepare.format_table(const.table), prepare.quote(const.name)
            self._exec(f"DROP INDEX {exists}{table}@{name} CASCADE")

    return True
