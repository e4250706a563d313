"""What we load into OpenStack's processes, as one wheel that is made at every deployment.

ROME, the hooks for CockroachDB and PostgreSQL, the replay of requests, Neutron's driver without
agents, Nova's probe and its many fake nodes: those of them that this tree has. They are not in the
node image, so that a change of them needs no new one: what they depend on is there
(``image/openstack.lock``), and they themselves are some ten kilobytes.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from discovery import __version__

DISTRIBUTION = "discovery-drivers"

# Each is a product of its own that imports nothing of the workbench, with what it imports instead.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "rome": ("sqlalchemy>=2.0.40,<2.1", "redis", "apsw", "msgpack"),
    "cockroach": ("oslo.db", "sqlalchemy-cockroachdb", "psycopg2-binary"),
    "replay": ("sqlalchemy",),
    "bindall": ("neutron", "neutron-lib", "sqlalchemy"),
    "probe": ("nova", "oslo.config", "oslo.db", "oslo.messaging", "sqlalchemy"),
    "fake_compute": ("nova", "oslo.config", "oslo.messaging"),
}

_WORKBENCH = "discovery-workbench"
_DIALECTS = "sqlalchemy.dialects"
_ROOM = Path(__file__).parents[1]
_METADATA = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: Drivers, request replay and probe of the Discovery workbench
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: discovery\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel's file name and what is in it."""

    name: str
    content: bytes


def packages() -> list[str]:
    """Those of :data:`PACKAGES` that this tree has."""
    return [name for name in PACKAGES if (_ROOM / name / "__init__.py").is_file()]


def entry_points() -> dict[str, dict[str, str]]:
    """The wheel's entry points, by group: names, and what they load.

    They are those of the workbench, as ``pyproject.toml`` declares them, that load our packages.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in importlib.metadata.distribution(_WORKBENCH).entry_points:
        if _package(entry.value) in packages():
            found.setdefault(entry.group, {})[entry.name] = entry.value
    return found


def dialects() -> dict[str, str]:
    """SQLAlchemy's names of our drivers, and what they load."""
    return entry_points().get(_DIALECTS, {})


def serves(url: str) -> str | None:
    """The package whose driver a database's ``url`` names, if it is one of ours."""
    name = url.partition("://")[0].replace("+", ".")
    return _package(dialects()[name]) if name in dialects() else None


def variables(url: str, *, replay: bool = False) -> dict[str, str]:
    """What the playbooks are told where a service needs the wheel; else nothing.

    It does where ``url`` names a driver of ours, and where it replays requests.
    """
    return carried() if replay or serves(url) is not None else {}


def carried() -> dict[str, str]:
    """What the playbooks are told of the wheel."""
    made = wheel()
    content = base64.b64encode(made.content).decode()
    return {"drivers_wheel_name": made.name, "drivers_wheel": content}


def version(*of: str) -> str:
    """The workbench's version, and after a plus sign eight digits that tell its sources apart.

    The sources are those of the packages ``of``, or the whole wheel's.
    """
    digest = hashlib.sha256(b"" if of else _entry_points())
    for name, content in _sources(of or packages()).items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{__version__}+{digest.hexdigest()[:8]}"


def wheel() -> Wheel:
    """The packages as they are in this tree; equal sources give equal bytes."""
    name, number = DISTRIBUTION.replace("-", "_"), version()
    info = f"{name}-{number}.dist-info"
    files = {
        **_sources(packages()),
        f"{info}/METADATA": _metadata(number),
        f"{info}/WHEEL": _WHEEL.encode(),
        f"{info}/entry_points.txt": _entry_points(),
    }
    record = "".join(f"{path},sha256={_checksum(at)},{len(at)}\n" for path, at in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return Wheel(f"{name}-{number}-py3-none-any.whl", packed.getvalue())


def _package(target: str) -> str:
    """``discovery.rome.dialect:RomeDialect`` as ``rome``."""
    return target.partition(":")[0].split(".")[1]


def _metadata(number: str) -> bytes:
    needed = sorted({requirement for name in packages() for requirement in PACKAGES[name]})
    lines = [f"Requires-Dist: {requirement}\n" for requirement in needed]
    return (_METADATA.format(name=DISTRIBUTION, version=number) + "".join(lines)).encode()


def _entry_points() -> bytes:
    text = ""
    for group, entries in sorted(entry_points().items()):
        lines = [f"{name} = {value}\n" for name, value in sorted(entries.items())]
        text += f"[{group}]\n{''.join(lines)}\n"
    return text.encode()


def _sources(names: Iterable[str]) -> dict[str, bytes]:
    """The packages and the one that they lie in, by their paths in the wheel."""
    files = [_ROOM / "__init__.py"]
    for name in names:
        found = (_ROOM / name).rglob("*")
        files += [path for path in found if path.suffix in {".py", ".lua"}]
    return {
        str(path.relative_to(_ROOM.parent)): path.read_bytes()
        for path in sorted(files)
        if path.is_file()
    }


def _checksum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
