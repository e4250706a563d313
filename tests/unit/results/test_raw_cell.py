"""A raw cell is read only when every one of its files is the one that was measured."""

import hashlib
import json

import pytest

from discovery.errors import ResultError
from discovery.results.raw import read_cell
from tests.raw.cells import make_cell, write_cell


@pytest.fixture
def folder(tmp_path):
    return write_cell(tmp_path, make_cell(scenarios=["create-and-list-users"]))


def rewrite(folder, name, change):
    """Change a JSON file of the cell and put its new checksum into the manifest."""
    path = folder / name
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    if name != "cell.json":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rewrite(folder, "cell.json", lambda manifest: manifest["files"].update({name: digest}))


def test_a_whole_cell_is_read(folder):
    cell = read_cell(folder)
    assert cell.manifest.cell == make_cell(scenarios=["create-and-list-users"])
    assert set(cell.rally) == {"site-2"}
    assert len(cell.rally["site-2"][0].iterations) == 10
    assert {pair.asked_rtt_ms for pair in cell.wan.measurements[1].pairs} == {100.0}
    assert len(cell.system)
    assert set(cell.counters["counter"]) == {"queries", "commits", "rollbacks"}


def test_a_cell_with_a_delay_matrix_is_read(tmp_path):
    matrix = {"name": "triangle", "matrix": [[0, 10, 20], [10, 0, 30], [20, 30, 0]]}
    cell = make_cell(delay=matrix, scenarios=["get-entities"])
    assert read_cell(write_cell(tmp_path, cell)).manifest.cell == cell


def test_a_failed_cell_needs_no_rally_report(tmp_path):
    cell = read_cell(write_cell(tmp_path, make_cell(), fails=True))
    assert cell.manifest.failure.failure_class == "measured"
    assert cell.rally == {}


@pytest.mark.parametrize("name", ["rally/site-2.json", "system.parquet", "wan.json"])
def test_a_file_cut_off_is_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ResultError, match=rf"{name}: is not the file that was measured"):
        read_cell(folder)


def test_a_missing_file_is_named(folder):
    (folder / "counters.parquet").unlink()
    with pytest.raises(ResultError, match=r"counters\.parquet: is missing"):
        read_cell(folder)


def test_a_rally_report_cut_off_before_its_checksum_was_taken_is_named(folder):
    path = folder / "rally" / "site-2.json"
    path.write_text(path.read_text()[:5000])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite(folder, "cell.json", lambda m: m["files"].update({"rally/site-2.json": digest}))
    with pytest.raises(ResultError, match=r"rally/site-2\.json: Rally's report is cut off"):
        read_cell(folder)


def test_a_parquet_file_that_is_none_is_named(folder):
    path = folder / "system.parquet"
    path.write_bytes(b"PAR1")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite(folder, "cell.json", lambda m: m["files"].update({"system.parquet": digest}))
    with pytest.raises(ResultError, match=r"system\.parquet: is cut off or not Parquet"):
        read_cell(folder)


@pytest.mark.parametrize("name", ["cell.json", "wan.json"])
def test_another_schema_version_is_refused(folder, name):
    rewrite(folder, name, lambda document: document.update(schema_version=2))
    with pytest.raises(ResultError, match=rf"{name}: has schema version 2.*reads version 1"):
        read_cell(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(colour="red"), "colour"),
        (lambda m: m.update(status="failed"), "status is failed, but failure is None"),
        (lambda m: m.update(cell_id="other"), "cell_id is other"),
        (lambda m: m["cell"].update(sites=4), "cell_id is mariadb-s3"),
        (lambda m: m.update(started="2026-11-22T17:20:00"), "no time zone"),
        (lambda m: m["files"].pop("wan.json"), r"lists no wan\.json"),
        (lambda m: m["files"].pop("rally/site-2.json"), "lists no Rally report"),
        (lambda m: m["files"].update({"../other": "0"}), "outside the cell's folder"),
        (lambda m: m["environment"].pop("kernel"), "environment.kernel"),
    ],
)
def test_an_inconsistent_manifest_is_refused(folder, change, message):
    rewrite(folder, "cell.json", change)
    with pytest.raises(ResultError, match=message):
        read_cell(folder)


def test_a_folder_under_another_name_is_refused(folder):
    other = folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ResultError, match="its folder is called elsewhere"):
        read_cell(other)


def test_a_folder_without_a_manifest_is_no_cell(tmp_path):
    with pytest.raises(ResultError, match="not the folder of a finished cell"):
        read_cell(tmp_path)
