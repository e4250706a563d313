"""`discovery rome dump` and `load` give any database back, and sqlite3 reads the same."""

import io
import itertools
import os
import re
import sqlite3
import stat
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.cli import main
from discovery.rome import connect
from discovery.rome.dump import dump, load
from discovery.rome.errors import IntegrityError
from discovery.rome.integrity import check
from discovery.rome.locking import TOKEN
from discovery.rome.schema import schema_objects
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("dumps")) as started:
        yield started


@pytest.fixture
def discovery(monkeypatch):
    """Run a verb of `discovery rome`; its exit code."""

    def run(*arguments, given=b""):
        monkeypatch.setattr(sys, "argv", ["discovery", "rome", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return run


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


NAMES = st.text(st.sampled_from("abcé '\"`[];-/*%_$?\n\t"), min_size=1, max_size=8).filter(
    lambda name: not name.lower().startswith("sqlite_") and name.strip()
)
TEXTS = st.one_of(
    st.text(st.sampled_from("aé'\";-\0\n\r/*\U0001f600 "), max_size=12),
    st.just("x; -- y\n'; DROP TABLE t;\n/* "),
    st.just("\0" * 1200),  # as many pieces would be too deep an expression
    st.text(max_size=5),
)
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1, 0.0, -0.0, 1e308, 5e-324, 0.1]),
    st.sampled_from([float("inf"), float("-inf"), float("nan"), 1.0, 2.0**63]),
    st.floats(),
    TEXTS,
    st.binary(max_size=8),
)
TYPES = st.sampled_from(
    ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "VARCHAR(9) COLLATE NOCASE", "DATETIME"]
)
COMMENTS = st.sampled_from(["", " -- a; comment", " /* it's; one */", " /* no end", " --"])


