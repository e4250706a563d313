"""A real MariaDB server for tests, on loopback, in a folder of its own.

with mariadb_server() as server: server.create("nova_api"); server.url("nova_api")
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.redis_servers import HOST, free_port, until

USER = "tester"
READY_S = 90.0
_PATH = f"{os.environ['PATH']}:/usr/sbin"


class MariadbServer:
    """One server. As root it runs as ``mysql``."""

    def __init__(self, folder):
        for program in ("mariadbd", "mariadb-install-db", "mariadb"):
            if shutil.which(program, path=_PATH) is None:
                pytest.skip(f"needs {program}: apt-get install mariadb-server")
        self.folder = Path(folder)
        self.port = free_port()
        self.log = self.folder / "server.log"
        self.process = None
        self._user = ["--user=mysql"] if os.geteuid() == 0 else []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "mysql", "mysql")

    def start(self):
        """Make its data, run it, and wait until it answers."""
        data = f"--datadir={self.folder / 'data'}"
        install = ("mariadb-install-db", "--no-defaults", *self._user, data, "--skip-test-db")
        subprocess.run(
            [*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True
        )
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(shutil.which("mariadbd", path=_PATH), "--no-defaults", *self._user, data),
                    *(f"--socket={self.folder / 'socket'}", f"--port={self.port}"),
                    *(f"--bind-address={HOST}", "--skip-name-resolve"),
                    *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2"),
                ],
                stdout=output,
                stderr=output,
            )
        until(self._answers, f"mariadbd answers; its log is {self.log}", READY_S)
        self.ask(f"CREATE USER {USER}@'%' IDENTIFIED BY '{USER}'")
        self.ask(f"GRANT ALL ON *.* TO {USER}@'%'")

    def _client(self, statement):
        words = ("mariadb", "--no-defaults", f"--socket={self.folder / 'socket'}", "-uroot", "-N")
        return subprocess.run(
            [*words, "-e", statement], capture_output=True, text=True, check=False
        )

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return self._client("SELECT 1").returncode == 0

    def ask(self, statement):
        """One statement, and what the client prints for it."""
        done = self._client(statement)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, database):
        """A new, empty database."""
        self.ask(f"CREATE DATABASE {database} CHARACTER SET utf8mb3")

    def url(self, database, port=None):
        """A URL of ``database``; ``port`` is that of a proxy."""
        return f"mysql+pymysql://{USER}:{USER}@{HOST}:{port or self.port}/{database}"

    def stop(self):
        """End it at once; its data is not used again."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


@contextlib.contextmanager
def mariadb_server():
    """A server whose data is in memory where the machine has a place for that."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mariadb-", dir=place) as folder:
        Path(folder).chmod(0o755)
        server = MariadbServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
