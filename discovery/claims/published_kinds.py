"""The kinds of files of a study's own numbers: their columns, and what may stand in each.

The columns are described in the studies' ``README.md``.
"""

from __future__ import annotations

from collections.abc import Iterable

from discovery.claims.published_files import Row, Table, number, one_of, text
from discovery.deploy.backends import BACKENDS
from discovery.results.derived import DERIVED
from discovery.results.schema import NOVA_SCHEMAS, SCHEMAS
from discovery.workload.scenarios import SCENARIOS

# Its CockroachDB moved leases to where requests came from, as all versions did by default then.
PLACEMENTS = {
    "Z1-Z2-Z3": "follow-the-workload",
    "Z1-Z1-Z3": "two-of-three",
    "Z1-Z1-Z1": "one-zone",
}
"""Where the study on Keystone put replicas, and the placement of ours that is."""

_A_DAY_S = 86_400
_BOUND = one_of(["exact", "about", "at most", "none"])
_PROVENANCE = one_of(["verbatim", "digitised", "inferred"])
_SCENARIO = one_of(list(SCENARIOS))
_SHARE = number(0, 1)
_SPREAD = {"spread": ("share",)}
"""A table of the figures alone, on which no claim is judged."""


def _bar_fits(row: Row, value: str, error: str) -> tuple[str, str] | None:
    """A value there is, unless its bound is ``none``; one that was read off has its error.

    A bar has its printed deviation, if the table has any.
    """
    if row["bound"] == "none" and row[value] is not None:
        return "bound", "exact, about or at most where there is a value"
    if row["bound"] != "none" and row[value] is None:
        return value, "a number, or the bound none"
    if row["provenance"] == "digitised" and not row[error]:
        return error, "a number > 0 where the value is digitised"
    if "sigma_s" in row and (row["sigma_s"] is None) != (row[value] is None):
        return "sigma_s", "a number where there is a value, else nothing"
    return None


def _counts_fit(row: Row) -> tuple[str, str] | None:
    """The printed percentages are those of the printed counts, to their two decimals."""
    counts = {way: float(row[way] or 0) for way in ("reads", "writes")}
    for way, count in counts.items():
        share = 100 * count / sum(counts.values())
        if abs(float(row[f"{way}_percent"] or 0) - share) > 0.0101:
            return f"{way}_percent", f"{share:.2f}, by the counts"
    return None


COMPLETION_TIME = Table(
    {
        "figure": number(1, 999, whole=True),
        "scenario": _SCENARIO,
        "backend": one_of(list(BACKENDS)),
        "sites": number(1, 999, whole=True),
        "one_way_delay_ms": number(0, 10_000),
        "load": one_of(["light", "high"]),
        "total_s": number(0, _A_DAY_S, above=True, empty=True),
        "reading_error_s": number(0, _A_DAY_S, empty=True),
        "bound": _BOUND,
        "sigma_s": number(0, _A_DAY_S, empty=True),
        "failure_share": _SHARE,
        "provenance": _PROVENANCE,
    },
    ("figure", "scenario", "backend", "sites", "one_way_delay_ms", "load"),
    lambda row: _bar_fits(row, "total_s", "reading_error_s"),
)
"""Completion times (s), a row per bar."""

ZONES = Table(
    {
        "figure": text(),
        "scenario": _SCENARIO,
        "backend": one_of(list(BACKENDS)),
        "zones": one_of(list(PLACEMENTS)),
        "median_s": number(0, _A_DAY_S, above=True, empty=True),
        "reading_error_s": number(0, _A_DAY_S, empty=True),
        "bound": _BOUND,
        "sigma_s": number(0, _A_DAY_S, empty=True),
        "failure_share": _SHARE,
        "provenance": _PROVENANCE,
    },
    ("figure", "scenario", "backend", "zones"),
    lambda row: _bar_fits(row, "median_s", "reading_error_s"),
)
"""Medians (s) of the figure on replication zones, a row per bar."""

READ_WRITE = Table(
    {
        "scenario": text("[a-z]+(-[a-z]+)*", "the name of a scenario"),
        "times": number(1, 1e6, whole=True, empty=True),
        "concurrency": number(1, 1e6, whole=True, empty=True),
        "reads": number(1, 1e12, whole=True),
        "writes": number(1, 1e12, whole=True),
        "reads_percent": number(0, 100),
        "writes_percent": number(0, 100),
        "provenance": _PROVENANCE,
    },
    ("scenario",),
    _counts_fit,
)
"""Counts of database reads and writes, a row per scenario."""

KEYSTONE_FILES = {
    "completion-time.csv": COMPLETION_TIME,
    "zones.csv": ZONES,
    "read-write.csv": READ_WRITE,
}
"""The files of a study of Keystone, each of which it has."""

SENTENCES = Table(
    {
        "where": text(),
        "quantity": text(),
        "value": number(0, 1e12),
        "unit": text(empty=True),
        "provenance": _PROVENANCE,
        "recomputed": number(0, 1e12, empty=True),
        "from": text(empty=True),
    },
    ("where", "quantity"),
)
"""What a study says in its text, a row per number; nothing is judged by it."""


def values(variants: Iterable[str]) -> Table:
    """Values of many tables, a row each: those of the study of a service that has ``variants``."""
    columns = {name: tuple(schema.columns) for name, schema in {**SCHEMAS, **NOVA_SCHEMAS}.items()}
    columns |= {name: derived.columns for name, derived in DERIVED.items()} | _SPREAD

    def wrong(row: Row) -> tuple[str, str] | None:
        known = columns[str(row["table"])]
        if row["column"] not in known:
            return "column", "one of " + ", ".join(known)
        return _bar_fits(row, "value", "reading_error")

    return Table(
        {
            "figure": text(),
            "table": one_of(list(columns)),
            "column": text("[a-z_]+", "the name of a column"),
            "statistic": text("mean|median|p[1-9][0-9]?", "mean, median, or p1 to p99"),
            "variant": one_of(list(variants)),
            "sites": number(1, 99, whole=True),
            "delay_ms": number(0, 10_000, empty=True),
            "zones": one_of(["flat", "per-site"]),
            "source": text(empty=True),
            "destination": text(empty=True),
            "value": number(0, 1e9, above=True, empty=True),
            "unit": one_of(["ms", "s", "MB"], empty=True),
            "reading_error": number(0, 1e9, empty=True),
            "bound": _BOUND,
            "provenance": _PROVENANCE,
        },
        (
            "figure",
            "table",
            "column",
            "statistic",
            "variant",
            "sites",
            "delay_ms",
            "zones",
            "source",
            "destination",
        ),
        wrong,
    )
