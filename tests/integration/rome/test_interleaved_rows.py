"""Interleaved commits on three replicas: all of them, and a new one, come to the same sound rows.

Tables of every kind, random statements, the third replica with ``push``.
"""

import random
import time

from discovery.rome.errors import Deadlock, IntegrityError
from discovery.rome.integrity import check
from discovery.rome.settings import parse
from tests.histories.interleaved import connect
from tests.redis_servers import redis_server

SCHEMA = (
    "CREATE TABLE par (id INTEGER PRIMARY KEY, code VARCHAR(8) COLLATE NOCASE UNIQUE, n INT)",
    "CREATE TABLE ch (id INTEGER PRIMARY KEY, par INT REFERENCES par(id) ON DELETE CASCADE, "
    "code VARCHAR(8) COLLATE NOCASE REFERENCES par(code) ON UPDATE CASCADE ON DELETE SET NULL, "
    "x REAL, UNIQUE (par, x))",
    "CREATE TABLE comp (a VARCHAR(8) COLLATE NOCASE, b INT, v TEXT, PRIMARY KEY (a, b))",
    "CREATE TABLE nopk (a INT, b TEXT)",
    "CREATE TABLE part (id INTEGER PRIMARY KEY, k TEXT, live INT)",
    "CREATE UNIQUE INDEX part_live ON part (k) WHERE live = 1",
    "CREATE TABLE expr (id INTEGER PRIMARY KEY, s TEXT)",
    "CREATE UNIQUE INDEX expr_lower ON expr (lower(s))",
    "CREATE TABLE gen (id INTEGER PRIMARY KEY, a INT, "
    "g INT GENERATED ALWAYS AS (a % 7) STORED UNIQUE, c TEXT)",
    "CREATE TABLE wr (k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE TABLE trail (id INTEGER PRIMARY KEY, t TEXT)",
    "CREATE TRIGGER follow AFTER UPDATE ON part "
    "BEGIN INSERT INTO trail (t) VALUES (old.k || new.k); END",
    "CREATE TABLE later (id INTEGER PRIMARY KEY, "
    "o INT REFERENCES later(id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE swap (id INTEGER PRIMARY KEY, u INT UNIQUE)",
)
TABLES = ("par", "ch", "comp", "nopk", "part", "expr", "gen", "wr", "trail", "later", "swap")
STATEMENTS = (
    "INSERT INTO par VALUES (?i, ?w, ?i)",
    "UPDATE par SET id = ?i WHERE id = ?i",
    "UPDATE par SET code = ?w WHERE id = ?i",
    "UPDATE par SET n = n",
    "DELETE FROM par WHERE id = ?i",
    "INSERT OR REPLACE INTO par VALUES (?i, ?w, ?i)",
    "INSERT INTO ch VALUES (?i, ?i, NULL, ?x)",
    "INSERT INTO ch VALUES (?i, NULL, ?w, ?x)",
    "UPDATE ch SET par = ?i WHERE id = ?i",
    "DELETE FROM ch WHERE x > ?x",
    "INSERT INTO comp VALUES (?w, ?i, ?w)",
    "UPDATE comp SET a = ?w, v = ?w WHERE b = ?i",
    "DELETE FROM comp WHERE a = ?w",
    "INSERT INTO comp VALUES (?w, ?i, ?w) ON CONFLICT (a, b) DO UPDATE SET a = excluded.a",
    "INSERT INTO nopk VALUES (?i, ?w)",
    "DELETE FROM nopk WHERE a = ?i",
    "UPDATE nopk SET b = ?w WHERE a = ?i",
    "INSERT INTO part VALUES (?i, ?w, ?i % 2)",
    "UPDATE part SET live = 1 - live WHERE id = ?i",
    "UPDATE part SET k = ?w WHERE id = ?i",
    "DELETE FROM part WHERE id = ?i",
    "INSERT INTO expr VALUES (?i, ?w)",
    "UPDATE expr SET s = ?w WHERE id = ?i",
    "DELETE FROM expr WHERE id = ?i",
    "INSERT INTO gen (id, a, c) VALUES (?i, ?i * 3, ?w)",
    "UPDATE gen SET a = a + 1 WHERE id = ?i",
    "DELETE FROM gen WHERE id = ?i",
    "INSERT OR IGNORE INTO wr VALUES (?w, ?x)",
    "REPLACE INTO wr VALUES (?w, ?x)",
    "UPDATE wr SET v = v",
    "DELETE FROM wr WHERE k = ?w",
    "INSERT INTO later VALUES (?i, ?i)",
    "DELETE FROM later WHERE id = ?i",
    "INSERT INTO swap VALUES (?i, ?i)",
    "UPDATE swap SET u = 7 - u WHERE u IN (3, 4)",
    "UPDATE OR REPLACE swap SET u = ?i WHERE id = ?i",
    "UPDATE OR IGNORE swap SET u = ?i WHERE id = ?i",
    "DELETE FROM swap",
)
WORDS = ["a", "A", "b", "B", "é", "É", "c ", "C", "ab", "AB", "1", "1.0", ""]
NUMBERS = [1, 1.0, 2, 2.5, "1", "x", None, 3]


def statement(rng):
    text, *marks = rng.choice(STATEMENTS).split("?")
    values = []
    for mark in marks:
        values.append(
            {"i": rng.randint(1, 6), "w": rng.choice(WORDS), "x": rng.choice(NUMBERS)}[mark[0]]
        )
        text += "?" + mark[1:]
    return text, values


def contents(connection, seq):
    """All rows, once the replica is where the log is."""
    deadline = time.monotonic() + 10
    while True:
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
        connection.rollback()
        if connection.replica.state.seq >= seq:
            return {table: sorted(map(repr, found)) for table, found in rows.items()}
        assert time.monotonic() < deadline, "the replica does not follow"


def test_all_replicas_have_the_same_rows(tmp_path):
    rng = random.Random(15)
    committed = 0
    with redis_server(tmp_path) as server:
        address = f"127.0.0.1:{server.port}"
        replicas = [connect(address, "rows", fresh=fresh) for fresh in ("sync", "sync", "push")]
        for sql in SCHEMA:
            replicas[0].execute(sql)
        replicas[0].commit()
        for number in range(1, 241):
            live = rng.sample(replicas, rng.randint(1, 3))
            for connection in [one for _ in range(rng.randint(1, 6)) for one in live]:
                try:
                    connection.execute(*statement(rng))
                except (IntegrityError, Deadlock):
                    continue
            for connection in rng.sample(live, len(live)):
                try:
                    connection.commit()
                    committed += 1
                except (IntegrityError, Deadlock):
                    connection.rollback()
            if number % 40 == 0:
                seq = max(connection.replica.state.seq for connection in replicas)
                new = connect(address, "rows")
                first, *others = (contents(connection, seq) for connection in (new, *replicas))
                new.close()
                assert all(other == first for other in others)
                assert check(parse(address, "rows")).violations == ()
        for connection in replicas:
            connection.close()
    assert committed > 350
