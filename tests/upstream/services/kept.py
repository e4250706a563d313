"""The kept results of all services, ``docs/rome/services.json``."""

import json

from discovery.reading import read_text
from discovery.whole import write_whole
from tests.upstream.services.environments import REPOSITORY

FILE = REPOSITORY / "docs" / "rome" / "services.json"
PARTS = ("migrates", "tests")
LARGEST = 2**24


def read_kept(file=FILE):
    """The results by service; none if there is no such file."""
    return json.loads(read_text(file, LARGEST)) if file.exists() else {}


def keep(name, found, file=FILE):
    """Put what was found of a service beside what is kept, as far as of the same version."""
    kept = read_kept(file)
    before = kept.get(name, {})
    if before.get("version") == found["version"]:
        found = before | found
    kept[name] = found
    write_whole(file, json.dumps(dict(sorted(kept.items())), indent=1, sort_keys=True) + "\n")


def missing(service, kept):
    """The parts that are not measured of a service."""
    wanted = [part for part in PARTS if part == "migrates" or service.tests]
    return [part for part in wanted if part not in kept.get(service.name, {})]
