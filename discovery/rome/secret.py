"""A password: a string that no `repr`, log or traceback shows."""

from __future__ import annotations

HIDDEN = "***"


class Secret(str):
    """The text itself where it is encoded or compared; stars where it is shown."""

    __slots__ = ()

    def __new__(cls, text: str) -> Secret:  # noqa: D102
        return text if isinstance(text, Secret) else super().__new__(cls, text)

    def __repr__(self) -> str:  # noqa: D105
        return repr(HIDDEN)

    def __str__(self) -> str:  # noqa: D105
        return HIDDEN

    def __format__(self, how: str) -> str:  # noqa: D105
        return format(HIDDEN, how)
