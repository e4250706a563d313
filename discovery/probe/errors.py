"""The errors of its own."""

from __future__ import annotations


class ProbeError(Exception):
    """Base of them."""


class SettingsError(ProbeError):
    """An option cannot be used; the message names it and says what it must be."""


class LayerError(ProbeError):
    """This Nova or oslo.db has not got what is watched."""


class RecordError(ProbeError):
    """A file is not a record, or of another version."""
