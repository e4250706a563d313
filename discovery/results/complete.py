"""Whether a raw cell holds what was asked of it: all of it if it is ok, and never anything else.

A cell that broke (its status is ``failed``) may hold less. Every refusal is a :class:`ResultError`
that names what is not as asked, with both numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.errors import ResultError
from discovery.experiment.cells import Cell
from discovery.experiment.delays import DelayMatrix
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.results.files import plain, shown
from discovery.results.manifest import Manifest, Pair, Replays, Wan
from discovery.results.nova_raw import Burst, Consistency, Fault, Server
from discovery.results.rally import Iteration, Workload
from discovery.results.window import Window
from discovery.testbed.wan.measure import MOST_PINGS
from discovery.workload.nova_scenarios import NOVA_SCENARIOS

MOST_SITES = 99
_ROUNDED_MS = 0.001
_ACTION_SLACK_S = 0.1
_AROUND_THE_LOAD = ("lease", "deploy", "health", "shape", "collect", "release")
_AGAIN = "remove the cell's folder and run the cell again"


def check_cell(path: Path, cell: AnyCell, asked: AnyCell | None) -> None:
    """Hold the cell of a manifest against the one that the experiment's tier asks for, if given.

    Without one it must at least be a cell that can be.
    """
    if asked is not None and cell != asked:
        key, found, wanted = _difference(cell, asked)
        raise ResultError(
            f"{path}: cell.{key} is {shown(found)}, but the tier {asked.tier} of "
            f"{asked.experiment} asks for {shown(wanted)}; measure the cell again, or give the "
            "tier that it was measured for."
        )
    if not 1 <= cell.sites <= MOST_SITES:
        raise ResultError(f"{path}: cell.sites is {cell.sites}; allowed: 1 to {MOST_SITES}.")
    delay = cell.one_way_delay_ms
    if isinstance(delay, DelayMatrix) and len(delay.matrix) != cell.sites:
        raise ResultError(
            f"{path}: cell.one_way_delay_ms has delays of {len(delay.matrix)} sites, but "
            f"cell.sites is {cell.sites}."
        )


def _difference(cell: AnyCell, asked: AnyCell) -> tuple[str, object, object]:
    """The first key in which two cells differ, dotted, and its values."""
    found, wanted = _flat(cell.model_dump(mode="json")), _flat(asked.model_dump(mode="json"))
    for key in (*wanted, *found):
        if found.get(key) != wanted.get(key):
            return plain(key), found.get(key), wanted.get(key)
    return "experiment", type(cell).__name__, type(asked).__name__


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[before + key] = value
    return flat


def check_phases(path: Path, manifest: Manifest) -> None:
    """Every phase once, in the order in which they ended.

    A step of the deployment may come again later: each back end's dump has one of its own.
    """
    names = [phase.phase for phase in manifest.phases]
    ended: dict[str, float] = {}
    counted = Counter[str]()
    for phase in manifest.phases:
        later = phase.start >= ended.get(phase.phase, math.inf)
        if not (later and phase.phase.startswith("deploy:")):
            counted[phase.phase] += 1
        ended[phase.phase] = phase.start + phase.seconds - 0.01  # both are rounded
    for name, times in counted.items():
        if times > 1:
            raise ResultError(
                f"{path}: phases has {plain(name)} {times} times, not once; {_AGAIN}."
            )
    ends = [phase.start + phase.seconds for phase in manifest.phases]
    for name, before, end in zip(names[1:], ends, ends[1:], strict=False):
        if end < before - 0.01:  # both are rounded
            raise ResultError(
                f"{path}: phases has {plain(name)}, which ended after {end:g} s, behind one that "
                f"ended after {before:g} s; {_AGAIN}."
            )


def check_loaded(path: Path, manifest: Manifest) -> None:
    """All phases of a cell that is ok; a system that broke did so under its load."""
    names = [phase.phase for phase in manifest.phases]
    loads = _loads_of(manifest.cell)
    for name in (*_AROUND_THE_LOAD, *loads):
        if manifest.status == "ok" and name not in names:
            raise ResultError(f"{path}: the cell is ok but its phases lack {name}; {_AGAIN}.")
    failure = manifest.failure
    if failure is not None and not (failure.phase in loads and failure.phase in names):
        raise ResultError(
            f"{path}: failure.phase is {plain(failure.phase)}, but a system can break in "
            f"{', '.join(name for name in loads if name in names) or 'none of its phases'} alone; "
            f"{_AGAIN}."
        )


def _loads_of(cell: AnyCell) -> tuple[str, ...]:
    """The phases in which ``cell`` is loaded."""
    if not isinstance(cell, NovaCell):
        return "warm-up", "load"
    return ("boot", "look", "delete") if cell.workload == "burst" else ("load",)


def sites_of(cell: AnyCell) -> list[str]:
    """The names of its sites."""
    return [f"site-{number}" for number in range(1, cell.sites + 1)]


def clients_of(cell: AnyCell) -> list[str]:
    """The sites whose clients load ``cell``; see :mod:`discovery.workload.clients`."""
    everywhere = sites_of(cell)
    if isinstance(cell, NovaCell):
        return everywhere[-1:]
    if cell.load == "high":
        return everywhere
    return everywhere[:1] if cell.rally_on == "database-node" else everywhere[1:2]


def asked_of_rally(cell: AnyCell) -> tuple[tuple[str, ...], int, int]:
    """The scenarios that each client of ``cell`` runs, how many iterations of each, and at once."""
    if isinstance(cell, Cell):
        return cell.scenarios, cell.times, cell.concurrency
    return (tuple(NOVA_SCENARIOS), cell.servers, 1) if cell.workload == "rally" else ((), 0, 0)


def check_reports(
    folder: Path, manifest: Manifest, found: Iterable[str], what: str, place: str
) -> None:
    """Hold the sites of which there is ``what`` in ``folder/place`` against the cell's clients."""
    there, asked = set(found), clients_of(manifest.cell)
    for site in sorted(there - set(asked)):
        raise ResultError(
            f"{folder / 'cell.json'}: lists the {what} {place}/{plain(site)}.json, but the cell "
            f"has its clients on {', '.join(asked)} alone; {_AGAIN}."
        )
    for site in asked:
        if manifest.status == "ok" and site not in there:
            raise ResultError(
                f"{folder / 'cell.json'}: the cell is ok but lists no {what} of {site}; {_AGAIN}."
            )


