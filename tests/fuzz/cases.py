"""The bad inputs: each a damaged world and a command line, always the same ones.

A case is *certain* if what it damages is certainly wrong, and the command has to refuse it.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from discovery.whole import sha256
from tests.fuzz.operators import CSV, GONE, JSON, SPECIALS, TABLE, YAML, Operator, Special
from tests.fuzz.world import KEYSTONE, NOVA, write

SEED = 20261130
RAW = "raw/galera-s3-d25-light-r1"
NOVA_RAW = "nova-raw/vanilla-s2-d10-burst10-f6-w1-r1"

PLAN = ["plan", "--tier", "smoke", "--experiment"]
TIDY = ["tidy", "--tier", "smoke", "--partial", "--out", "out", "--raw"]
CLAIMS = ["claims", "--experiment", KEYSTONE, "--tidy", "tidy", "--out", "out.json"]


@dataclass(frozen=True)
class Case:
    """A bad input. ``change`` damages the world it is given, or says that it cannot.

    ``names`` is what an error has to name, if the case is certain.
    """

    name: str
    arguments: list[str]
    certain: bool
    change: Callable[[Path], bool] = field(repr=False, default=lambda _: True)
    names: str = ""
    stdin: str | None = None

    def has(self, word: str) -> bool:
        """Whether the name has ``word``, or has not what follows its ``^``."""
        return word[1:] not in self.name if word.startswith("^") else word in self.name


@dataclass(frozen=True)
class Target:
    """A file of the world, what can be wrong with it, and the verb that reads it.

    ``free`` are operators of which the result is not certainly wrong for this file. ``signed``
    writes the checksum of what was damaged to where the file's own stood: what could only have been
    seen by that has to be seen otherwise.
    """

    file: str
    operators: list[Operator]
    arguments: list[str]
    specials: tuple[Special, ...] = (*SPECIALS, GONE)
    free: tuple[str, ...] = ()
    signed: Callable[[Path], None] | None = None


def _sign_raw(file: Path) -> None:
    """Write the checksum of a raw file into its cell's manifest."""
    folder = next(parent for parent in file.parents if (parent / "cell.json").exists())
    manifest = json.loads((folder / "cell.json").read_bytes())
    manifest["files"][str(file.relative_to(folder))] = sha256(file)
    write(folder / "cell.json", json.dumps(manifest).encode())


def _sign_archive(file: Path) -> None:
    """Write the checksum and the size of an archive's table into its manifest."""
    path = file.with_name("manifest.json")
    manifest = json.loads(path.read_bytes())
    entry = manifest["tables"][file.stem]
    entry |= {"sha256": sha256(file), "bytes": file.stat().st_size}
    write(path, json.dumps(manifest).encode())


