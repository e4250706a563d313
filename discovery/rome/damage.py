"""What of a database on Redis is not as it was committed: it can be read, and takes no writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from discovery.rome.errors import Damaged
from discovery.rome.settings import Settings
from discovery.rome.totals import Loss

ADVICE = "`discovery rome repair` says what can be put right"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A row that lies on Redis and fits into no database of its schema; packed, as is its key."""

    table: str
    key: bytes
    row: bytes
    why: str

    def __str__(self) -> str:  # noqa: D105
        return f"a row of table {self.table} does not fit ({self.why})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement of the schema that SQLite does not take."""

    statement: str
    why: str

    def __str__(self) -> str:  # noqa: D105
        return f"SQLite refuses a part of the schema ({self.why})"


@dataclass(frozen=True, slots=True)
class Damage:
    """All that a boot has met."""

    losses: tuple[Loss, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    refused: tuple[Refused, ...] = ()

    def __bool__(self) -> bool:  # noqa: D105
        return bool(self.losses or self.unfit or self.refused)

    @property
    def unseen(self) -> bool:
        """Whether something that was committed cannot be read any more."""
        return any(loss.unseen for loss in self.losses)

    def error(self, settings: Settings) -> Damaged:
        """What to tell somebody who wants to write, in one sentence."""
        every = (*self.refused, *self.losses, *self.unfit)
        more = f", and {len(every) - 1} more of the kind" if len(every) > 1 else ""
        return damaged(settings, f"{every[0]}{more}")


def damaged(
    settings: Settings, what: str, so: str = "it can be read and takes no writes"
) -> Damaged:
    """The sentence for a database that is not what was committed."""
    return Damaged(
        f"redis at {settings.address}: database {settings.database!r} is damaged: {what}; {so}; "
        f"{ADVICE}"
    )


def commented(text: str) -> Iterator[str]:
    """A text as comments of SQL."""
    yield from (f"-- {line}\n" for line in text.splitlines())