def check_rally(
    path: Path, manifest: Manifest, window: Window, workloads: Iterable[Workload]
) -> tuple[Workload, ...]:
    """Hold the report ``path`` of one client against the cell; its workloads, in that order."""
    asked, times, at_once = asked_of_rally(manifest.cell)
    found: dict[str, list[Workload]] = {}
    for workload in workloads:
        found.setdefault(workload.scenario, []).append(workload)
    for scenario in (*asked, *found):
        tasks = found.get(scenario, [])
        counted = sum(len(task.iterations) for task in tasks)
        wanted = times if scenario in asked else 0
        missing = manifest.status == "ok" and counted < wanted
        if counted > wanted or missing or scenario not in asked:
            raise ResultError(
                f"{path}: holds {counted} iterations of {scenario} from {path.stem}, but the cell "
                f"asks for {wanted}; {_AGAIN}."
            )
        if len(tasks) > 1:
            raise ResultError(
                f"{path}: holds {scenario} from {path.stem} in {len(tasks)} tasks, but the cell "
                f"asks for 1; {_AGAIN}."
            )
        for task in tasks:
            for what, told, wanted in (
                ("times", task.times, times),
                ("concurrency", task.concurrency, at_once),
            ):
                if told != wanted:
                    raise ResultError(
                        f"{path}: {scenario}: runner.constant.{what} is {told}, but the cell asks "
                        f"for {wanted}; {_AGAIN}."
                    )
            _check_times(path, task, window)
    return tuple(found[scenario][0] for scenario in asked if scenario in found)


def check_once(folder: Path, rally: Mapping[str, Iterable[Workload]]) -> None:
    """Refuse an iteration that is there twice, in one client's report or in those of two.

    No two are alike: each began at a microsecond of its own, or took another time.
    """
    seen: dict[Iteration, str] = {}
    for site, workloads in rally.items():
        for workload in workloads:
            for one in workload.iterations:
                whose = f"{workload.scenario} from {site}"
                if one in seen:
                    raise ResultError(
                        f"{folder / 'rally' / site}.json: holds an iteration of {whose} that is "
                        f"one of {seen[one]}, too: both began at {one.start:.6f}, and all their "
                        f"times are the same; {_AGAIN}."
                    )
                seen[one] = whose


