"""The one error of its own: everything else is the database's."""

from __future__ import annotations

from sqlalchemy.exc import ArgumentError


class UrlError(ArgumentError):
    """The URL asks for something that there is not; the message says what there is."""
