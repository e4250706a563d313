"""Two rows have one certificate key exactly where SQLite refuses the second; a follower is a boot.

Tables are generated: types of every affinity, collations of columns and others in their indexes,
composite keys, WITHOUT ROWID, STRICT, generated columns, columns named like row numbers.
"""

import itertools

import apsw
import msgpack
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue
from discovery.rome.certificate import of_changes
from discovery.rome.log import content_of, pairs
from discovery.rome.pages import Pages, open_pages
from discovery.rome.rows import apply_entry, fill_what_fits, open_as_stored, open_empty
from discovery.rome.schema import schema_objects
from discovery.rome.state import State
from discovery.rome.totals import Total, total_of
from discovery.rome.workspace import Workspace

_lives = itertools.count(1)

TYPES = ["INTEGER", "INT", "NUMERIC", "DECIMAL(3,1)", "REAL", "FLOAT", "TEXT", "VARCHAR(9)", "BLOB"]
COLLATIONS = ["BINARY", "NOCASE", "RTRIM"]
NAMES = ["a", "B", "rowid", "_rowid_", "é"]

texts = st.one_of(
    st.text(alphabet="aAzZéÉß \t\0[{", max_size=3),
    st.sampled_from(["1", "1.0", "01", " 1", "1 ", "a\0b", "a\0c", "a ", "a", "A", "1e0", "K"]),
)
values = st.one_of(
    texts,
    st.sampled_from([1, 1.0, 0, -0.0, 0.1, 2**53 + 1, 2**53 - 1, 2.0**53, 2**63 - 1, 9.3e18]),
    st.sampled_from([float("inf"), -(2**63), b"", b"a", b"1", None]),
    texts.map(lambda text: text.encode()),
)


