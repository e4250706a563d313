"""Gnocchi's index on ROME, by the URL's scheme: an entry point of ``gnocchi.indexer``."""

from __future__ import annotations

from alembic.migration import MigrationContext
from gnocchi.indexer.sqlalchemy import Base, SQLAlchemyIndexer


class RomeIndexer(SQLAlchemyIndexer):  # type: ignore[misc]  # Gnocchi has no types
    """Gnocchi's own for SQLAlchemy, but for how an empty database is filled.

    Gnocchi makes its tables in one transaction, in which it has seen that there is no revision yet,
    and notes the revision in another one before the first is committed. MySQL has committed the
    tables by then.
    """

    def upgrade(self, nocreate: bool = False) -> None:
        """Make the tables, or bring them up to date; ``nocreate``: by migrations alone."""
        if not nocreate:
            with self.facade.writer_connection() as connection:
                if MigrationContext.configure(connection).get_current_revision() is None:
                    Base.metadata.create_all(connection)
        super().upgrade(nocreate)
