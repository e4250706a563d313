"""What is fetched from the nodes of a Nova, as tables: real files, folders in place of nodes."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import pandas as pd
import pytest

from discovery.errors import TestbedError
from discovery.probe.lines import Header, line
from discovery.probe.record import Record
from discovery.workload import calls, remote, traffic

NODES = [
    SimpleNamespace(alias=f"site-{n}-{role}", site=f"site-{n}", role=role, address=f"192.0.2.{k}")
    for k, (n, role) in enumerate([(1, "control"), (2, "control"), (2, "compute")])
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """One folder in which each node has its own; commands run there."""

    def run(command, nodes, *, check=True):
        answers = {}
        for node in nodes:
            own = command.replace("/NODE", str(tmp_path / node.alias))
            done = subprocess.run(own, shell=True, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            answers[node.alias] = remote.Answer(True, done.stdout, done.stderr)
        return answers

    def fetch(name, nodes, folder, *, first):
        run(first, nodes)
        for node in nodes:
            shutil.copy(tmp_path / node.alias / name, folder / f"{node.alias}-{name}")
        return {node.alias: folder / f"{node.alias}-{name}" for node in nodes}

    monkeypatch.setattr(remote, "WORK_FOLDER", "/NODE")
    monkeypatch.setattr(remote, "run", run)
    monkeypatch.setattr(remote, "fetch", fetch)
    monkeypatch.setattr(remote, "stop", lambda unit: "true")
    for node in NODES:
        (tmp_path / node.alias / "probe").mkdir(parents=True)
    return tmp_path


def record(place, node, process, pid, count):
    header = Header(process, pid, node.alias, node.site)
    written = Record(place / node.alias / "probe", header)
    for number in range(count):
        written.add(line(1000.0 + number, 0.5, 1, 4, 0, 0, "nova_api", "", "db.main.api.f"))
    written.stray()


def test_every_process_of_every_node_is_there(place):
    record(place, NODES[0], "nova-conductor", 10, 3)
    record(place, NODES[0], "nova-api-os-compute", 11, 2)
    record(place, NODES[1], "nova-conductor", 10, 0)
    calls.collect(NODES[:2], "/NODE/probe", place)
    table = pd.read_parquet(place / "calls.parquet")
    counted = table.groupby(["node", "site", "process", "pid"]).size()
    assert counted.to_dict() == {
        ("site-1-control", "site-1", "nova-conductor", 10): 3,
        ("site-1-control", "site-1", "nova-api-os-compute", 11): 2,
    }
    assert table["round_trips"].sum() == 20
    processes = pd.read_parquet(place / "processes.parquet")
    assert processes["calls"].tolist() == [2, 3, 0]
    assert (processes["strays"] == 1).all()
    assert (processes["lost"] == 0).all()


def test_a_node_without_a_record_is_named(place):
    record(place, NODES[0], "nova-conductor", 10, 3)
    with pytest.raises(TestbedError, match="site-2-control: the probe has left no record in /NODE"):
        calls.collect(NODES[:2], "/NODE/probe", place)


def test_a_record_that_is_none_is_named(place):
    (place / "site-1-control" / "probe" / "x.calls").write_text("nonsense\n")
    with pytest.raises(TestbedError, match=r"site-1-control: .*x\.calls: does not begin with"):
        calls.collect(NODES[:1], "/NODE/probe", place)


def test_each_node_is_told_of_all_others(monkeypatch):
    told = {}
    monkeypatch.setattr(
        remote, "start_program", lambda program, command, unit, configs, nodes: told.update(configs)
    )
    traffic.start(NODES)
    assert told["site-2-control"]["peers"] == {
        "192.0.2.0": "site-1-control", "192.0.2.2": "site-2-compute",
    }  # fmt: skip


def test_lines_become_rows_with_both_ends(place):
    said = [
        {"time": 1.0, "counter": "packets", "peer": "site-2-compute", "rx_bytes": 1, "tx_bytes": 2,
         "rx_packets": 3, "tx_packets": 4},
        {"time": 2.0, "counter": "packets", "missed": 5},
    ]  # fmt: skip
    for node in NODES:
        lines = said if node is NODES[0] else []
        text = "".join(json.dumps(one) + "\n" for one in lines)
        (place / node.alias / "traffic.jsonl").write_text(text)
    traffic.collect(NODES, place)
    table = pd.read_parquet(place / "traffic.parquet")
    assert table["peer"].iloc[0] == "site-2-compute"
    assert table["peer"].isna().tolist() == [False, True]
    assert table[["role", "peer_role", "peer_site"]].iloc[0].tolist() == [
        "control", "compute", "site-2",
    ]  # fmt: skip
    assert table["tx_packets"].iloc[0] == 4
    assert table["missed"].iloc[1] == 5
