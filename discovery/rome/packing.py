"""MessagePack, in the two forms that the log has, by packers that are kept.

To make a packer takes five times as long as to pack a row with it.
"""

from __future__ import annotations

import threading
from typing import Any

import msgpack

LARGEST_KEPT = 100_000
"""Bytes that a packer which is kept may have written: it never gives its memory back."""


class _Kept(threading.local):
    """One packer for each thread."""

    def __init__(self, *, bytes_by_type: bool) -> None:
        self._bytes_by_type = bytes_by_type
        self._packer = self._made()

    def _made(self) -> msgpack.Packer:
        return msgpack.Packer(use_bin_type=self._bytes_by_type)

    def pack(self, value: Any) -> bytes:
        packed: bytes = self._packer.pack(value)
        if len(packed) > LARGEST_KEPT:
            self._packer = self._made()
        return packed


values_packed = _Kept(bytes_by_type=True).pack
"""A row's or a key's values as bytes: equal values, equal bytes, whatever process packs them."""

for_redis = _Kept(bytes_by_type=False).pack
"""What Redis' Lua reads: MessagePack's old form, without a type for bytes."""
