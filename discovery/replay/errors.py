"""The errors of its own; those of databases and applications stay what they are."""

from __future__ import annotations


class ReplayError(Exception):
    """Base of them."""


class SettingsError(ReplayError):
    """A setting is not one, or has a value that it cannot have; the message says what it may be."""
