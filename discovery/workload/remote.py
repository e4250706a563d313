"""Commands and small programs on nodes, through EnOSlib, with errors in the workbench's words."""

from __future__ import annotations

import base64
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import enoslib as en

from discovery.errors import TestbedError
from discovery.testbed import Node

WORK_FOLDER = "/var/lib/discovery-load"
UNPACK = Path(__file__).parent / "on_node" / "unpack.py"


@dataclass(frozen=True)
class Answer:
    """What a command printed on one node, and whether it succeeded."""

    ok: bool
    stdout: str
    stderr: str


def run(
    command: str, nodes: Sequence[Node], *, check: bool = True, forks: int | None = None
) -> dict[str, Answer]:
    """Run ``command`` on ``nodes``, ``forks`` of them at a time; the answers by the nodes' aliases.

    A node that cannot be reached is a :class:`TestbedError`, and so is a command that fails, where
    ``check`` is set.
    """
    with en.config_context(ansible_forks=forks):
        results = en.run_command(
            command, roles=[node.host for node in nodes], on_error_continue=True
        )
    return {node.alias: _answer(command, node.alias, results, check) for node in nodes}


def ask(command: str, nodes: Sequence[Node], lost: str) -> dict[str, dict[str, Any]]:
    """The JSON object that ``command`` prints on all ``nodes`` at once, by the nodes' aliases.

    A node that prints none is a :class:`TestbedError` that says what was ``lost``, and why.
    """
    answers: dict[str, dict[str, Any]] = {}
    for alias, answer in run(command, nodes, check=False, forks=len(nodes)).items():
        try:
            answers[alias] = json.loads(answer.stdout)
        except json.JSONDecodeError:
            raise TestbedError(f"{alias}: {lost}: {answer.stderr.strip()[-500:]}") from None
    return answers


def _answer(command: str, alias: str, results: en.Results, check: bool) -> Answer:
    found = results.filter(host=alias)
    if not found or found[-1].status == "UNREACHABLE":
        raise TestbedError(f"{alias} cannot be reached any more")
    payload = found[-1].payload
    answer = Answer(found[-1].ok(), payload.get("stdout", ""), payload.get("stderr", ""))
    if check and not answer.ok:
        raise TestbedError(f"{alias}: `{command}` failed: {_said(payload)}")
    return answer


def _said(payload: Mapping[str, Any]) -> str:
    """Why a task failed, in its own last words."""
    said = payload.get("stderr") or payload.get("stdout") or payload.get("msg", "")
    return str(said).strip()[-500:]


@contextmanager
def _tasks(nodes: Sequence[Node], done: str) -> Iterator[en.actions]:
    """Ansible's tasks on ``nodes``, run when the block ends.

    If one fails, that which was not ``done`` is a :class:`TestbedError`.
    """
    try:
        with en.actions(roles=[node.host for node in nodes], gather_facts=False) as tasks:
            yield tasks
    except (en.errors.EnosFailedHostsError, en.errors.EnosUnreachableHostsError) as error:
        why = "; ".join(f"{record.host}: {_said(record.payload)}" for record in error.hosts)
        raise TestbedError(f"{done} failed on {why}") from None


def put_program(
    program: Path, config: str, configs: Mapping[str, Any], nodes: Sequence[Node]
) -> None:
    """Copy ``program`` to :data:`WORK_FOLDER` of ``nodes``, to be run there later.

    Each node gets its own of ``configs`` (by alias) as the file ``config`` beside it.
    """
    _put(program, config, configs, nodes)


def start_program(
    program: Path, command: str, unit: str, configs: Mapping[str, Any], nodes: Sequence[Node]
) -> None:
    """Start ``program`` on ``nodes`` as the transient systemd unit ``unit``.

    Each node gets its own configuration from ``configs`` (by alias). ``command`` is run in
    :data:`WORK_FOLDER`; ``{program}`` and ``{config}`` in it become file names there.
    """
    config = f"{unit}.json"
    line = command.format(program=program.name, config=config)
    start = (
        f" && {{ systemctl reset-failed {unit} 2>/dev/null; systemd-run --quiet"
        f" --unit={unit} --working-directory={WORK_FOLDER} --setenv=HOME=/root {line}; }}"
    )
    _put(program, config, configs, nodes, start)


def _put(
    program: Path,
    config: str,
    configs: Mapping[str, Any],
    nodes: Sequence[Node],
    then: str = "",
) -> None:
    """Write ``program`` and each node's configuration into :data:`WORK_FOLDER`, then go on."""
    unpack = f"/usr/bin/python3 -c {shlex.quote(UNPACK.read_text(encoding='utf-8'))} {WORK_FOLDER}"
    text = program.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for node in nodes:
            files = {program.name: text, config: json.dumps(configs[node.alias], indent=1)}
            packed = base64.b64encode(json.dumps(files).encode()).decode()
            (Path(folder) / node.alias).write_text(packed, encoding="utf-8")
        with _tasks(nodes, f"to put {program.name} there") as tasks:
            tasks.shell(
                cmd=_verbatim(unpack + then),
                stdin=f"{{{{ lookup('file', '{folder}/' + inventory_hostname) }}}}",
            )


def _verbatim(command: str) -> str:
    """``command`` as Ansible leaves it alone, whatever is in it."""
    return f"{{% raw %}}{command}{{% endraw %}}"


def stop(unit: str) -> str:
    """The command that stops what :func:`start_program` started, where it still runs."""
    return f"systemctl stop {unit} 2>/dev/null || true"


def fetch(
    name: str, nodes: Sequence[Node], folder: Path, *, first: str | None = None
) -> dict[str, Path]:
    """Copy the file ``name`` of :data:`WORK_FOLDER` from every node; where each is, by alias.

    ``first`` is a command that is run there before. If it fails, or there is no such file, that is
    a :class:`TestbedError`.
    """
    with _tasks(nodes, f"to fetch {name}") as tasks:
        if first is not None:
            tasks.shell(cmd=_verbatim(first))
        tasks.fetch(
            src=f"{WORK_FOLDER}/{name}",
            dest=f"{folder}/{{{{ inventory_hostname }}}}-{name}",
            flat=True,
        )
    return {node.alias: folder / f"{node.alias}-{name}" for node in nodes}
