"""A small schema with every kind of key, and statements on it for Hypothesis to draw."""

from hypothesis import strategies as st

SCHEMA = """
CREATE TABLE parent (
    id INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(20) COLLATE NOCASE UNIQUE
);
CREATE TABLE child (
    id INTEGER NOT NULL PRIMARY KEY,
    parent_id INTEGER REFERENCES parent(id) ON DELETE CASCADE,
    parent_name VARCHAR(20) COLLATE NOCASE REFERENCES parent(name) ON UPDATE CASCADE,
    code VARCHAR(20) COLLATE BINARY,
    deleted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (code, deleted)
);
CREATE TABLE label (
    name VARCHAR(20) COLLATE NOCASE NOT NULL PRIMARY KEY,
    child_id INTEGER REFERENCES child(id) ON DELETE SET NULL,
    size REAL UNIQUE
);
CREATE UNIQUE INDEX live_labels ON label (child_id) WHERE size > 1
"""
TABLES = ("parent", "child", "label")

ROWS = (
    "INSERT INTO parent VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO child VALUES (1, 1, NULL, 'x', 0), (2, 2, 'b', 'y', 0)",
    "INSERT INTO label VALUES ('p', 1, 0.5), ('q', 2, 1), ('r', 1, 2)",
)


small = st.integers(1, 4)
names = st.sampled_from(["a", "A", "b", "B", "c"])
some_name = st.one_of(st.none(), names)
some_id = st.one_of(st.none(), small)
sizes = st.sampled_from([None, 1, 1.0, 2, 2.5])


def statement(sql, *values):
    return st.tuples(st.just(sql), st.tuples(*values))


statements = st.one_of(
    statement("INSERT INTO parent VALUES (?, ?)", small, some_name),
    statement("UPDATE parent SET name = ? WHERE id = ?", some_name, small),
    statement("UPDATE parent SET id = ? WHERE id = ?", small, small),
    statement("DELETE FROM parent WHERE id = ?", small),
    statement(
        "INSERT INTO child (id, parent_id, parent_name, code) VALUES (?, ?, ?, ?)",
        *(small, some_id, some_name, names),
    ),
    statement("UPDATE child SET parent_id = ? WHERE id = ?", some_id, small),
    statement("UPDATE child SET code = ?, deleted = ? WHERE id = ?", names, small, small),
    statement("DELETE FROM child WHERE id = ?", small),
    statement("INSERT INTO label VALUES (?, ?, ?)", names, some_id, sizes),
    statement("REPLACE INTO label VALUES (?, ?, ?)", names, some_id, sizes),
    statement("UPDATE label SET name = ? WHERE name = ?", names, names),
    statement("UPDATE label SET size = ? WHERE name = ?", sizes, names),
    statement("DELETE FROM label WHERE name = ?", names),
)
