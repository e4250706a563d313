"""An SQLite file as a table of immutable pages, so that many connections share one copy of it.

SQLite has no way for one process to hold many snapshots of a database and to write on several of
them at once: a shared cache and WAL know one writer, and a copy per transaction costs the memory
of the whole database. Here a database is a `Pages` object that never changes. A connection is
pinned on one of them; what it writes stays in a layer of its own, and becomes a new `Pages` object
(sharing every page that did not change) only when it is published. Old versions go when the last
transaction that reads them ends.

No lock is ever needed: a file that cannot change needs none, and a layer has one owner.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import apsw

PAGE = 4096
_CHUNK = 256
_EMPTY = b""


class Pages:
    """The pages of one version of a database; two levels, so that a new version copies little."""

    __slots__ = ("_chunks", "count")

    def __init__(self, chunks: tuple[tuple[bytes, ...], ...] = (), count: int = 0) -> None:
        self._chunks = chunks
        self.count = count

    def __getitem__(self, number: int) -> bytes:
        """Page ``number`` (from 0); nothing beyond the end, nor where nothing was ever written."""
        if number >= self.count:
            return _EMPTY
        chunk = self._chunks[number // _CHUNK]
        place = number % _CHUNK
        return chunk[place] if place < len(chunk) else _EMPTY

    def changed(self, layer: dict[int, bytes], count: int) -> Pages:
        """These pages with those of ``layer`` in their places, ``count`` of them in all."""
        touched: dict[int, list[bytes]] = {}
        top = list(self._chunks)
        wanted = -(-count // _CHUNK)
        while len(top) < wanted:
            top.append(())
        del top[wanted:]
        if count < self.count and top:  # as in xTruncate
            top[-1] = top[-1][: count - (wanted - 1) * _CHUNK]
        for number in sorted(layer):
            if number >= count:
                continue
            index = number // _CHUNK
            chunk = touched.get(index)
            if chunk is None:
                chunk = touched[index] = list(top[index])
            place = number % _CHUNK
            while len(chunk) <= place:
                chunk.append(_EMPTY)
            chunk[place] = layer[number]
        for index, chunk in touched.items():
            top[index] = tuple(chunk)
        return Pages(tuple(top), count)


class PageFile:
    """What SQLite takes for a file: pinned pages below, a private layer of written ones above."""

    def __init__(self) -> None:
        self.pages = Pages()
        self._layer: dict[int, bytes] = {}
        self._size = 0

    def pin(self, pages: Pages) -> None:
        """Show ``pages`` from now on, without anything written on top."""
        self.pages = pages
        self._layer = {}
        self._size = pages.count * PAGE

    def published(self) -> Pages:
        """The pinned pages with what was written on top of them."""
        return self.pages.changed(self._layer, self._size // PAGE)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802, D102 - SQLite's names
        number = offset // PAGE
        page = self._layer.get(number)
        if page is None:
            page = self.pages[number]
        if amount == PAGE:
            return page
        start = offset % PAGE
        return page[start : start + amount]

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802, D102
        self._layer[offset // PAGE] = bytes(data)
        self._size = max(self._size, offset + len(data))

    def xFileSize(self) -> int:  # noqa: N802, D102
        return self._size

    def xTruncate(self, size: int) -> None:  # noqa: N802, D102
        if size < self._size:  # what is cut off must not come back with a longer file
            count = size // PAGE
            self._layer = {number: page for number, page in self._layer.items() if number < count}
            self.pages = self.pages.changed({}, min(count, self.pages.count))
        self._size = size

    def xSync(self, flags: int) -> None:  # noqa: N802, D102
        pass

    def xLock(self, level: int) -> None:  # noqa: N802, D102
        pass

    def xUnlock(self, level: int) -> None:  # noqa: N802, D102
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802, D102
        return False

    def xClose(self) -> None:  # noqa: N802, D102
        pass

    def xSectorSize(self) -> int:  # noqa: N802, D102
        return PAGE

    def xDeviceCharacteristics(self) -> int:  # noqa: N802, D102
        return apsw.SQLITE_IOCAP_ATOMIC4K | apsw.SQLITE_IOCAP_SAFE_APPEND

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802, D102
        return False


class _PageSystem(apsw.VFS):
    """SQLite's file system for them: a name is a `PageFile` that waits to be opened."""

    name: ClassVar[str] = "rome-pages"

    def __init__(self) -> None:
        super().__init__(self.name, "")
        self.waiting: dict[str, PageFile] = {}

    def xOpen(self, name, flags):  # type: ignore[no-untyped-def]  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return self.waiting.pop(path)

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xAccess(self, path: str, flags: int) -> bool:  # noqa: N802
        return False

    def xDelete(self, path: str, syncdir: bool) -> None:  # noqa: N802
        pass


def _forgo_statistics() -> None:
    """Let SQLite not count its memory: it does so under one lock of the process.

    A thread that is inside SQLite when another one forks would leave that lock shut in the child,
    which then waits for ever. It can be done only while the process has nothing open in SQLite.
    """
    if not apsw.connections():
        apsw.shutdown()
        apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, False)
        apsw.initialize()


_forgo_statistics()
_system = _PageSystem()
_names = itertools.count(1)


def open_pages(pages: Pages) -> tuple[apsw.Connection, PageFile]:
    """A connection that is pinned on ``pages``, and its file.

    Journals, temporary tables and sorts stay in memory; no byte of it reaches a disk.
    """
    name = f"replica-{next(_names)}"
    file = PageFile()
    file.pin(pages)
    _system.waiting[name] = file
    database = apsw.Connection(name, vfs=_PageSystem.name)
    for pragma in (
        f"page_size={PAGE}",
        "journal_mode=MEMORY",
        "synchronous=OFF",
        "temp_store=MEMORY",
    ):
        database.execute(f"PRAGMA {pragma}")
    return database, file
