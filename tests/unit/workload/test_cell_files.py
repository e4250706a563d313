import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from discovery.experiment.load import load_cells
from discovery.workload.cell import _whole
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.phases import Phase

STUDY = Path(__file__).parents[3] / "experiments" / "keystone-2018"


def test_a_folder_appears_whole(tmp_path):
    out = tmp_path / "raw" / "cell"
    with _whole(out) as folder:
        (folder / "wan.json").write_text("{}")
        assert not out.exists()
    assert (out / "wan.json").read_text() == "{}"
    assert [path.name for path in out.parent.iterdir()] == ["cell"]


def test_an_accident_leaves_nothing(tmp_path):
    out = tmp_path / "cell"
    with pytest.raises(RuntimeError), _whole(out) as folder:
        (folder / "wan.json").write_text("{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_a_stale_one_and_an_older_result_are_replaced(tmp_path):
    out = tmp_path / "cell"
    for content in ("first", "second"):
        out.mkdir(exist_ok=True)
        (tmp_path / ".cell.killed").mkdir()
        with _whole(out) as folder:
            (folder / "cell.json").write_text(content)
        assert (out / "cell.json").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["cell"]


def test_the_manifest_names_every_file_with_its_checksum(tmp_path):
    cell = load_cells(STUDY, "smoke")[0]
    (tmp_path / "rally").mkdir()
    (tmp_path / "rally" / "site-2.json").write_text("{}")
    write_manifest(
        tmp_path,
        cell,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        phases=[Phase("lease", 0.0, 1.5)],
        failure=None,
        environment=environment("local", "forwarder", "abc", {"keystone": "30.0.0"}),
    )
    manifest = json.loads((tmp_path / "cell.json").read_text())
    assert manifest["files"] == {"rally/site-2.json": hashlib.sha256(b"{}").hexdigest()}
    assert manifest["status"] == "ok"
    assert manifest["phases"] == [{"phase": "lease", "start": 0.0, "seconds": 1.5}]
    assert manifest["environment"]["cores"] >= 1


def test_a_measured_failure_is_a_failed_cell(tmp_path):
    write_manifest(
        tmp_path,
        load_cells(STUDY, "smoke")[0],
        started=datetime(2026, 1, 1, tzinfo=UTC),
        phases=[],
        failure={"class": "measured", "phase": "load", "message": "no answer"},
        environment={},
    )
    assert json.loads((tmp_path / "cell.json").read_text())["status"] == "failed"
