"""What one service does on the three engines: its migrations, and its own tests of its database."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from discovery.testbed.home import home
from tests.upstream.services.databases import ENGINES
from tests.upstream.services.environments import REPOSITORY, environment, version_in
from tests.upstream.services.started import ended

MIGRATION_S = 900
TESTS_S = 3600
TEST_S = 180
_EXCEPTION = re.compile(r"(\w+\.)+\w*[A-Z]\w*: \S.*|\b[A-Z]\w*Error: \S.*")
"""The last line of a traceback, whatever a log has put before it."""
RUNNER = REPOSITORY / "tests" / "upstream" / "openstack" / "run_suite.py"


@dataclass(frozen=True)
class Run:
    """One part of a measurement: what of, on what, and where its files and its words go."""

    service: object
    folder: Path
    engine: str
    servers: object
    started: object
    logs: Path
    place: Path


def measure(service, version, parts, every, servers, started, say):
    """Yield what is known of a service after each of ``parts``, as JSON has it.

    Of its tests, ``every`` n-th is run.

    What its programs said goes to ``$DISCOVERY_HOME/upstream/services-logs/<service>``.
    """
    folder = environment(service, version, started, "migrates" in parts)
    logs = home() / "upstream" / "services-logs" / service.name
    logs.mkdir(parents=True, exist_ok=True)
    found = {"version": version_in(folder, service.package)}
    for part in parts:
        found[part] = {}
        for engine in ENGINES:
            place = started.folder / f"{service.name}-{part}-{engine}"
            place.mkdir()
            run = Run(service, folder, engine, servers, started, logs, place)
            done = migrate(run) if part == "migrates" else run_tests(run, every)
            found[part][engine] = done
            words = _migration(done) if part == "migrates" else _tests(done)
            say(f"{service.name} {found['version']} on {engine}: {words}")
        servers.forget()
        yield found


def _migration(said):
    return f"{said['tables']} tables" if said["ok"] else f"does not migrate: {said['said']}"


def _tests(said):
    listed = f"{said['run']} tests, {len(said['failed'])} failed, {said['skipped']} skipped"
    return listed + ("" if said["ended"] else f"; the run did not end well: {said['said']}")


def migrate(run):
    """Whether the service's commands make its schema in an empty database, or what they said."""
    service, place = run.service, run.place
    database = f"{service.name}_migrated".replace("-", "_")
    url = run.servers.url(run.engine, database)
    conf = place / "service.conf"
    fill = {"url": url, "conf": conf, "folder": place}
    lines = ["[DEFAULT]", "transport_url = fake:/", "use_stderr = true", f"state_path = {place}"]
    lines += [f"[{service.section}]", f"connection = {url}"]
    conf.write_text("\n".join(lines + [line.format(**fill) for line in service.options]) + "\n")
    log = run.logs / f"migrate-{run.engine}.log"
    log.unlink(missing_ok=True)
    for words in service.migrate:
        command = [word.format(**fill) for word in words]
        command[0] = run.folder / "bin" / command[0]
        done = ended(run.started, command, place, MIGRATION_S)
        with log.open("a") as file:
            file.write(done.said)
        if done.status != 0:
            return {"ok": False, "said": _last_words(done, MIGRATION_S)}
    tables = run.servers.tables(run.engine, database)
    if not tables:
        return {"ok": False, "said": "the command ended well and made no tables"}
    return {"ok": True, "tables": tables}


def _last_words(done, seconds):
    if done.status is None:
        return f"not ended after {seconds} s"
    lines = [line.strip() for line in done.said.strip().splitlines() if line.strip()]
    errors = [found.group() for found in map(_EXCEPTION.search, lines) if found]
    return (errors or lines or [f"status {done.status}"])[-1][:300]


def run_tests(run, every):
    """The outcomes of the service's own tests of its database, of ``every`` n-th one."""
    service, engine, place = run.service, run.engine, run.place
    for found in run.folder.glob(f"lib/python*/site-packages/{service.tests[0].split('.')[0]}"):
        (place / found.name).symlink_to(found)  # as in a source tree, some look for their files
    job = {
        "name": engine,
        "url": run.servers.tests_url(engine, service.foreign_keys),
        "modules": service.tests,
        "select": service.tests,
        "engine": service.engine,
        "every": every,
    }
    command = [run.folder / "bin" / "python", RUNNER, place, json.dumps(job)]
    variables = {"OS_TEST_TIMEOUT": str(TEST_S), "PYTHONPATH": "", "HOME": str(place)}
    variables["PATH"] = f"{run.folder / 'bin'}:{os.environ['PATH']}"
    done = ended(run.started, command, place, TESTS_S, variables)
    (run.logs / f"tests-{engine}.log").write_text(done.said)
    lines = {}
    for file in sorted(place.glob(f"{engine}.*.jsonl")):
        for line in file.read_text().splitlines():
            said = json.loads(line)
            lines[said["test"]] = said
    (run.logs / f"tests-{engine}.json").write_text(json.dumps(lines, indent=1))
    by = {"passed": [], "failed": [], "skipped": []}
    for test, said in lines.items():
        by[said["outcome"]].append(test)
    result = {
        "ended": done.status == 0,
        "every": every,
        "run": len(by["passed"]) + len(by["failed"]),
        "skipped": len(by["skipped"]),
        "failed": sorted(by["failed"]),
    }
    return result if done.status == 0 else result | {"said": _last_words(done, TESTS_S)}
