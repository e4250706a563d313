"""Rally on a client node: started once, then told over a Unix socket which task to run.

``load.py serve CONFIG`` runs in Rally's environment. It imports Rally and creates its environment
once, because that takes longer than many a scenario, and then waits. ``load.py run NAME`` has it
run one of the tasks of CONFIG, and blocks until that is done. Where clients are to begin together,
``load.py prepare NAME`` has it set the task up, and blocks until all is ready for the first
iteration, and ``load.py begin TIME`` has it begin at that time (seconds since the epoch) and blocks
until the task is done. What is set up, such as log-ins, takes the longer the further the database
is: without the wait the clients near it would be done before the others begin. ``load.py report
FILE`` writes what `rally task report --json` would, for every kept task. All print one JSON object;
``prepare`` that of ``run`` where the task could not be set up.

Every request that a client sends is named, and the name stands in the error of an iteration that it
ends: the services' journals say what became of it.

CONFIG is ``{"environment": Rally environment spec, "tasks": {name: {"task": Rally task,
"keep": whether it enters the report}}}``, and may have ``"options"`` of Rally's group
``openstack``: how often it looks at what it waits for.
"""

from __future__ import annotations

import functools
import json
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOCKET = "/run/discovery-load.sock"
READY = {"status": "ready"}
BEGIN = "discovery_begin"
LAST = 1_000_000
"""The order of a context that is set up after all of Rally's own."""


class Requests:
    """What this process is asked, one request at a time, each answered before the next."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._asking: socket.socket | None = None

    def next(self) -> tuple[str, str]:
        """Wait for a request: its verb and its argument."""
        self._asking, _ = self._listener.accept()
        with self._asking.makefile(encoding="utf-8") as stream:
            verb, argument = json.loads(stream.readline())
        return verb, argument

    def answer(self, what: dict[str, Any]) -> None:
        """Answer the last request."""
        assert self._asking is not None
        with self._asking as asking:
            asking.sendall((json.dumps(what) + "\n").encode())


class RallyServer:
    """Runs tasks in one Rally process and remembers which of them to report.

    All tasks are validated here, once, and not again before each is run: validation logs every
    user in, which over a WAN takes longer than many a scenario. For the same reason nothing is
    cleaned up after a scenario: the database goes away with the cell.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        from rally import api, plugins  # noqa: PLC0415  (only the serving process pays for it)
        from rally.common import cfg  # noqa: PLC0415
        from rally.env import env_mgr  # noqa: PLC0415

        name_requests()
        self.api = api.API()
        plugins.load()  # they bring the options with them
        for option, value in config.get("options", {}).items():
            cfg.CONF.set_override(option, value, group="openstack")
        self.tasks = config["tasks"]
        self.kept: list[str] = []
        self._begin = time.time
        self._began = 0.0
        self._last_context = self._register()
        self.environment = env_mgr.EnvManager.create("discovery", config["environment"])
        everything = [part for entry in self.tasks.values() for part in entry["task"]["subtasks"]]
        for workload in (workload for part in everything for workload in part["workloads"]):
            workload.setdefault("contexts", {})[BEGIN] = {}
            self._keep_what_it_makes(workload)
        self._validate({"version": 2, "title": "all", "subtasks": everything})

    def run(self, name: str, begin: Callable[[], float] = time.time) -> dict[str, Any]:
        """Run the task ``name``: its status, iterations, failures, when it began, its seconds.

        ``begin`` is called when all is set up, and returns, with the time, when it is to begin.
        """
        from rally.common import objects  # noqa: PLC0415
        from rally.task import engine, task_cfg  # noqa: PLC0415

        entry = self.tasks[name]
        self._begin = begin
        started = time.time()
        task = objects.Task(env_uuid=self.environment.uuid, title=name)
        if entry["keep"]:
            self.kept.append(task["uuid"])
        engine.TaskEngine(task_cfg.TaskConfig(entry["task"]), task, self.environment).run()
        details = self.api.task.get(task_id=task["uuid"], detailed=True)
        workloads = [item for part in details["subtasks"] for item in part["workloads"]]
        iterations = [row for workload in workloads for row in workload["data"]]
        return {
            "status": details["status"],
            "iterations": len(iterations),
            "failed": sum(1 for row in iterations if row["error"]),
            "error": next((row["error"][-1] for row in iterations if row["error"]), None),
            "began": self._began,
            "seconds": time.time() - started,
        }

    def _validate(self, task: dict[str, Any]) -> None:
        """End this process, with one line, where Rally finds that ``task`` cannot be run."""
        from rally.common import cfg  # noqa: PLC0415
        from rally.exceptions import RallyException  # noqa: PLC0415

        # Without it Rally checks that each user can log in, and does not log why one could not.
        cfg.CONF.set_override("rally_debug", True)
        try:
            self.api.task.validate(deployment=self.environment.uuid, config=task)
        except RallyException as error:
            sys.exit(str(error))
        cfg.CONF.clear_override("rally_debug")

    def _register(self) -> type:
        """Make Rally know a context that waits; it has to be kept, for Rally does not."""
        from rally.task import context  # noqa: PLC0415

        server = self

        @context.configure(name=BEGIN, order=LAST)
        class Begin(context.Context):  # type: ignore[misc]
            CONFIG_SCHEMA = {"type": "object", "additionalProperties": False}  # noqa: RUF012

            def setup(self) -> None:
                server._began = server._begin()

            def cleanup(self) -> None:
                pass

        return Begin

    @staticmethod
    def _keep_what_it_makes(workload: dict[str, Any]) -> None:
        from rally.task import scenario  # noqa: PLC0415

        for name in workload["scenario"]:
            defaults = scenario.Scenario.get(name)._meta_get("default_context")
            defaults.pop("admin_cleanup@openstack", None)

    def report(self, destination: str) -> dict[str, Any]:
        """Write Rally's JSON report of all kept tasks to ``destination``."""
        text = self.api.task.export(tasks=self.kept, output_type="json")["print"]
        Path(destination).write_text(text, encoding="utf-8")
        return {"tasks": len(self.kept)}