@st.composite
def tables(draw):
    """The statements that make a database, and rows of each table."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower))
    made = []
    for name in names:
        columns = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower))
        types = [draw(TYPES) for _ in columns]
        key, end = draw(
            st.sampled_from(
                [
                    ("k_ INTEGER PRIMARY KEY AUTOINCREMENT", ""),
                    ("k_ INTEGER PRIMARY KEY", ""),
                    ("k_ INTEGER NOT NULL, PRIMARY KEY (k_)", " WITHOUT ROWID"),
                    ("k_ INTEGER", ""),
                ]
            )
        )
        listed = ", ".join(f"{quoted(c)} {t}" for c, t in zip(columns, types, strict=True))
        twice = draw(st.sampled_from(["", ", g_ AS (k_ * 2)", ", g_ AS (k_ + 1) STORED"]))
        sql = f"CREATE TABLE {quoted(name)} ({listed}{twice}, {key}){end}"
        rows = draw(st.lists(st.tuples(*[VALUES] * len(columns)), max_size=4))
        made.append((name, columns, sql, rows))
    return made


@st.composite
def others(draw, made):
    """Indexes, views and triggers on them, with comments at their ends."""
    statements = []
    for number, (name, columns, *_) in enumerate(made):
        comment = draw(COMMENTS)
        statements += draw(
            st.lists(
                st.sampled_from(
                    [
                        f"CREATE INDEX i{number} ON {quoted(name)} ({quoted(columns[0])}){comment}",
                        f"CREATE VIEW v{number} AS SELECT ';', {quoted(columns[0])} "
                        f"FROM {quoted(name)}{comment}",
                        f"CREATE TRIGGER t{number} AFTER DELETE ON {quoted(name)} BEGIN "
                        f"SELECT 'END;'; -- ; END;\n SELECT 1; END{comment}",
                    ]
                ),
                unique=True,
            )
        )
    return statements


def fill(address, name, made, statements):
    with connect(address, name) as connection:
        for table, columns, sql, rows in made:
            connection.execute(sql)
            listed = ", ".join(map(quoted, columns))
            marks = ", ".join("?" * len(columns))
            for key, row in enumerate(rows, 1):
                connection.execute(
                    f"INSERT INTO {quoted(table)} (k_, {listed}) VALUES ({key}, {marks})", row
                )
        for statement in statements:
            connection.execute(statement)


def contents(database):
    """All rows with their types, and the schema."""
    schema = sorted((kind, name, sql.strip()) for kind, name, sql in schema_objects(database))
    rows = {
        name: sorted(map(repr, database.execute(f"SELECT * FROM {quoted(name)}")))
        for kind, name, _ in schema
        if kind == "table"
    }
    return schema, rows


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_dump_gives_any_database_back(server, data):
    made = data.draw(tables())
    statements = data.draw(others(made))
    address, number = f"127.0.0.1:{server.port}", next(_numbers)
    try:
        fill(address, f"a{number}", made, statements)
    except IntegrityError:  # rows without a key that are NULL
        return
    url = f"rome://{address}/"
    sql = "".join(dump(settings_of(f"{url}a{number}")))
    load(settings_of(f"{url}b{number}"), _lines(sql))
    with connect(address, f"a{number}") as first, connect(address, f"b{number}") as second:
        expected = contents(first)
        rows = contents(second)
        assert rows[1] == expected[1]
        assert [one[:2] for one in rows[0]] == [one[:2] for one in expected[0]]
    assert check(settings_of(f"{url}b{number}")).violations == ()
    again = "".join(dump(settings_of(f"{url}b{number}")))
    load(settings_of(f"{url}c{number}"), _lines(again))
    assert again.splitlines()[1:] == "".join(dump(settings_of(f"{url}c{number}"))).splitlines()[1:]
    lite = sqlite3.connect(":memory:")
    lite.executescript(sql)
    assert contents(lite)[1] == expected[1]
    lite.close()


def _lines(sql):
    """As a file is read with ``newline="\\n"``: nothing else ends a line."""
    return [f"{line}\n" for line in sql.split("\n")]


def test_numbers_that_were_given_are_not_given_again(server):
    """AUTOINCREMENT promises it, and a dump keeps it, also of a table that is empty now."""
    address = f"127.0.0.1:{server.port}"
    with connect(address, "counted") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER)")
        connection.execute("INSERT INTO t VALUES (70, 1)")
        connection.commit()
        connection.execute("DELETE FROM t")
    sql = "".join(dump(settings_of(f"rome://{address}/counted")))
    (last,) = map(int, re.findall(r"INSERT INTO sqlite_sequence VALUES \('t', (\d+)\)", sql))
    assert last >= 70
    load(settings_of(f"rome://{address}/counted2"), _lines(sql))
    with connect(address, "counted2") as connection:
        (key,) = connection.execute("SELECT rome_id('t', 'id')").fetchone()
        assert key == last + 1
    lite = sqlite3.connect(":memory:")
    lite.executescript(sql)
    assert lite.execute("INSERT INTO t (n) VALUES (1)").lastrowid == last + 1
    lite.close()


def test_a_name_of_a_database_with_an_end_of_line(server):
    address = f"127.0.0.1:{server.port}"
    with connect(address, "two\nDROP TABLE t;") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    sql = "".join(dump(settings_of(f"rome://{address}/two\nDROP TABLE t;")))
    assert load(settings_of(f"rome://{address}/named"), _lines(sql)).tables == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"CREATE TABLE t (a);\nINSERT INTO t VALUES ('\xff');\n", "line 2: it is not UTF-8"),
        ("CREATE TABLE t (a);".encode("utf-16"), "line 1: it is not UTF-8"),
        (os.urandom(2000), ""),
        (b"\x1f\x8b\x08\x00" + bytes(100), ""),
        (b"CREATE TABLE t (a\0);\n", ""),
    ],
)
def test_what_is_no_text_is_one_sentence(server, discovery, capsys, given, said):
    code = discovery("load", f"rome://127.0.0.1:{server.port}/notext", given=given)
    sentence = capsys.readouterr().err
    assert code == 9, sentence
    assert sentence.count("\n") == 1
    assert said in sentence
    assert server.ask("EXISTS", "rome:{notext}:head") == 0


def test_a_large_value_is_looked_at_once(server):
    """SQL with a literal of some MB, as a dump has it: no choice is made at each of its letters."""
    text = "it''s; " * 700_000
    lines = ["CREATE TABLE t (a);\n", f"INSERT INTO t VALUES ('{text}');\n"]
    begun = time.process_time()
    assert TOKEN.findall(lines[1])[1:2] == [f"'{text}'"]
    taken = time.process_time() - begun
    begun = time.process_time()
    assert len(re.findall("it|s", lines[1])) > 1
    assert taken < time.process_time() - begun
    assert load(settings_of(server.url("large")), lines).rows == 1


def test_a_byte_order_mark_is_no_sql(server, discovery):
    text = "\ufeffCREATE TABLE t (a);\n".encode()
    assert discovery("load", f"rome://127.0.0.1:{server.port}/marked", given=text) == 0
    assert server.ask("LLEN", "rome:{marked}:schema") == 1


def test_a_dump_is_for_its_owner_alone(server, discovery, tmp_path):
    """It may hold password hashes. A file that is there keeps its mode, a link its target."""
    address = f"127.0.0.1:{server.port}"
    with connect(address, "secret") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    new, old, link = (tmp_path / name for name in ("new.sql", "old.sql", "link.sql"))
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to(old)
    before = os.umask(0o022)
    try:
        for path in (new, link):
            assert discovery("dump", f"rome://{address}/secret", "--output", path) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert old.read_text() == new.read_text()


@pytest.mark.parametrize("kind", ["a FIFO", "standard output"])
def test_what_is_no_file_is_written_into(server, discovery, tmp_path, kind, capfd):
    address = f"127.0.0.1:{server.port}"
    with connect(address, "poured") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
    if kind == "standard output":
        assert discovery("dump", f"rome://{address}/poured", "--output", "/dev/stdout") == 0
        assert "CREATE TABLE" in capfd.readouterr().out
        return
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert discovery("dump", f"rome://{address}/poured", "--output", fifo) == 0
    assert b"CREATE TABLE" in os.read(reader, 65536)
    os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