def _check_times(path: Path, workload: Workload, window: Window) -> None:
    start = workload.start
    if start is not None:
        window.check(path, f"{workload.scenario}: load", start, start + workload.load_s)
    seen: dict[tuple[float, float], int] = {}
    for number, one in enumerate(workload.iterations, 1):
        key = f"{workload.scenario}: iteration {number}"
        end = one.start + one.duration_s + one.idle_s
        window.check(path, key, one.start, end)
        _check_in_load(path, key, workload, one.start, end)
        first = seen.setdefault((one.start, one.duration_s), number)
        if first != number:
            raise ResultError(f"{path}: {key}: is iteration {first} once more; {_AGAIN}.")
        _check_actions(path, key, one, end)


def _check_in_load(path: Path, key: str, workload: Workload, begin: float, end: float) -> None:
    """Refuse an iteration that is not of the load that Rally timed from its first to its last."""
    if workload.start is None:
        return
    ended = workload.start + workload.load_s
    if begin < workload.start - _ACTION_SLACK_S or end > ended + _ACTION_SLACK_S:
        raise ResultError(
            f"{path}: {key}: is from {begin:.3f} to {end:.3f}, out of the load, which is from "
            f"{workload.start:.3f} to {ended:.3f}; {_AGAIN}."
        )


def _check_actions(path: Path, key: str, one: Iteration, end: float) -> None:
    before = one.start - _ACTION_SLACK_S
    if not one.actions and one.error is None:
        raise ResultError(f"{path}: {key}: has no error, but no action; {_AGAIN}.")
    for action in one.actions:
        if action.duration_s is None and one.error is None:
            raise ResultError(
                f"{path}: {key}: has no error, but {plain(action.name)} did not end; {_AGAIN}."
            )
        duration = action.duration_s or 0.0
        if duration < 0:
            raise ResultError(
                f"{path}: {key}: {plain(action.name)} ended {-duration:g} s before it began; "
                f"{_AGAIN}."
            )
        if action.start < before or action.start + duration > end + _ACTION_SLACK_S:
            raise ResultError(
                f"{path}: {key}: {plain(action.name)} is from {action.start:.3f} to "
                f"{action.start + duration:.3f}, out of its place in the iteration, which is from "
                f"{one.start:.3f} to {end:.3f}; {_AGAIN}."
            )
        before = action.start


def check_burst(
    folder: Path, manifest: Manifest, window: Window, bursts: Mapping[str, Burst]
) -> None:
    """Hold the servers that clients asked for against those that the cell asks for."""
    cell = manifest.cell
    assert isinstance(cell, NovaCell)
    servers = [server for burst in bursts.values() for server in burst.servers]
    where = folder / "burst"
    if len(servers) > cell.servers or (manifest.status == "ok" and len(servers) != cell.servers):
        raise ResultError(
            f"{where}: holds {len(servers)} servers from {', '.join(sorted(bursts)) or 'nowhere'}, "
            f"but the cell asks for {cell.servers}; {_AGAIN}."
        )
    for key in ("name", "id"):
        values = Counter(getattr(server, key) for server in servers)
        for value, times in values.items():
            if value is not None and times > 1:
                raise ResultError(
                    f"{where}: holds the server {plain(value)} {times} times, not once; {_AGAIN}."
                )
    for site, burst in bursts.items():
        for server in burst.servers:
            _check_server(where / f"{site}.json", manifest, server, window)
        for verb, polls in burst.polls.items():
            window.check(where / f"{site}.json", f"polls.{verb}", *(poll.time for poll in polls))


def _check_server(path: Path, manifest: Manifest, server: Server, window: Window) -> None:
    key = f"servers.{plain(server.name)}"
    if server.api_site not in sites_of(manifest.cell):
        raise ResultError(
            f"{path}: {key}.api_site is {server.api_site}, but the cell has "
            f"{manifest.cell.sites} sites; {_AGAIN}."
        )
    window.check(path, f"{key}: request_start, accepted", server.request_start, server.accepted)
    window.check(path, f"{key}: request_start, ended", server.request_start, server.ended)
    window.check(path, f"{key}: deletion", server.delete_start, server.delete_accepted)
    window.check(path, f"{key}: deletion", server.delete_start, server.gone)
    if manifest.status == "ok":
        for name in ("request_start", "ended"):
            if getattr(server, name) is None:
                raise ResultError(f"{path}: {key}.{name} is null, but the cell is ok; {_AGAIN}.")


