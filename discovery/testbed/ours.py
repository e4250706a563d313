"""What may be released at all: a thing that its lease can have made, and nothing else.

The ledger is a file that anybody with a hand on the disk can write; whatever it names, neither
``/`` nor process 1 is ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.testbed import processes
from discovery.testbed.home import home_mark, machine_mark
from discovery.testbed.ledger import Held, is_run, tell_once
from discovery.testbed.local.cgroups import ROOT
from discovery.testbed.local.network import NAMESPACES
from discovery.testbed.local.nodes import PROPAGATE

LEASE = re.compile(r"[0-9a-f]{6}")
_NETNS = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_LONGEST_SHOWN = 80
# Where nspawn locks the images that it boots.
LOCKS = Path("/run/systemd/nspawn/locks")


def of_this_folder(held: Iterable[Held], ledger: Path) -> list[Held]:
    """Those of ``held`` that a lease of this state folder can have made; others are told."""
    ours = []
    for thing in held:
        if may_be_ours(thing, ledger.parent):
            ours.append(thing)
        else:
            tell_once(
                f"{ledger}: line {thing.line} names the {thing.kind} {_short(thing.name)}, which "
                f"cannot be of lease {_short(thing.lease)}; it was passed over"
            )
    return ours


def _short(text: str) -> str:
    shown = ascii(text)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"


def may_be_ours(thing: Held, home: Path) -> bool:
    """Whether a lease of the state folder ``home`` can have made ``thing``."""
    if LEASE.fullmatch(thing.lease) is None:
        return False
    return _RULES[thing.kind](_Claim(thing, home / "leases" / thing.lease))


@dataclass(frozen=True)
class _Claim:
    """A thing, and the folder of the lease that is said to have made it."""

    thing: Held
    folder: Path

    @property
    def name(self) -> str:
        return self.thing.name

    @property
    def tag(self) -> str:
        return f"dw-{self.thing.lease}-{home_mark(self.folder.parent.parent)}"

    def tagged(self, name: str) -> bool:
        return name == self.tag or name.startswith(f"{self.tag}-")


def _types(details: Mapping[str, Any], wanted: Mapping[str, type | tuple[type, ...]]) -> bool:
    return all(
        isinstance(details[key], kind) and (kind is bool or not isinstance(details[key], bool))
        for key, kind in wanted.items()
        if key in details
    )


def _lease(claim: _Claim) -> bool:
    details = claim.thing.details
    return (
        claim.name == claim.thing.lease
        and _types(
            details,
            {
                **{"provider": str, "purpose": str, "sites": list, "kept": bool, "pid": int},
                **{"start": (int, type(None)), "boot": str},
            },
        )
        and all(isinstance(site, str) for site in details.get("sites", ()))
        and details.get("pid", 0) >= 0
        and (details.get("kept", False) or _may_be_run(claim))
    )


def _may_be_run(claim: _Claim) -> bool:
    """Whether the process of a run, if it lives, is one that leases: it may be asked to end."""
    details = claim.thing.details
    pid, start = details.get("pid", 0), details.get("start")
    if details.get("boot") != processes.boot_id() or not processes.alive(pid, start):
        return True
    return is_run(pid, claim.folder.parent.parent)


def _process(claim: _Claim) -> bool:
    """A process that lives must carry the lease's mark; one that is gone can do no harm."""
    details = claim.thing.details
    if not (claim.name.isascii() and claim.name.isdecimal() and len(claim.name) < 10):
        return False
    if not (
        {"boot", "start"} <= details.keys()
        and _types(details, {"boot": str, "start": (int, type(None))})
    ):
        return False
    pid = int(claim.name)
    if pid <= 1:
        return False
    lives = details["boot"] == processes.boot_id() and processes.alive(pid, details["start"])
    return not lives or processes.is_marked(pid, claim.folder)


def _namespace(claim: _Claim) -> bool:
    return claim.tagged(claim.name) and _NETNS.fullmatch(claim.name) is not None


def _link(claim: _Claim) -> bool:
    """An interface has no room for a mark; its lease's namespaces have, and last longer."""
    if re.fullmatch(rf"dw-{claim.thing.lease}-s\d{{1,3}}", claim.name) is None:
        return False
    others = NAMESPACES.glob(f"dw-{claim.thing.lease}-*")
    return all(claim.tagged(other.name) for other in others)


def _mount(claim: _Claim) -> bool:
    return _is_below(claim.name, claim.folder)


def _cgroup(claim: _Claim) -> bool:
    path = Path(claim.name)
    return (
        claim.name == str(path)
        and claim.tagged(path.name)
        and ROOT in (path.parent, path.parent.parent)
        and ".." not in path.parts
    )


def _folder(claim: _Claim) -> bool:
    path = Path(claim.name)
    if path.parent == PROPAGATE:
        return claim.tagged(path.name)
    return processes.same_place(path, claim.folder) and path.name == claim.thing.lease


def _lockfile(claim: _Claim) -> bool:
    path = Path(claim.name)
    return path.parent == LOCKS and re.fullmatch(r"inode-\d+:\d+", path.name) is not None


def _reservation(claim: _Claim) -> bool:
    check = _RESERVATIONS.get(str(claim.thing.details.get("provider")))
    return check is not None and check(claim)


def _grid5000(claim: _Claim) -> bool:
    sites = claim.thing.details.get("sites")
    pattern = rf"[A-Za-z0-9_-]{{1,40}}-{claim.thing.lease}(-{machine_mark()})?"
    return (
        re.fullmatch(pattern, claim.name) is not None
        and isinstance(sites, list)
        and all(isinstance(site, str) and re.fullmatch(r"[a-z]{1,40}", site) for site in sites)
    )


def _static(claim: _Claim) -> bool:
    details = claim.thing.details
    machine, found = details.get("machine"), details.get("found")
    if not isinstance(machine, dict) or not isinstance(found, dict):
        return False
    return (
        {"alias", "address", "user"} <= machine.keys() <= {*_MACHINE}
        and _types(machine, _MACHINE)
        and claim.name == f"static {machine['address']}"
        and not any(str(value).startswith("-") for value in machine.values())
        and found.keys() == {"services", "shaped"}
        and all(
            isinstance(values, list) and all(isinstance(value, str) for value in values)
            for values in found.values()
        )
    )


def _real(path: Path) -> Path:
    """``path`` with the links on the way to it resolved, but not one in its own place."""
    return Path(os.path.realpath(path.parent), path.name)


def _is_below(name: str, folder: Path) -> bool:
    path, folder = _real(Path(name)), _real(folder)
    return path != folder and path.is_relative_to(folder) and path.name not in ("", "..")


_MACHINE: dict[str, type | tuple[type, ...]] = {
    **{"alias": str, "address": str, "user": str},
    **{"keyfile": (str, type(None)), "port": (int, type(None))},
}
_RESERVATIONS: dict[str, Callable[[_Claim], bool]] = {"grid5000": _grid5000, "static": _static}
_RULES: dict[str, Callable[[_Claim], bool]] = {
    **{"lease": _lease, "process": _process, "namespace": _namespace, "link": _link},
    **{"mount": _mount, "cgroup": _cgroup, "folder": _folder, "lockfile": _lockfile},
    "reservation": _reservation,
}
