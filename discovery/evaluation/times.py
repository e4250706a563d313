"""How long cells took: read from earlier runs, kept as a table, and used to foresee others.

``python -m discovery.evaluation.times results/keystone-2018/laptop/raw`` prints the table of the
cells measured there; an experiment keeps one as ``times.csv``, for machines that have no runs yet.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from discovery.deploy.backends import BACKENDS
from discovery.errors import ConfigError, ResultError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.reading import MOST_CONFIGURATION, is_there, read_text
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.phases import LOAD

# Those that grow with the work and the delay; the others are the price of having a testbed.
_LOADED = {"warm-up", *LOAD}
# Of seconds, milliseconds, iterations: none of a cell comes near.
_MOST = 10_000_000
_CELL: TypeAdapter[AnyCell] = TypeAdapter(AnyCell)


@dataclass(frozen=True)
class Time:
    """What cells of one kind took, in seconds: medians over ``cells`` of them.

    ``delay_ms`` is one way, a matrix's mean. ``iterations`` is what each client was asked for, over
    all scenarios; ``concurrency`` how many of them at once. ``loaded_s`` is the warm-up and load,
    ``testbed_s`` all the rest: lease, deployment, shaping, health, collection, release.

    Of a cell on Nova, ``backend`` is its variant, ``load`` its workload and ``iterations`` the
    servers of its burst, which are taken for one after the other: the processors are what it
    waits for.
    """

    variation: str
    backend: str
    sites: int
    delay_ms: float
    load: str
    iterations: int
    concurrency: int
    testbed_s: float
    loaded_s: float
    cells: int = 1

    @property
    def seconds(self) -> float:
        """The whole cell."""
        return self.testbed_s + self.loaded_s

    @property
    def kind(self) -> tuple[str, str, int, float, str, int, int]:
        """What must be equal for two cells to take the same time, but for noise."""
        return astuple(self)[:7]


@dataclass(frozen=True)
class Estimate:
    """The seconds that a cell is going to take, and what makes us think so.

    ``exact`` says that cells of its very kind were measured, and not only similar ones.
    """

    seconds: float
    source: str
    exact: bool


def kind(cell: AnyCell) -> Time:
    """A cell as a row without times; its ``kind`` is that of the cells like it."""
    if isinstance(cell, NovaCell):
        return Time(
            cell.differs_in,
            cell.variant,
            cell.sites,
            cell.one_way_delay_ms,
            cell.workload,
            cell.servers if cell.workload == "burst" else cell.servers * len(NOVA_SCENARIOS),
            concurrency=1,
            testbed_s=0.0,
            loaded_s=0.0,
        )
    iterations = len(cell.scenarios) * cell.times
    return Time(
        cell.variation,
        cell.backend,
        cell.sites,
        cell.mean_one_way_delay_ms,
        cell.load,
        iterations,
        cell.concurrency,
        testbed_s=0.0,
        loaded_s=0.0,
    )


def measured_times(manifests: Iterable[Path]) -> list[Time]:
    """The times of earlier cells, from their ``cell.json``; a row per kind of cell.

    A file that cannot be read as one is passed over: an estimate is no reason to stop.
    """
    found: dict[tuple[object, ...], list[Time]] = defaultdict(list)
    for path in manifests:
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            row = kind(_CELL.validate_python(manifest["cell"]))
            phases = [phase for phase in manifest["phases"] if ":" not in phase["phase"]]
            loaded = sum(phase["seconds"] for phase in phases if phase["phase"] in _LOADED)
            whole = sum(phase["seconds"] for phase in phases)
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            continue
        found[row.kind].append(Time(*row.kind, testbed_s=whole - loaded, loaded_s=loaded))
    return [
        Time(
            *rows[0].kind,
            testbed_s=round(median(row.testbed_s for row in rows), 1),
            loaded_s=round(median(row.loaded_s for row in rows), 1),
            cells=len(rows),
        )
        for rows in found.values()
    ]


def read_times(path: Path) -> list[Time]:
    """The table in ``path``, empty if there is none; a :class:`ConfigError` if it is no such."""
    if not is_there(path):
        return []
    names = [field.name for field in fields(Time)]
    try:
        text = read_text(path, MOST_CONFIGURATION)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError:
        raise ConfigError("is not text in UTF-8", file=path) from None
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[Time] = []
    kinds: set[tuple[object, ...]] = set()
    problem = "is not a row of measured times"
    try:
        if next(reader, None) != names:
            raise ConfigError("has other columns", file=path, allowed=", ".join(names))
        for line in reader:
            row = _time(line)
            if row.kind in kinds:
                problem = "is of a kind of cells that has a row already"
                raise ValueError
            kinds.add(row.kind)
            rows.append(row)
    except (ValueError, csv.Error):
        key = f"line {reader.line_num}"
        raise ConfigError(problem, file=path, key=key, allowed=", ".join(names)) from None
    return rows


def _time(row: list[str]) -> Time:
    """A row of the table; a :class:`ValueError` if its numbers cannot be those of a cell."""
    variation, backend, sites, delay_ms, load, iterations, concurrency, *times, cells = row
    testbed_s, loaded_s = map(float, times)
    found = Time(
        variation,
        backend,
        int(sites),
        float(delay_ms),
        load,
        int(iterations),
        int(concurrency),
        testbed_s,
        loaded_s,
        int(cells),
    )
    counts = (found.sites, found.iterations, found.concurrency, found.cells)
    seconds = (found.delay_ms, testbed_s, loaded_s)
    if not all(name and name.isprintable() for name in (variation, backend, load)):
        raise ValueError("no name")
    if not all(1 <= count <= _MOST for count in counts):
        raise ValueError("no count")
    if not all(0 <= each <= _MOST for each in seconds):
        raise ValueError("no time")
    return found


def write_times(times: Iterable[Time], stream: TextIO) -> None:
    """Write ``times`` as CSV, in an order that does not depend on the order of reading."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(field.name for field in fields(Time))
    writer.writerows(astuple(row) for row in sorted(times, key=lambda row: row.kind))


