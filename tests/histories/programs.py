"""Programs of statements that tell of rows in every way that SQL has, on few rows.

Whole tables are changed and emptied, rows are written with what they hold, inserts do nothing, keys
refer, triggers read and write elsewhere, statements are rolled back to a savepoint and fail.
"""

import random
from typing import Any

Step = tuple[str, list[int | None]]
"""A statement and its parameters."""

SCHEMA = (
    "CREATE TABLE odd (id INTEGER PRIMARY KEY, k INT UNIQUE, v INT NOT NULL CHECK (v < 9))",
    "CREATE TABLE even (id INTEGER PRIMARY KEY, k INT UNIQUE, v INT NOT NULL)",
    "CREATE TABLE leaf (id INTEGER PRIMARY KEY, odd INT REFERENCES odd ON DELETE CASCADE "
    "ON UPDATE CASCADE, even INT REFERENCES even(k) ON DELETE SET NULL, v INT)",
    "CREATE TABLE flag (name INT PRIMARY KEY, v INT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE once (k INT UNIQUE ON CONFLICT IGNORE, v INT UNIQUE ON CONFLICT REPLACE)",
    "CREATE TABLE trail (n INT)",
    "CREATE VIEW pair AS SELECT id, v FROM odd UNION ALL SELECT id, v FROM even",
    "CREATE TRIGGER guard BEFORE INSERT ON leaf WHEN (SELECT count(*) FROM flag) > 2 "
    "BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER refuse BEFORE DELETE ON flag WHEN EXISTS (SELECT 1 FROM trail) "
    "BEGIN SELECT RAISE(ABORT, 'there is a trail'); END",
    "CREATE TRIGGER follow AFTER INSERT ON flag "
    "BEGIN INSERT INTO trail SELECT count(*) FROM once; END",
    "CREATE TRIGGER through INSTEAD OF INSERT ON pair WHEN NOT EXISTS (SELECT 1 FROM even) "
    "BEGIN UPDATE odd SET v = new.v; END",
)

TABLES = {"odd", "even", "leaf", "flag", "once", "trail"}

_OF_PAIR = (
    "SELECT id, k, v FROM {t}",
    "SELECT count(*) FROM {t}",
    "SELECT v FROM {t} WHERE id = ?i",
    "SELECT EXISTS (SELECT 1 FROM {t} WHERE v > ?v)",
    "WITH c AS (SELECT v FROM {t} WHERE k > ?v) SELECT sum(v) FROM c",
    "INSERT INTO {t} (id, k, v) VALUES (?i, ?k, ?v)",
    "INSERT INTO {t} VALUES (?i, ?k, ?v), (?i, ?k, ?v)",
    "INSERT INTO {t} (k, v) VALUES (?k, ?v)",
    "INSERT INTO {t} VALUES (?n, ?k, ?v) RETURNING id",
    "INSERT INTO {t} VALUES (?i, ?k, ?i IN (SELECT id FROM {u}))",
    "INSERT OR IGNORE INTO {t} VALUES (?i, ?k, ?v)",
    "INSERT INTO {t} VALUES (?i, ?k, ?v) ON CONFLICT DO NOTHING",
    "INSERT INTO {t} VALUES (?i, ?k, ?v) ON CONFLICT (id) DO UPDATE SET v = {t}.v",
    "INSERT INTO {t} VALUES (?i, ?k, ?v) ON CONFLICT (id) DO UPDATE SET v = v + 1 WHERE v < ?v",
    "REPLACE INTO {t} VALUES (?i, ?k, ?v)",
    "INSERT INTO {t} SELECT id, NULL, v FROM {u} WHERE id NOT IN (SELECT id FROM {t})",
    "INSERT INTO {t} SELECT ?i, ?k, ?v WHERE NOT EXISTS (SELECT * FROM {u})",
    "UPDATE {t} SET v = ?v",
    "UPDATE {t} SET v = v + 1",
    "UPDATE {t} SET v = v WHERE id = ?i",
    "UPDATE {t} SET v = v",
    "UPDATE {t} SET v = ?v WHERE id = ?i AND v = ?v",
    "UPDATE {t} SET id = ?i WHERE id = ?i",
    "UPDATE OR IGNORE {t} SET k = ?k WHERE id = ?i",
    "UPDATE OR REPLACE {t} SET k = ?k WHERE id = ?i",
    "UPDATE {t} SET v = {u}.v FROM {u} WHERE {u}.id = {t}.id RETURNING id",
    "DELETE FROM {t}",
    "DELETE FROM {t} WHERE id = ?i",
    "DELETE FROM {t} WHERE v > ?v",
)
_OTHERS = (
    "SELECT max(v) FROM pair",
    "SELECT count(*) FROM leaf",
    "SELECT name, v FROM flag",
    "SELECT n FROM trail",
    "SELECT count(*) FROM once",
    "INSERT INTO leaf VALUES (?i, ?i, NULL, ?v)",
    "INSERT INTO leaf VALUES (?i, NULL, ?k, ?v)",
    "INSERT INTO leaf VALUES (?i, ?i, NULL, ?v)",
    "UPDATE leaf SET odd = ?i WHERE id = ?i",
    "UPDATE leaf SET v = v",
    "DELETE FROM leaf",
    "DELETE FROM leaf WHERE id = ?i",
    "INSERT INTO flag VALUES (?i, ?v)",
    "UPDATE flag SET v = v",
    "UPDATE flag SET v = ?v WHERE name = ?i",
    "REPLACE INTO flag VALUES (?i, ?v)",
    "DELETE FROM flag",
    "INSERT INTO once VALUES (?k, ?v)",
    "DELETE FROM once",
    "INSERT INTO trail VALUES (?v)",
    "DELETE FROM trail",
    "INSERT INTO pair VALUES (?i, ?v)",
)
FILL = (
    "INSERT INTO odd VALUES (1, 1, 1), (2, 2, 2)",
    "INSERT INTO even VALUES (1, 1, 3), (2, 2, 1)",
    "INSERT INTO flag VALUES (1, 0)",
)


