"""``cell.json``: what was run, how it went, on what, and the checksum of every file beside it."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from discovery import __version__
from discovery.experiment.studies import AnyCell
from discovery.results.manifest import RAW_SCHEMA_VERSION
from discovery.whole import sha256
from discovery.workload.phases import Phase

_log = logging.getLogger(__name__)


def environment(provider: str, wan: str, image: str, packages: dict[str, str]) -> dict[str, Any]:
    """What the numbers were measured on and with."""
    commit, dirty = _commit()
    return {
        "workbench": __version__,
        "commit": commit,
        "dirty": dirty,
        "image": image,
        "provider": provider,
        "wan": wan,
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "packages": packages,
    }


def write_manifest(
    folder: Path,
    cell: AnyCell,
    *,
    started: datetime,
    phases: Sequence[Phase],
    failure: dict[str, str] | None,
    environment: dict[str, Any],
) -> None:
    """Write ``folder/cell.json``, with the checksums of all that lies in ``folder`` already."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "schema_version": RAW_SCHEMA_VERSION,
        "cell_id": cell.id,
        "cell": cell.model_dump(mode="json"),
        "status": "failed" if failure else "ok",
        "failure": failure,
        "started": started.isoformat(timespec="seconds"),
        "phases": [asdict(phase) for phase in phases],
        "environment": environment,
        "files": {str(path.relative_to(folder)): sha256(path) for path in files},
    }
    (folder / "cell.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _commit() -> tuple[str | None, bool]:
    """The commit the workbench is at and whether files differ from it; None outside a checkout.

    Where there is a checkout of which it cannot be told, the log says so, and why.
    """
    folder = Path(__file__).resolve().parent
    top = next((parent for parent in folder.parents if (parent / ".git").exists()), None)
    if top is None:
        return None, False
    try:
        commit = _git(top, "rev-parse", "HEAD").strip()
        return commit, bool(_git(top, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        _log.warning(
            "The results will not say which commit they are of: git cannot tell that of %s (%s).",
            top,
            " ".join(str(said).split()),
        )
        return None, False


def _git(top: Path, *arguments: str) -> str:
    """What git says of the checkout ``top``, whoever owns it: nothing of it is run or written."""
    done = subprocess.run(
        [
            "git",
            "-c",
            f"safe.directory={top}",
            # What a checkout's own configuration may have git run.
            "-c",
            "core.fsmonitor=false",
            "--no-optional-locks",
            *arguments,
        ],
        cwd=top,
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return done.stdout


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
