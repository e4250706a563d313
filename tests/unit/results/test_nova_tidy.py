"""Raw cells on Nova → tidy tables, beside those that every cell has."""

import json

import pytest

from discovery.errors import ResultError
from discovery.evaluation.archive import read_archive, unpack_archive, write_archive
from discovery.experiment.load import load_cells
from discovery.results.raw import read_cell
from discovery.results.schema import NOVA_SCHEMAS, TABLES, tables_of
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from tests.raw.nova_cells import BOOT, STUDY, make_nova_cell, write_nova_cell

CELLS = [make_nova_cell(0), make_nova_cell(1)]


@pytest.fixture
def folders(tmp_path):
    return [write_nova_cell(tmp_path / "raw", cell) for cell in CELLS]


def test_a_cell_is_read_whole(folders):
    raw = read_cell(folders[0])
    assert raw.manifest.cell == CELLS[0]
    assert raw.rally == {}
    assert len(raw.nova.bursts["site-2"].servers) == CELLS[0].servers
    assert len(raw.nova.calls) == 4


def test_all_tables_are_written_and_none_but_the_burst_counts(folders, tmp_path):
    assert set(tidy(folders, tmp_path / "tidy")) == {*TABLES, *NOVA_SCHEMAS}
    tables = read_tables(tmp_path / "tidy")
    assert sorted(tables["cells"]["cell"]) == sorted(cell.id for cell in CELLS)
    assert set(tables["cells"]["load"]) == {"burst"}
    planes = tables["control_planes"].set_index("cell")
    for cell in CELLS:
        assert json.loads(planes.loc[cell.id, "backends"]) == cell.backends
    assert len(tables["servers"]) == sum(cell.servers for cell in CELLS)
    # Where they are is what the databases say, of those that are there.
    assert tables["servers"]["host_site"].dropna().tolist() == ["site-1"] * 4
    # Two of the four calls began in the burst, and 3 of the 8 MB were exchanged in it.
    assert tables["calls"].groupby("cell").size().tolist() == [2, 2]
    sent = tables["traffic"].query("source == 'control'")
    assert sent["mb"].tolist() == [6.0, 6.0]
    assert set(tables["units"]["unit"]) == {"discovery-nova-api"}
    assert tables["iterations"].empty
    # What each knew, what did not agree, and what was broken on purpose.
    assert set(tables["known"]["by"]) == {"servers", "nova_cell1", "mappings", "consumers"}
    assert tables["findings"]["kind"].tolist() == ["quota", "quota"]
    assert tables["faults"].empty


def test_a_fault_is_a_row_with_its_time(tmp_path):
    cell = next(one for one in load_cells(STUDY, "scale") if one.fault != "none")
    tidy([write_nova_cell(tmp_path / "raw", cell)], tmp_path / "tidy")
    faults = read_tables(tmp_path / "tidy")["faults"]
    assert faults["fault"].tolist() == ["kill-redis-master"]
    assert faults["time"].tolist() == [BOOT + 2]


def test_a_cell_that_rally_loaded_has_iterations_and_the_calls_made_in_them(tmp_path):
    cell = next(one for one in load_cells(STUDY, "full") if one.workload == "rally")
    folder = write_nova_cell(tmp_path / "raw", cell)
    assert read_cell(folder).nova.bursts == {}
    tidy([folder], tmp_path / "tidy")
    tables = read_tables(tmp_path / "tidy")
    counted = tables["iterations"]["scenario"].value_counts(sort=False).to_dict()
    assert counted == dict.fromkeys(NOVA_SCENARIOS, cell.servers)
    assert set(tables["iterations"]["load"]) == {"rally"}
    assert tables["cells"]["concurrency"].tolist() == [1]
    # All but the one before the load, which all six scenarios make longer than a burst.
    assert len(tables["calls"]) == 3
    assert tables["servers"].empty
    assert tables["findings"].empty


def test_a_cell_that_broke_is_a_row_without_servers(folders, tmp_path):
    broken = make_nova_cell(0).model_copy(update={"repetition": 2})
    folder = write_nova_cell(tmp_path / "raw", broken, fails=True)
    tidy([*folders, folder], tmp_path / "tidy")
    tables = read_tables(tmp_path / "tidy")
    row = tables["cells"].set_index("cell").loc[broken.id]
    assert (row["status"], row["failure"]) == ("failed", "boot: nova-api is gone")
    assert broken.id not in set(tables["servers"]["cell"])
    assert broken.id in set(tables["control_planes"]["cell"])


@pytest.mark.parametrize("name", ["calls.parquet", "traffic.parquet", "burst/site-2.json"])
def test_what_is_missing_is_named(folders, name):
    path = folders[0] / "cell.json"
    manifest = json.loads(path.read_text())
    del manifest["files"][name]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ResultError, match="burst" if "burst" in name else name):
        read_cell(folders[0])


def test_an_archive_holds_them_all(folders, tmp_path):
    tidy(folders, tmp_path / "tidy")
    write_archive(tmp_path / "tidy", tmp_path / "archive")
    manifest, tables = read_archive(tmp_path / "archive")
    assert tuple(sorted(manifest.tables)) == tuple(sorted(tables_of("nova")))
    assert manifest.experiment == "nova-2017"
    unpack_archive(tmp_path / "archive", tmp_path / "again")
    assert read_tables(tmp_path / "again")["servers"].equals(tables["servers"])
