"""Tidy tables for the analysis: a small study with everything that can go wrong in one."""

import pytest

from discovery.analysis.summary import summarise
from discovery.results.raw import read_cell
from discovery.results.tidy import tidy_tables
from tests.raw.cells import write_study

TWO = ["authenticate-user-and-validate-token", "get-entities"]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """3 back ends × 3 delays × 2 loads × 2 scenarios; one cell failed, and iterations in others."""
    folders = write_study(
        tmp_path_factory.mktemp("raw"), scenarios=TWO, broken=["galera-s3-d150-high-r1"]
    )
    return tidy_tables(read_cell(folder) for folder in folders)


def only(tables, **levels):
    """The tables without the cells that have another level of a factor."""
    kept = {}
    for name, table in tables.items():
        chosen = table
        for factor, level in levels.items():
            chosen = chosen[chosen[factor] == level]
        kept[name] = chosen.reset_index(drop=True)
    return kept


def failed(tables):
    """The tables as they would be had every cell failed before its first iteration."""
    cells = tables["cells"].assign(
        status="failed", failure_class="measured", failure="warm-up: no token"
    )
    empty = {name: tables[name].iloc[:0] for name in ("iterations", "actions", "queries")}
    return {**tables, **empty, "cells": cells}


GAPS = {
    "whole": lambda tables: tables,
    "one load": lambda tables: only(tables, load="light"),
    "one delay": lambda tables: only(tables, delay="0"),
    "one back end": lambda tables: only(tables, backend="galera"),
    "one scenario": lambda tables: {
        **tables,
        "cells": tables["cells"].assign(scenarios=TWO[0]),
        **{
            name: tables[name][tables[name]["scenario"] == TWO[0]]
            for name in ("iterations", "actions", "queries")
        },
    },
    "a failed cell alone": lambda tables: only(tables, cell="galera-s3-d150-high-r1"),
    "all failed": failed,
    "no wan": lambda tables: {**tables, "wan": tables["wan"].iloc[:0]},
    "no counters": lambda tables: {
        **tables,
        "queries": tables["queries"].assign(
            queries=float("nan"),
            queries_per_iteration=float("nan"),
            commits_per_iteration=float("nan"),
        ),
    },
    "no system": lambda tables: {**tables, "system": tables["system"].iloc[:0]},
}


@pytest.fixture(scope="session", params=GAPS)
def gappy(request, study):
    """The study, whole and with each kind of hole in it; and its summary."""
    tables = GAPS[request.param](study)
    return tables, summarise(tables)


@pytest.fixture(scope="session")
def summary(study):
    """The whole study's summary."""
    return summarise(study)