TARGETS = [
    Target(f"{KEYSTONE}/experiment.yaml", YAML, [*PLAN, KEYSTONE]),
    Target(f"{NOVA}/experiment.yaml", YAML, [*PLAN, NOVA]),
    Target(f"{KEYSTONE}/experiment.yaml", YAML[:8], ["check"], free=("nothing",)),
    Target(f"{KEYSTONE}/claims.yaml", YAML, CLAIMS),
    Target(f"{NOVA}/claims.yaml", YAML[::3], ["check"]),
    Target("experiments/testbeds/local.yaml", YAML, ["plan", "--tier", "smoke", "--testbed",
           "experiments/testbeds/local.yaml"]),
    Target("experiments/testbeds/static.yaml", YAML, ["testbed", "up", "--sites", "99",
           "--testbed", "experiments/testbeds/static.yaml"]),
    Target("experiments/testbeds/grid5000.yaml", YAML, ["testbed", "up", "--sites", "99",
           "--testbed", "experiments/testbeds/grid5000.yaml"]),
    Target(f"{KEYSTONE}/times.csv", CSV, [*PLAN, KEYSTONE], SPECIALS, free=("header-alone",)),
    Target(f"{KEYSTONE}/published/completion-time.csv", CSV, CLAIMS),
    Target(f"{KEYSTONE}/published/read-write.csv", CSV[::2], ["check"]),
    Target(f"{NOVA}/published/mono-site.csv", CSV, ["check"], SPECIALS),
    Target(f"{KEYSTONE}/archive/smoke/manifest.json", JSON,
           ["archive", "unpack", f"{KEYSTONE}/archive/smoke", "out"]),
    *(Target(f"{KEYSTONE}/archive/smoke/{table}.parquet", TABLE,
             ["archive", "unpack", f"{KEYSTONE}/archive/smoke", "out"])
      for table in ("cells", "actions")),
    Target(f"{RAW}/cell.json", JSON, [*TIDY, "raw"], SPECIALS),
    Target(f"{RAW}/wan.json", JSON, [*TIDY, "raw"]),
    Target(f"{RAW}/rally/site-2.json", JSON, [*TIDY, "raw"]),
    Target(f"{RAW}/system.parquet", TABLE, [*TIDY, "raw"]),
    Target(f"{RAW}/counters.parquet", TABLE, [*TIDY, "raw"]),
    Target(f"{NOVA_RAW}/cell.json", JSON, [*TIDY, "nova-raw", "--experiment", NOVA], SPECIALS),
    Target(f"{NOVA_RAW}/burst/site-2.json", JSON, [*TIDY, "nova-raw", "--experiment", NOVA]),
    Target(f"{NOVA_RAW}/consistency.json", JSON, [*TIDY, "nova-raw", "--experiment", NOVA]),
    Target(f"{NOVA_RAW}/calls.parquet", TABLE, [*TIDY, "nova-raw", "--experiment", NOVA]),
    *(Target(f"tidy/{table}.parquet", TABLE, CLAIMS) for table in ("cells", "iterations")),
    Target("tidy/wan.parquet", TABLE, ["archive", "pack", "tidy", f"{KEYSTONE}/archive/smoke"]),
    Target("results/claims.json", JSON, ["verdicts", "--results", "results"]),
    Target("results/claims.json", JSON[::3],
           ["report", "--results", "results", "--out", "out.html"]),
    # A number that is written as text is read as what it says, by the schema of the tidy table.
    *(Target(f"{RAW}/{file}", operators, [*TIDY, "raw"], (), ("columns-all-text",), _sign_raw)
      for file, operators in (("wan.json", JSON), ("rally/site-2.json", JSON),
                              ("system.parquet", TABLE), ("counters.parquet", TABLE))),
    *(Target(f"{NOVA_RAW}/{file}", operators, [*TIDY, "nova-raw", "--experiment", NOVA], (),
             ("columns-all-text",), _sign_raw)
      for file, operators in (("burst/site-2.json", JSON), ("consistency.json", JSON),
                              ("calls.parquet", TABLE), ("traffic.parquet", TABLE))),
    *(Target(f"{KEYSTONE}/archive/smoke/{table}.parquet", TABLE,
             ["archive", "unpack", f"{KEYSTONE}/archive/smoke", "out"], (), signed=_sign_archive)
      for table in ("cells", "actions", "wan")),
    Target("home/ledger.jsonl", JSON, ["testbed", "list"], (), free=("*",)),
]  # fmt: skip


def damaged_files() -> Iterator[Case]:
    """Every target under each of its operators."""
    for target in TARGETS:
        for number, operator in enumerate(target.operators):
            certain = operator.certain and not {operator.name, "*"} & {*target.free}
            yield _damaged(target, f"{operator.name}", certain, _change(target, operator, number))
        for special in target.specials:
            yield _damaged(target, special.name, "*" not in target.free, _replace(target, special))


def _damaged(target: Target, what: str, certain: bool, change: Callable[[Path], bool]) -> Case:
    verb = " ".join(part for part in target.arguments[:2] if not part.startswith("-"))
    names = Path(target.file).name if certain else ""
    signed = " signed" if target.signed else ""
    return Case(f"{target.file} {what}{signed} ({verb})", target.arguments, certain, change, names)


def _change(target: Target, operator: Operator, number: int) -> Callable[[Path], bool]:
    def change(world: Path) -> bool:
        path = world / target.file
        chance = random.Random(f"{SEED} {target.file} {operator.name} {number}")
        before = path.read_bytes()
        after = operator.change(before, chance)
        if after is None or after == before:
            return False
        write(path, after)
        if target.signed is not None:
            target.signed(path)
        return True

    return change


def _replace(target: Target, special: Special) -> Callable[[Path], bool]:
    def replace(world: Path) -> bool:
        (world / target.file).unlink()
        special.make(world / target.file)
        return True

    return replace


