"""A schema on which a lost, a doubled or an invented commit shows: counters, and a row for each."""

import contextlib

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    select,
    update,
)

metadata = MetaData()
counter = Table(
    "counter", metadata, Column("name", String(20), primary_key=True), Column("n", Integer)
)
step = Table(
    "step",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("counter", String(20), ForeignKey("counter.name")),
    Column("label", String(40), unique=True),
)


@contextlib.contextmanager
def engine_on(url, *, make=False, names=("a",)):
    """An engine on ``url``, with the tables and counters at 0 if it is to ``make`` them."""
    engine = create_engine(url)
    try:
        if make:
            metadata.create_all(engine)
            with engine.begin() as connection:
                connection.execute(insert(counter), [{"name": name, "n": 0} for name in names])
        yield engine
    finally:
        engine.dispose()


def replica_of(engine):
    """The process's replica behind an engine, for its counters."""
    with engine.connect() as connection:
        return connection.connection.dbapi_connection.replica


def add(engine, label, name="a"):
    """One transaction: a counter goes up by one, and a row says so."""
    with engine.begin() as connection:
        connection.execute(update(counter).where(counter.c.name == name).values(n=counter.c.n + 1))
        connection.execute(insert(step).values(counter=name, label=label))


def read(engine, name="a"):
    """The counter, and the labels of its rows."""
    with engine.connect() as connection:
        n = connection.execute(select(counter.c.n).where(counter.c.name == name)).scalar()
        labels = connection.execute(select(step.c.label).where(step.c.counter == name)).scalars()
        return n, sorted(labels)


def count(engine, name="a"):
    """The counter, after a look whether it agrees with its rows."""
    n, labels = read(engine, name)
    assert n == len(labels) == len(set(labels)), (n, labels)
    return n


def steps(engine):
    """How many rows there are in all."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(step)).scalar()
