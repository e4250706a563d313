"""A raw cell holds all that was asked of it, and nothing else, or is refused with both numbers."""

import copy
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from discovery.cli import app
from discovery.errors import ResultError
from discovery.experiment.load import load_cells
from discovery.results.complete import check_cell, check_phases
from discovery.results.manifest import Phase
from discovery.results.raw import read_cell
from discovery.results.tidy import tidy
from tests.raw.cells import BEGAN, make_cell, write_cell
from tests.raw.mutations import write
from tests.raw.nova_cells import STUDY, make_nova_cell, write_nova_cell

TWO = ["create-and-list-users", "create-user-update-password"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A cell of each kind: of Keystone under either load, of Nova with a burst, with Rally."""
    parent = tmp_path_factory.mktemp("cells")
    rally = next(one for one in load_cells(STUDY, "full") if one.workload == "rally")
    return {
        "light": write_cell(parent, make_cell(scenarios=TWO)),
        "high": write_cell(parent, make_cell(scenarios=TWO, load="high")),
        "broken": write_cell(parent, make_cell(scenarios=TWO, repetition=2), fails=True),
        "burst": write_nova_cell(parent, make_nova_cell()),
        "rally": write_nova_cell(parent, rally),
    }


def changed(folder, parent, name, change):
    """A copy of the cell in which ``change`` has been at a document, under its right checksum."""
    document = json.loads((folder / name).read_text())
    change(document)
    return write(folder, parent, name, json.dumps(document).encode())


def load(document, task=0):
    return document["tasks"][task]["subtasks"][0]["workloads"][0]


def stopped(document):
    data = load(document)["data"]
    failed = sum(1 for one in data[:3] if one["error"])
    load(document).update(data=data[:3], total_iteration_count=3, failed_iteration_count=failed)


def task_missing(document):
    del document["tasks"][1:]


def no_task(document):
    document["tasks"] = []


def twice(document):
    document["tasks"].append(copy.deepcopy(document["tasks"][0]))


def other_study(document):
    load(document)["scenario"] = {"NovaServers.boot_and_delete_server": {}}


def every_iteration_twice(document):
    data = load(document)["data"] * 2
    failed = sum(1 for one in data if one["error"])
    load(document).update(data=data, total_iteration_count=len(data), failed_iteration_count=failed)


def fewer_at_once(document):
    load(document)["runner"]["constant"]["concurrency"] = 1


def more_times(document):
    load(document)["runner"]["constant"]["times"] = 50


def another_scenario(document):
    load(document)["scenario"] = {"KeystoneBasic.get_entities": {}}


def one_iteration_again(document):
    load(document)["data"][3] = load(document)["data"][2]


def no_actions(document):
    whole = next(one for one in load(document)["data"] if not one["error"])
    whole["atomic_actions"] = []


def out_of_the_load(document):
    load(document)["load_duration"] = 0.0


WRONG = {
    one_iteration_again: r"create-and-list-users: iteration \d+: is iteration \d+ once more",
    no_actions: r"create-and-list-users: iteration \d+: has no error, but no action",
    out_of_the_load: r"create-and-list-users: iteration \d+: is from .* out of the load, which is",
    stopped: "holds 3 iterations of create-and-list-users from site-2, but the cell asks for 10",
    task_missing: "holds 0 iterations of create-user-update-password from site-2, but .* for 10",
    no_task: "holds 0 iterations of create-and-list-users from site-2, but .* for 10",
    twice: "holds 20 iterations of create-and-list-users from site-2, but .* for 10",
    other_study: "holds 0 iterations of create-and-list-users from site-2, but .* for 10",
    every_iteration_twice: "holds 20 iterations of create-and-list-users from site-2, .* for 10",
    another_scenario: "holds 0 iterations of create-and-list-users from site-2, but .* for 10",
}


@pytest.mark.parametrize("load", ["light", "high"])
@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_report_that_is_not_what_was_asked_is_refused(folders, tmp_path, load, change):
    raw = changed(folders[load], tmp_path, "rally/site-2.json", change)
    with pytest.raises(ResultError, match=rf"rally/site-2\.json: {WRONG[change]}"):
        read_cell(raw)


# Of each the count of iterations is as asked.
WRONG_RUN = {
    fewer_at_once: r"create-and-list-users: runner\.constant\.concurrency is 1, but .* for 5",
    more_times: r"create-and-list-users: runner\.constant\.times is 50, but the cell asks for 10",
}


@pytest.mark.parametrize("change", WRONG_RUN, ids=lambda change: change.__name__)
def test_a_report_of_another_run_is_refused(folders, tmp_path, change):
    raw = changed(folders["light"], tmp_path, "rally/site-2.json", change)
    with pytest.raises(ResultError, match=rf"rally/site-2\.json: {WRONG_RUN[change]}"):
        read_cell(raw)


def test_the_report_of_another_client_is_refused(folders, tmp_path):
    first = (folders["high"] / "rally/site-1.json").read_bytes()
    raw = write(folders["high"], tmp_path, "rally/site-2.json", first)
    with pytest.raises(
        ResultError, match=r"site-2.* is one of create-and-list-users from site-1, too"
    ):
        read_cell(raw)


@pytest.mark.parametrize(
    ("name", "column", "known"),
    [
        ("counters.parquet", "counter", "queries, commits"),
        ("system.parquet", "role", "master, control"),
        ("traffic.parquet", "peer_role", "master, control"),
        ("units.parquet", "role", "master, control"),
    ],
)
def test_a_name_that_nobody_looks_for_is_refused(folders, tmp_path, name, column, known):
    source = folders["burst" if name in ("traffic.parquet", "units.parquet") else "light"]
    frame = pd.read_parquet(source / name)
    frame[column] = frame[column] + "-x"
    (tmp_path / "changed").mkdir()
    frame.to_parquet(tmp_path / "changed" / name)
    raw = write(source, tmp_path, name, (tmp_path / "changed" / name).read_bytes())
    with pytest.raises(ResultError, match=rf"{name}: its column {column} holds .*-x; .*{known}"):
        read_cell(raw)


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_report_of_rally_on_nova_likewise(folders, tmp_path, change):
    if WRONG[change].startswith("create-and-list-users"):
        message = WRONG[change].replace("create-and-list-users", "boot-and-list-server")
    elif change is twice:
        message = "holds 200 iterations of boot-and-list-server from site-3, but .* for 100"
    else:
        message = "iterations of .* from site-3, but the cell asks for"
    raw = changed(folders["rally"], tmp_path, "rally/site-3.json", change)
    with pytest.raises(ResultError, match=message):
        read_cell(raw)


def test_a_cell_that_broke_may_have_less_but_no_other(folders, tmp_path):
    folder = folders["broken"]
    whole = json.loads((folders["light"] / "rally/site-2.json").read_text())

    def with_report(change, name):
        document = copy.deepcopy(whole)
        change(document)
        raw = changed(folder, tmp_path / name, "cell.json", lambda _: None)
        (raw / "rally").mkdir(exist_ok=True)
        (raw / "rally/site-2.json").write_text("{}")
        manifest = json.loads((raw / "cell.json").read_text())
        manifest["files"]["rally/site-2.json"] = ""
        manifest["phases"][-1]["seconds"] = 500.0
        (raw / "cell.json").write_text(json.dumps(manifest))
        return write(
            raw, tmp_path / f"{name}-2", "rally/site-2.json", json.dumps(document).encode()
        )

    assert len(read_cell(with_report(task_missing, "fewer")).rally["site-2"]) == 1
    assert len(read_cell(with_report(stopped, "stopped")).rally["site-2"][0].iterations) == 3
    for change in (twice, other_study, every_iteration_twice):
        with pytest.raises(ResultError, match="but the cell asks for"):
            read_cell(with_report(change, change.__name__))


def sent_for_ever(document):
    document["measurements"][0]["pairs"][0]["sent"] = 10**9


def cut_once(document):
    time = document["measurements"][0]["time"]
    document["changes"] = [{"time": time, "action": "cut", "sites": ["site-3"]}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (sent_for_ever, "from site-1 to site-2 1000000000 pings were sent, and at most 200 are"),
        (cut_once, "changes has 1, the first a cut of site-3, but no cell asks for any"),
    ],
)
def test_a_wan_that_no_cell_asks_for_is_refused(folders, tmp_path, change, message):
    with pytest.raises(ResultError, match=rf"wan\.json: .*{message}"):
        read_cell(changed(folders["light"], tmp_path, "wan.json", change))


def test_samples_of_a_node_are_of_its_site(folders, tmp_path):
    table = pd.read_parquet(folders["light"] / "system.parquet")
    sites = {"site-1": "site-2", "site-2": "site-3", "site-3": "site-1"}
    written = table.assign(site=table["site"].map(sites)).to_parquet(index=False)
    with pytest.raises(ResultError, match="has samples of the node 'site-1-control' at site-2"):
        read_cell(write(folders["light"], tmp_path, "system.parquet", written))


def unlisted(name):
    return lambda manifest: manifest["files"].pop(name)


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        ("high", unlisted("rally/site-3.json"), "lists no Rally report of site-3"),
        ("burst", unlisted("consistency.json"), "lists no consistency.json"),
        ("burst", unlisted("units.parquet"), "lists no units.parquet"),
        ("light", lambda one: one["phases"].append(one["phases"][0]), "phases has lease 2 times"),
        ("light", lambda one: one["phases"].reverse(), "behind one that ended after"),
        ("light", lambda one: one["phases"].clear(), "the cell is ok but its phases lack lease"),
        ("burst", lambda one: one["phases"].pop(-4), "the cell is ok but its phases lack look"),
        (
            "broken",
            lambda one: one["failure"].update(phase="lease"),
            "failure.phase is lease, but a system can break in warm-up alone",
        ),
        (
            "broken",
            lambda one: one["failure"].update(message=""),
            "failure.message = '': String should have at least 1 character",
        ),
        (
            "light",
            lambda one: one["phases"][0].update(seconds=1e9),
            r"phases\.0\.seconds = 1000000",
        ),
    ],
)
def test_a_manifest_that_lacks_something_is_refused(folders, tmp_path, which, change, message):
    with pytest.raises(ResultError, match=message):
        read_cell(changed(folders[which], tmp_path, "cell.json", change))


def test_a_step_of_the_deployment_may_come_again_but_not_at_once(tmp_path):
    def check(*phases):
        names = ("phase", "start", "seconds")
        known = [Phase(**dict(zip(names, phase, strict=True))) for phase in phases]
        check_phases(tmp_path / "cell.json", SimpleNamespace(phases=known))

    once = ("deploy:bootstrap", 3.3, 20.337)
    check(once, ("deploy:bootstrap", 23.654, 11.499), ("deploy", 1.446, 65.54))
    for doubled in ([once, once], [once, ("deploy:bootstrap", 20.0, 11.0)]):
        with pytest.raises(ResultError, match="phases has deploy:bootstrap 2 times"):
            check(*doubled)
    with pytest.raises(ResultError, match="phases has load 2 times"):
        check(("load", 1.0, 1.0), ("load", 3.0, 1.0))


def test_a_client_that_was_not_asked_is_refused(folders, tmp_path):
    raw = changed(
        folders["high"], tmp_path, "cell.json", lambda one: one["cell"].update(load="light")
    )
    with pytest.raises(ResultError, match="cell_id is"):
        read_cell(raw)
    report = (folders["light"] / "rally/site-2.json").read_bytes()
    raw = write(folders["light"], tmp_path / "b", "rally/site-2.json", report)
    (raw / "rally/site-3.json").write_bytes(report)
    again = json.loads((raw / "cell.json").read_text())
    again["files"]["rally/site-3.json"] = again["files"]["rally/site-2.json"]
    (raw / "cell.json").write_text(json.dumps(again))
    with pytest.raises(ResultError, match=r"rally/site-3\.json, but .* on site-2 alone"):
        read_cell(raw)


def first(measurement, pair=0):
    return lambda record: record["measurements"][measurement]["pairs"][pair]


SHAPED = first(1)
WAN = [
    (lambda one: SHAPED(one).update(asked_rtt_ms=20.0), "is 20, but the cell asks for 100"),
    (lambda one: first(2)(one).update(asked_rtt_ms=0.0), "after-load: .* is 0, but .* for 100"),
    (lambda one: SHAPED(one).update(lost=11), "11 of 10 pings were lost"),
    (lambda one: SHAPED(one).update(sent=0), "0 of 0 pings were lost"),
    (lambda one: SHAPED(one).update(lost=10), "10 of 10 .* but there are 3 round trips"),
    (lambda one: SHAPED(one).update(measured_rtt_ms=None), "0 of 10 .* but there are 2 round"),
    (lambda one: SHAPED(one).update(min_rtt_ms=101.0), "min ≤ measured ≤ max are 101, 100"),
    (lambda one: SHAPED(one).update(max_rtt_ms=99.0), "min ≤ measured ≤ max are"),
    (lambda one: one["measurements"][1]["pairs"].pop(), "0 measurements from site-3 to site-2"),
    (lambda one: one["measurements"][1]["pairs"].append(SHAPED(one)), "holds 2 .* but 1"),
    (lambda one: SHAPED(one).update(source="site-4"), "holds 0 measurements from site-1 to site-2"),
    (lambda one: SHAPED(one).update(asked_rtt_ms=float("nan")), "NaN is no number"),
    (lambda one: SHAPED(one).update(max_rtt_ms=float("inf")), "Infinity is no number"),
    (lambda one: one["measurements"].pop(1), "has 0 that are shaped, but a cell has 1"),
    (lambda one: one["measurements"].pop(2), "has 0 that are after-load, but a cell has 1"),
    (lambda one: one["measurements"].append(one["measurements"][1]), "has 2 that are shaped"),
    (lambda one: one["measurements"].reverse(), "its times are not in their order"),
    (lambda one: one["measurements"][2].update(time=5e9), "is not of this cell"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WAN)
def test_a_wan_that_is_not_what_was_asked_is_refused(folders, tmp_path, change, message):
    with pytest.raises(ResultError, match=rf"wan\.json: .*{message}"):
        read_cell(changed(folders["light"], tmp_path, "wan.json", change))


BURST = [
    (lambda one: one["servers"].pop(), "holds 9 servers from site-2, but the cell asks for 10"),
    (lambda one: one["servers"].append(one["servers"][0]), "holds 11 servers .* asks for 10"),
    (lambda one: one["servers"][1].update(name=one["servers"][0]["name"]), "burst-0 2 times"),
    (lambda one: one["servers"][1].update(id=one["servers"][0]["id"]), "id-0 2 times"),
    (lambda one: one["servers"][0].update(api_site="site-9"), "is site-9, but the cell has 2"),
    (lambda one: one["servers"][0].update(ended=None), "ended is null, but the cell is ok"),
    (lambda one: one["servers"][0].update(ended=5e9), "is not of this cell"),
    (lambda one: one["servers"][0].update(accepted=1795369060.0 - 50), "not in their order"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BURST)
def test_a_burst_that_is_not_what_was_asked_is_refused(folders, tmp_path, change, message):
    with pytest.raises(ResultError, match=message):
        read_cell(changed(folders["burst"], tmp_path, "burst/site-2.json", change))


OTHERS = [
    ({"times": 11}, "cell.times is 10, but the tier laptop of keystone-2018 asks for 11"),
    ({"tier": "full"}, "cell.tier is 'laptop', but the tier full .* asks for 'full'"),
    ({"scenarios": (TWO[0],)}, r"cell\.scenarios is \[.*\], but .* asks for \['create-and-list"),
    ({"concurrency": 6}, "cell.concurrency is 5"),
    ({"rally_on": "database-node"}, "cell.rally_on is 'client-node'"),
]


@pytest.mark.parametrize(("settings", "message"), OTHERS)
def test_a_cell_of_other_settings_than_were_asked_for_is_refused(
    folders, tmp_path, settings, message
):
    asked = make_cell(scenarios=TWO)
    assert tidy([folders["light"]], tmp_path, [asked])
    with pytest.raises(ResultError, match=message):
        tidy([folders["light"]], tmp_path, [asked.model_copy(update=settings)])
    keystone = asked.keystone.model_copy(update={"threads": 3})
    with pytest.raises(ResultError, match=r"cell\.keystone\.threads is 10, but .* asks for 3"):
        tidy([folders["light"]], tmp_path, [asked.model_copy(update={"keystone": keystone})])


def test_a_redis_all_that_had_neutron_on_mariadb_is_none_of_today(tmp_path):
    asked = next(one for one in load_cells(STUDY, "full") if one.variant == "redis-all")
    before = asked.model_copy(update={"backends": asked.backends | {"neutron": "mariadb"}})
    with pytest.raises(ResultError, match=r"neutron is 'mariadb', but .* asks for 'rome-cluster'"):
        check_cell(tmp_path / "cell.json", before, asked)


def test_a_cell_that_older_software_wrote_with_the_same_parameters_is_taken(folders, tmp_path):
    """Keys that came later have their defaults in it."""

    def older(manifest):
        for key in ("variation", "database", "rally_on"):
            del manifest["cell"][key]
        manifest["environment"]["workbench"] = "0.0.9"

    raw = changed(folders["light"], tmp_path / "raw", "cell.json", older)
    tidy([raw], tmp_path / "tidy", [make_cell(scenarios=TWO)])


def test_the_command_refuses_cells_of_another_tier(tmp_path):
    asked = load_cells(STUDY.parent / "keystone-2018", "laptop")[0]
    write_cell(tmp_path / "raw", asked.model_copy(update={"times": asked.times + 1}))
    arguments = [
        "tidy",
        "--raw",
        str(tmp_path / "raw"),
        "--out",
        str(tmp_path / "tidy"),
        "--partial",
    ]
    found = CliRunner().invoke(app, arguments)
    assert isinstance(found.exception, ResultError)
    assert found.exception.exit_code == 7
    assert re.search(
        rf"cell\.times is {asked.times + 1}, but the tier laptop", str(found.exception)
    )
    assert not (tmp_path / "tidy").exists()


def swapped(table):
    return table.rename(columns={"cpu_s": "memory_bytes", "memory_bytes": "cpu_s"})


def of_another_second(table):
    return table.assign(time=table["time"].where(table.index > 0, BEGAN - 6.0))


def backwards(column):
    def change(table):
        return table.assign(**{column: table.groupby("node")[column].transform(reverse)})

    return change


def reverse(values):
    return values.to_numpy()[::-1]


@pytest.mark.parametrize(
    ("which", "name", "change", "message"),
    [
        ("light", "system.parquet", swapped, r"site-1-control used [\d,]+ s of 2 cores in"),
        ("burst", "units.parquet", swapped, r"site-1-\w+ discovery-nova-api had 2 bytes of mem"),
        (
            "light",
            "system.parquet",
            lambda table: table.assign(memory_bytes=10**11),
            r"site-1-control had 100,000,000,000 bytes .* from 1,048,576 to 25,165,824,000 can be",
        ),
        (
            "light",
            "system.parquet",
            lambda table: table[table["node"] != "site-3-client"],
            "has samples of 5 of the 6 nodes of the cell, and none of site-3-client",
        ),
        (
            "light",
            "counters.parquet",
            lambda table: table.assign(node="site-1-master"),
            "has samples of the node site-1-master, which is none of the 6 nodes",
        ),
        ("light", "system.parquet", of_another_second, "column time on site-1-control: .* not of"),
        ("light", "system.parquet", backwards("cpu_s"), r"site-1-control has a cpu_s that falls"),
        ("light", "system.parquet", backwards("tx_bytes"), "has a tx_bytes that falls"),
        ("light", "counters.parquet", lambda table: table.assign(value=-table["value"]), "a value"),
    ],
)
def test_what_no_node_can_have_used_is_refused(folders, tmp_path, which, name, change, message):
    table = change(pd.read_parquet(folders[which] / name))
    content = table.to_parquet(index=False)
    with pytest.raises(ResultError, match=rf"{re.escape(name)}: .*{message}"):
        read_cell(write(folders[which], tmp_path, name, content))


def test_of_other_machines_less_is_known(folders, tmp_path):
    def elsewhere(manifest):
        manifest["environment"]["provider"] = "static"

    folder = changed(folders["light"], tmp_path / "there", "cell.json", elsewhere)
    table = pd.read_parquet(folder / "system.parquet")
    late = of_another_second(table.assign(memory_bytes=10**11)).to_parquet(index=False)
    assert len(read_cell(write(folder, tmp_path / "late", "system.parquet", late)).system)
    with pytest.raises(ResultError, match=r"used [\d,]+ s of 1024 cores in"):
        content = swapped(table).to_parquet(index=False)
        read_cell(write(folder, tmp_path / "swapped", "system.parquet", content))


def test_a_counter_may_fall_now_and_then(folders, tmp_path):
    table = pd.read_parquet(folders["light"] / "system.parquet")
    rows = table.groupby("node").cumcount()
    content = table.assign(rx_bytes=table["rx_bytes"].where(rows % 20 > 0, 0))
    raw = write(folders["light"], tmp_path, "system.parquet", content.to_parquet(index=False))
    assert len(read_cell(raw).system) == len(table)