def check_nova(
    folder: Path,
    manifest: Manifest,
    window: Window,
    consistency: Consistency | None,
    faults: tuple[Fault, ...],
) -> None:
    """Hold what was broken on purpose, and whether it was looked at servers, against the cell."""
    cell = manifest.cell
    assert isinstance(cell, NovaCell)
    asked = [] if cell.fault == "none" else [cell.fault]
    found = [fault.fault for fault in faults]
    if found != asked and (found or manifest.status == "ok"):
        raise ResultError(
            f"{folder / 'faults.json'}: holds {len(found)} faults"
            f"{''.join(f' {plain(fault)}' for fault in found)}, but the cell asks for "
            f"{len(asked)}{''.join(f' {fault}' for fault in asked)}; {_AGAIN}."
        )
    for fault in faults:
        window.check(folder / "faults.json", "faults.time", fault.time)
        _check_sites(folder / "faults.json", cell, [fault.site])
    if cell.workload == "burst" and manifest.status == "ok" and consistency is None:
        raise ResultError(
            f"{folder / 'cell.json'}: the cell is ok but lists no consistency.json; {_AGAIN}."
        )


def check_calls(
    path: Path, manifest: Manifest, calls: pd.DataFrame, processes: pd.DataFrame
) -> None:
    """Hold the calls in ``path`` against what each process of Nova's has counted of its own."""
    who = ["node", "process", "pid"]
    told = processes.groupby(who)[["calls", "lost"]].sum()
    found = calls.groupby(who).size()
    for key in sorted({*told.index, *found.index}):
        counted = int(told["calls"].get(key, 0))
        if found.get(key, 0) != counted:
            raise ResultError(
                f"{path}: holds {found.get(key, 0)} calls of {key[1]} {key[2]} on {key[0]}, which "
                f"counted {counted}; {_AGAIN}."
            )
        lost = int(told["lost"].get(key, 0))
        if lost and manifest.status == "ok":
            raise ResultError(
                f"{path}: lacks {lost} calls of {key[1]} {key[2]} on {key[0]}, which found no room "
                f"on its disk; {_AGAIN}."
            )


def check_replays(
    folder: Path, manifest: Manifest, window: Window, replays: Replays | None
) -> None:
    """Hold what Keystones counted of replays against whether, and where, the cell has any."""
    path = folder / "replays.json"
    cell = manifest.cell
    asked = isinstance(cell, Cell) and cell.keystone.replay is not None
    if replays is None:
        if asked and manifest.status == "ok":
            raise ResultError(
                f"{folder / 'cell.json'}: the cell is ok and its Keystones replay requests, but it "
                f"lists no {path.name}; {_AGAIN}."
            )
        return
    if not asked:
        raise ResultError(f"{path}: is there, but the cell's Keystones replay nothing; {_AGAIN}.")
    if set(replays.sites) != set(sites_of(cell)):
        raise ResultError(
            f"{path}: is of the sites {', '.join(sorted(replays.sites))}, but the cell has "
            f"{cell.sites}; {_AGAIN}."
        )
    for site, counted in replays.sites.items():
        for request in counted.requests:
            window.check(path, f"sites.{site}.requests.time", request.time)


def check_wan(path: Path, manifest: Manifest, window: Window, wan: Wan) -> None:
    """Hold the round trips that were asked for and measured against the cell's delays."""
    cell = manifest.cell
    counted = Counter(measurement.when for measurement in wan.measurements)
    for when in ("unshaped", "shaped", "after-load"):
        needed = when != "unshaped" and manifest.status == "ok"
        if counted[when] > 1 or (needed and not counted[when]):
            raise ResultError(
                f"{path}: measurements has {counted[when]} that are {when}, but a cell has 1; "
                f"{_AGAIN}."
            )
    window.check(path, "measurements.time", *(one.time for one in wan.measurements))
    for measurement in wan.measurements:
        _check_pairs(path, cell, measurement.when, measurement.pairs)
    for change in wan.changes:
        window.check(path, "changes.time", change.time)
        _check_sites(path, cell, change.sites)
    if wan.changes:
        first = wan.changes[0]
        raise ResultError(
            f"{path}: changes has {len(wan.changes)}, the first a {first.action} of "
            f"{', '.join(first.sites)}, but no cell asks for any; {_AGAIN}."
        )
    for stall in wan.stalls:
        window.check(path, "stalls.time", stall.time, stall.time + stall.seconds)