@st.composite
def schemas(draw):
    """CREATE TABLE, and a unique index or two of its columns."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
    how = st.sampled_from(["", *(f" COLLATE {name}" for name in COLLATIONS)])
    columns = [f'"{name}" {draw(st.sampled_from(["", *TYPES]))}{draw(how)}' for name in names]

    def key():
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        return ", ".join(
            f'"{name}"{draw(how)}{draw(st.sampled_from(["", " DESC"]))}' for name in chosen
        )

    parts, tail = list(columns), ""
    kind = draw(st.sampled_from(["rowid", "primary", "without", "unique"]))
    if kind in {"primary", "without"}:
        parts.append(f"PRIMARY KEY ({key()})")
        tail = " WITHOUT ROWID" if kind == "without" else ""
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(names))), f'g AS ("{names[0]}" || 1) STORED')
    found = [f"CREATE TABLE t ({', '.join(parts)}){tail}"]
    if kind == "unique" or draw(st.booleans()):
        found.append(f"CREATE UNIQUE INDEX i ON t ({key()})")
    return names, found


def made(statements):
    """Pages with these tables, and their catalogue; none where SQLite refuses the schema."""
    database, file = open_pages(Pages())
    try:
        for statement in statements:
            database.execute(statement)
        catalogue = Catalogue(database)
    except apsw.SQLError:
        return None
    finally:
        pages = file.published()
        database.close()
    return None if catalogue.unsupported else (pages, catalogue)


def stored(pages, table, names, row):
    """A row as the table gives it, or None where it takes no such row."""
    database, _ = open_pages(pages)
    try:
        marks = ", ".join("?" * len(names))
        listed = ", ".join(f'"{name}"' for name in names)
        database.execute(f"INSERT INTO t ({listed}) VALUES ({marks})", row)
        return database.execute(table.select_all).fetchone()
    except apsw.Error:
        return None
    finally:
        database.close()


@settings(max_examples=120)
@given(schemas(), st.data())
@example((["a"], ["CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY)"]), [("a\0b",), ("A\0c",)])
@example((["a"], ["CREATE TABLE t (a TEXT UNIQUE COLLATE RTRIM)"]), [("a\0 ",), ("a\0",)])
@example((["a"], ["CREATE TABLE t (a, PRIMARY KEY (a COLLATE NOCASE))"]), [("a",), ("A",)])
@example((["a"], ["CREATE TABLE t (a INT UNIQUE)"]), [("1",), (1.0,)])
@example((["a"], ["CREATE TABLE t (a UNIQUE)"]), [("1",), (1,)])
@example((["a"], ["CREATE TABLE t (a REAL UNIQUE)"]), [(2**53 + 1,), (2**53,)])
@example((["a"], ["CREATE TABLE t (a UNIQUE)"]), [(2**53 + 1,), (2.0**53,)])
def test_sqlite_refuses_the_second_row_where_both_have_one_key(schema, data):
    names, statements = schema
    found = made(statements)
    assume(found is not None)
    pages, catalogue = found
    table = catalogue.tables["t"]
    rows = st.tuples(*[values] * len(names))
    one, two = data if isinstance(data, list) else (data.draw(rows), data.draw(rows))
    # Each is stored alone: a key that SQLite gives is the same there, and another one together.
    assume(not table.integer_key or None not in (*one, *two))
    first, second = stored(pages, table, names, one), stored(pages, table, names, two)
    assume(first is not None and second is not None)
    keys = [
        key for key in (table.primary, *table.unique) if not (table.rowid and key.name == "rowid")
    ]
    assume(keys)
    same = any(key.of(first) is not None and key.of(first) == key.of(second) for key in keys)
    database, _ = open_pages(pages)
    listed = ", ".join(f'"{name}"' for name in names)
    insert = f"INSERT INTO t ({listed}) VALUES ({', '.join('?' * len(names))})"
    database.execute(insert, one)
    try:
        database.execute(insert, two)
        refused = False
    except apsw.ConstraintError:
        refused = True
    database.close()
    event("refused" if refused else "taken")
    if table.scanned:  # an index on a generated column: its writers meet by the whole table
        assert refused or not same
    else:
        assert refused == same


CHANGES = [
    "INSERT OR IGNORE INTO t ({0}) VALUES (?, ?)",
    "REPLACE INTO t ({0}) VALUES (?, ?)",
    "UPDATE OR IGNORE t SET {1} = ? WHERE {2} > ?",
    "UPDATE OR REPLACE t SET {2} = ?, {1} = ?",
    "DELETE FROM t WHERE {1} < ? AND {2} IS NOT ?",
    "UPDATE t SET {1} = upper({1}) WHERE ? IS NOT ?",
]


@settings(max_examples=120)
@given(
    schemas(),
    st.lists(
        st.lists(st.tuples(st.sampled_from(CHANGES), values, values), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
)
def test_who_follows_who_boots_and_the_totals_have_the_same_rows(schema, commits):
    names, statements = schema
    one, two, *_ = (f'"{name}"' for name in names)
    found = made(statements)
    assume(found is not None)
    pages, catalogue = found
    table = catalogue.tables["t"]
    workspace = Workspace(True, lambda *_: None)
    follower, file = open_as_stored(pages)
    followed, rows, total = pages, {}, Total()
    for commit in commits:
        workspace.show(State(next(_lives), b"", 0, b"", pages, catalogue))
        workspace.watch(catalogue)
        for form, *given_values in commit:
            workspace.run(form.format(f"{one}, {two}", one, two), given_values, reads=False)
        changes = workspace.changes()
        try:
            workspace.check_keys(catalogue)
        except Exception:
            workspace.discard()
            continue
        if not changes:
            workspace.discard()
            continue
        certificate = of_changes(changes, workspace.written(), workspace.database, catalogue)
        pages = workspace.publish()
        ((_, added),) = certificate.sums()
        ((_, flat),) = content_of(certificate.payload())[1]
        for key, row in pairs(flat):
            if row is False:
                rows.pop(key, None)
            else:
                rows[key] = row
        total = Total(len(rows), (total.sum + added) % 2**52)
        file.pin(followed)
        follower.execute("BEGIN")
        apply_entry(follower, catalogue, content_of(certificate.payload())[1])
        follower.execute("COMMIT")
        followed = file.published()
    look, _ = open_pages(pages)
    right = sorted(look.execute(table.select_all).fetchall(), key=repr)
    schema_now = [sql for _, _, sql in schema_objects(look)]
    assert sorted(follower.execute(table.select_all).fetchall(), key=repr) == right
    booted, _, again = open_empty(schema_now)
    assert fill_what_fits(booted, again.tables["t"], rows) == []
    assert sorted(booted.execute(table.select_all).fetchall(), key=repr) == right
    assert total == total_of(rows)
    assert {msgpack.packb(row) for row in right} == set(rows.values())
    for database in (look, booted, follower):
        database.close()
    workspace.close()
