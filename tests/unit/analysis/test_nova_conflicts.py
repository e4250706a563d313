"""Conflicts are counted where they are met, and not where nobody counts."""

from discovery.analysis.nova_conflicts import conflicts, conflicts_table
from discovery.results.tables import read_tables
from tests.unit.claims.nova_tables import cell, tables, write


def test_conflicts_are_summed_over_repetitions(tmp_path):
    cells = [
        (cell("vanilla", repetition=1), {"calls": [0.1] * 4}),
        (cell("vanilla", repetition=2), {"calls": [0.1] * 2}),
        (cell("redis-nova"), {"calls": [0.1]}),
    ]
    read = read_tables(write(tables(cells), tmp_path))
    calls, servers = read["calls"], read["servers"]
    calls["db_errors"] = 0
    calls.loc[0, ["db_errors", "error"]] = [2, "DBDeadlock"]
    calls.loc[1, "error"] = "QuotaError"
    servers["tries"] = 1
    servers.loc[3, "tries"] = 4
    names = [levels["cell"] for levels, _ in cells]
    counted = read["counted"].reindex(range(3))
    counted = counted.assign(
        cell=[names[0], names[1], names[2]],
        counter=["conflicts", "conflicts", "queries"],
        value=[3.0, 4.0, 9.0],
    )
    found = conflicts({**read, "counted": counted}).set_index("variant")
    columns = ["calls", "met", "failed", "asked", "retried", "at_servers"]
    assert found.loc["vanilla", columns].tolist() == [6, 2, 1, 20, 3, 7]
    shown, _ = conflicts_table(found.reset_index())
    assert shown.set_index("variant")["at servers"].to_dict() == {
        "vanilla": "7",
        "redis-nova": "not counted",
    }