def name_requests() -> None:
    """Have keystoneauth name each request, as OpenStack's services expect, also in its errors.

    Of requests inside of one another an error names the innermost.
    """
    from keystoneauth1.session import Session  # noqa: PLC0415

    send = Session.request

    @functools.wraps(send)
    def named(session: Any, url: str, method: str, **options: Any) -> Any:
        request = f"req-{uuid.uuid4()}"
        headers = {"X-OpenStack-Request-ID": request, **(options.pop("headers", None) or {})}
        try:
            return send(session, url, method, headers=headers, **options)
        except Exception as error:
            if "[req-" not in str(error):
                error.args = (f"{error} [{request}]", *error.args[1:])
            raise

    Session.request = named


def serve(config_file: str) -> None:
    """Answer requests until the unit is stopped."""
    Path(SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        requests = Requests(listener)

        def together() -> float:
            requests.answer(READY)
            verb, at = requests.next()
            assert verb == "begin", verb
            time.sleep(max(0.0, float(at) - time.time()))
            return time.time()

        server = RallyServer(json.loads(Path(config_file).read_text(encoding="utf-8")))
        listener.bind(SOCKET)
        listener.listen()
        verbs: dict[str, Callable[[str], dict[str, Any]]] = {
            "run": server.run,
            "prepare": lambda name: server.run(name, together),
            "report": server.report,
        }
        while True:
            verb, argument = requests.next()
            try:
                answer = verbs[verb](argument)
            except Exception:
                answer = {"status": "crashed", "error": traceback.format_exc(limit=-3)}
            requests.answer(answer)


def ask(verb: str, argument: str) -> int:
    """Send one request to the serving process and print its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(SOCKET)
        with connection.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps([verb, argument]) + "\n")
            stream.flush()
            answer = stream.readline()
    if not answer:
        print(json.dumps({"status": "crashed", "error": "Rally ended without an answer"}))
        return 1
    print(answer, end="")
    return 0


def main(arguments: list[str]) -> int:
    """Entry point: what this module's first words say."""
    verb, argument = arguments
    if verb == "serve":
        serve(argument)
        return 0
    return ask(verb, argument)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
