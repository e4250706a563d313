import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from discovery.experiment.load import load_cells
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.phases import Phase

STUDY = Path(__file__).parents[3] / "experiments" / "keystone-2018"


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
