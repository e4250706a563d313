"""Raw results of Nova → tables: what a row says, and what is missing rather than invented."""

import math

import numpy as np
import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pytest

from discovery.results import nova
from discovery.results.nova_raw import CALLS_COLUMNS, TRAFFIC_COLUMNS, Burst
from discovery.results.schema import NOVA_COLUMNS
from discovery.results.system import units_table


def valid(name, table):
    """``table`` with its columns' types, as its schema wants it."""
    columns = NOVA_COLUMNS[name]
    types = {
        key: "str" if str(column.dtype).startswith("str") else str(column.dtype)
        for key, column in columns.items()
    }
    schema = pa.DataFrameSchema(columns, name=name, strict=True, ordered=True)
    return schema.validate(table.astype(types))


def call(**changes):
    given = {
        "node": "site-2-control", "site": "site-2", "process": "nova-conductor", "pid": 7,
        "start": 1000.0, "duration_s": 0.25, "statements": 2, "round_trips": 5, "connections": 0,
        "db_errors": 0, "database": "nova_cell1", "error": "",
        "function": "db.main.api.instance_get", **changes,
    }  # fmt: skip
    assert set(given) == set(CALLS_COLUMNS)
    return given


def test_a_call_without_error_or_database_has_none():
    raw = pd.DataFrame([call(), call(error="DBDeadlock"), call(database="", statements=0)])
    table = valid("calls", nova.calls_table(raw))
    assert table["error"].isna().tolist() == [True, False, True]
    assert table["database"].isna().tolist() == [False, False, True]
    assert table["duration_s"].tolist() == [0.25] * 3


def test_a_call_that_found_nothing_was_answered():
    raw = pd.DataFrame([call(error="InstanceGroupNotFound"), call(error="NotFoundError")])
    table = valid("calls", nova.calls_table(raw))
    assert table["error"].isna().tolist() == [True, False]
    nothing = nova.calls_table(raw.iloc[:0])
    assert nothing["error"].tolist() == []


def test_calls_of_a_window_are_those_that_began_in_it():
    raw = pd.DataFrame([call(start=start) for start in (999.9, 1000.0, 1005.0, 1010.1)])
    assert nova.calls_table(raw, (1000.0, 1010.0))["start"].tolist() == [1000.0, 1005.0]
    assert len(nova.calls_table(raw)) == 4


@pytest.mark.parametrize(
    "name",
    [
        "objects.flavor._flavor_get_all_from_db",
        "objects.block_device.B.f.<locals>.get_bdms_no_uuid",
    ],
)
def test_names_of_functions_of_every_kind_are_valid(name):
    valid("calls", nova.calls_table(pd.DataFrame([call(function=name)])))


def server(number, **changes):
    return {
        "name": f"burst-site-2-{number:04d}", "api_site": f"site-{number % 3 + 1}", "zone": None,
        "id": f"id-{number}", "request_start": 100.0, "accepted": 101.0, "ended": 110.0 + number,
        "failure": None, "fault": None, "host": "site-3-compute", "node": "site-3-compute-node-001",
        "delete_start": 200.0, "delete_accepted": 201.0, "gone": 205.0, "delete_failure": None,
        "boot_tries": 1, "delete_tries": 1, "missed": 0, **changes,
    }  # fmt: skip


NOTHING = dict.fromkeys(
    ("id", "accepted", "host", "node", "delete_start", "delete_accepted", "gone")
)


def bursts(*servers, site="site-2"):
    poll = {"time": 1.0, "seconds": 0.1, "listed": 3, "error": None}
    record = {
        "schema_version": 1, "config": {"servers": len(servers)}, "project": "p1",
        "servers": servers, "polls": {"boot": [poll], "delete": []},
    }  # fmt: skip
    return {site: Burst.model_validate(record)}


def test_a_server_is_active_or_has_an_error():
    found = bursts(
        server(0),
        server(1, failure="error", fault="No valid host was found.", host=None),
        server(2, failure="http-403", fault="Quota", boot_tries=3, **NOTHING),
    )
    table = valid("servers", nova.servers_table(found))
    assert table["active_at"].tolist()[0] == 110.0
    assert table["active_at"].isna().tolist() == [False, True, True]
    assert table["error"].tolist()[1:] == ["error", "http-403"]
    assert table["asked_on"].tolist() == ["site-1", "site-2", "site-3"]
    assert table["host_site"].tolist()[0] == "site-3"
    assert table["host_site"].isna().tolist() == [False, True, True]
    assert table["tries"].tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    ("host", "site"),
    [("site-12-compute", "site-12"), ("site-1", "site-1"), ("elsewhere", None), ("site-1x", None)],
)
def test_a_hosts_site_is_the_beginning_of_its_name(host, site):
    (found,) = nova.servers_table(bursts(server(0, host=host)))["host_site"]
    assert found == site


