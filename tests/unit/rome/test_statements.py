"""What the driver knows of a statement before SQLite does."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rome.errors import ProgrammingError
from discovery.rome.statements import shape, with_literals

KINDS = {
    "SELECT 1": "constant",
    "-- a ping; nothing more\nSELECT 1": "constant",
    "SELECT 1 FROM t": "read",
    "/* why */ select * from t": "read",
    "PRAGMA table_info(t)": "read",
    "INSERT INTO t VALUES (1)": "insert",
    "INSERT INTO t DEFAULT VALUES": "insert",
    "INSERT INTO t SELECT * FROM u": "write",
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": "write",
    "INSERT INTO t VALUES (1 IN u)": "write",
    "INSERT OR REPLACE INTO t VALUES (1)": "write",
    "REPLACE INTO t VALUES (1)": "write",
    "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c": "write",
    "WITH c (a) AS (SELECT 'INSERT'), d AS (VALUES (1)) select * FROM c, d": "read",
    "WITH RECURSIVE c AS (SELECT 1) DELETE FROM t WHERE a IN (SELECT * FROM c)": "write",
    "WITH c": "write",
    "UPDATE t SET x = 1": "write",
    "DELETE FROM t": "write",
    "CREATE TABLE t (x)": "ddl",
    "ALTER TABLE t ADD COLUMN y": "ddl",
    "DROP INDEX i": "ddl",
    "CREATE TEMPORARY TABLE t (x)": "write",
    "CREATE TEMP TABLE t (x)": "write",
    "BEGIN": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "ROLLBACK TO SAVEPOINT s": "savepoint",
    "ROLLBACK TRANSACTION TO s": "savepoint",
    "SAVEPOINT s": "savepoint",
    "RELEASE SAVEPOINT s": "savepoint",
    "SELECT ';', \"a;b\", `c;d`, [e;f] /* ; */ -- ;": "read",
    "SELECT 1 FROM t;": "read",
    "SELECT 1 FROM t; DELETE FROM t": "several",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; DELETE FROM v; END": "ddl",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; END; -- done": "ddl",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; END; DROP TABLE t": "several",
    "INSERT INTO t VALUES ('web; db -- do not delete')": "insert",
    "INSERT INTO t VALUES ('a; b /* c')": "insert",
    "INSERT INTO t VALUES ('a;') -- ; DELETE FROM t": "insert",
    "INSERT INTO t VALUES ('a; -- b'); DELETE FROM t": "several",
    "SELECT 1 FROM t; -- one\n/* two */ ;": "read",
    "ATTACH 'file' AS other": "refused",
    "VACUUM": "refused",
}


@pytest.mark.parametrize("sql", KINDS)
def test_kinds(sql):
    assert shape(sql).kind == KINDS[sql]


def test_marks_keys_and_tables():
    assert shape("SELECT * FROM t FOR UPDATE").locking
    assert not shape("SELECT * FROM t").locking
    wanted = shape("INSERT INTO \"it's\" (a) VALUES (rome_id('it''s', 'a'), rome_id('u','b'))")
    assert wanted.ids == (("it's", "a"), ("u", "b"))
    assert wanted.into == "it's"
    assert shape("INSERT INTO t VALUES ('rome_id(''a'', ''b'')', '(', ',', 'c')").ids == ()
    assert shape('INSERT OR IGNORE INTO "a""b" VALUES (1)').into == 'a"b'
    assert shape("insert into t(a) values (1)").into == "t"
    assert shape("UPDATE t SET x = 1").into is None


def test_literals():
    sql = "SELECT '?', ?, \"?\" -- ?\n, ? /* ? */, ?, ?"
    written = with_literals(sql, (1, "it's ?", b"\x00", None))
    assert written == "SELECT '?', 1, \"?\" -- ?\n, 'it''s ?' /* ? */, X'00', NULL"
    with pytest.raises(ProgrammingError, match="4 parameters and 3 are given"):
        with_literals(sql, (1, 2, 3))


@given(st.text(alphabet=";-/*'\"`[]\n\0a ", max_size=12))
def test_a_literal_is_no_statement(text):
    literal = apsw.format_sql_value(text)
    assert shape(f"INSERT INTO t VALUES ({literal})").kind == "insert"
    assert shape(f"INSERT INTO t VALUES ({literal}); DELETE FROM t").kind == "several"
