"""The same workloads on MariaDB and on a Galera cluster of three, to say what those do.

Servers of their own, in folders of their own, run by the user ``mysql`` where we are root; they
listen on loopback only.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from tests.histories.faults import DATABASE, Clients, Fault
from tests.histories.profile import ANYWHERE
from tests.redis_servers import HOST, free_port, until

_READY_S = 90.0
GALERA = Path("/usr/lib/galera/libgalera_smm.so")


def missing() -> str | None:
    """What is not installed here, if anything."""
    for program in ("mariadbd", "mariadb-install-db", "rsync"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            return program
    if importlib.util.find_spec("pymysql") is None:
        return "pymysql"
    return None if GALERA.exists() else str(GALERA)


class Server:
    """One mariadbd."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.socket = folder / "socket"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(folder, "mysql", "mysql")
        self._as = ["--user=mysql"] if os.geteuid() == 0 else []
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", *self._as),
                *(f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"mysql+pymysql://root@localhost/{DATABASE}?unix_socket={self.socket}"

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """One statement on a connection of its own."""
        url = f"mysql+pymysql://root@localhost/?unix_socket={self.socket}"
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.exec_driver_sql(sql)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def start(self, *more: str) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *("mariadbd", "--no-defaults", *self._as, f"--datadir={self.folder / 'data'}"),
                    *(f"--socket={self.socket}", f"--port={self.port}", f"--bind-address={HOST}"),
                    *("--innodb-buffer-pool-size=64M", "--character-set-server=utf8mb4"),
                    *("--collation-server=utf8mb4_general_ci", *self.options, *more),
                ],
                stdout=log,
                stderr=log,
            )
        until(self._ready, f"mariadbd answers; its log is {self.folder / 'log'}", _READY_S)

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)):
                return False
        with contextlib.suppress(DBAPIError):
            state = self.ask("SHOW STATUS LIKE 'wsrep_ready'")
            return not state or (state[0]["Value"] in {"ON", "OFF"} and self._in_step())
        return False

    def _in_step(self) -> bool:
        if not any("wsrep-on" in option for option in self.options):
            return True
        return self.ask("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0]["Value"] == "Synced"

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it, by its process id."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


class MariaDB(Fault):
    """One MariaDB, as it is by default: REPEATABLE READ; nothing breaks."""

    workloads: ClassVar[tuple[str, ...]] = ANYWHERE
    name = "mariadb"
    server_options: ClassVar[tuple[str, ...]] = ()

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """A server with an empty database."""
        with tempfile.TemporaryDirectory(prefix="histories-", dir="/var/tmp") as base:
            Path(base).chmod(0o755)
            self.server = Server(Path(base) / "one", *self.server_options)
            try:
                self.server.start()
                self.server.ask(f"CREATE DATABASE {DATABASE}")
                yield [self.server.url]
            finally:
                self.server.end()


class MariaDBSnapshot(MariaDB):
    """The same with ``innodb_snapshot_isolation``, the default from version 11.6.2 on."""

    name = "mariadb-snapshot"
    server_options: ClassVar[tuple[str, ...]] = ("--innodb-snapshot-isolation=ON",)


class MariaDBRestarted(MariaDB):
    """The server crashes and recovers."""

    name = "mariadb-restarted"

    def strike(self, clients: Clients) -> None:
        """Down for a moment."""
        self.note("kill")
        self.server.end()
        self.server.start()
        self.note("restarted")


class Galera(Fault):
    """Three nodes that all take writes; each client process has one of them. Nothing breaks."""

    workloads: ClassVar[tuple[str, ...]] = ANYWHERE
    name = "galera"
    stale: ClassVar[bool] = True  # wsrep_sync_wait is 0 by default

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """Three nodes on ports of loopback."""
        with tempfile.TemporaryDirectory(prefix="histories-", dir="/var/tmp") as base:
            Path(base).chmod(0o755)
            ports = [free_port() for _ in range(3)]
            members = "gcomm://" + ",".join(f"{HOST}:{port}" for port in ports)
            self.nodes = [
                Server(
                    Path(base) / f"node{number}",
                    "--wsrep-on=ON",
                    f"--wsrep-provider={GALERA}",
                    f"--wsrep-cluster-address={members}",
                    f"--wsrep-node-name=node{number}",
                    f"--wsrep-node-address={HOST}:{port}",
                    f"--wsrep-sst-receive-address={HOST}:{free_port()}",
                    "--wsrep-sst-method=rsync",
                    "--wsrep-provider-options="
                    f"gmcast.listen_addr=tcp://{HOST}:{port};ist.recv_addr={HOST}:{free_port()};"
                    "gcache.size=32M",
                    "--binlog-format=ROW",
                    "--innodb-autoinc-lock-mode=2",
                )
                for number, port in enumerate(ports)
            ]
            try:
                self.nodes[0].start("--wsrep-new-cluster")
                for node in self.nodes[1:]:
                    node.start()
                self.nodes[0].ask(f"CREATE DATABASE {DATABASE}")
                yield [node.url for node in self.nodes]
            finally:
                for node in self.nodes:
                    node.end()


class GaleraNodeKilled(Galera):
    """A node crashes, and comes back with what it has missed."""

    name = "galera-node-killed"

    def strike(self, clients: Clients) -> None:
        """One of the three, down for a moment."""
        node = self.rng.choice(self.nodes)
        self.note("kill")
        node.end()
        time.sleep(self.rng.random())
        node.start()
        self.note("in step")


OTHERS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (MariaDB, MariaDBSnapshot, MariaDBRestarted, Galera, GaleraNodeKilled)
}