def estimate(cell: AnyCell, times: Iterable[Time], where: str) -> Estimate | None:
    """How long ``cell`` will take, judging by ``times`` (which come from ``where``).

    A back end without times has those of one that is the same server, used otherwise.

    The same kind of cell is taken as it is. Otherwise the nearest cell of the same back end and
    load is: of the same variation if there is one, nearest in delay, then in sites. Its loaded part
    is taken in proportion to the rounds of concurrent iterations; of it, what the cell's like on
    the shortest delay took is work, which grows with the clients that share the machine, and the
    rest is waiting, which grows with the delay alone. Its testbed part grows with the sites.
    ``None`` if there is none.
    """
    times = list(times)
    wanted = kind(cell)
    like = next((name for name in _like(wanted.backend) if _rows(times, name, wanted.load)), None)
    if like is None:
        return None
    alike = _rows(times, like, wanted.load)
    if like != wanted.backend:
        where = f"{where}, as on {like}"
    nearest = min(
        alike,
        key=lambda row: (
            row.kind != wanted.kind,
            row.variation != wanted.variation,
            abs(row.delay_ms - wanted.delay_ms),
            abs(row.sites - wanted.sites),
            abs(_rounds(row) - _rounds(wanted)),
        ),
    )
    if nearest.kind == wanted.kind:
        return Estimate(nearest.seconds, where, exact=True)
    least = min(_but_for_delay(nearest, alike), key=lambda row: row.delay_ms)
    work = min(least.loaded_s, nearest.loaded_s)
    waiting = nearest.loaded_s - work
    if waiting:
        grown = (wanted.delay_ms - least.delay_ms) / (nearest.delay_ms - least.delay_ms)
        waiting *= max(0.0, grown)
    loaded = work * _clients(wanted) / _clients(nearest) + waiting
    seconds = nearest.testbed_s * _growth(nearest.sites, wanted.sites)
    seconds += loaded * _rounds(wanted) / _rounds(nearest)
    scaled = f"{where}, scaled from {nearest.sites} sites at {nearest.delay_ms:g} ms"
    return Estimate(seconds, scaled, exact=False)


def _rows(times: Iterable[Time], backend: str, load: str) -> list[Time]:
    return [row for row in times if (row.backend, row.load) == (backend, load)]


def _like(backend: str) -> list[str]:
    """A back end, and those that are the same server in the same place, used otherwise."""
    known = BACKENDS.get(backend)
    others = [
        name
        for name, other in BACKENDS.items()
        if known and (other.role, other.placement) == (known.role, known.placement)
    ]
    return list(dict.fromkeys([backend, *others]))


def _but_for_delay(like: Time, rows: Iterable[Time]) -> list[Time]:
    """Those of ``rows`` that differ from ``like`` in nothing but their delay and their times."""
    return [row for row in rows if replace(row, delay_ms=like.delay_ms).kind == like.kind]


def _clients(row: Time) -> int:
    """How many Rallies load it at once."""
    return row.sites if row.load == "high" else 1


def _growth(known: int, wanted: int) -> float:
    """By how much the testbed part of more sites is longer; of fewer, it is taken as it is."""
    return max(1.0, wanted / known)


def _rounds(row: Time) -> float:
    """How often a client starts a batch of concurrent iterations."""
    return row.iterations / row.concurrency


def main(arguments: list[str]) -> None:
    """Print the table of the cells below the folders given."""
    manifests = [path for folder in arguments for path in Path(folder).glob("*/cell.json")]
    if not manifests:
        raise ResultError(f"no cell.json below {' '.join(arguments) or 'no folder'}")
    write_times(measured_times(manifests), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
