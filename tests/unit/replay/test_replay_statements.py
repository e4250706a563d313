"""What a statement does, by its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.replay.statements import Effect, effect

R, W, C = Effect.READS, Effect.WRITES, Effect.COMMITS
CASES = [
    ("SELECT 1", R),
    ("  \n(SELECT a FROM t) UNION (SELECT b FROM u)", R),
    ("/* trace */ select * from t FOR UPDATE", R),
    ("-- a comment\nSELECT 1;", R),
    ("SHOW VARIABLES LIKE 'sql_mode'", R),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", R),
    ("SAVEPOINT sa_savepoint_1", R),
    ("RELEASE SAVEPOINT sa_savepoint_1", R),
    ("ROLLBACK TO SAVEPOINT sa_savepoint_1", R),
    ("PRAGMA table_info(t)", R),
    ("WITH x AS (SELECT 1) SELECT * FROM x", R),
    ("EXPLAIN SELECT 1", R),
    ("INSERT INTO t VALUES (1)", W),
    ("/* trace */ UPDATE t SET a = 1", W),
    ("delete from t", W),
    ("MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE", W),
    ("REPLACE INTO t VALUES (1)", W),
    ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", W),
    ("SELECT * INTO new FROM t", W),
    ("(select a into @a from t)", W),
    ("SELECT a FROM t INTO OUTFILE '/tmp/a'", W),
    ("VALUES ROW(1) INTO @a", W),
    ("SELECT a FROM t FOR UPDATE", R),
    ("SELECT into_it FROM t", R),
    ("EXPLAIN ANALYZE UPDATE t SET a = 1", W),
    ("COPY t FROM STDIN", W),
    ("CREATE TABLE t (a INT)", C),
    ("DROP INDEX t@i CASCADE", C),
    ("TRUNCATE t", C),
    ("COMMIT", C),
    ("BEGIN", C),
    ("SET autocommit = 1", C),
    ("RELEASE SAVEPOINT cockroach_restart", C),
    ("PRAGMA foreign_keys = ON", C),
    ("CALL p()", C),
    ("DO $$ BEGIN NULL; END $$", C),
    ("SELECT 1; INSERT INTO t VALUES (1)", C),
    ("/*! INSERT INTO t VALUES (1) */", C),
    ("LOCK TABLES t WRITE", C),
    ("", C),
    ("?", C),
]


@pytest.mark.parametrize(("statement", "does"), CASES)
def test_effect(statement, does):
    assert effect(statement) is does


BLANKS = st.sampled_from(["", " ", "\n", "\t", "(", "/* SELECT */", "-- SELECT 1\n", "/**/ "])
WRITES = st.sampled_from([text for text, does in CASES if does is not R])


@given(st.lists(BLANKS, max_size=5).map("".join), WRITES, st.booleans())
def test_nothing_before_a_write_hides_it(blanks, statement, lower):
    assert effect(blanks + (statement.lower() if lower else statement)) is not R
