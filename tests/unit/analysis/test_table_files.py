"""Tables and numbers for the paper: valid LaTeX, whole files, no number that is not known."""

import json
import re

import pandas as pd

from discovery.analysis.model import fit, queries_per_iteration, slopes_and_counts
from discovery.analysis.numbers import (
    completion_numbers,
    resource_numbers,
    round_trip_numbers,
    testbed_numbers,
    write_numbers,
)
from discovery.analysis.summary import conditions
from discovery.analysis.tables import (
    completion_table,
    phase_table,
    resource_table,
    round_trip_table,
    wan_table,
    write_table,
)

testbed_numbers.__test__ = False  # it is no test, whatever its name says


def joined(tables):
    return slopes_and_counts(fit(tables), queries_per_iteration(tables))


def tables_of(tables, summary):
    for sites, load in conditions(tables):
        yield completion_table(summary, sites=sites, load=load)
        yield round_trip_table(joined(tables), sites=sites, load=load)
    yield wan_table(tables)
    yield phase_table(tables)
    yield resource_table(tables, sites=3)


def numbers_of(tables, summary):
    yield completion_numbers(tables, summary)
    yield round_trip_numbers(joined(tables))
    yield resource_numbers(tables)
    yield testbed_numbers(tables)


def test_every_table_is_written_with_any_hole_in_the_data(gappy, tmp_path):
    for number, (shown, computed) in enumerate(tables_of(*gappy)):
        write_table(tmp_path, f"table-{number}", shown, computed)
        latex = (tmp_path / "tables" / f"table-{number}.tex").read_text()
        assert latex.startswith(r"\begin{tabular}")
        assert r"\toprule" in latex
        assert r"\bottomrule" in latex
        assert not re.search(r"(?<!\\)[_%#$]", latex)
        assert "nan" not in latex
        assert len(pd.read_csv(tmp_path / "tables" / f"table-{number}.csv")) == len(computed)


def test_every_number_is_known_and_has_a_name_a_macro_can_have(gappy, tmp_path):
    for number, numbers in enumerate(numbers_of(*gappy)):
        write_numbers(tmp_path, f"numbers-{number}", numbers)
        read = json.loads((tmp_path / "tables" / f"numbers-{number}.json").read_text())
        assert read == numbers
        for name, entry in read.items():
            assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name)
            assert set(entry) == {"value", "unit", "n", "low", "high"}
            if entry["low"] is not None and entry["high"] is not None:
                assert entry["low"] <= entry["value"] <= entry["high"]


def test_the_table_says_what_failed(summary):
    shown, _ = completion_table(summary, sites=3, load="high")
    assert "cell failed" in set(shown["Galera (s)"])
    assert shown["MariaDB (s)"].str.contains("/30 failed").any()


def test_headline_numbers_are_those_of_the_tables(study, summary):
    numbers = completion_numbers(study, summary)
    assert numbers["cells"]["value"] == len(study["cells"])
    assert numbers["cells-failed"]["value"] == 1
    assert numbers["iterations-failed"]["value"] == study["iterations"]["error"].notna().sum()
    slow = numbers["slowdown-s3-light-get-entities-mariadb-d150"]
    far = numbers["mean-s3-light-get-entities-mariadb-d150"]["value"]
    near = numbers["mean-s3-light-get-entities-mariadb-d0"]["value"]
    assert slow["value"] == far / near
    assert slow["unit"] == "×"


def test_a_cell_of_a_table_is_no_command(tmp_path):
    shown = pd.DataFrame(
        {"what_is": [r"\write18{id} 100 %", "a\n\nb\x1b"], "n": [1.0, float("nan")]}
    )
    write_table(tmp_path, "hostile", shown, shown)
    latex = (tmp_path / "tables" / "hostile.tex").read_text()
    assert r"what\_is & n \\" in latex
    assert r"\textbackslash{}write18\{id\} 100 \% & 1.00 \\" in latex
    assert r"a b? & -- \\" in latex
