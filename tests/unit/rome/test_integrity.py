"""What the tools make of URLs, SQL files and snapshots, without a server."""

import hashlib

import apsw
import msgpack
import pytest

from discovery.evaluation.rome import size
from discovery.rome.catalogue import Catalogue
from discovery.rome.certificate import digest
from discovery.rome.dump import statements
from discovery.rome.errors import InterfaceError, ProgrammingError
from discovery.rome.integrity import violations_of
from discovery.rome.snapshot import Snapshot, StoredEntry
from discovery.rome.urls import settings_of

SCHEMA = ["CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE UNIQUE)"]


def test_a_url_says_where_and_how():
    settings = settings_of("rome://me:secret@a:1/nova?cluster=true&host=b:2,c:3&wait=1")
    assert settings.hosts == (("a", 1), ("b", 2), ("c", 3))
    assert (settings.database, settings.username, settings.password) == ("nova", "me", "secret")
    assert settings.cluster
    assert settings.wait == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nova", "this is none"),
        ("rome://a:1,b:2/nova", "this is none"),
        ("mysql+pymysql://a/nova", "begins with mysql+pymysql://"),
        ("rome://a", "no database"),
        ("rome://a/nova?fresh=now", "fresh=now is not allowed"),
    ],
)
def test_a_wrong_url_is_one_sentence_without_its_password(url, said):
    with pytest.raises(InterfaceError, match="rome URL: ") as raised:
        settings_of(url)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_statements_end_where_sqlite_says():
    text = (
        "-- a comment; of a dump\n\nCREATE TABLE t (\n  a TEXT\n);\n"
        "INSERT INTO t VALUES ('it''s;\n\n;');\n"
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN\n  DELETE FROM t;\nEND;\n"
    )
    found = list(statements(text.splitlines(keepends=True)))
    assert [line for line, _ in found] == [3, 6, 9]
    database = apsw.Connection(":memory:")
    for _, statement in found:
        database.execute(statement)
    assert database.execute("SELECT a FROM t").fetchall() == [("it's;\n\n;",)]


def test_a_line_may_have_several_statements():
    """As written by hand, with the ends of lines of any system; a comment may be the last."""
    text = (
        "BEGIN; CREATE TABLE t (a);; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT ';';\n"
        "SELECT 1; END; INSERT INTO t\n VALUES ('x;--'); /* a; */ INSERT INTO t VALUES (2);"
        " -- b; END\n\n COMMIT;\r/* c\n; */ \n-- d"
    )
    for lines in (text.splitlines(keepends=True), [text], text.replace("\n", "\r\n").split("\0")):
        found = list(statements(lines))
        assert [line for line, _ in found if "COMMIT" in _] == [5]
        database = apsw.Connection(":memory:")
        for _, statement in found:
            assert statement.count("INSERT INTO t") < 2
            database.execute(statement)
        assert database.execute("SELECT a FROM t").fetchall() == [("x;--",), (2,)]


def test_a_statement_without_an_end_is_told():
    with pytest.raises(ProgrammingError, match=r"line 2: .* no end"):
        list(statements(["CREATE TABLE t (a);\n", "INSERT INTO t VALUES ('\n", ");\n"]))


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1_900, "1.9 KB"), (5_000_000_000, "5.0 GB")]
)
def test_sizes_are_for_people(number, text):
    assert size(number) == text


# A history of three commits: the table, two rows, one of them changed and the other gone


def row(*values):
    return msgpack.packb(values, use_bin_type=True)


def entry(number, last, content, keys):
    payload = msgpack.packb(content, use_bin_type=False)
    hashed = hashlib.sha1(last + payload).hexdigest().encode()
    return StoredEntry(f"{number}-0", hashed, payload, keys + bytes([number] * 16))


