"""The ROME driver as a wheel, made from this tree whenever it is deployed.

It is not in the node image, so that a change of ``discovery/rome`` needs no new one: what it
depends on is there, and the driver itself is a file of some ten kilobytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from discovery import __version__

DISTRIBUTION = "discovery-rome"
DIALECT = "discovery.rome.dialect:RomeDialect"
ENTRY_POINTS = f"[sqlalchemy.dialects]\nrome = {DIALECT}\nsqlite.rome = {DIALECT}\n"

_PACKAGE = Path(__file__).parents[1]
_METADATA = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: An SQLAlchemy dialect on Redis
Requires-Dist: sqlalchemy>=2.0.40,<2.1
Requires-Dist: redis
Requires-Dist: apsw
Requires-Dist: msgpack
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: discovery\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel's file name and what is in it."""

    name: str
    content: bytes


def serves(url: str) -> bool:
    """Whether a database's URL is ROME's."""
    return url.startswith(("rome://", "sqlite+rome://"))


def variables(url: str) -> dict[str, str]:
    """What the playbooks are told where a service's ``url`` needs the driver; else nothing."""
    if not serves(url):
        return {}
    made = wheel()
    content = base64.b64encode(made.content).decode()
    return {"rome_wheel_name": made.name, "rome_wheel": content}


def version() -> str:
    """The workbench's version, and after a plus sign eight digits that tell its sources apart."""
    return _version(_sources())


def wheel() -> Wheel:
    """The driver as it is in this tree; equal sources give equal bytes."""
    sources = _sources()
    name, number = DISTRIBUTION.replace("-", "_"), _version(sources)
    info = f"{name}-{number}.dist-info"
    files = {
        **sources,
        f"{info}/METADATA": _METADATA.format(name=DISTRIBUTION, version=number).encode(),
        f"{info}/WHEEL": _WHEEL.encode(),
        f"{info}/entry_points.txt": ENTRY_POINTS.encode(),
    }
    record = "".join(f"{path},sha256={_checksum(at)},{len(at)}\n" for path, at in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return Wheel(f"{name}-{number}-py3-none-any.whl", packed.getvalue())


def _version(sources: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sources.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{__version__}+{digest.hexdigest()[:8]}"


def _sources() -> dict[str, bytes]:
    """The package and the one that it lies in, by their paths in the wheel."""
    files = [_PACKAGE / "__init__.py"]
    files += [path for path in (_PACKAGE / "rome").rglob("*") if path.suffix in {".py", ".lua"}]
    return {
        str(path.relative_to(_PACKAGE.parent)): path.read_bytes()
        for path in sorted(files)
        if path.is_file()
    }


def _checksum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
