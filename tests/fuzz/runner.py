"""Runs command lines one after the other, each in a fork of a process that has loaded everything.

``python -m tests.fuzz.runner`` reads one JSON object per line from standard input, and writes one
per line: what came of it. A fork costs milliseconds where a start costs seconds, and has limits of
its own, so that a hang or an endless read is seen and ended.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEMORY_MB = 1500
"""What a command may take beside what was loaded before."""
PROCESSOR_S = 40
WALL_S = 100
"""Generous, for the machine may be busy; what hangs does so for ever."""


@dataclass(frozen=True)
class Asked:
    """A command line, where it is run, and what is different there."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    stdin: str | None = None


@dataclass(frozen=True)
class Came:
    """What came of it; ``code`` is negative where a signal ended it, as of one that hung."""

    code: int
    out: str
    err: str
    seconds: float


def run(asked: Asked) -> Came:
    """Run the command in a fork of this process."""
    out, err = (os.memfd_create(name) for name in ("out", "err"))
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(asked, out, err)
    status = _wait(child, began + WALL_S)
    return Came(
        os.waitstatus_to_exitcode(status),
        _content(out),
        _content(err),
        round(time.monotonic() - began, 2),
    )


def _wait(child: int, until: float) -> int:
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.005)


def _become(asked: Asked, out: int, err: int) -> None:
    """Run the command here, as its entry point does, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(asked.folder)
        stdin = os.open(asked.stdin or os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((stdin, out, err)):
            os.dup2(descriptor, number)
        os.environ.update(asked.environment)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_MB * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S + 5))
        _main(asked.arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        for stream in (sys.stdout, sys.stderr, sys.__stderr__):
            stream.flush()
        os._exit(code)


def _main(arguments: list[str]) -> None:
    from discovery import cli  # noqa: PLC0415  (loaded before, by the process that was forked)

    sys.argv = ["discovery", *arguments]
    if arguments[0] == "@config":
        _config(json.loads(arguments[1]))
    else:
        cli.main()


def _config(document: dict[str, Any]) -> None:
    """What the workflow does with its configuration, before any rule."""
    from discovery.errors import DiscoveryError, sentence  # noqa: PLC0415
    from discovery.experiment.run import read_run  # noqa: PLC0415

    try:
        read_run(document, Path("workflow/config/config.yaml"))
    except DiscoveryError as error:
        print(f"discovery: {sentence(error)}", file=sys.stderr)
        sys.exit(error.exit_code)


def _content(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read(2**20).decode("utf-8", "replace")


def _load() -> None:
    """Import what the verbs import in their bodies, so that no fork has to."""
    import discovery.claims.judge  # noqa: PLC0415
    import discovery.claims.verdicts  # noqa: PLC0415
    import discovery.evaluation.archive  # noqa: PLC0415
    import discovery.evaluation.check  # noqa: PLC0415
    import discovery.evaluation.paper  # noqa: PLC0415
    import discovery.evaluation.plan  # noqa: PLC0415
    import discovery.evaluation.report  # noqa: PLC0415
    import discovery.evaluation.verdicts  # noqa: PLC0415
    import discovery.experiment.run  # noqa: PLC0415
    import discovery.results.tidy  # noqa: PLC0415
    import discovery.testbed.commands  # noqa: PLC0415
    import discovery.testbed.factory  # noqa: PLC0415
    import discovery.workload.cell  # noqa: F401, PLC0415


if __name__ == "__main__":
    _load()
    for line in sys.stdin:
        came = run(Asked(**json.loads(line)))
        print(json.dumps(asdict(came)), flush=True)
