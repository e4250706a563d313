"""A real PostgreSQL server for tests, on loopback, in a folder of its own.

with postgresql_server() as server: create_engine(server.url("keystone", driver="oslo"))
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg2
import pytest

from tests.redis_servers import HOST, free_port, until

USER = "tester"
ROLE = "postgres"


def programs():
    """The folder of initdb and postgres of the newest version that is here; None without."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


class PostgresqlServer:
    """One server. As root it runs as ``postgres``, since it refuses to run as root."""

    def __init__(self, folder, *settings):
        self.bin = programs()
        if self.bin is None:
            pytest.skip("needs PostgreSQL: apt-get install postgresql")
        self.port = free_port()
        self.data = Path(folder) / "data"
        self.log = Path(folder) / "server.log"
        self.settings = settings
        self.process = None
        self._become = ()
        if os.geteuid() == 0:
            shutil.chown(folder, ROLE)
            self._become = ("setpriv", f"--reuid={ROLE}", f"--regid={ROLE}", "--clear-groups")

    def start(self):
        """Make its data, run it, and wait until it answers."""
        initdb = [self.bin / "initdb", "-D", self.data, "-U", USER, "--auth=trust", "-E", "UTF8"]
        subprocess.run(
            [*self._become, *initdb, "--no-sync"], check=True, capture_output=True, cwd="/"
        )
        # What a test writes need not outlive the machine; that it is committed is what counts.
        given = (
            f"listen_addresses={HOST}", f"port={self.port}", "unix_socket_directories=",
            "max_connections=300", "fsync=off", *self.settings,
        )  # fmt: skip
        options = [word for setting in given for word in ("-c", setting)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self._become, self.bin / "postgres", "-D", self.data, *options],
                stdout=output,
                stderr=output,
                cwd="/",
            )
        until(self._answers, f"PostgreSQL answers; its log is {self.log}")

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with contextlib.suppress(psycopg2.OperationalError):
            self.ask("postgres", "SELECT 1")
            return True
        return False

    def ask(self, database, statement, *parameters):
        """One statement that commits itself, and its rows, on a connection of its own."""
        with contextlib.closing(
            psycopg2.connect(host=HOST, port=self.port, user=USER, dbname=database)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

    def create(self, database):
        """A new, empty database."""
        self.ask("postgres", f"CREATE DATABASE {database}")

    def url(self, database, driver="oslo", port=None, **options):
        """A URL of ``database``; ``port`` is that of a proxy."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        where = f"{USER}@{HOST}:{port or self.port}/{database}"
        return f"postgresql+{driver}://{where}" + (f"?{query}" if query else "")

    def stop(self):
        """End it at once; its data is not used again."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)


@contextlib.contextmanager
def postgresql_server(*settings):
    """A server whose data is in memory where the machine has a place for that."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="postgresql-", dir=place) as folder:
        Path(folder).chmod(0o755)
        server = PostgresqlServer(folder, *settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