def _check_pairs(path: Path, cell: AnyCell, when: str, pairs: tuple[Pair, ...]) -> None:
    wanted = set(permutations(sites_of(cell), 2))
    found = Counter((pair.source, pair.destination) for pair in pairs)
    for source, destination in sorted(wanted | set(found)):
        asked = int((source, destination) in wanted)
        if found[source, destination] != asked:
            raise ResultError(
                f"{path}: {when}: holds {found[source, destination]} measurements from {source} "
                f"to {destination}, but {asked} is asked for; {_AGAIN}."
            )
    delays = cell.delays
    for pair in pairs:
        one, other = (
            int(site.removeprefix("site-")) - 1 for site in (pair.source, pair.destination)
        )
        asked_ms = 0.0 if when == "unshaped" else delays[one][other] + delays[other][one]
        if not math.isclose(pair.asked_rtt_ms, asked_ms, rel_tol=1e-9, abs_tol=1e-9):
            raise ResultError(
                f"{path}: {when}: asked_rtt_ms from {pair.source} to {pair.destination} is "
                f"{pair.asked_rtt_ms:g}, but the cell asks for {asked_ms:g}; {_AGAIN}."
            )
        problem = _nonsense(pair)
        if problem:
            raise ResultError(
                f"{path}: {when}: from {pair.source} to {pair.destination} {problem}; {_AGAIN}."
            )


def _nonsense(pair: Pair) -> str | None:
    """What cannot be in what was measured of a pair."""
    trips = (pair.min_rtt_ms, pair.measured_rtt_ms, pair.max_rtt_ms)
    known = [trip for trip in trips if trip is not None]
    if pair.sent > MOST_PINGS:
        return f"{pair.sent} pings were sent, and at most {MOST_PINGS} are"
    if not 0 <= pair.lost <= pair.sent or pair.sent == 0:
        return f"{pair.lost} of {pair.sent} pings were lost"
    if len(known) != (3 if pair.lost < pair.sent else 0):
        return f"{pair.lost} of {pair.sent} pings were lost, but there are {len(known)} round trips"
    if known and not known[0] - _ROUNDED_MS <= known[1] <= known[2] + _ROUNDED_MS:
        return "the round trips min ≤ measured ≤ max are " + ", ".join(
            f"{trip:g}" for trip in known
        )
    return None


def _check_sites(path: Path, cell: AnyCell, sites: Iterable[str]) -> None:
    known = set(sites_of(cell))
    for site in sites:
        if site not in known:
            raise ResultError(
                f"{path}: names {plain(site)}, but the cell has {cell.sites} sites; {_AGAIN}."
            )


def check_names(path: Path, frame: pd.DataFrame, known: Mapping[str, Iterable[str]]) -> None:
    """Refuse a table that names what nobody would look for; ``known`` are names, by column."""
    for column, names in known.items():
        for name in sorted({*frame[column].dropna()} - {*names}):
            raise ResultError(
                f"{path}: its column {column} holds {plain(name)}; allowed: {', '.join(names)}; "
                f"{_AGAIN}."
            )


def check_sampled_sites(
    path: Path, manifest: Manifest, sampled: pd.DataFrame, *, all_of: bool
) -> None:
    """Refuse a table with rows of a site that the cell has not, or with none of one that it has.

    A node's name begins with its site's.
    """
    for node, site in sampled[["node", "site"]].drop_duplicates().itertuples(index=False):
        if not node.startswith(f"{site}-"):
            raise ResultError(
                f"{path}: has samples of the node {shown(node)} at {plain(site)}; {_AGAIN}."
            )
    found = set(sampled["site"])
    _check_sites(path, manifest.cell, sorted(found))
    for site in sites_of(manifest.cell):
        if all_of and manifest.status == "ok" and site not in found:
            raise ResultError(f"{path}: has 0 samples of {site}, but the cell is ok; {_AGAIN}.")
