"""Say what leaves oslo.db for each recorded message; with each of our rules taken away, too.

    map_messages.py MESSAGES.yaml

Runs with the Python that has oslo.db. Prints JSON: what a message becomes, by its number and
dialect, under "all" and under the name of each rule that was taken away; and ``serializers``.
"""

import copy
import json
import logging
import sys
import types
from pathlib import Path

import psycopg2
import sqlalchemy as sa
import yaml
from oslo_db.sqlalchemy import engines, exc_filters
from rules import rules
from sqlalchemy.engine import make_url

from discovery.cockroach import oslo

ATTRIBUTES = (
    "columns",
    "value",
    "table",
    "constraint",
    "key",
    "key_table",
    "check_name",
    "database",
)
STATEMENTS = {"statement": "UPDATE t SET a = 1", "savepoint": "RELEASE SAVEPOINT sa_savepoint_1"}


def raised(message):
    """The error as psycopg2 raises it."""
    kind = psycopg2
    for part in message["raised"].split("."):
        kind = getattr(kind, part)
    if "diagnostics" in message:
        sent = types.SimpleNamespace(**message["diagnostics"])
        kind = type(kind.__name__, (kind,), {"diag": sent})
    error = kind(message["said"])
    error.__setstate__({"pgcode": message["sqlstate"], "pgerror": message["said"]})
    return error


def becomes(message, dialect):
    """What a caller of oslo.db gets, along SQLAlchemy's own way of wrapping an error."""
    error = raised(message)
    lost = dialect.is_disconnect(error, None, None)
    statement = message.get("statement", STATEMENTS.get(message["when"]))
    wrapped = sa.exc.DBAPIError.instance(
        statement, (), error, psycopg2.Error, connection_invalidated=lost, dialect=dialect
    )
    context = types.SimpleNamespace(
        original_exception=error, sqlalchemy_exception=wrapped, dialect=dialect, connection=None
    )
    context.is_disconnect = lost
    try:
        left = exc_filters.handler(context) or wrapped
    except Exception as as_it_was:
        left = as_it_was
    found = {name: getattr(left, name) for name in ATTRIBUTES if hasattr(left, name)}
    return {"becomes": type(left).__name__, "lost": context.is_disconnect, "attributes": found}


def main():
    logging.disable(logging.CRITICAL)
    messages = yaml.safe_load(Path(sys.argv[1]).read_text())
    own = copy.deepcopy(exc_filters._registry)
    dialects = {}
    for name in ("cockroachdb", "postgresql"):
        kind = make_url(f"{name}+oslo://").get_dialect()
        dialects[name] = kind(dbapi=kind.import_dbapi())
    answers = {}
    for name, module, attribute, value in [("all", oslo, "FILTERS", oslo.FILTERS), *rules()]:
        kept = getattr(module, attribute)
        setattr(module, attribute, value)
        exc_filters._registry.clear()
        exc_filters._registry.update(copy.deepcopy(own))
        oslo.register.__wrapped__()
        answers[name] = {
            f"{number} {dialect}": becomes(message, dialects[dialect])
            for number, message in enumerate(messages)
            for dialect in message.get("dialects", ["cockroachdb"])
        }
        setattr(module, attribute, kept)
    answers["serializers"] = serializers()
    json.dump(answers, sys.stdout)


def serializers():
    """What oslo.db gives an engine of CockroachDB's, of what a service gave it."""
    given, url = {}, make_url("cockroachdb+oslo://h/db")
    engines._init_connection_args(url, given, {"json_serializer": "s", "json_deserializer": "d"})
    return given


if __name__ == "__main__":
    main()
