"""An archive comes back as it was written, and what cannot be trusted is told in one sentence."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discovery.errors import ArchiveError, ResultError
from discovery.evaluation.archive import extend_archive, read_archive, unpack_archive, write_archive
from discovery.results.schema import TABLES
from discovery.results.tables import path_of, read_table, read_tables
from discovery.results.tidy import tidy
from discovery.whole import sha256
from tests.raw.cells import write_study

SCENARIOS = ["authenticate-user-and-validate-token", "create-user-update-password"]


@pytest.fixture(scope="module")
def tidy_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    raw = write_study(
        folder / "raw",
        scenarios=SCENARIOS,
        delays=(0.0, 150.0),
        broken=["galera-s3-d150-high-r1"],
    )
    tidy(raw, folder / "tidy")
    return folder / "tidy"


@pytest.fixture(scope="module")
def packed(tidy_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "archive"
    write_archive(tidy_folder, folder)
    return folder


@pytest.fixture
def archive(packed, tmp_path):
    return Path(shutil.copytree(packed, tmp_path / "archive"))


def change_manifest(archive, **values):
    path = archive / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **values}), encoding="utf-8")


def test_an_archive_comes_back_as_it_was_written(tidy_folder, archive, tmp_path):
    manifest, tables = read_archive(archive)
    for name, table in read_tables(tidy_folder).items():
        pd.testing.assert_frame_equal(tables[name], table)
        assert manifest.tables[name].rows == len(table)
    assert (manifest.experiment, manifest.tier) == ("keystone-2018", "laptop")
    assert (manifest.cells, manifest.failed_cells) == (12, 1)
    (environment,) = manifest.environments
    assert environment["packages"]["keystone"] == "30.0.0"
    assert environment["cells"] == 12

    unpack_archive(archive, tmp_path / "again")
    for name, table in read_tables(tmp_path / "again").items():
        pd.testing.assert_frame_equal(table, tables[name])
    assert len(list((tmp_path / "again").iterdir())) == len(TABLES)


def test_a_folder_with_files_of_others_is_not_replaced(tidy_folder, archive, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(ArchiveError, match=r"mine: holds 'thesis\.tex', which is no part of an"):
        write_archive(tidy_folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"
    (archive / "notes.txt").write_text("mine, too")
    with pytest.raises(ArchiveError, match=r"notes\.txt"):
        write_archive(tidy_folder, archive)
    (archive / "notes.txt").unlink()
    write_archive(tidy_folder, archive)
    (tmp_path / "empty").mkdir()
    write_archive(tidy_folder, tmp_path / "empty")


def test_an_archive_is_smaller_than_the_tables(tidy_folder, archive):
    def size(folder):
        return sum(path.stat().st_size for path in folder.glob("*.parquet"))

    assert size(archive) < size(tidy_folder)


def test_an_archive_is_replaced_whole(tidy_folder, archive):
    (archive / "servers.parquet").touch()  # a table that this run has not
    write_archive(tidy_folder, archive)
    assert sorted(path.name for path in archive.iterdir()) == sorted(
        ["manifest.json", *(f"{name}.parquet" for name in TABLES)]
    )
    assert [path.name for path in archive.parent.iterdir()] == ["archive"]


def test_a_broken_run_leaves_the_old_archive(tidy_folder, archive, tmp_path):
    shutil.copytree(tidy_folder, tmp_path / "broken")
    (tmp_path / "broken" / "wan.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ResultError):
        write_archive(tmp_path / "broken", archive)
    read_archive(archive)


def test_two_runs_are_not_one_archive(tmp_path):
    raw = [
        folder
        for tier in ("smoke", "laptop")
        for folder in write_study(
            tmp_path / tier, backends=["mariadb"], delays=(0.0,), loads=["light"], tier=tier
        )
    ]
    tidy(raw, tmp_path / "tidy")
    with pytest.raises(ArchiveError, match="holds 2 runs"):
        write_archive(tmp_path / "tidy", tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def run_of(folder, **levels):
    raw = write_study(folder / "raw", scenarios=SCENARIOS, **levels)
    tidy(raw, folder / "tidy")
    return folder / "tidy"


def test_cells_that_an_archive_lacks_are_added(tmp_path):
    first = run_of(tmp_path / "first", delays=(0.0,), loads=["light"])
    then = run_of(
        tmp_path / "then", delays=(150.0,), loads=["high"], broken=["galera-s3-d150-high-r1"]
    )
    write_archive(first, tmp_path / "archive")
    manifest = extend_archive(then, tmp_path / "archive")
    assert (manifest.cells, manifest.failed_cells) == (6, 1)

    _, tables = read_archive(tmp_path / "archive")
    parts = read_tables(first), read_tables(then)
    for name, table in tables.items():
        assert len(table) == len(parts[0][name]) + len(parts[1][name])
        pd.testing.assert_frame_equal(table.head(len(parts[0][name])), parts[0][name])
        rest = table.tail(len(parts[1][name])).reset_index(drop=True)
        pd.testing.assert_frame_equal(rest, parts[1][name])


def test_a_cell_is_not_archived_twice(tmp_path):
    first = run_of(tmp_path / "first", delays=(0.0,), loads=["light"])
    then = run_of(tmp_path / "then", delays=(0.0,), loads=["light", "high"])
    write_archive(first, tmp_path / "archive")
    with pytest.raises(ArchiveError, match="holds galera-s3-d0-light-r1, mariadb-s3-d0-light-r1"):
        extend_archive(then, tmp_path / "archive")
    assert read_archive(tmp_path / "archive")[0].cells == 3


def test_cells_of_another_tier_are_not_added(tmp_path):
    first = run_of(tmp_path / "first", delays=(0.0,), loads=["light"])
    then = run_of(tmp_path / "then", delays=(0.0,), loads=["high"], tier="smoke")
    write_archive(first, tmp_path / "archive")
    with pytest.raises(ArchiveError, match="holds 2 runs"):
        extend_archive(then, tmp_path / "archive")
    assert read_archive(tmp_path / "archive")[0].cells == 3


def flip_a_byte(archive):
    path = archive / "actions.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "no manifest": (lambda archive: (archive / "manifest.json").unlink(), "is not an archive"),
    "manifest cut off": (
        lambda archive: (archive / "manifest.json").write_text('{"schema'),
        "cannot be read as JSON",
    ),
    "manifest of another kind": (
        lambda archive: (archive / "manifest.json").write_text("[]"),
        "schema_version is None",
    ),
    "another manifest version": (
        lambda archive: change_manifest(archive, schema_version=2),
        "schema_version is 2, but this workbench reads 1",
    ),
    "another table version": (
        lambda archive: change_manifest(archive, tables_schema_version=99),
        "tables_schema_version is 99",
    ),
    "manifest without a key": (
        lambda archive: change_manifest(archive, tables="none"),
        "tables cannot be read",
    ),
    "a table missing": (
        lambda archive: (archive / "wan.parquet").unlink(),
        r"wan\.parquet: the archive lacks this table",
    ),
    "a table not listed": (
        lambda archive: change_manifest(archive, tables={}),
        r"cells\.parquet: the archive lacks this table",
    ),
    "a table of another study": (
        lambda archive: shutil.copy(archive / "wan.parquet", archive / "units.parquet"),
        r"units\.parquet: is not listed in manifest\.json",
    ),
    "a version that is no whole number": (
        lambda archive: change_manifest(archive, schema_version=1.0),
        r"schema_version is 1\.0, but this workbench reads 1",
    ),
    "a byte changed": (flip_a_byte, r"actions\.parquet: differs from the checksum"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_refused_in_one_sentence(archive, tmp_path, damage):
    do, message = DAMAGES[damage]
    do(archive)
    with pytest.raises(ArchiveError, match=message) as caught:
        unpack_archive(archive, tmp_path / "tidy")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "tidy").exists()


def test_a_table_of_another_schema_version_is_refused_though_its_checksum_fits(archive):
    path = archive / "phases.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"schema_version": "9"}), path)
    list_anew(archive, "phases")
    with pytest.raises(ArchiveError, match="schema version 9"):
        read_archive(archive)


def manifest_of(archive):
    return json.loads((archive / "manifest.json").read_text(encoding="utf-8"))


def list_anew(archive, name, rows=None):
    """Let the manifest say of a changed table what it is now, as who forges an archive does."""
    path = archive / f"{name}.parquet"
    tables = manifest_of(archive)["tables"]
    found = {"sha256": sha256(path), "bytes": path.stat().st_size}
    rows = tables[name]["rows"] if rows is None else rows
    change_manifest(archive, tables={**tables, name: {**found, "rows": rows}})


def forge_table(folder, name, table):
    """Write ``table`` with the stamp of the table that it takes the place of."""
    path = path_of(folder, name)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata(pq.read_schema(path).metadata), path)


def change_table(archive, name, change):
    """Write a table as ``change`` makes it, with a manifest that fits the file."""
    changed = change(read_table(archive, name)).reset_index(drop=True)
    forge_table(archive, name, changed)
    list_anew(archive, name, rows=len(changed))


def without(cell):
    return lambda table: table[table["cell"] != cell]


def change_every_table(archive, change):
    for name in TABLES:
        change_table(archive, name, change)


def change_cell_count(archive, name, **values):
    tables = manifest_of(archive)["tables"]
    change_manifest(archive, tables={**tables, name: {**tables[name], **values}})


CELL = "mariadb-s3-d0-light-r1"

FORGED = {
    "rows": (
        lambda archive: change_cell_count(archive, "wan", rows=1),
        "says that wan has 1 rows, and it has 216",
    ),
    "bytes": (
        lambda archive: change_cell_count(archive, "wan", bytes=1),
        r"wan\.parquet: has \d+ bytes, and manifest.json says 1,",
    ),
    "cells": (
        lambda archive: change_manifest(archive, cells=11),
        "says that cells is 11, and by the tables it is 12",
    ),
    "failed cells": (
        lambda archive: change_manifest(archive, failed_cells=0),
        "says that failed_cells is 0, and by the tables it is 1",
    ),
    "tier": (
        lambda archive: change_manifest(archive, tier="full"),
        "says that tier is 'full', and by the tables it is 'laptop'",
    ),
    "experiment": (
        lambda archive: change_manifest(archive, experiment="nova-2017"),
        "says that experiment is 'nova-2017', and by the tables it is 'keystone-2018'",
    ),
    "first started": (
        lambda archive: change_manifest(archive, first_started="1999"),
        "says that first_started is '1999', and by the tables it is '2026-",
    ),
    "last started": (
        lambda archive: change_manifest(archive, last_started="2099"),
        "says that last_started is '2099', and by the tables it is '2026-",
    ),
    "an environment": (
        lambda archive: change_manifest(
            archive, environments=[{**manifest_of(archive)["environments"][0], "cpu": "another"}]
        ),
        r"environments\[0\].cpu is 'another', and by the tables it is 'a processor for tests'",
    ),
    "no environment": (
        lambda archive: change_manifest(archive, environments=[]),
        "has 0 environments, and the tables have 1",
    ),
    "a key of an environment": (
        lambda archive: change_manifest(
            archive, environments=[{**manifest_of(archive)["environments"][0], "colour": "red"}]
        ),
        r"environments\[0\].colour is 'red', and by the tables it is None",
    ),
    "a table that is none": (
        lambda archive: change_manifest(
            archive,
            tables={
                **manifest_of(archive)["tables"],
                "../../cells": manifest_of(archive)["tables"]["cells"],
            },
        ),
        r"lists the table '../../cells', which an archive has not; allowed: cells, iterations",
    ),
    "no cell": (
        lambda archive: change_every_table(archive, lambda table: table.iloc[:0]),
        "holds 0 cells, and a run has at least 1",
    ),
    "a cell dropped from all tables": (
        lambda archive: change_every_table(archive, without(CELL)),
        "says that cells is 12, and by the tables it is 11",
    ),
    "a cell dropped from cells": (
        lambda archive: change_table(archive, "cells", without(CELL)),
        f"the table iterations has rows of {CELL}, which the table cells has not",
    ),
    **{
        f"a cell dropped from {name}": (
            lambda archive, name=name: change_table(archive, name, without(CELL)),
            f"the table {name} has rows of 10 of the 11 cells that must have some; {CELL} has none",
        )
        for name in ("iterations", "actions", "wan", "system", "phases", "queries")
    },
    "a cell twice": (
        lambda archive: change_table(
            archive, "cells", lambda table: pd.concat([table, table.tail(1)])
        ),
        "the table cells holds 2 rows of .*-r1, not 1",
    ),
    "a tier in one table": (
        lambda archive: change_table(archive, "wan", lambda table: table.assign(tier="full")),
        "tier of .* is 'full' in the table wan, and 'laptop' in the table cells",
    ),
    "a delay in one table": (
        lambda archive: change_table(
            archive, "actions", lambda table: table.assign(one_way_delay_ms=7.0)
        ),
        "one_way_delay_ms of .* is 7.0 in the table actions, and 0.0 in the table cells",
    ),
    "two tiers": (
        lambda archive: change_table(
            archive,
            "cells",
            lambda table: table.assign(tier=["full", *table["tier"].iloc[1:]]),
        ),
        "holds 2 runs .*: keystone-2018 full and keystone-2018 laptop",
    ),
    "an iteration dropped": (
        lambda archive: change_table(archive, "iterations", lambda table: table.iloc[1:]),
        "has 9 iterations of .* from site-1 .*, and was to run 10",
    ),
    "an iteration twice": (
        lambda archive: change_table(
            archive, "iterations", lambda table: pd.concat([table, table.head(1)])
        ),
        "has 11 iterations of .* and was to run 10",
    ),
    **{
        f"rows of {name} twice": (
            lambda archive, name=name: change_table(
                archive, name, lambda table: pd.concat([table, table.head(2)])
            ),
            f"the table {name} has .* rows of .*, and 2 of them are others again",
        )
        for name in ("queries", "system")
    },
    "iterations of another number": (
        lambda archive: change_table(
            archive, "iterations", lambda table: table.assign(iteration=table["iteration"] + 1)
        ),
        "of 10 numbers up to 11.*, and was to run 10",
    ),
    "a scenario dropped": (
        lambda archive: change_table(
            archive, "iterations", lambda table: table[table["scenario"] != SCENARIOS[0]]
        ),
        "has iterations of . pairs of a client's site and a scenario, and was to have [26]",
    ),
    "a scenario that was not asked for": (
        lambda archive: change_table(
            archive, "iterations", lambda table: table.assign(scenario="get-entities")
        ),
        "has iterations of get-entities, and was to run authenticate",
    ),
    "Keystone's tables of Nova's cells": (
        lambda archive: change_every_table(archive, lambda table: table.assign(load="burst")),
        "12 of 12 cells are of Nova, and the tables are those of Keystone",
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_manifest_is_held_against_the_tables(archive, tmp_path, forged):
    do, message = FORGED[forged]
    do(archive)
    with pytest.raises(ArchiveError, match=message) as caught:
        unpack_archive(archive, tmp_path / "tidy")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "tidy").exists()


def test_what_is_not_one_whole_run_is_not_packed(tidy_folder, tmp_path):
    shutil.copytree(tidy_folder, tmp_path / "tidy")
    forge_table(tmp_path / "tidy", "wan", read_table(tidy_folder, "wan").iloc[:0])
    with pytest.raises(ArchiveError, match="the table wan has rows of 0 of the 11 cells"):
        write_archive(tmp_path / "tidy", tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def a_big_number(archive):
    text = (archive / "manifest.json").read_text(encoding="utf-8")
    (archive / "manifest.json").write_text(text.replace('"cells": 12', f'"cells": {"9" * 5000}'))


def with_text(text):
    return lambda archive: (archive / "manifest.json").write_text(text, encoding="utf-8")


def linked(archive):
    path = archive / "wan.parquet"
    path.rename(archive.parent / "elsewhere.parquet")
    path.symlink_to(archive.parent / "elsewhere.parquet")


NO_MANIFEST = {
    "deep": (with_text("[" * 100_000), "cannot be read as JSON"),
    "deep object": (with_text('{"a":' * 100_000 + "1" + "}" * 100_000), "cannot be read as JSON"),
    "huge": (with_text(" " * 10_000_001), "it has more than 10000000 bytes"),
    "a huge number": (a_big_number, "cannot be read as JSON"),
    "NaN": (with_text('{"schema_version": NaN}'), "NaN is no number"),
    "a key twice": (
        with_text('{"schema_version": 1, "schema_version": 1}'),
        "the key schema_version stands twice",
    ),
    "half a character": (with_text('{"a": "\\ud800"}'), "cannot be read as JSON"),
    "not UTF-8": (
        lambda archive: (archive / "manifest.json").write_bytes(b'{"a": "\xff"}'),
        "cannot be read as JSON",
    ),
    "empty": (with_text(""), "cannot be read as JSON"),
    "true for a version": (with_text('{"schema_version": true}'), "schema_version is True"),
    "text for a count": (
        lambda archive: change_manifest(archive, cells="12"),
        "cells cannot be read",
    ),
    "a count below 0": (
        lambda archive: change_manifest(archive, failed_cells=-1),
        "failed_cells cannot be read",
    ),
    "half a count": (lambda archive: change_manifest(archive, cells=11.5), "cells cannot be read"),
    "a folder": (
        lambda archive: (
            (archive / "manifest.json").unlink(),
            (archive / "manifest.json").mkdir(),
        ),
        "it is not a file",
    ),
    "a link for a table": (linked, r"wan\.parquet: is a link"),
}


@pytest.mark.parametrize("broken", NO_MANIFEST)
def test_a_broken_manifest_is_refused_in_one_sentence(archive, tmp_path, broken):
    do, message = NO_MANIFEST[broken]
    do(archive)
    with pytest.raises(ArchiveError, match=message) as caught:
        unpack_archive(archive, tmp_path / "tidy")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "tidy").exists()


def study(tmp_path, name):
    """A folder of experiments that has this study, which is not looked at."""
    folder = tmp_path / "experiments" / name
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").touch()
    return folder


def test_an_archive_of_another_experiment_is_none_of_a_copied_study(archive, tmp_path):
    place = study(tmp_path, "my-study") / "archive" / "laptop"
    shutil.copytree(archive, place)
    with pytest.raises(
        ArchiveError, match=r"is of the experiment 'keystone-2018', and .* of 'my-study'"
    ):
        unpack_archive(place, tmp_path / "tidy")
    assert not (tmp_path / "tidy").exists()


def test_an_archive_lies_in_the_folder_of_its_tier(archive, tmp_path):
    archives = study(tmp_path, "keystone-2018") / "archive"
    shutil.copytree(archive, archives / "laptop")
    shutil.copytree(archive, archives / "scale")
    shutil.copytree(archive, archives / "kept-from-march")
    unpack_archive(archives / "laptop", tmp_path / "tidy")
    unpack_archive(archives / "kept-from-march", tmp_path / "again")
    with pytest.raises(ArchiveError, match=r"is of the tier 'laptop', and .* tier 'scale'"):
        unpack_archive(archives / "scale", tmp_path / "third")


def test_a_run_is_not_packed_into_another_study(tidy_folder, tmp_path):
    place = study(tmp_path, "my-study") / "archive" / "laptop"
    with pytest.raises(ArchiveError, match="is of the experiment 'keystone-2018'"):
        write_archive(tidy_folder, place)
    assert not place.exists()


@pytest.mark.parametrize("name", ["keystone-2018", "nova-2017"])
def test_the_archives_here_are_in_order(name):
    for manifest in Path("experiments", name, "archive").glob("*/manifest.json"):
        assert read_archive(manifest.parent)[0].tier == manifest.parent.name


def first(column, value):
    """Put ``value`` into the first row."""
    return lambda table: table.assign(**{column: [value, *table[column].iloc[1:]]})


# A forger's checksums fit: the rows are what cannot be.
FORGED_ROWS = {
    "more lost than sent": ("wan", first("lost", 99), "lost more pings than were sent"),
    "none sent": ("wan", first("sent", 0), "lost more pings than were sent, or none"),
    "no answers": ("wan", first("measured_rtt_ms", None), "has other round trips than answers"),
    "least above most": ("wan", first("min_rtt_ms", 1e9), "is not min ≤ median ≤ max"),
    "another round trip asked for": (
        "wan",
        lambda table: table.assign(asked_rtt_ms=table["asked_rtt_ms"] + 7.0),
        r"asked_rtt_ms of .* is [\d.]+ ms in the mean, and by its delay it is",
    ),
    "light was faster": (
        "wan",
        lambda table: table.assign(measured_rtt_ms=0.0, min_rtt_ms=0.0, max_rtt_ms=0.0),
        "took 0 ms, and 300 ms were asked for",
    ),
    "a minute early": (
        "system",
        lambda table: table.assign(time=table["time"] - 60.0),
        "the table system has a time of",
    ),
    "a pair missing": ("wan", lambda table: table.iloc[1:], "the table wan has 5 pairs of"),
    "a far site": ("wan", first("source", "site-99"), "has site-99 of .*, which has 3 sites"),
    "a client elsewhere": (
        "system",
        lambda table: table.assign(site="site-9000"),
        "the table system has site-9000 of",
    ),
    "milliseconds": (
        "iterations",
        lambda table: table.assign(start=table["start"] * 1000),
        "the table iterations has a start of .* which was measured from",
    ),
    "half a century early": (
        "system",
        lambda table: table.assign(time=table["time"] - 1_577_880_000),
        "the table system has a time of",
    ),
    "no actions": ("actions", lambda table: table.iloc[:0], "rows of 0 of the"),
    "half of the actions": (
        "actions",
        lambda table: table[table["iteration"] > 1],
        "has no error, but no action",
    ),
    "an action twice": (
        "actions",
        lambda table: pd.concat([table, table.iloc[:1]], ignore_index=True),
        "has a row, or an action, twice",
    ),
    "an action of no iteration": ("actions", first("iteration", 9999), "is not in the table iter"),
    "a long action": ("actions", first("duration_s", 9e5), "has an action out of its time"),
    "an error without a word": ("iterations", first("error", ""), "has an error without a word"),
    "a phase missing": (
        "phases",
        lambda table: table[table["phase"] == "lease"],
        "is ok, and the table phases lacks its deploy",
    ),
    "a phase twice": (
        "phases",
        lambda table: pd.concat([table, table.iloc[:1]], ignore_index=True),
        "the table phases has lease of .* twice",
    ),
    "packages of nothing": ("cells", first("packages", "{"), r"packages of .* is no JSON object"),
    "no date": ("cells", first("started", "yesterday"), "is 'yesterday', which is no date"),
}


@pytest.mark.parametrize("forgery", FORGED_ROWS)
def test_rows_that_no_cell_can_have_measured_are_refused(archive, forgery):
    name, change, message = FORGED_ROWS[forgery]
    path = archive / f"{name}.parquet"
    table = change(pd.read_parquet(path))
    schema = pq.read_schema(path)
    pq.write_table(pa.Table.from_pandas(table, schema, preserve_index=False), path)
    list_anew(archive, name, len(table))
    with pytest.raises(ArchiveError, match=message):
        read_archive(archive)


@pytest.mark.parametrize("place", ["itself", "a link to it", "another archive"])
def test_an_archive_is_not_laid_out_over_an_archive(archive, tmp_path, place):
    other = archive
    if place == "a link to it":
        other = tmp_path / "link"
        other.symlink_to(archive)
    elif place == "another archive":
        other = tmp_path / "other"
        shutil.copytree(archive, other)
    with pytest.raises(ResultError, match=r"is an archive, and other tables would not fit its man"):
        unpack_archive(archive, other)
    read_archive(archive)


def test_tidy_tables_do_not_become_their_own_archive(tidy_folder):
    before = sorted(path.name for path in tidy_folder.iterdir())
    with pytest.raises(ArchiveError, match="is given as the tidy tables and as their archive"):
        write_archive(tidy_folder, tidy_folder)
    assert sorted(path.name for path in tidy_folder.iterdir()) == before
