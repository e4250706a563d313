"""Run unittest modules of installed packages on one or more databases, on two cores.

    run_suite.py OUTPUT_FOLDER JOB...

A job is JSON: ``name``; ``url`` of ROME or MariaDB databases, or null for the suite's own SQLite;
``modules`` to import; ``select``, the prefixes of tests; ``every`` and ``first``, to take every
n-th of them; ``engine``, as `suite_plugin.install` takes it.

Runs with the Python that has OpenStack. The modules are imported once; every job is then forked
from here, in ``SHARES`` processes, each with its part of the tests. Results are JSON lines in
``OUTPUT_FOLDER/<name>.<share>.jsonl``: a test's id, outcome, seconds, and what went wrong.
"""

# ruff: noqa: N802 - unittest's names

import importlib
import json
import os
import pkgutil
import sys
import time
import traceback
import types
import unittest
import warnings
from pathlib import Path

import yaml

SHARES = 2


def stand_in_for_ldap():
    """Keystone's tests import python-ldap, which has to be compiled; those run here use none."""

    class Anything(types.ModuleType):
        __path__ = ()

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (Exception,), {})

    for name in ("ldap", "ldap.controls", "ldap.filter", "ldap.dn", "ldap.modlist", "ldappool"):
        sys.modules[name] = Anything(name)


def module_names(prefixes):
    """The modules under each prefix, whose last part may be a module or a package."""
    for prefix in prefixes:
        module = importlib.import_module(prefix)
        if not hasattr(module, "__path__"):
            yield prefix
            continue
        for found in pkgutil.walk_packages(module.__path__, prefix + "."):
            if not found.ispkg:
                yield found.name


def flat(suite):
    """All tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


class Lines(unittest.TestResult):
    """Writes every outcome at once, so that a crash shows where it was."""

    def __init__(self, file, after_test):
        super().__init__()
        self._file = file
        self._after_test = after_test
        self._said = {}

    def startTest(self, test):
        super().startTest(test)
        self._said = {}
        self._began = time.monotonic()

    def _say(self, outcome, detail=""):
        if self._said.get("outcome") not in {"failed"}:
            self._said = {"outcome": outcome, "detail": detail}

    def stopTest(self, test):
        super().stopTest(test)
        seconds = round(time.monotonic() - self._began, 3)
        self._after_test()
        line = {"test": test.id(), "seconds": seconds, **(self._said or {"outcome": "passed"})}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def addSuccess(self, test, details=None):
        self._say("passed")

    def _text(self, error, details):
        if error is not None:
            return "".join(traceback.format_exception(*error))[-8000:]
        return "\n".join(
            content.as_text()[-8000:]
            for name, content in (details or {}).items()
            if "traceback" in name or "reason" in name
        )

    def addError(self, test, err=None, details=None):
        self._say("failed", self._text(err, details))

    def addFailure(self, test, err=None, details=None):
        self._say("failed", self._text(err, details))

    def addSkip(self, test, reason=None, details=None):
        self._say("skipped", reason or self._text(None, details))

    def addExpectedFailure(self, test, err=None, details=None):
        self._say("passed")

    def addUnexpectedSuccess(self, test, details=None):
        self._say("failed", "unexpected success")


def run_share(job, tests, folder, share):
    """One share of a job's tests, in this process."""
    after_test = _nothing
    if job["url"]:
        import suite_plugin  # noqa: PLC0415 - it imports what the suite runs on

        os.environ["ROME_URL"] = job["url"]
        after_test = suite_plugin.install(job["url"], job.get("engine"))
    wanted = [test for test in tests if test.id().startswith(tuple(job["select"]))]
    wanted = wanted[job.get("first", 0) :: job.get("every", 1)]
    with (folder / f"{job['name']}.{share}.jsonl").open("w") as file:
        result = Lines(file, after_test)
        for test in wanted[share::SHARES]:
            test.run(result)


def _nothing():
    pass


def main():
    folder = Path(sys.argv[1])
    jobs = [json.loads(text) for text in sys.argv[2:]]
    sys.argv[1:] = []  # some of what is imported reads it
    sys.path.insert(0, str(Path(__file__).parent))
    warnings.simplefilter("ignore")
    stand_in_for_ldap()
    yaml.SafeLoader = yaml.CSafeLoader  # Nova's tests read all policies again for every test
    prefixes = sorted({prefix for job in jobs for prefix in job["modules"]})
    loader = unittest.TestLoader()
    suites = [
        loader.loadTestsFromModule(importlib.import_module(n)) for n in module_names(prefixes)
    ]
    tests = [test for suite in suites for test in flat(suite)]
    if loader.errors:
        raise SystemExit("\n".join(loader.errors))
    waiting = [(job, share) for job in jobs for share in range(SHARES)]
    running = 0
    bad = 0
    while waiting or running:
        if waiting and running < SHARES:
            job, share = waiting.pop(0)
            if os.fork() == 0:
                status = 1
                try:
                    run_share(job, tests, folder, share)
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            running += 1
        else:
            _, status = os.wait()
            bad += status != 0
            running -= 1
    sys.exit(bad)


if __name__ == "__main__":
    main()
