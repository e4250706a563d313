"""The services as ``services.toml`` declares them."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

from discovery.errors import UsageError

FILE = Path(__file__).with_name("services.toml")
ENGINES = ("each", "kept")


@dataclass(frozen=True)
class Service:
    """One service; the fields are described in ``services.toml``."""

    name: str
    package: str
    migrate: list[list[str]]
    tests: list[str]
    section: str = "database"
    options: list[str] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    engine: str = "each"
    foreign_keys: bool = True


def services(file=FILE):
    """All declared services by name, in the file's order."""
    declared = {}
    known = {one.name for one in fields(Service)} - {"name"}
    try:
        entries = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file.name}: {error}") from error
    for name, entry in entries.items():
        if unknown := sorted(entry.keys() - known):
            raise UsageError(
                f"{file.name}: {name}.{unknown[0]} is no key of a service; "
                f"allowed: {', '.join(sorted(known))}"
            )
        if absent := sorted({"migrate", "tests"} - entry.keys()):
            raise UsageError(f"{file.name}: {name}.{absent[0]} is missing; a list may be empty")
        service = Service(name, **({"package": name} | entry))
        if service.engine not in ENGINES:
            raise UsageError(
                f"{file.name}: {name}.engine is {service.engine!r}; allowed: {', '.join(ENGINES)}"
            )
        declared[name] = service
    return declared


def chosen(declared, asked):
    """What each ``NAME`` or ``NAME==VERSION`` of ``asked`` names, with the version or None."""
    found = {}
    for word in asked:
        name, _, version = word.partition("==")
        if name not in declared:
            raise UsageError(f"--only {word}: no such service; allowed: {', '.join(declared)}")
        found[name] = (declared[name], version or None)
    return found
