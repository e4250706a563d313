"""The pinned release, fetched from its vendor where that can be reached."""

from __future__ import annotations

import http.client
import re
import shutil
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from discovery.deploy.cockroach import release
from discovery.deploy.cockroach.program import (
    NONE,
    RECORD,
    Program,
    architecture,
    check,
    fetched_path,
    find,
    recorded,
)
from discovery.errors import MachineError
from discovery.whole import sha256, whole_folder

_PATIENCE_S = 10  # for the vendor's site, until it answers and between its bytes
_CHECKSUM_BYTES = 4096


def fetch(progress: Callable[[str], None], site: str = release.SITE) -> Program | None:
    """Fetch the pinned release from its vendor unless there is a program; ``None`` if none is had.

    A site that cannot be reached is told to ``progress`` and is no error. An archive that is not
    the pinned one is a :class:`MachineError`: somebody has changed it.
    """
    there = find()
    if there is not None or architecture() not in release.CHECKSUMS:
        return there
    url = f"{site}/{release.archive(architecture())}.tgz"
    path = fetched_path()
    try:
        wanted = release.CHECKSUMS[architecture()] or _published(f"{url}.sha256sum")
        progress(f"CockroachDB {release.PINNED} from {site}")
        with whole_folder(path.parent) as folder:
            archive = folder / "archive.tgz"
            _download(url, archive)
            found = sha256(archive)
            if found != wanted:
                raise MachineError(f"{url} has the SHA-256 {found}, and should have {wanted}")
            _unpack(archive, folder / path.name, url)
            archive.unlink()
    except (OSError, http.client.HTTPException) as error:
        progress(f"not run: {NONE}; {url}: {getattr(error, 'reason', error)}")
        return None
    return check(path, str(path), recorded(path))


def _published(url: str) -> str:
    """The checksum that the vendor has beside an archive: the first word of the file."""
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:
        words = answer.read(_CHECKSUM_BYTES).decode(errors="replace").split()
    if not words or not re.fullmatch("[0-9a-f]{64}", words[0]):
        raise MachineError(f"{url} holds no SHA-256")
    return str(words[0])


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer, path.open("wb") as out:
        shutil.copyfileobj(answer, out, 1 << 20)
        size = answer.headers.get("Content-Length")
        if size is not None and int(size) != out.tell():
            raise ConnectionError(f"the download ended after {out.tell()} of {size} bytes")


def _unpack(archive: Path, path: Path, url: str) -> None:
    """The program out of its archive, and its checksum beside it."""
    member = f"{release.archive(architecture())}/cockroach"
    try:
        with tarfile.open(archive, "r:gz") as packed:
            inside = packed.extractfile(member)
            if inside is None:
                raise KeyError(member)
            with inside, path.open("wb") as out:
                shutil.copyfileobj(inside, out, 1 << 20)
    except (KeyError, tarfile.TarError):
        raise MachineError(f"{url} is no archive with {member} in it") from None
    path.chmod(0o755)
    path.with_name(RECORD).write_text(sha256(path) + "\n", encoding="utf-8")
