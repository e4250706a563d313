"""Nothing outside the testbed room knows which provider it is on."""

from __future__ import annotations

import re
from pathlib import Path

from discovery.testbed.providers import PROVIDERS

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "discovery" / "testbed"
KINDS = {".py", ".smk", ".ipynb", ".yml", ".j2"}

# A provider's name as a literal, or a comparison of whatever is called provider.
NAMED = re.compile(rf"""["']({"|".join(PROVIDERS)})["']|\bprovider\s*(==|!=|\bin\b)""")


def sources() -> list[Path]:
    found = [
        path
        for room in ("discovery", "workflow", "notebooks")
        for path in (ROOT / room).rglob("*")
        if path.suffix in KINDS or path.name == "Snakefile"
    ]
    return [path for path in found if ROOM not in path.parents and path.is_file()]


def test_no_provider_is_named_outside_the_testbed_room() -> None:
    assert len(sources()) > 20
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NAMED.search(line)
    ]
    assert named == []


def test_the_search_would_find_one() -> None:
    assert NAMED.search('if testbed.provider == "local":')
    assert NAMED.search("if held.provider in REMOTE:")
    assert NAMED.search("open('static')")
