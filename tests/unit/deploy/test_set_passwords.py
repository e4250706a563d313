"""The passwords of a lease get into a database that was restored; nothing else of it changes."""

import io
import json
import runpy
import sys
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from discovery.deploy.playbook import ANSIBLE

PROGRAM = ANSIBLE / "deploy" / "roles" / "keystone" / "files" / "set_passwords.py"
TABLES = (
    "CREATE TABLE local_user (id INTEGER PRIMARY KEY, domain_id TEXT, user_id TEXT, name TEXT)",
    "CREATE TABLE password (id INTEGER PRIMARY KEY, local_user_id INTEGER, password_hash TEXT,"
    " created_at_int INTEGER)",
    "INSERT INTO local_user VALUES (1, 'default', 'u1', 'admin'), (2, 'default', 'u2', 'load-1'),"
    " (3, 'another', 'u3', 'admin')",
    "INSERT INTO password VALUES (7, 1, 'old1', 11), (8, 2, 'old2', 12), (9, 3, 'old3', 13)",
)


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Keystone's, as far as it is needed, and a bcrypt that can be read."""
    fake = SimpleNamespace(
        gensalt=lambda rounds: f"${rounds}$".encode(), hashpw=lambda word, salt: salt + word
    )
    monkeypatch.setitem(sys.modules, "bcrypt", fake)
    engine = sa.create_engine(f"sqlite:///{tmp_path}/keystone")
    with engine.begin() as connection:
        for statement in TABLES:
            connection.execute(sa.text(statement))
    yield engine
    engine.dispose()


def run(database, monkeypatch, **passwords):
    question = {"url": str(database.url), "rounds": 4, "passwords": passwords}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(question)))
    runpy.run_path(str(PROGRAM), run_name="__main__")


def rows(database):
    with database.connect() as connection:
        return connection.execute(sa.text("SELECT * FROM password ORDER BY id")).fetchall()


def test_the_hashes_change_and_nothing_else(database, monkeypatch):
    run(database, monkeypatch, **{"admin": "a", "load-1": "b"})
    assert rows(database) == [(7, 1, "$4$a", 11), (8, 2, "$4$b", 12), (9, 3, "old3", 13)]


def test_a_user_that_is_not_there_is_named_and_nobody_is_changed(database, monkeypatch):
    with pytest.raises(SystemExit, match="no user load-2, nova"):
        run(database, monkeypatch, **{"nova": "x", "admin": "a", "load-2": "b"})
    assert [row[2] for row in rows(database)] == ["old1", "old2", "old3"]


def test_a_user_without_a_password_is_named_and_nobody_is_changed(database, monkeypatch):
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM password WHERE id = 8"))
    with pytest.raises(SystemExit, match="0 passwords of the user load-1"):
        run(database, monkeypatch, **{"admin": "a", "load-1": "b"})
    assert [row[2] for row in rows(database)] == ["old1", "old3"]
