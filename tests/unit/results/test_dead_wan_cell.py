"""A raw cell whose WAN was dead after the load is refused, whatever its manifest says."""

import json

import pytest

from discovery.errors import ResultError
from discovery.results.raw import read_cell
from discovery.whole import sha256
from tests.raw.cells import BEGAN, make_cell, write_cell


def rewritten(folder, edit):
    """The cell of ``folder`` with another wan.json, whose checksum fits."""
    path = folder / "wan.json"
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    manifest = json.loads((folder / "cell.json").read_text())
    manifest["files"]["wan.json"] = sha256(path)
    (folder / "cell.json").write_text(json.dumps(manifest))
    return folder


def die(record):
    for pair in record["measurements"][-1]["pairs"]:
        pair.update(measured_rtt_ms=None, min_rtt_ms=None, max_rtt_ms=None, lost=pair["sent"])


def forget(record):
    for pair in record["measurements"][-1]["pairs"]:
        pair.update(measured_rtt_ms=0.3, min_rtt_ms=0.2, max_rtt_ms=0.4)


def stand_still(record):
    times = [measurement["time"] for measurement in record["measurements"]]
    record["stalls"] = [{"time": (times[-2] + times[-1]) / 2, "seconds": 3.0}]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (die, "all 10 pings were lost"),
        (forget, r"is 0\.3 ms, but 100 ± 5 ms"),
        (stand_still, r"stood still for 3\.0 s"),
    ],
)
def test_it_is_refused(tmp_path, edit, sentence, fails):
    folder = write_cell(tmp_path, make_cell(delay=50.0), fails=fails)
    read_cell(folder)
    with pytest.raises(ResultError, match=rf"wan\.json: .*{sentence}.* no result of mariadb"):
        read_cell(rewritten(folder, edit))


def test_a_short_stall_is_read(tmp_path):
    folder = write_cell(tmp_path, make_cell(delay=50.0))
    stall = {"time": BEGAN + 30.0, "seconds": 0.6}
    found = read_cell(rewritten(folder, lambda record: record.update(stalls=[stall])))
    assert found.wan.stalls[0].seconds == 0.6
