"""Measure OpenStack's services on SQLite, MariaDB and ROME, and keep what came out.

python -m tests.upstream.services                all that is not measured yet: hours
python -m tests.upstream.services --only neutron ironic==38.0.0
python -m tests.upstream.services --list         what there is, and what is measured of it
python -m tests.upstream.services --write        the matrix in docs/rome-services.md

Needs redis-server and mariadbd; installs services from PyPI, each into a Python of its own. A
service is kept as soon as it is measured. Exit code 1 if one of its tests fails on ROME and is not
expected to, or one that is expected to does not.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from discovery.errors import DiscoveryError, MachineError, sentence
from discovery.testbed.home import home
from tests.upstream.services.databases import servers
from tests.upstream.services.declarations import chosen, services
from tests.upstream.services.kept import FILE, PARTS, keep, missing, read_kept
from tests.upstream.services.matrix import unexpected, write_matrix
from tests.upstream.services.measure import measure
from tests.upstream.services.started import run_in

NEEDED = ("redis-server", "mariadbd", "mariadb-install-db", "mariadb")


def main(arguments=None):
    """Do what the arguments say; the exit code."""
    try:
        return _run(_parsed(arguments))
    except DiscoveryError as error:
        print(sentence(error), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # who reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept", file=sys.stderr)
        return 130


def _parsed(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tests.upstream.services",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME[==VERSION]", help="these services")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--results", type=Path, default=FILE, help="the file of what is kept")
    parser.add_argument("--every", type=_at_least_1, default=1, help="every n-th test only")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the services, measure nothing")
    what.add_argument("--write", action="store_true", help="write the matrix, measure nothing")
    return parser.parse_args(arguments)


def _at_least_1(text):
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number; allowed: 1 and more")
    return int(text)


def _run(asked):
    declared = services()
    wanted = chosen(declared, asked.only or declared)
    if asked.list:
        _list(wanted, read_kept(asked.results))
        return 0
    if asked.write:
        write_matrix(read_kept(asked.results))
        return 0
    for program in NEEDED:
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            raise MachineError(f"needs {program}; on Debian: apt-get install redis mariadb-server")
    with run_in(home() / "upstream" / "services-runs") as started, servers(started) as running:
        measured = [
            _measured(service, version, asked, started, running)
            for service, version in wanted.values()
        ]
    wrong = list(unexpected(read_kept(asked.results), wanted))
    for line in wrong:
        print(line)
    return 1 if wrong or not all(measured) else 0


def _list(wanted, kept):
    for name, (service, _) in wanted.items():
        parts = ", ".join(part for part in PARTS if part in kept.get(name, {})) or "nothing"
        version = kept.get(name, {}).get("version", "")
        print(f"{name:18} {service.package:20} {version:9} measured: {parts}")


def _measured(service, version, asked, started, running):
    """Whether it could be measured, or was; what keeps one from it does not keep the others."""
    kept = read_kept(asked.results)
    other = version and kept.get(service.name, {}).get("version") != version
    parts = missing(service, {} if asked.again or other else kept)
    parts = [part for part in parts if part in asked.parts]
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    try:
        if parts:
            for found in measure(service, version, parts, asked.every, running, started, say):
                keep(service.name, found, asked.results)
    except MachineError as error:
        say(f"{service.name} is not measured: {sentence(error)}")
        return False
    return True
