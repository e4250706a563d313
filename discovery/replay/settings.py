"""Settings, from environment variables; in paste's pipelines the filter's options come first.

A service's unit has an environment, whatever server runs it, and nothing has to be put on nodes.

==================== ================= ======= ==========================================
variable             option of paste   default
==================== ================= ======= ==========================================
``REPLAY``           ``enabled``       on      off: requests are observed, never run again
``REPLAY_TRIES``     ``tries``         20      how often a request is run at most
``REPLAY_BASE_MS``   ``base_ms``       20      longest first wait (ms); it doubles
``REPLAY_CAP_MS``    ``cap_ms``        1000    longest wait (ms)
``REPLAY_BODY_KIB``  ``body_kib``      1024    largest body that is kept to be sent again
``REPLAY_COUNTERS``  ``counters``      none    folder for what happened
==================== ================= ======= ==========================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discovery.replay.backoff import Backoff
from discovery.replay.errors import SettingsError

_PREFIX = "REPLAY"


@dataclass(frozen=True)
class Settings:
    """All of them; ``body`` in bytes."""

    enabled: bool = True
    tries: int = 20
    backoff: Backoff = field(default_factory=lambda: Backoff(0.020, 1.000))
    body: int = 1 << 20
    counters: Path | None = None


def read(environment: Mapping[str, str], options: Mapping[str, str] | None = None) -> Settings:
    """Settings; a `SettingsError` names what is wrong, and what it may be."""
    given = {name: (name, text) for name, text in (options or {}).items()}
    for variable, text in environment.items():
        if variable == _PREFIX or variable.startswith(_PREFIX + "_"):
            name = variable[len(_PREFIX) + 1 :].lower() or "enabled"
            given.setdefault(name, (variable, text))
    wrong = sorted(label for name, (label, _) in given.items() if name not in _PARSERS)
    if wrong:
        names = ", ".join(_variable(name) for name in _PARSERS)
        raise SettingsError(f"{', '.join(wrong)}: no such setting; there are {names}")
    values = {name: parse(*given[name]) for name, parse in _PARSERS.items() if name in given}
    base, cap = values.get("base_ms", 20.0), values.get("cap_ms", 1000.0)
    if cap < base:
        label = given.get("cap_ms", given.get("base_ms"))
        raise SettingsError(
            f"{label[0] if label else 'cap_ms'}: the longest wait ({cap:g} ms) is shorter than "
            f"the first one ({base:g} ms)"
        )
    return Settings(
        enabled=values.get("enabled", True),
        tries=values.get("tries", 20),
        backoff=Backoff(base / 1e3, cap / 1e3),
        body=values.get("body_kib", 1024) << 10,
        counters=values.get("counters"),
    )


def _variable(name: str) -> str:
    return _PREFIX if name == "enabled" else f"{_PREFIX}_{name.upper()}"


def _switch(label: str, text: str) -> bool:
    if text not in {"on", "off"}:
        raise SettingsError(f"{label}={text}: must be on or off")
    return text == "on"


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def parse(label: str, text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise SettingsError(f"{label}={text}: must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _milliseconds(label: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60_000:
        raise SettingsError(f"{label}={text}: must be milliseconds, from 0 to 60000")
    return value


def _folder(label: str, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or not path.is_dir():
        raise SettingsError(f"{label}={text}: must be the path of a folder, from the root")
    return path


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "enabled": _switch,
    "tries": _whole(1, 1000),
    "base_ms": _milliseconds,
    "cap_ms": _milliseconds,
    "body_kib": _whole(0, 1 << 20),
    "counters": _folder,
}
