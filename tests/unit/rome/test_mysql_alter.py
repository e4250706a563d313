"""MySQL's ALTER TABLE as migrations write it, and what it makes of a table."""

import pytest

from discovery.rome import mysql_alter
from discovery.rome.definition import parse
from discovery.rome.errors import ProgrammingError

TABLE = (
    "CREATE TABLE t (a VARCHAR(9) COLLATE NOCASE NOT NULL, b INTEGER DEFAULT 1 UNIQUE, "
    "CONSTRAINT pk PRIMARY KEY (a), CONSTRAINT fk FOREIGN KEY (b) REFERENCES p (id))"
)


@pytest.mark.parametrize(
    ("actions", "is_now"),
    [
        (
            "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            TABLE.replace("NOCASE", "BINARY"),
        ),
        ("CONVERT TO CHARSET utf8mb3", TABLE),
        ("CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", TABLE),
        (
            "DROP PRIMARY KEY,ADD PRIMARY KEY(`b`, a);",
            "CREATE TABLE t (a VARCHAR(9) COLLATE NOCASE NOT NULL, b INTEGER DEFAULT 1 UNIQUE "
            "NOT NULL, CONSTRAINT fk FOREIGN KEY (b) REFERENCES p (id), PRIMARY KEY(`b`, a))",
        ),
        (
            "MODIFY b varchar(36) NOT NULL",
            TABLE.replace("INTEGER DEFAULT 1 UNIQUE", "varchar(36) COLLATE NOCASE UNIQUE NOT NULL"),
        ),
        ("DROP FOREIGN KEY `fk`", TABLE[: TABLE.index(", CONSTRAINT fk")] + ")"),
        ("ADD UNIQUE KEY `u` (`a`)", TABLE[:-1] + ", CONSTRAINT `u` UNIQUE (`a`))"),
        ("ADD UNIQUE (a, b)", TABLE[:-1] + ", UNIQUE (a, b))"),
        ("ADD CONSTRAINT u UNIQUE (a, b)", TABLE[:-1] + ", CONSTRAINT u UNIQUE (a, b))"),
    ],
)
def test_what_it_means(actions, is_now):
    name, changes = mysql_alter.read(f" alter table `t` {actions}")
    assert name == "t"
    table = parse(TABLE)
    for change in changes:
        change(table)
    assert table.create("t") == is_now


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE t ADD COLUMN c INT",
        "ALTER TABLE t DROP PRIMARY KEY, ENGINE=InnoDB",
        "UPDATE t SET a = 'ALTER TABLE t DROP PRIMARY KEY'",
        "",
    ],
)
def test_the_rest_is_left_to_sqlite(sql):
    assert mysql_alter.read(sql) is None


@pytest.mark.parametrize("action", ["DROP INDEX no", "DROP FOREIGN KEY pk", "MODIFY c INT"])
def test_what_is_not_there_is_an_error(action):
    _, (change,) = mysql_alter.read(f"ALTER TABLE t {action}")
    with pytest.raises(ProgrammingError, match=f"{action}: the table has no such"):
        change(parse(TABLE))
