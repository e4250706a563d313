"""A WSGI service tells its journal of every error of its database, by the client's request."""

import importlib.util
import json
import sys
import types

import pytest
from sqlalchemy import create_engine, exc, text

from discovery.deploy.playbook import ANSIBLE

FILE = ANSIBLE / "deploy" / "roles" / "keystone" / "files" / "discovery_causes.py"


@pytest.fixture
def module(monkeypatch):
    spec = importlib.util.spec_from_file_location("discovery_causes", FILE)
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "discovery_causes", loaded)
    spec.loader.exec_module(loaded)
    return loaded


def told(capsys, module):
    lines = [line for line in capsys.readouterr().err.splitlines() if module.MARK in line]
    return [json.loads(line.partition(module.MARK)[2]) for line in lines]


def test_an_error_is_told_with_its_request(module, capsys):
    engine = create_engine("sqlite://")

    def application(environ, start_response):
        with engine.connect() as connection:
            connection.execute(text(environ["statement"]))
        return [b"done"]

    layer = module.Causes(application)
    wrong = {"statement": "SELECT * FROM nowhere", "HTTP_X_OPENSTACK_REQUEST_ID": "req-1"}
    with pytest.raises(exc.OperationalError):
        layer(wrong, None)
    assert layer({**wrong, "statement": "SELECT 1"}, None) == [b"done"]
    with pytest.raises(exc.OperationalError):
        layer({"statement": "SELECT * FROM nowhere"}, None)
    with pytest.raises(exc.OperationalError):
        application(wrong, None)  # of no request
    engine.dispose()
    assert told(capsys, module) == [
        {"request": "req-1", "class": "OperationalError", "state": None}
    ]


class PostgresError(Exception):
    pgcode = "40001"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (PostgresError("could not serialize access"), "40001"),
        (OSError(1213, "Deadlock found when trying to get lock"), "1213"),
        (RuntimeError("rome: deadlock"), None),
        (RuntimeError(), None),
    ],
)
def test_the_state_that_a_driver_tells(module, capsys, error, state):
    layer = module.Causes(
        lambda environ, _: module._tell(types.SimpleNamespace(original_exception=error))
    )
    layer({"HTTP_X_OPENSTACK_REQUEST_ID": "req-1"}, None)
    assert told(capsys, module) == [
        {"request": "req-1", "class": type(error).__name__, "state": state}
    ]