def snapshot(**changes):
    table, one, two = digest("table", "t"), digest("row", "t", row(1)), digest("row", "t", row(2))
    first = entry(1, b"", [0, SCHEMA, [["t", []]]], digest("schema", "") + table)
    second = entry(
        2,
        first.hash,
        [1, [["t", [row(1), row(1, "a"), row(2), row(2, "b")]]]],
        one + two + table,
    )
    third = entry(
        3, second.hash, [1, [["t", [row(1), row(1, "c"), row(2), False]]]], one + two + table
    )
    database = apsw.Connection(":memory:")
    database.execute(SCHEMA[0])
    values = {
        "head": {
            "format": b"1",
            "epoch": b"e",
            "seq": b"3",
            "hash": third.hash,
            "oldest": b"1",
            "keep": b"10",
            "schema": b"1",
        },
        "schema": SCHEMA,
        "catalogue": Catalogue(database),
        "log": [first, second, third],
        "versions": {
            digest("schema", ""): 1,
            table: 3,
            one: 3,
            two: 3,
            **{bytes([number] * 16): number for number in (1, 2, 3)},
        },
        "ids": {"t": 32},
        "rows": {"t": {row(1): row(1, "c")}},
        "others": [],
    }
    for name, change in changes.items():
        values[name] = change(values[name])
    return Snapshot(**values)


def wrong(**changes):
    return [
        f"{one.of}: {one.witness}" for one in violations_of(snapshot(**changes), foreign_keys=True)
    ]


def test_a_whole_database_has_no_violation():
    assert wrong() == []


def test_a_log_that_is_trimmed_is_whole_too():
    old = {digest("schema", ""), bytes([1] * 16)}
    assert (
        wrong(
            head=lambda head: {**head, "oldest": b"2"},
            log=lambda log: log[1:],
            versions=lambda found: {key: n for key, n in found.items() if key not in old},
        )
        == []
    )


def replaced(number, **fields):
    def change(log):
        old = log[number - 1]
        values = {name: getattr(old, name) for name in ("id", "hash", "payload", "keys")}
        return [*log[: number - 1], StoredEntry(**{**values, **fields}), *log[number:]]

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"log": lambda log: [log[0], log[2]]}, "log: entry 3-0 stands where 2-0 must"),
        ({"log": lambda log: log[:2]}, "log: it ends at 2, and the head is at 3"),
        ({"log": replaced(2, payload=b"\x92\x01\x90")}, "log: entry 2: its hash is not of it"),
        ({"head": lambda head: {**head, "hash": b"x"}}, "log: the hash of entry 3 is not the head"),
        ({"head": lambda head: {**head, "keep": b"2"}}, "log: 3 entries, and 2 to keep"),
        (
            {"versions": lambda found: {key: n for key, n in found.items() if len(key) == 16}},
            "is missing, and entry",
        ),
        ({"versions": lambda found: {**found, b"k" * 8: 2}}, "has 2, and no kept entry changes it"),
        (
            {"versions": lambda found: {**found, digest("table", "t"): 2}},
            "has 2, and entry 3 changed it last",
        ),
        (
            {"rows": lambda rows: {"t": {}}},
            "table t: key [1]: entry 3 left [1, 'c'], the hash holds nothing",
        ),
        (
            {"rows": lambda rows: {"t": {**rows["t"], row(2): row(2, "b")}}},
            "table t: key [2]: entry 3 left nothing, the hash holds [2, 'b']",
        ),
        (
            {"rows": lambda rows: {"t": {**rows["t"], row(9): row(9, "z")}}},
            "table t: key [9]: the hash holds [9, 'z'], which no entry wrote",
        ),
        (
            {"rows": lambda rows: {"t": {**rows["t"], row(8): row(9, "z")}}},
            "table t: row [9, 'z'] lies under key [8]",
        ),
        (
            {"rows": lambda rows: {"t": {**rows["t"], row(9): row(9, "C")}}},
            "table t: row [9, 'C'] under key [9]: UNIQUE constraint failed: t.n",
        ),
        ({"ids": lambda ids: {}}, "id counters: table t: the counter is at 0, and a row has 1"),
        (
            {"schema": lambda schema: [*schema, "CREATE INDEX i ON t (n)"]},
            "schema: it is not what the log says: CREATE INDEX i",
        ),
        ({"others": lambda others: ["rome:{x}:rows:u"]}, "keys: rome:{x}:rows:u belongs to no"),
    ],
)
def test_each_violation_has_a_witness(changes, said):
    assert any(said in line for line in wrong(**changes)), wrong(**changes)