def program(rng: random.Random, longest: int = 4) -> list[Step]:
    """The statements of one transaction."""
    steps = [_step(rng) for _ in range(rng.randint(1, longest))]
    if rng.random() < 0.2:
        first = rng.randint(0, len(steps))
        steps[first:first] = [("SAVEPOINT s", [])]
        steps.insert(rng.randint(first + 1, len(steps)), ("ROLLBACK TO s", []))
    return steps


def _step(rng: random.Random) -> Step:
    pair = ["odd", "even"]
    rng.shuffle(pair)
    sql = rng.choice(_OF_PAIR if rng.random() < 0.65 else _OTHERS).format(t=pair[0], u=pair[1])
    text, *marks = sql.split("?")
    values: list[int | None] = []
    for mark in marks:
        values.append(_value(rng, mark[0]))
        text += "?" + mark[1:]
    return text, values


def _value(rng: random.Random, mark: str) -> int | None:
    if mark == "n":
        return rng.choice([None, rng.randint(1, 4)])
    return {"i": rng.randint(1, 4), "k": rng.randint(1, 5), "v": rng.randint(0, 4)}[mark]


def writes(steps: list[Step]) -> bool:
    """Whether a program may change anything."""
    return any(
        sql.split(maxsplit=1)[0] not in {"SELECT", "WITH", "SAVEPOINT", "ROLLBACK"}
        for sql, _ in steps
    )


def answer_of(sql: str, rows: Any, count: int) -> list[Any]:
    """What a statement has said, as JSON has it; rows in one order, since they have none."""
    if rows is not None:
        return ["rows", sorted(([*row] for row in rows), key=repr)]
    return ["done"] if sql.split(maxsplit=1)[0] in {"SAVEPOINT", "ROLLBACK"} else ["count", count]


REFUSED = ["refused"]
"""What it has said where a key, a reference, a check or a trigger forbids it."""


def tells(sql: str, answer: list[Any]) -> bool:
    """Whether a statement has told of rows: an INSERT that did all that it says has not."""
    words = sql.split()
    if words[0] in {"SAVEPOINT", "ROLLBACK"}:
        return False
    plain = words[:2] == ["INSERT", "INTO"] and words[2] in {"odd", "even", "once", "trail"}
    if not plain or "SELECT" in sql or "CONFLICT" in words or answer == REFUSED:
        return True
    return answer[0] == "count" and answer[1] != sql.count("(?")
