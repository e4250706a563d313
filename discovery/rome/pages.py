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
_NOTHING = memoryview(_EMPTY)


class Pages:
    """The pages of one version of a database: those it was booted with, and those changed since.

    The former are one buffer, which forked processes go on sharing however much they read: a page
    that was an object of its own would be copied as soon as a child counts a reference to it. The
    latter are in two levels, so that a new version copies little.
    """

    __slots__ = ("_base", "_changed", "_kept", "count")

    def __init__(self, base: memoryview = _NOTHING) -> None:
        self._base = base
        self._kept = self.count = len(base) // PAGE
        """Pages of the base that have never been cut off."""
        self._changed: tuple[tuple[bytes | None, ...], ...] = ()

    def __getitem__(self, number: int) -> bytes | memoryview:
        """Page ``number`` (from 0); nothing beyond the end, nor where nothing was ever written."""
        if number >= self.count:
            return _EMPTY
        index, place = divmod(number, _CHUNK)
        if index < len(self._changed):
            chunk = self._changed[index]
            if place < len(chunk):
                page = chunk[place]
                if page is not None:
                    return page
        if number < self._kept:
            return self._base[number * PAGE : (number + 1) * PAGE]
        return _EMPTY

    def changed(self, layer: dict[int, bytes], count: int) -> Pages:
        """These pages with those of ``layer`` in their places, ``count`` of them in all."""
        top = list(self._changed[: -(-count // _CHUNK)])
        if count < self.count and count // _CHUNK < len(top):  # as in xTruncate
            top[count // _CHUNK] = top[count // _CHUNK][: count % _CHUNK]
        touched: dict[int, list[bytes | None]] = {}
        for number, page in layer.items():
            if number >= count:
                continue
            index, place = divmod(number, _CHUNK)
            chunk = touched.get(index)
            if chunk is None:
                while len(top) <= index:
                    top.append(())
                chunk = touched[index] = list(top[index])
            chunk.extend([None] * (place + 1 - len(chunk)))
            chunk[place] = page
        for index, chunk in touched.items():
            top[index] = tuple(chunk)
        result = Pages(self._base)
        result._changed, result.count = tuple(top), count
        result._kept = min(self._kept, count)
        return result


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

    def xRead(self, amount: int, offset: int) -> bytes | memoryview:  # noqa: N802, D102 - SQLite's
        number = offset // PAGE
        page: bytes | memoryview | None = self._layer.get(number)
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


class NewPageFile(PageFile):
    """A file that is written from nothing, as one buffer; once it is published, no more."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    def published(self) -> Pages:
        """All that was written."""
        return Pages(memoryview(self._buffer).toreadonly())

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802, D102
        return bytes(self._buffer[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802, D102
        if offset > len(self._buffer):
            self._buffer.extend(bytes(offset - len(self._buffer)))
        self._buffer[offset : offset + len(data)] = data

    def xFileSize(self) -> int:  # noqa: N802, D102
        return len(self._buffer)

    def xTruncate(self, size: int) -> None:  # noqa: N802, D102
        del self._buffer[size:]


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
    file = PageFile()
    file.pin(pages)
    return _open(file), file


def open_new() -> tuple[apsw.Connection, NewPageFile]:
    """A connection to an empty database that is filled at once, and its file."""
    file = NewPageFile()
    return _open(file), file


def _open(file: PageFile) -> apsw.Connection:
    name = f"replica-{next(_names)}"
    _system.waiting[name] = file
    database = apsw.Connection(name, vfs=_PageSystem.name)
    for pragma in (
        f"page_size={PAGE}",
        "journal_mode=MEMORY",
        "synchronous=OFF",
        "temp_store=MEMORY",
    ):
        database.execute(f"PRAGMA {pragma}")
    return database
