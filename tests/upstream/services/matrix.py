"""The matrix in ``docs/rome-services.md``, from what is kept; and what in it is not as expected."""

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

from discovery.whole import write_whole
from tests.upstream.services.databases import ENGINES
from tests.upstream.services.declarations import services
from tests.upstream.services.environments import REPOSITORY

PAGE = REPOSITORY / "docs" / "rome-services.md"
EXPECTED = Path(__file__).with_name("expected_failures.toml")
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
COLUMNS = (
    *("service", "version", "migrates on SQLite", "MariaDB", "ROME"),
    *("tests", "fail on SQLite", "MariaDB", "ROME", "on ROME alone"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


@dataclass(frozen=True)
class Expected:
    """What is known not to work on ROME, with the reasons: migrations by service, tests by both.

    A test's name may be a pattern, with ``*`` for anything.
    """

    migrations: dict
    tests: dict

    def reason(self, service, test):
        """Why that test fails; None if that is not known."""
        for names, reason in self.tests.get(service, {}).items():
            if fnmatch.fnmatchcase(test, names):
                return reason
        return None


def expected(file=EXPECTED):
    """The list in ``expected_failures.toml``."""
    listed = tomllib.loads(file.read_text("utf-8"))
    migrations = {entry["service"]: entry["reason"] for entry in listed.get("migration", [])}
    tests = {}
    for entry in listed.get("failure", []):
        for test in entry["tests"]:
            tests.setdefault(entry["service"], {})[test] = entry["reason"]
    return Expected(migrations, tests)


def worse(tests):
    """The tests that fail on ROME, and pass on SQLite or on MariaDB."""
    failed = {engine: set(tests[engine]["failed"]) for engine in ENGINES}
    return failed["rome"] - (failed["sqlite"] & failed["mariadb"])


def alone(tests):
    """The tests that fail on ROME, and on neither of the others."""
    failed = {engine: set(tests[engine]["failed"]) for engine in ENGINES}
    return failed["rome"] - failed["sqlite"] - failed["mariadb"]


def unexpected(kept, names):
    """What is not as the list says, as sentences."""
    known = expected()
    for name in names:
        found = kept.get(name, {})
        if "migrates" in found:
            ok, listed = found["migrates"]["rome"]["ok"], name in known.migrations
            if not ok and not listed:
                yield f"{name} does not migrate on ROME: {found['migrates']['rome']['said']}"
            if ok and listed:
                yield f"{name} is expected not to migrate on ROME, and does"
        if "tests" in found:
            failed = worse(found["tests"])
            for test in sorted(failed):
                if known.reason(name, test) is None:
                    yield f"{name}: {test} fails on ROME"
            for pattern in known.tests.get(name, {}):
                if not fnmatch.filter(failed, pattern):
                    yield f"{name}: {pattern} is expected to fail on ROME alone, and does not"


def matrix(kept):
    """The table, and what fails on ROME by reason."""
    names = sorted(services().keys() | kept.keys())
    rows = [_row(name, kept.get(name, {})) for name in names]
    return HEAD + "".join(rows) + "\n" + _reasons(kept)


def _row(name, found):
    cells = [name, found.get("version", "")]
    cells += [_migration(found.get("migrates", {}).get(engine)) for engine in ENGINES]
    cells += _tests(found["tests"]) if "tests" in found else [""] * 5
    return "| " + " | ".join(cells) + " |\n"


def _migration(said):
    if said is None:
        return ""
    return f"{said['tables']} tables" if said["ok"] else "no"


def _tests(tests):
    most = max(tests[engine]["run"] for engine in ENGINES)
    every = tests["rome"]["every"]
    return [
        f"{most:,}" + (f", one in {every}" if every > 1 else ""),
        *(_failed(tests[engine], most) for engine in ENGINES),
        str(len(alone(tests))),
    ]


def _failed(said, most):
    return f"{len(said['failed'])}" + (f" of {said['run']:,}" if said["run"] < most else "")


def _reasons(kept):
    lines = []
    known = expected()
    for name, found in kept.items():
        if name in known.migrations and "migrates" in found:
            lines.append(f"* {name} does not migrate. {_joined(known.migrations[name])}\n")
        by_reason = {}
        for test in sorted(worse(found["tests"])) if "tests" in found else ():
            reason = known.reason(name, test) or "not looked into"
            by_reason.setdefault(reason, []).append(test)
        for reason, tests in by_reason.items():
            lines.append(f"* {name}, {len(tests)} tests: {_joined(reason)}\n")
    return "".join(lines)


def _joined(reason):
    return " ".join(reason.split())


def write_matrix(kept, page=PAGE):
    """Put the matrix into the page, between its marks."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    write_whole(page, before + BEGIN + matrix(kept) + END + after)
