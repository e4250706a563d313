"""docs/rome.md says what the code says: options, error sentences, keys, and a picture."""

import ast
import csv
import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from discovery.rome import answers, certificate, locks
from discovery.rome.keys import Keys
from discovery.rome.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "rome.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)}


def rows(section):
    """The cells of a section's tables, without headings."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("|---")
    ]


def said():
    """Every text of the driver, placeholders cut out."""
    constants = []
    for path in sorted((ROOT / "discovery" / "rome").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.append(node.value)
    return "\n".join(constants)


SAID = said()
SENTENCES = [
    sentence
    for first, *_ in rows("Troubleshooting")
    for sentence in re.findall(r"`([^`]+)`", first)
]


def test_every_option_is_documented_with_its_default():
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows("How to use it")}
    for field in dataclasses.fields(Settings):
        if field.name in {"hosts", "database", "username", "password"}:
            continue
        default = "" if field.default is None else str(field.default).lower().removesuffix(".0")
        assert documented[field.name] == default


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_that_is_explained_is_one_that_is_said(sentence):
    """What stands between dots, numbers and values, word by word."""
    pieces = re.split(r"…|'|=\d+|\(|\)|\{|\}|:| (?:N|of the \d+|\d+(?:\.\d+)?)\b", sentence)
    long = [piece.strip(" .,;") for piece in pieces if len(piece.split()) > 1]
    assert long or "UNIQUE" in sentence or sentence.startswith("rome URL")
    for piece in long:
        assert piece in SAID or piece == "UNIQUE constraint failed", piece


def test_every_refusal_is_explained():
    every = [sentence for _, sentence in (*answers._BY_CLASS, *answers._BY_TEXT)]
    assert len(every) > 5
    for sentence in every:
        start = sentence.partition("{")[0].partition(";")[0].strip()
        assert start in SECTIONS["Troubleshooting"], sentence


def test_every_kind_of_key_is_explained_in_both_places():
    documented = {row[0] for row in rows("Certification")}
    source = "".join(Path(m.__file__).read_text("utf-8") for m in (certificate, locks))
    used = set(re.findall(r"\.(?:check|bump|change)\(\s*\"(\w+)\"", source)) | {"schema"}
    assert used == documented - {"key"}


def test_every_key_in_redis_is_explained():
    documented = {row[0].strip("`") for row in rows("What is in Redis")} - {"key"}
    keys = Keys("db")
    assert documented == {
        *(*keys.fixed, keys.locks),
        keys.rows("<table>"),
    }


def test_a_test_that_is_named_is_there():
    texts = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    defined = "\n".join(texts.values())
    for name in re.findall(r"`(test_\w+(?:\.py)?)`", TEXT):
        assert name in texts or f"def {name}(" in defined, name


def test_what_is_linked_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            headings = [re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in SECTIONS]
            assert target[1:] in headings
        elif "://" not in target:
            assert (ROOT / "docs" / target).is_file()


def test_the_picture_is_a_picture_with_a_description():
    picture = ElementTree.parse(ROOT / "docs" / "rome-commit.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{space}svg"
    assert picture.find(f"{space}title").text
    assert picture.find(f"{space}desc").text


def measured(name):
    with (ROOT / "docs" / "rome" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_round_trips_and_times_are_the_measured_ones():
    """An operation in each row; here, and 20 and 100 ms away."""
    found = {(m["operation"], m["backend"], m["rtt_ms"]): m for m in measured("round-trips")}
    operations = list(dict.fromkeys(operation for operation, _, _ in found))
    _, *table = [row for row in rows("Round trips") if len(row) == 8]
    assert len(table) == len(operations)
    for operation, (_, sql, sync, push, *times) in zip(operations, table, strict=True):

        def said(what, backend, operation=operation):
            return [found[operation, backend, away][what] for away in ("here", "20", "100")]

        trips = [said("round_trips", backend) for backend in ("mariadb", "postgresql")]
        assert set(trips[0]) == {sql.split()[0]}
        assert set(trips[1]) == {sql.split()[-1].strip("()")}
        assert (set(said("round_trips", "rome-sync")), set(said("round_trips", "rome-push"))) == (
            {sync},
            {push},
        )
        for backend, time in zip(
            ("mariadb", "galera", "rome-sync", "rome-push"), times, strict=True
        ):
            expected = [float(wall) for wall in said("wall_ms", backend)]
            assert [float(part) for part in time.split(" / ")] == pytest.approx(expected, abs=0.51)


def test_the_staleness_is_the_measured_one():
    _, *table = rows("Staleness")
    for (away, rate, *times), found in zip(table, measured("staleness"), strict=True):
        assert (float(away.split()[0]), float(rate)) == (
            float(found["rtt_ms"]),
            float(found["commits_per_s"]),
        )
        expected = [float(found[name]) for name in ("median_ms", "p99_ms", "max_ms")]
        assert [float(time.split()[0]) for time in times] == pytest.approx(expected, abs=0.06)


def test_the_growth_is_the_measured_one():
    _, boots, _, committing, following, redis, rates = rows("Growth")
    found = measured("growth")
    sizes = list(dict.fromkeys(m["instances"] for m in found))
    for size, boot, commit, follow, server, rate in zip(
        sizes, *(row[1:] for row in (boots, committing, following, redis, rates)), strict=True
    ):
        mine = [m for m in found if m["instances"] == size]
        for said, what, unit in (
            (boot, "boot_s", 1),
            (commit, "commit_cpu_us", 1000),
            (follow, "apply_cpu_us", 1000),
            (server, "server_cpu_us", 1000),
        ):
            assert float(said.split()[0]) == pytest.approx(float(mine[0][what]) / unit, rel=0.06)
        several = {m["processes"]: float(m["commits_per_s"]) for m in mine}
        named = [several[count] for count in ("1", "10", "50")]
        assert [float(part) for part in rate.split(", ")] == pytest.approx(named, abs=0.51)