ODD_TEXTS = {
    "empty": "", "path": "../../etc/passwd", "absolute": "/etc/passwd",
    "escape": "\x1b[2J\x1b]0;x\a",
    "lines": "a\nb\nc", "long": "x" * 100_000, "not-utf-8": "caf\udce9", "device": "/dev/zero",
    "hyphen": "-", "percent": "%s%n{0}{key}", "quotes": "'; rm -rf / #\"`$(true)`", "space": "  ",
    "emoji": "\U0001f600\u202e", "dots": "..", "slash": "/", "null": "/dev/null",
}  # fmt: skip
NUMBERS = [
    "0", "-1", "1", "256", "1000000000", "1" + "0" * 30, "9" * 5000, "nan", "1e3", "0x10", "",
]  # fmt: skip
# Verbs, and what of them is odd. None of these reads a world that is damaged.
COMMANDS: list[tuple[str, list[str]]] = [
    ("plan --tier", ["plan", "--tier", "@"]),
    ("plan --experiment", ["plan", "--tier", "smoke", "--experiment", "@"]),
    ("plan --testbed", ["plan", "--tier", "smoke", "--testbed", "@"]),
    ("check --tier", ["check", "--tier", "@"]),
    ("cell run --cell", ["cell", "run", "--tier", "smoke", "--out", "out", "--cell", "@"]),
    ("tidy --raw", ["tidy", "--tier", "smoke", "--out", "out", "--raw", "@"]),
    ("tidy --tier", ["tidy", "--raw", "raw", "--out", "out", "--tier", "@"]),
    ("claims --tidy", ["claims", "--out", "out.json", "--tidy", "@"]),
    ("verdicts --results", ["verdicts", "--results", "@"]),
    ("report --results", ["report", "--out", "out.html", "--results", "@"]),
    ("archive pack", ["archive", "pack", "@", "out"]),
    ("archive add", ["archive", "add", "tidy", "@"]),
    ("archive unpack", ["archive", "unpack", "@", "out"]),
    ("testbed ssh", ["testbed", "ssh", "@"]),
    ("testbed run", ["testbed", "run", "true", "--on", "@"]),
    ("testbed cut", ["testbed", "cut", "@"]),
    ("rome status", ["rome", "status", "@"]),
    ("rome check", ["rome", "check", "rome://127.0.0.1:1/@"]),
    ("a verb", ["@"]),
    ("an option", ["plan", "--@"]),
]
# A hyphen alone is an argument, and an empty path is the folder one is in, which has a world.
_GOOD = {("an option", "empty"), ("an option", "hyphen")}


def command_lines() -> Iterator[Case]:
    """Verbs with names and numbers that there are not."""
    for name, arguments in COMMANDS:
        for what, text in ODD_TEXTS.items():
            asked = [part.replace("@", text) for part in arguments]
            yield Case(f"{name} {what}", asked, certain=(name, what) not in _GOOD)
    for number in NUMBERS:
        for testbed in ("local", "static"):
            file = f"experiments/testbeds/{testbed}.yaml"
            asked = ["testbed", "up", "--testbed", file, "--sites", number]
            yield Case(f"testbed up --sites {number[:12]} {testbed}", asked, certain=True)


CONFIGURATION = {
    "experiment": "keystone-2018", "tier": "smoke", "source": "measure",
    "testbed": "experiments/testbeds/local.yaml",
}  # fmt: skip
NOT_TEXT = [
    None, True, 5, 1.5, [], ["x"], {}, {"a": 1}, "", "x" * 10_000, "../..", "a\x00b", "\udc80",
]  # fmt: skip


def configurations() -> Iterator[Case]:
    """What ``snakemake --config`` may be told, beside what is right."""
    for key in CONFIGURATION:
        for number, value in enumerate(NOT_TEXT):
            changed = {**CONFIGURATION, key: value}
            # A path may be any text: whether it is there is asked by who reads it.
            certain = key != "testbed" or not isinstance(value, str)
            yield Case(f"config {key} {number}", ["@config", json.dumps(changed)], certain)
        without = {name: CONFIGURATION[name] for name in CONFIGURATION if name != key}
        yield Case(f"config without {key}", ["@config", json.dumps(without)], certain=True)
    for key in ("teir", "1", "", "\n", "x" * 10_000):
        changed = {**CONFIGURATION, key: "smoke"}
        yield Case(f"config key {key[:5]!r}", ["@config", json.dumps(changed)], certain=True)


def all_cases() -> list[Case]:
    """All cases, in an order in which every beginning has some of every kind."""
    found = [*damaged_files(), *command_lines(), *configurations()]
    random.Random(SEED).shuffle(found)
    return found


def remove(folder: Path) -> None:
    """Remove a case's world, whatever it has become."""
    shutil.rmtree(folder, ignore_errors=True)
