"""What a database's keys on Redis are called."""

from __future__ import annotations


class Keys:
    """The names of one database's keys; the braces put them all into one slot of a cluster."""

    def __init__(self, database: str) -> None:
        self.prefix = f"rome:{{{database}}}"
        self.head = f"{self.prefix}:head"
        self.log = f"{self.prefix}:log"
        self.versions = f"{self.prefix}:versions"
        self.ids = f"{self.prefix}:ids"
        self.schema = f"{self.prefix}:schema"
        self.locks = f"{self.prefix}:locks"
        self.totals = f"{self.prefix}:totals"

    @property
    def fixed(self) -> list[str]:
        """All but the rows', in the order in which scripts take them."""
        return [self.head, self.log, self.versions, self.ids, self.schema, self.totals]

    def rows(self, table: str) -> str:
        """The hash that holds a table's rows by primary key."""
        return f"{self.prefix}:rows:{table}"
