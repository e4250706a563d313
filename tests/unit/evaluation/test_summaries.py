"""The report's small tables, on numbers that can be checked in the head."""

from pathlib import Path

import pandas as pd
import pytest

from discovery.claims.verdicts import Judged, Judgement, Part
from discovery.evaluation.claim_rows import claim_row
from discovery.evaluation.summaries import (
    PHASES,
    failures,
    phase_seconds,
    queries_per_iteration,
    wan_accuracy,
)


def test_wan_accuracy_leaves_out_what_was_not_shaped():
    wan = pd.DataFrame(
        [
            ("unshaped", 0.0, 9.0, 10, 9),
            ("shaped", 100.0, 100.5, 10, 0),
            ("after-load", 100.0, 99.0, 10, 1),
            ("shaped", 0.0, 0.2, 10, 0),
        ],
        columns=["when", "asked_rtt_ms", "measured_rtt_ms", "sent", "lost"],
    )
    table = wan_accuracy({"wan": wan}).set_index("asked_rtt_ms")
    assert table.loc[100.0].to_dict() == pytest.approx(
        {
            "measurements": 2,
            "median_rtt_ms": 99.75,
            "worst_error_ms": 1.0,
            "sent": 20,
            "lost": 1,
        }
    )
    assert table.loc[0.0, "worst_error_ms"] == pytest.approx(0.2)


def test_phases_are_medians_over_cells_that_succeeded():
    cells = pd.DataFrame({"cell": ["a", "b", "c", "d"], "status": ["ok", "ok", "ok", "failed"]})
    phases = pd.DataFrame(
        [
            ("galera", "a", "deploy", 4.0),
            ("galera", "b", "deploy", 6.0),
            ("galera", "c", "deploy", 2.0),
            ("galera", "c", "deploy", 3.0),  # in two pieces
            ("galera", "d", "deploy", 900.0),
            ("galera", "a", "deploy:database", 3.0),
        ],
        columns=["backend", "cell", "phase", "seconds"],
    )
    table = phase_seconds({"cells": cells, "phases": phases})
    assert table.to_dict() == {"deploy": {"galera": 5.0}}


def test_queries_are_means_in_the_order_of_the_registries():
    queries = pd.DataFrame(
        [
            ("create-and-list-users", "galera", 10.0),
            ("authenticate-user-and-validate-token", "galera", 11.0),
            ("authenticate-user-and-validate-token", "mariadb", 11.0),
            ("authenticate-user-and-validate-token", "mariadb", 13.0),
        ],
        columns=["scenario", "backend", "queries_per_iteration"],
    )
    table = queries_per_iteration({"queries": queries})
    assert list(table.columns) == ["mariadb", "galera"]
    assert list(table.index) == ["authenticate-user-and-validate-token", "create-and-list-users"]
    assert table.loc["authenticate-user-and-validate-token", "mariadb"] == 12.0


def test_failures_name_broken_cells_and_failed_iterations():
    cells = pd.DataFrame(
        {"cell": ["a", "b"], "status": ["ok", "failed"], "failure": [None, "warm-up: no token"]}
    )
    iterations = pd.DataFrame(
        {
            "cell": ["a"] * 4,
            "scenario": ["s"] * 4,
            "error": [None, "HTTP 500", "HTTP 500", "timeout"],
        }
    )
    found = failures({"cells": cells, "iterations": iterations}).to_dict("records")
    broken = {"scenario": "", "what": "", "n": 0, "failures": 0, "error": "warm-up: no token"}
    http = {"scenario": "s", "what": "iterations", "n": 4, "failures": 3, "error": "HTTP 500"}
    assert found == [{"cell": "b", **broken}, {"cell": "a", **http}]


def test_failures_name_the_servers_of_a_burst_that_failed():
    cells = pd.DataFrame({"cell": ["a"], "status": ["ok"], "failure": [None]})
    none = pd.DataFrame(columns=["cell", "scenario", "error"])
    servers = pd.DataFrame({"cell": ["a"] * 3, "error": [None, "unfinished", None]})
    found = failures({"cells": cells, "iterations": none, "servers": servers}).to_dict("records")
    burst = {"scenario": "burst", "what": "servers", "n": 3, "failures": 1, "error": "unfinished"}
    assert found == [{"cell": "a", **burst}]


def test_every_phase_of_a_cell_is_in_the_table():
    """Those of a burst, too: the paper's figure has them, and the table is beside it."""
    archived = Path("experiments").glob("*/archive/*/phases.parquet")
    names = {name for path in archived for name in pd.read_parquet(path)["phase"]}
    assert {"load", "boot"} <= names
    assert {name for name in names if ":" not in name} <= set(PHASES)


def judgement(*parts, verdict):
    return Judgement(
        id="C1",
        title="t",
        statement="s",
        source="f",
        origin="published",
        verdict=verdict,
        why="because",
        n=1,
        failures=0,
        parts=parts,
    )


def part(label, verdict, effect):
    judged = Judged(
        label="a / b",
        unit="×",
        effect=effect,
        low=effect - 0.1,
        high=effect + 0.1,
        bound_low=None,
        bound_high=1.5,
        published=2.0,
        verdict=verdict,
    )
    return Part(label=label, verdict=verdict, why="w", effects=(judged,))


def test_a_row_shows_the_part_that_decided():
    row = claim_row(
        judgement(
            part("x", "supported", 1.0), part("y", "contradicted", 2.0), verdict="contradicted"
        )
    )
    assert (row.part, row.parts) == ("y", "1 of 2")
    assert (row.asked, row.published, row.measured) == ("≤ 1.5", "2×", "2×")
    assert row.interval == "[1.9, 2.1]"


def test_a_row_of_what_was_not_run_has_only_its_reason():
    row = claim_row(judgement(verdict="not run"))
    assert (row.effect, row.asked, row.measured) == ("", "", "–")
