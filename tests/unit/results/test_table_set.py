"""The tables of a folder are one set: replaced together or not at all, and never read mixed."""

import errno
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from discovery.claims.judge import judge_folder
from discovery.errors import ResultError, StorageError
from discovery.evaluation.archive import read_archive, unpack_archive, write_archive
from discovery.results import tables as module
from discovery.results.schema import NOVA_SCHEMAS, TABLES
from discovery.results.tables import PENDING, read_table, read_tables, write_tables
from discovery.results.tidy import tidy, tidy_tables
from tests.raw.cells import write_study
from tests.raw.nova_cells import make_nova_cell, write_nova_cell

SCENARIOS = ["create-and-list-users"]
EXPERIMENT = Path("experiments/keystone-2018")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The tables of one cell, of two, and of one on Nova."""
    folder = tmp_path_factory.mktemp("sets")
    found = {}
    for name, delays in {"old": (50.0,), "new": (50.0, 150.0)}.items():
        raw = write_study(
            folder / name, backends=["mariadb"], delays=delays, loads=["light"], scenarios=SCENARIOS
        )
        tidy(raw, folder / f"{name}-tidy")
        found[name] = read_tables(folder / f"{name}-tidy")
    tidy([write_nova_cell(folder / "nova", make_nova_cell())], folder / "nova-tidy")
    return {**found, "nova": read_tables(folder / "nova-tidy")}


def same(some, others):
    if some.keys() != others.keys():
        return False
    return all(some[name].equals(others[name]) for name in some)


def stamp(path):
    return pq.read_schema(path).metadata[b"set"].decode()


def test_one_stamp_is_in_every_table_and_says_what_is_in_them(sets, tmp_path):
    first = {stamp(path) for path in write_tables(tmp_path / "a", sets["old"]).values()}
    again = {stamp(path) for path in write_tables(tmp_path / "b", sets["old"]).values()}
    other = {stamp(path) for path in write_tables(tmp_path / "c", sets["new"]).values()}
    assert len(first) == len(other) == 1
    assert first == again != other


@pytest.mark.parametrize("stray", ["cells", "phases", "iterations"])
def test_tables_of_two_sets_are_refused_by_all_who_read_them(sets, tmp_path, stray):
    old, new = (write_tables(tmp_path / name, sets[name]) for name in ("old", "new"))
    shutil.copyfile(old[stray], new[stray])
    folder = tmp_path / "new"
    for read in (
        lambda: read_tables(folder),
        lambda: read_table(folder, "wan"),
        lambda: judge_folder(EXPERIMENT, folder),
        lambda: write_archive(folder, tmp_path / "archive"),
    ):
        with pytest.raises(ResultError, match="of another set of tables than") as caught:
            read()
        for part in (stamp(old[stray])[:12], stamp(new["wan"])[:12], f"{stray}.parquet"):
            assert part in str(caught.value)
    assert not (tmp_path / "archive").exists()


def test_a_table_that_is_missing_of_the_set_is_named(sets, tmp_path):
    write_tables(tmp_path, sets["nova"])["calls"].unlink()
    with pytest.raises(ResultError, match=r"calls\.parquet: no such tidy table"):
        read_tables(tmp_path)


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_a_disk_that_fills_leaves_the_old_set(sets, tmp_path, monkeypatch, number):
    write_tables(tmp_path, sets["old"])
    true, done = pq.write_table, []

    def write(table, path, **options):
        done.append(path)
        if len(done) > number:
            path.write_bytes(b"PAR1")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        true(table, path, **options)

    monkeypatch.setattr(module.pq, "write_table", write)
    with pytest.raises(StorageError, match="no space left on device; nothing was changed"):
        write_tables(tmp_path, sets["new"])
    assert same(read_tables(tmp_path), sets["old"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}.parquet" for name in TABLES
    )


PAIRS = [("old", "new"), ("old", "nova"), ("nova", "new")]


@pytest.mark.parametrize(("before", "then"), PAIRS)
def test_an_interruption_anywhere_leaves_one_set(sets, tmp_path, monkeypatch, before, then):
    few, nova = ("cells", "wan"), {name: NOVA_SCHEMAS[name] for name in ("servers", "known")}
    monkeypatch.setattr(module, "checked", lambda name, table, source: table)  # the slow part
    monkeypatch.setattr(module, "TABLES", few)
    monkeypatch.setattr(module, "NOVA_SCHEMAS", nova)
    sets = {
        name: {each: table for each, table in whole.items() if each in (*few, *nova)}
        for name, whole in sets.items()
    }
    for number in range(100):
        folder = tmp_path / str(number)
        write_tables(folder, sets[before])
        with monkeypatch.context() as patch:
            end_after(number, patch)
            try:
                write_tables(folder, sets[then])
                ended = True
            except KeyboardInterrupt:
                ended = False
        left = read_tables(folder)
        assert same(left, sets[before]) or same(left, sets[then])
        if ended:
            assert number > len(sets[then])
            break
        write_tables(folder, sets["old"])  # the next one goes on from there
        assert read_table(folder, "wan").equals(sets["old"]["wan"])
        assert not (folder / PENDING).exists()


def end_after(number, patch):
    """Let a process end after ``number`` steps that change a folder."""
    steps = []
    for name in ("replace", "unlink", "rename", "rmdir", "mkdir"):
        true = getattr(Path, name)

        def step(self, *arguments, true=true, **options):
            if len(steps) >= number:
                raise KeyboardInterrupt
            steps.append(self)
            return true(self, *arguments, **options)

        patch.setattr(Path, name, step)


def test_tables_that_a_smaller_set_lacks_go_and_other_files_stay(sets, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_tables(tmp_path, sets["nova"])
    assert set(read_tables(tmp_path)) == {*TABLES, *NOVA_SCHEMAS}
    write_tables(tmp_path, sets["old"])
    assert same(read_tables(tmp_path), sets["old"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["notes.txt", *(f"{name}.parquet" for name in TABLES)]
    )


def without_stamps(folder):
    for path in folder.glob("*.parquet"):
        arrow = pq.read_table(path)
        kept = {b"schema_version": arrow.schema.metadata[b"schema_version"]}
        pq.write_table(arrow.replace_schema_metadata(kept), path)


def test_tables_without_a_stamp_are_taken_from_an_archive_alone(sets, tmp_path, monkeypatch):
    write_tables(tmp_path / "tidy", sets["new"])
    with monkeypatch.context() as patch:
        patch.setattr(
            "discovery.evaluation.archive.write_tables",
            lambda folder, tables, level: [
                write_tables(folder, tables, level=level),
                without_stamps(folder),
            ],
        )
        write_archive(tmp_path / "tidy", tmp_path / "archive")
    assert same(read_archive(tmp_path / "archive")[1], sets["new"])
    unpack_archive(tmp_path / "archive", tmp_path / "unpacked")
    assert same(read_tables(tmp_path / "unpacked"), sets["new"])
    without_stamps(tmp_path / "unpacked")
    with pytest.raises(ResultError, match="has no stamp"):
        read_tables(tmp_path / "unpacked")


def test_our_archives_are_read_and_unpacked_as_one_set(tmp_path):
    archive = EXPERIMENT / "archive" / "laptop"
    unpack_archive(archive, tmp_path)
    archived = read_archive(archive)[1]
    unpacked = read_tables(tmp_path)
    for name, table in archived.items():
        pd.testing.assert_frame_equal(unpacked[name], table)


def test_a_set_of_no_cells_is_a_set(tmp_path):
    write_tables(tmp_path, tidy_tables([]))
    assert read_tables(tmp_path)["cells"].empty
