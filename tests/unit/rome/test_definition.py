"""CREATE TABLE in pieces: nothing is lost, and each piece is known for what it is."""

import sqlite3

import pytest

from discovery.rome.definition import parse

STATEMENTS = [
    "CREATE TABLE t (a)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT DEFAULT NULL NULL)",
    "CREATE TABLE t (a DECIMAL(10, 2) NOT NULL ON CONFLICT IGNORE DEFAULT -1.5 UNIQUE) STRICT_",
    'CREATE TABLE "select, (" ("a,b" TEXT COLLATE NOCASE, [c d] INT, `e``f` INT, '
    'UNIQUE ("a,b" COLLATE BINARY, [c d] DESC)) ',
    "CREATE TABLE t (a INT, -- of it, (all)\n b INT /* , */ CHECK (b IN (1, ')', 2)))",
    "CREATE TABLE t (a INT PRIMARY KEY, b INT CONSTRAINT unique_b REFERENCES t (a) ON DELETE SET "
    "NULL ON UPDATE SET DEFAULT NOT DEFERRABLE INITIALLY IMMEDIATE NOT NULL) WITHOUT ROWID",
    "CREATE TABLE t (a INT, b INT AS (a + 1) STORED, c INT GENERATED ALWAYS AS (a) VIRTUAL, "
    "CONSTRAINT x CHECK (a > 0) CONSTRAINT y UNIQUE (a), FOREIGN KEY (a) REFERENCES t (b))",
    "CREATE TABLE t (a BLOB DEFAULT x'2c29', b DEFAULT CURRENT_TIMESTAMP, c DEFAULT (1 + (2)))",
]


def described(statement):
    database = sqlite3.connect(":memory:")
    database.execute(statement.replace("STRICT_", ""))
    (name,) = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchone()
    quoted = '"{}"'.format(name.replace('"', '""'))
    indexes = database.execute(f"PRAGMA index_list({quoted})").fetchall()
    found = [
        database.execute(f"PRAGMA table_xinfo({quoted})").fetchall(),
        database.execute(f"PRAGMA foreign_key_list({quoted})").fetchall(),
        [database.execute(f'PRAGMA index_xinfo("{row[1]}")').fetchall() for row in indexes],
    ]
    database.close()
    return quoted, found


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_pieces_make_the_same_table(statement):
    statement = statement.replace("STRICT_", "")
    name, before = described(statement)
    again = parse(statement).create(name)
    assert described(again) == (name, before)
    assert parse(again).create(name) == again


def test_kinds_and_names():
    table = parse(STATEMENTS[5])
    assert [(c.kind, c.name) for c in table.columns[1].clauses] == [
        ("foreign", "unique_b"),
        ("not null", None),
    ]
    assert table.options == "WITHOUT ROWID"
    table = parse(STATEMENTS[6])
    assert [(c.kind, c.name) for c in table.constraints] == [
        ("check", "x"),
        ("unique", "y"),
        ("foreign", None),
    ]
    assert [column.generated for column in table.columns] == [False, True, True]


def test_a_column_goes_with_its_constraints():
    table = parse(STATEMENTS[3])
    assert table.remove_column("A,B")
    assert not table.remove_column("none")
    assert table.create("t") == "CREATE TABLE t ([c d] INT, `e``f` INT)"


@pytest.mark.parametrize(
    ("kind", "name", "text", "left"),
    [
        ("check", "X", None, ["y", None]),
        ("unique", "x", None, ["x", "y", None]),
        (None, "y", None, ["x", None]),
        ("foreign", None, None, ["x", "y"]),
        ("foreign", None, "FOREIGN KEY (a)  REFERENCES t (b)", ["x", "y"]),
    ],
)
def test_remove(kind, name, text, left):
    table = parse(STATEMENTS[6])
    table.remove(kind, name, text)
    assert [clause.name for clause in table.constraints] == left
