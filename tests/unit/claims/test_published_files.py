"""A study's own numbers: what is wrong with a file is told with its line, and nothing vanishes."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from discovery.claims.placements import study_numbers
from discovery.claims.published import read_published, read_reads, read_zones
from discovery.claims.published_values import check_published, read_values
from discovery.errors import ConfigError
from discovery.evaluation.check import check_everything

EXPERIMENTS = Path("experiments")
TIMES, ZONES, READS = "completion-time.csv", "zones.csv", "read-write.csv"


@pytest.fixture
def study(tmp_path):
    """The study on Keystone, without its archive."""
    for name in ("keystone-2018", "nova-2017"):
        (tmp_path / name).mkdir()
        for file in ("experiment.yaml", "claims.yaml"):
            shutil.copy(EXPERIMENTS / name / file, tmp_path / name)
        shutil.copytree(EXPERIMENTS / name / "published", tmp_path / name / "published")
    return tmp_path / "keystone-2018"


def rewrite(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def lines(change):
    return lambda text: "".join(change(text.splitlines(keepends=True)))


def cell(line, column, value):
    """A change of one cell; ``line`` counts from 1, the header."""

    def change(found):
        header = found[0].rstrip("\n").split(",")
        cells = found[line - 1].rstrip("\n").split(",")
        cells[header.index(column)] = value
        return [*found[: line - 1], ",".join(cells) + "\n", *found[line:]]

    return lines(change)


WRONG = {
    # Of a cell: the line, the column, what stands there and what may.
    "text for a time": (
        TIMES,
        cell(5, "total_s", "fast"),
        "line 5, total_s = 'fast'; allowed: a number > 0",
    ),
    "a negative time": (TIMES, cell(5, "total_s", "-0.1"), "line 5, total_s = '-0.1'"),
    "no time at all": (TIMES, cell(5, "total_s", "0"), "line 5, total_s = '0'"),
    "a time of a year": (TIMES, cell(5, "total_s", "31536000"), "and ≤ 86400"),
    "not a number": (TIMES, cell(5, "total_s", "nan"), "line 5, total_s = 'nan'"),
    "infinity": (TIMES, cell(5, "total_s", "inf"), "line 5, total_s = 'inf'"),
    "a decimal comma": (TIMES, cell(5, "total_s", '"0,1"'), "line 5, total_s = '0,1'"),
    "a space": (TIMES, cell(5, "total_s", " 0.1"), "line 5, total_s = ' 0.1'"),
    "a time away": (TIMES, cell(5, "total_s", ""), "line 5, total_s = '': does not fit"),
    "a negative error": (TIMES, cell(5, "reading_error_s", "-1"), "line 5, reading_error_s = '-1'"),
    "no error": (TIMES, cell(5, "reading_error_s", ""), "line 5, reading_error_s = ''"),
    "another bound": (
        TIMES,
        cell(5, "bound", "exactly"),
        "line 5, bound = 'exactly'; allowed: one of exact, about, at most, none",
    ),
    "no deviation": (TIMES, cell(5, "sigma_s", ""), "line 5, sigma_s = '': does not fit the rest"),
    "no bound": (TIMES, cell(5, "bound", "none"), "line 5, bound = 'none': does not fit the rest"),
    "a share above 1": (TIMES, cell(5, "failure_share", "1.5"), "line 5, failure_share = '1.5'"),
    "no share": (TIMES, cell(5, "failure_share", ""), "line 5, failure_share: is empty; allowed:"),
    "another origin": (TIMES, cell(5, "provenance", "guessed"), "line 5, provenance = 'guessed'"),
    "another back end": (
        TIMES,
        cell(5, "backend", "mysql"),
        "line 5, backend = 'mysql'; allowed: one of",
    ),
    "a back end of ours": (
        TIMES,
        cell(5, "backend", "rome"),
        "line 5, backend = 'rome': is none of the study's; allowed: mariadb, galera, cockroachdb",
    ),
    "another scenario": (TIMES, cell(5, "scenario", "sleep"), "line 5, scenario = 'sleep'"),
    "another delay": (
        TIMES,
        cell(5, "one_way_delay_ms", "75.0"),
        "line 5, one_way_delay_ms = '75': is none of the study's; allowed: 0, 50, 150",
    ),
    "other sites": (TIMES, cell(5, "sites", "7"), "line 5, sites = '7': is none of the study's"),
    "half a site": (
        TIMES,
        cell(5, "sites", "4.5"),
        "line 5, sites = '4.5'; allowed: a whole number",
    ),
    "another load": (
        TIMES,
        cell(5, "load", "heavy"),
        "line 5, load = 'heavy'; allowed: one of light, high",
    ),
    "another figure": (TIMES, cell(5, "figure", "20"), "line 5, figure = '20'"),
    "levels of no figure": (
        TIMES,
        cell(5, "one_way_delay_ms", "50.0"),
        "line 5 is none of the 210 rows that tables.yaml declares: figure 19, scenario authe",
    ),
    "another zone": (
        ZONES,
        cell(6, "zones", "Z3-Z3-Z3"),
        "line 6, zones = 'Z3-Z3-Z3'; allowed: one of Z1",
    ),
    "a negative median": (ZONES, cell(6, "median_s", "-1"), "line 6, median_s = '-1'"),
    "counts that do not fit": (
        READS,
        cell(2, "reads", "133"),
        "line 2, reads_percent = '96.46': does not fit the rest of its line; allowed: 21.38",
    ),
    "another percentage": (
        READS,
        cell(2, "reads_percent", "46.96"),
        "allowed: 96.46, by the counts",
    ),
    # Of rows: what is missing, doubled or cut.
    "half a file": (
        TIMES,
        lines(lambda found: found[:106]),
        "has 105 of the 210 rows that tables.yaml declares; the first that is missing: figure 21,",
    ),
    "a header alone": (TIMES, lines(lambda found: found[:1]), "has 0 of the 210 rows"),
    "a row away": (ZONES, lines(lambda found: found[:-1]), "has 62 of the 63 rows"),
    "a scenario away": (READS, lines(lambda found: found[:-1]), "has 7 of the 8 rows"),
    "a row twice": (TIMES, lines(lambda found: [*found, found[7]]), "line 212 is line 8 again"),
    "every row twice": (TIMES, lines(lambda found: found + found[1:]), "line 212 is line 2 again"),
    "a cell less": (
        TIMES,
        lines(lambda found: [*found[:5], found[5].replace(",light", ""), *found[6:]]),
        "line 6 has 11 cells, and the header has 12",
    ),
    "an empty line": (
        TIMES,
        lines(lambda found: [*found[:5], "\n", *found[5:]]),
        "line 6 has 0 cells, and the header has 12",
    ),
    # Of the file.
    "a column away": (TIMES, lambda text: text.replace("total_s", "total"), "total_s: this column"),
    "another column": (
        TIMES,
        lines(lambda found: [line.rstrip("\n") + ",x\n" for line in found]),
        "the column 'x' is no column of it",
    ),
    "a column twice": (
        TIMES,
        lambda text: text.replace("figure,", "figure,figure,", 1),
        "the column 'figure' stands twice",
    ),
    "semicolons": (
        TIMES,
        lambda text: text.replace(",", ";"),
        "figure: this column is missing (its header has ';' where a comma separates)",
    ),
    "nothing": (TIMES, lambda text: "", "is empty; allowed: a table in CSV with a header"),
    "an open quote": (TIMES, lambda text: text + '"19', "is not CSV: unexpected end of data"),
    "no CSV": (TIMES, lambda text: "just words\n", "figure: this column is missing"),
    "a long cell": (TIMES, cell(5, "backend", "x" * 200_000), "line 5 is not CSV: field larger"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence(study, what):
    name, change, told = WRONG[what]
    path = study / "published" / name
    rewrite(path, change)
    readers = {TIMES: read_published, ZONES: read_zones, READS: read_reads}
    for read in (readers[name], check_published):
        with pytest.raises(ConfigError) as caught:
            read(study)
        sentence = str(caught.value)
        assert sentence.startswith(f"{path}: ")
        assert told in sentence
        assert "\n" not in sentence
        assert len(sentence) < 700


BYTES = {
    "another encoding": (lambda content: content + b"\xff", "is not UTF-8"),
    "a NUL": (lambda content: content[:500] + b"\0" + content[500:], "line 5 has a NUL"),
    "a byte order mark": (lambda content: b"\xef\xbb\xbf" + content, "has a byte order mark"),
    "CR LF": (lambda content: content.replace(b"\n", b"\r\n"), "line 1 has a carriage return"),
    "UTF-16": (lambda content: content.decode().encode("utf-16"), "byte 1 is not UTF-8"),
    "an enormous file": (lambda content: content * 500, "has more than 5,000,000 bytes"),
}


@pytest.mark.parametrize("what", BYTES)
def test_what_is_no_text_is_one_sentence(study, what):
    change, told = BYTES[what]
    path = study / "published" / TIMES
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_published(study)


NOVA_WRONG = {
    "another variant": ("mono-site.csv", cell(2, "variant", "mysql"), "line 2, variant = 'mysql'"),
    "a variant of ours": (
        "mono-site.csv",
        cell(2, "variant", "redis-nova"),
        "line 2, variant = 'redis-nova': is none of the study's",
    ),
    "another table": ("mono-site.csv", cell(2, "table", "call"), "line 2, table = 'call'"),
    "another column": (
        "mono-site.csv",
        cell(2, "column", "completion_s"),
        "line 2, column = 'completion_s': does not fit the rest of its line; allowed: one of node",
    ),
    "another statistic": ("response-time.csv", cell(2, "statistic", "p100"), "statistic = 'p100'"),
    "another unit": ("mono-site.csv", cell(2, "unit", "min"), "line 2, unit = 'min'"),
    "a negative value": ("multi-site.csv", cell(2, "value", "-271"), "line 2, value = '-271'"),
    "other zones": ("zones.csv", lambda text: text.replace("flat", "round"), "zones = 'round'"),
    "half a file": (
        "multi-site.csv",
        lines(lambda found: found[:13]),
        "has 12 of the 24 rows that tables.yaml declares; the first that is missing: figure Fig. 9",
    ),
    "half the sentences": (
        "sentences.csv",
        lines(lambda found: found[:14]),
        "has 13 rows; allowed: 26, by tables.yaml",
    ),
    "a sentence twice": (
        "sentences.csv",
        lines(lambda found: [*found[:-1], found[1]]),
        "line 27 is line 2 again",
    ),
}


@pytest.mark.parametrize("what", NOVA_WRONG)
def test_what_is_wrong_with_a_value_is_one_sentence(study, what):
    name, change, told = NOVA_WRONG[what]
    nova = study.with_name("nova-2017")
    rewrite(nova / "published" / name, change)
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_published(nova)
    if name != "sentences.csv":
        with pytest.raises(ConfigError, match=re.escape(told)):
            read_values(nova)


@pytest.mark.parametrize(
    ("study_name", "name"),
    [(name, path.name) for name in ("keystone-2018", "nova-2017")
     for path in sorted((EXPERIMENTS / name / "published").iterdir())],
)  # fmt: skip
def test_a_file_that_is_missing_fails_in_the_check(study, study_name, name):
    path = study.with_name(study_name) / "published" / name
    path.unlink()
    with pytest.raises(ConfigError, match=re.escape(f"{path}: no such file")):
        list(check_everything(study.parent, None))


def test_a_table_that_is_not_declared_is_refused(study):
    (study / "published" / "more.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"more\.csv: is no table of a study of Keystone"):
        check_published(study)
    nova = study.with_name("nova-2017")
    shutil.copy(nova / "published" / "zones.csv", nova / "published" / "more.csv")
    with pytest.raises(ConfigError, match=r"more\.csv: is not declared in .*tables\.yaml"):
        check_published(nova)


MANY = (
    "      - {figure: [1], scenario: [a], backend: [b], sites: ["
    + ", ".join(map(str, range(200)))
    + "], one_way_delay_ms: ["
    + ", ".join(map(str, range(200)))
    + "], load: [light]}\n"
)
DECLARED = {
    "a column less": (
        lambda text: text.replace("        load: [light]\n", ""),
        r"combinations\[0\]: has the levels of .*; allowed: those of figure, scenario",
    ),
    "too many": (
        lambda text: text.replace("[3, 9, 45]", f"{list(range(8_000))}"),
        r"combinations\[0\]: has 168,000 rows .*; allowed: 100,000 rows of a file at most",
    ),
    "too many together": (
        lambda text: text.replace("combinations:\n", "combinations:\n" + 9 * MANY, 1),
        r"combinations\[2\]: has 120,000 rows with those before it; allowed: 100,000 rows",
    ),
    "neither": (
        lambda text: text + "  more.csv: {}\n",
        "says neither or both of rows and combinations",
    ),
    "another key": (lambda text: text + "colour: red\n", "colour = 'red': unknown key"),
}


@pytest.mark.parametrize("what", DECLARED)
def test_a_declaration_that_is_wrong_is_told(study, what):
    change, told = DECLARED[what]
    rewrite(study / "published" / "tables.yaml", change)
    with pytest.raises(ConfigError, match=told):
        check_published(study)


def test_the_studies_are_in_order_and_read_as_they_were():
    for name, count in (("keystone-2018", 3), ("nova-2017", 6)):
        assert check_published(EXPERIMENTS / name) == count
    folder = EXPERIMENTS / "keystone-2018"
    for file, read in ((TIMES, read_published), (ZONES, read_zones), (READS, read_reads)):
        pd.testing.assert_frame_equal(read(folder), pd.read_csv(folder / "published" / file))
    assert len(study_numbers(folder)) == 210 + 7 * 3 + 7 + 7
    assert len(read_values(EXPERIMENTS / "nova-2017")) == 12 + 18 + 32 + 24 + 4


@pytest.mark.parametrize("left", ["claims.yaml", "published", "archive", "times.csv"])
def test_an_experiment_without_its_declaration_is_told(study, left):
    for path in study.iterdir():
        if path.name != left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (study / left).mkdir(exist_ok=True) if left == "archive" else (study / left).touch()
    with pytest.raises(ConfigError, match=r"keystone-2018/experiment\.yaml: no such file"):
        list(check_everything(study.parent, None))
