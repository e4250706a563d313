"""Running an Ansible playbook, so that a task that fails becomes one sentence."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import enoslib as en

Hide = Callable[[str], str]

ANSIBLE = Path(__file__).parent / "ansible"

# Without these every task opens a second connection, and looks for a Python first.
_CONNECTION = {
    "ansible_ssh_pipelining": True,
    "ansible_python_interpreter": "/usr/bin/python3",
}

# 2026-11-22 18:29:14.698 263 ERROR keystone [-] …
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \d+ [A-Z]+ \S+ ?(\[.*?\] )?")

# sqlalchemy.exc.OperationalError: …; an interrupt is what others die of, and no cause.
_ERROR = re.compile(
    r"(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exists|NotFound|Deadlock|Timeout)\b"
)


def run(
    playbook: Path,
    hosts: Mapping[str, Sequence[en.Host]],
    variables: Mapping[str, Any],
    log: Path,
    hide: Hide = str,
) -> en.Results:
    """Run ``playbook`` on ``hosts`` (EnOSlib's roles) and return what its tasks returned.

    Every task's result is written to ``log``, one JSON object a line, without what it was given:
    only its owner reads the file. ``hide`` takes secrets out of what is written or raised. A task
    that fails, or a node that cannot be reached, is a :class:`DeployError` naming node, task,
    message and ``log``.
    """
    import enoslib as en  # noqa: PLC0415  (1.5 s, and registries are read often)

    with _quiet():
        results = en.run_ansible(
            [str(playbook)],
            roles=en.Roles({role: list(members) for role, members in hosts.items()}),
            extra_vars={**_CONNECTION, **variables},
            on_error_continue=True,
            basedir=str(playbook.parent),
        )
    _write(results, log, hide)
    for result in results:
        if result.status in ("FAILED", "UNREACHABLE"):
            raise DeployError(
                f"{result.host}: task {result.task!r} of {playbook.stem}"
                f" {'failed' if result.status == 'FAILED' else 'found the node unreachable'}:"
                f" {hide(told(result.payload))}; every task's result is in {log}"
            )
    return results


def told(payload: Mapping[str, Any]) -> str:
    """What a task that failed has to say, in one line: its last words, or Ansible's message."""
    for item in payload.get("results", ()):
        if item.get("failed"):
            return told(item)
    for name in ("stderr", "module_stderr", "stdout"):
        words = last_words(str(payload.get(name) or ""))
        if words:
            return words
    return " ".join(str(payload.get("msg", "no message")).split())


def last_words(text: str, lines: int = 3) -> str:
    """The last lines of a log that say something, as one line.

    The services' prefix of date, process and level goes, and so do a traceback's frames, which are
    indented: what stays of it is the error. The last error stands first, if more was said after it.
    """
    told = [_LOG_PREFIX.sub("", line).rstrip() for line in text.splitlines()]
    said = [line for line in told if line and not line[0].isspace()]
    errors = [line for line in said[:-lines] if _ERROR.match(line)]
    if errors and not any(_ERROR.match(line) for line in said[-lines:]):
        return " | ".join([errors[-1], "…", *said[-lines:]])
    return " | ".join(said[-lines:])


def without_input(value: Any) -> Any:
    """A task's result without what the module was given, which a playbook says anyway.

    A program's input and a file's content are among it, and both may hold secrets.
    """
    if isinstance(value, Mapping):
        return {key: without_input(one) for key, one in value.items() if key != "invocation"}
    return [without_input(one) for one in value] if isinstance(value, list) else value


def _write(results: en.Results, log: Path, hide: Hide) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as out:
        for result in results:
            line = {
                "node": result.host,
                "task": result.task,
                "status": result.status,
                "result": without_input(result.payload),
            }
            out.write(hide(json.dumps(line, default=str)) + "\n")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep EnOSlib's spinner and its dump of failed hosts out of the user's terminal."""
    from enoslib.config import config_context  # noqa: PLC0415

    logger = logging.getLogger("enoslib.api")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    os.environ.setdefault("ANSIBLE_LOCALHOST_WARNING", "false")
    try:
        with config_context(ansible_stdout="noop"):
            yield
    finally:
        logger.setLevel(level)
