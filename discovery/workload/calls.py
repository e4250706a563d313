"""The records of Nova's processes, fetched from the nodes as one table; see ``docs/probe.md``."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.errors import TestbedError
from discovery.probe.errors import RecordError
from discovery.probe.lines import SUFFIX, read
from discovery.results.nova_raw import CALLS, CALLS_COLUMNS, PROCESSES, PROCESSES_COLUMNS
from discovery.testbed import Node
from discovery.workload import remote

_PACKED = "calls.tar.gz"


def collect(nodes: Sequence[Node], place: str, folder: Path) -> None:
    """Write ``calls.parquet`` and ``processes.parquet`` of ``nodes`` into ``folder``.

    ``place`` is the probe's folder on the nodes; its processes may still run. A node without
    records, or with one that cannot be read, is a :class:`TestbedError`.
    """
    packed_file = f"{remote.WORK_FOLDER}/{_PACKED}"
    pack = f"tar -czf {packed_file} -C {place} --warning=no-file-changed . || [ $? = 1 ]"
    first = f"mkdir -p {remote.WORK_FOLDER} && ( {pack} )"
    calls: list[dict[str, Any]] = []
    processes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        packed = remote.fetch(_PACKED, nodes, Path(temporary), first=first)
        for node in nodes:
            found = _unpacked(packed[node.alias], Path(temporary) / node.alias)
            if not found:
                raise TestbedError(f"{node.alias}: the probe has left no record in {place}")
            for file in found:
                try:
                    header, rows = _rows(node, file)
                except RecordError as error:
                    raise TestbedError(f"{node.alias}: {error}") from None
                processes.append(header)
                calls.extend(rows)
    pd.DataFrame(calls, columns=[*CALLS_COLUMNS]).to_parquet(folder / CALLS, index=False)
    pd.DataFrame(processes, columns=[*PROCESSES_COLUMNS]).to_parquet(
        folder / PROCESSES, index=False
    )


def _unpacked(packed: Path, folder: Path) -> list[Path]:
    """The records in an archive, in their order, each as a file of ``folder``.

    By hand, since the filters of ``extractall`` came after Debian 12's Python.
    """
    folder.mkdir()
    with tarfile.open(packed) as archive:
        for member in archive:
            inside = archive.extractfile(member)
            if inside is not None and member.name.endswith(SUFFIX):
                (folder / Path(member.name).name).write_bytes(inside.read())
    return sorted(folder.iterdir())


def _rows(node: Node, file: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A process, and its calls."""
    header, calls = read(file)
    who = {"node": node.alias, "site": node.site, "process": header.process, "pid": header.pid}
    described = {**who, "calls": len(calls), "strays": header.strays, "lost": header.lost}
    return described, ({**who, **vars(call)} for call in calls)
