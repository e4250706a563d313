"""The engines that services are measured on: SQLite, a MariaDB and a Redis of the run's own."""

import contextlib
from dataclasses import dataclass

import sqlalchemy as sa

from tests.mariadb_servers import mariadb_server
from tests.redis_servers import redis_server

ENGINES = ("sqlite", "mariadb", "rome")
SESSIONS = 5000


@dataclass(frozen=True)
class Servers:
    """The servers of a run; ``folder`` is for SQLite's files."""

    folder: object
    mariadb: object
    redis: object

    def url(self, engine, name):
        """The URL of a new database on that engine."""
        if engine == "sqlite":
            return f"sqlite:///{self._file(name)}"
        if engine == "mariadb":
            self.mariadb.create(name)
            return self.mariadb.url(name)
        return self.redis.url(name)

    def tables(self, engine, name):
        """How many tables a database has."""
        if engine == "mariadb":
            of_it = f"FROM information_schema.tables WHERE table_schema = '{name}'"
            return int(self.mariadb.ask(f"SELECT COUNT(*) {of_it}"))
        database = sa.create_engine(
            self.redis.url(name) if engine == "rome" else f"sqlite:///{self._file(name)}"
        )
        try:
            return len(sa.inspect(database).get_table_names())
        finally:
            database.dispose()

    def _file(self, name):
        return self.folder / f"{name}.sqlite"

    def tests_url(self, engine, foreign_keys):
        """What the runner of tests is given (``%s`` for names); None is the tests' own SQLite."""
        if engine == "sqlite":
            return None
        if engine == "mariadb":
            return self.mariadb.url("%s")
        return self.redis.url("%s", **({} if foreign_keys else {"foreign_keys": False}))

    def forget(self):
        """Leave no database."""
        self.redis.ask("FLUSHALL")
        for name in self.mariadb.ask("SHOW DATABASES").split():
            if name not in {"information_schema", "mysql", "performance_schema", "sys"}:
                self.mariadb.ask(f"DROP DATABASE `{name}`")


@contextlib.contextmanager
def servers(started):
    """All of them, while the body runs."""
    with redis_server(started.folder) as redis, mariadb_server() as mariadb:
        started.note(redis.pid)
        started.note(mariadb.process.pid)
        mariadb.ask(f"SET GLOBAL max_connections = {SESSIONS}")
        yield Servers(started.folder, mariadb, redis)