def test_the_window_is_from_the_first_request_to_the_last_end():
    found = {
        **bursts(server(0, request_start=99.0), site="site-1"),
        **bursts(server(5), server(6, ended=None, request_start=None), site="site-2"),
    }
    assert nova.burst_window(found) == (99.0, 115.0)
    assert nova.burst_window(bursts()) is None


def test_a_server_that_was_given_up_does_not_hold_the_window_open():
    late = server(1, request_start=100.0, ended=700.0, failure="unfinished")
    assert nova.burst_window(bursts(server(0, request_start=99.0, ended=115.0), late)) == (
        99.0,
        115.0,
    )
    assert nova.burst_window(bursts(late)) == (100.0, 700.0)


def test_a_burst_with_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="surprise"):
        bursts(server(0, surprise=1))


def told(node, peer, time, rx, tx, **changes):
    def role(alias):
        return alias.split("-")[2]

    row = {
        "node": node, "site": node[:6], "role": role(node), "peer": peer, "peer_site": peer[:6],
        "peer_role": role(peer), "time": float(time), "counter": "nftables", "rx_bytes": rx,
        "tx_bytes": tx, "rx_packets": rx // 1000, "tx_packets": tx // 1000, "missed": None,
        **changes,
    }  # fmt: skip
    assert set(row) == set(TRAFFIC_COLUMNS)
    return row


def test_a_units_use_is_told_each_second():
    raw = pd.DataFrame(
        {"node": "site-1-control", "site": "site-1", "role": "control", "time": float(second),
         "unit": unit, "cpu_s": busy * second, "memory_bytes": 50_000_000}
        for unit, busy in (("discovery-nova-api", 0.5), ("discovery-redis", 0.25))
        for second in range(100, 104)
    )  # fmt: skip
    table = valid("units", units_table(raw))
    cores = table.groupby("unit")["cpu_cores"].agg(list)
    assert cores["discovery-nova-api"] == pytest.approx([0.5] * 3)
    assert cores["discovery-redis"] == pytest.approx([0.25] * 3)
    assert set(table["memory_mb"]) == {50.0}
    assert units_table(raw.iloc[:0]).empty


A, B = "site-1-control", "site-2-database"


def traffic(*rows, window=(10.0, 20.0)):
    table = valid("traffic", nova.traffic_table(pd.DataFrame(rows), window))
    assert not table.duplicated(["source_node", "destination_node"]).any()
    return table.set_index(["source_node", "destination_node"])


def test_a_pair_is_counted_by_its_sender_within_the_window():
    table = traffic(
        told(A, B, 0, 0, 0), told(A, B, 9, 1_000, 5_000_000), told(A, B, 15, 0 + 2_000, 9_000_000),
        told(A, B, 25, 3_000, 50_000_000),
        told(B, A, 0, 0, 0), told(B, A, 15, 9_000_123, 1_000_000),
    )  # fmt: skip
    assert table.loc[(A, B), "mb"] == pytest.approx(4.0)
    assert table.loc[(A, B), "packets"] == 4000
    assert table.loc[(B, A), "mb"] == pytest.approx(1.0)
    assert table.loc[(A, B), ["source", "destination"]].tolist() == ["control", "database"]
    assert table.loc[(A, B), ["source_site", "destination_site"]].tolist() == ["site-1", "site-2"]


def test_quiet_before_a_burst_is_quiet():
    table = traffic(told(A, B, 0, 0, 0), told(A, B, 21, 0, 100_000_000))
    assert table.loc[(A, B), "mb"] == 0.0


def test_where_the_sender_cannot_say_the_receiver_does():
    rows = [told(A, B, 0, 0, 0), told(A, B, 15, 0, 100), told(A, B, 16, 0, 50)]  # it was restarted
    assert math.isnan(traffic(*rows).loc[(A, B), "mb"])
    other = [told(B, A, 0, 0, 0), told(B, A, 15, 7_000_000, 0)]
    table = traffic(*rows, *other)
    assert table.loc[(A, B), "mb"] == pytest.approx(7.0)
    assert table.loc[(B, A), "mb"] == 0.0


def test_a_counter_that_could_not_keep_up_says_nothing():
    missed = {
        **dict.fromkeys(TRAFFIC_COLUMNS), "node": A, "site": "site-1", "role": "control",
        "time": 12.0, "counter": "packets", "missed": 3,
    }  # fmt: skip
    table = traffic(told(A, B, 0, 0, 0), told(A, B, 15, 10, 1_000_000), missed)
    assert table["mb"].isna().all()


def test_a_table_with_a_kind_of_failure_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="failure"):
        bursts(server(0, failure="bad luck"))
    table = nova.servers_table(bursts(server(0, failure="error"))).assign(error="bad luck")
    with pytest.raises(pandera.errors.SchemaError):
        valid("servers", table)


def test_nothing_told_is_nan_and_not_none():
    table = nova.servers_table(bursts(server(0), server(1, failure="error")))
    assert np.isnan(valid("servers", table)["active_at"].iloc[1])
