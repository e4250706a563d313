"""An archive comes back as it was written, and what cannot be trusted is told in one sentence."""

import hashlib
import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from discovery.errors import ArchiveError, ResultError
from discovery.evaluation.archive import extend_archive, read_archive, unpack_archive, write_archive
from discovery.results.schema import TABLES
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
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


@pytest.fixture
def archive(tidy_folder, tmp_path):
    write_archive(tidy_folder, tmp_path / "archive")
    return tmp_path / "archive"


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


def test_an_archive_is_smaller_than_the_tables(tidy_folder, archive):
    def size(folder):
        return sum(path.stat().st_size for path in folder.glob("*.parquet"))

    assert size(archive) < size(tidy_folder)


def test_an_archive_is_replaced_whole(tidy_folder, archive):
    (archive / "stray").touch()
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
    manifest = json.loads((archive / "manifest.json").read_text(encoding="utf-8"))
    manifest["tables"]["phases"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    change_manifest(archive, **manifest)
    with pytest.raises(ArchiveError, match="schema version 9"):
        read_archive(archive)
