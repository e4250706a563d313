"""What alembic is told, where alembic is installed.

CockroachDB keeps a unique constraint as an index and drops it as one. Keystone's schema drops one
in its contract step; everything else in it CockroachDB takes as it is.

The indexes of :mod:`discovery.cockroach.foreign_keys` are in no model. A comparison of a database
with models passes them over, as alembic itself does with those that MySQL makes.
"""

from __future__ import annotations

import functools
from typing import Any

from discovery.cockroach import foreign_keys


class _WithoutOurs:
    """Comes before an implementation of alembic's."""

    def correct_for_autogen_constraints(
        self, conn_uniques: Any, conn_indexes: Any, *described: Any
    ) -> None:
        """Take ours out of what the database is found to have."""
        above: Any = super()
        above.correct_for_autogen_constraints(conn_uniques, conn_indexes, *described)
        for index in [one for one in conn_indexes if foreign_keys.is_ours(one.name)]:
            conn_indexes.remove(index)


@functools.cache
def register() -> bool:
    """Put our implementations in the place of others'; False without alembic."""
    try:
        from alembic.ddl.postgresql import PostgresqlImpl  # noqa: PLC0415 - before the next
    except ImportError:
        return False
    from sqlalchemy.schema import UniqueConstraint  # noqa: PLC0415

    # The last class that names a dialect is the one that alembic takes for it.
    class OurPostgresqlImpl(_WithoutOurs, PostgresqlImpl):
        """For every engine of PostgreSQL's in the process."""

        __dialect__ = "postgresql"

    try:
        from sqlalchemy_cockroachdb import base  # noqa: PLC0415
    except ImportError:
        return True

    class CockroachImpl(_WithoutOurs, base.CockroachDBImpl):  # type: ignore[misc]
        """In the place of sqlalchemy-cockroachdb's."""

        __dialect__ = "cockroachdb"

        def drop_constraint(self, const: Any, **kw: Any) -> None:
            if not isinstance(const, UniqueConstraint):
                super().drop_constraint(const, **kw)
                return
            prepare = self.dialect.identifier_preparer
            exists = "IF EXISTS " if kw.get("if_exists") else ""
            table, name = prepare.format_table(const.table), prepare.quote(const.name)
            self._exec(f"DROP INDEX {exists}{table}@{name} CASCADE")
            ours = getattr(self.dialect, "foreign_key_indexes", False)
            if ours and self.connection is not None:
                foreign_keys.settle(self.connection, const.table.name, const.table.schema)

    return True
