"""The servers that are compared, each on its site, with the settings of the main experiments.

Data lies in memory (``/dev/shm``), and every product is told to have a commit on its "disk" before
it answers: none waits for a real one, and none is spared the work.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psutil
from places import SERVER, SITES, Places

READY_S = 60.0
ACCOUNT = "openstack"
DATABASES = ("nova_api", "nova_cell0", "nova_cell1", "keystone")


class Server(ABC):
    """A database product in a given shape, running."""

    name: str

    def __init__(self, places: Places) -> None:
        self.places = places
        self.folder = Path(tempfile.mkdtemp(prefix=f"rome-{self.name}-", dir="/dev/shm"))
        self.folder.chmod(0o755)
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def start(self) -> None:
        """Make its data and run it; when this returns it can be used."""

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens, on every site that it is on."""

    @abstractmethod
    def url(self, database: str, host: str, port: int) -> str:
        """The SQLAlchemy URL of ``database`` for a client that connects to ``host:port``."""

    def host(self, site: str) -> str:
        """The address that a client on ``site`` connects to."""
        return self.places.address(SERVER)

    def _start(self, site: str, *words: str, log: str) -> None:
        with (self.folder / log).open("ab") as output:
            command = self.places.command(site, *words)
            self._processes.append(subprocess.Popen(command, stdout=output, stderr=output))

    def _until(self, site: str, *words: str) -> None:
        deadline = time.monotonic() + READY_S
        while subprocess.run(
            self.places.command(site, *words), capture_output=True, check=False
        ).returncode:
            if time.monotonic() > deadline or self._processes[-1].poll() is not None:
                logs = sorted(self.folder.glob("*.log"), key=lambda log: log.stat().st_mtime)
                last = logs[-1].read_text(errors="replace")[-3000:]
                raise SystemExit(f"{self.name} did not start:\n{last}")
            time.sleep(0.1)

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used."""
        total = 0.0
        for process in self._processes:
            family = psutil.Process(process.pid)
            for member in (family, *family.children(recursive=True)):
                times = member.cpu_times()
                total += times.user + times.system
        return total

    def stop(self) -> None:
        """End it, and remove its data."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class MariaDB(Server):
    """One server."""

    name = "mariadb"
    port = 3306
    sites: tuple[str, ...] = (SERVER,)

    def start(self) -> None:
        shutil.chown(self.folder, "mysql")
        for number, site in enumerate(self.sites):
            data, socket = self.folder / site, self.folder / f"{site}.sock"
            install = ("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql")
            plain = ("--auth-root-authentication-method=normal", "--skip-test-db")
            subprocess.run([*install, *plain], check=True, capture_output=True)
            command = (
                "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}",
                f"--socket={socket}", f"--pid-file={self.folder / site}.pid", f"--port={self.port}",
                "--bind-address=0.0.0.0", "--skip-name-resolve", "--max-connections=500",
                "--innodb-flush-log-at-trx-commit=1",
                "--sync-binlog=1", "--transaction-isolation=REPEATABLE-READ",
                "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=64M",
                "--innodb-autoinc-lock-mode=2", *self._options(site, first=not number),
            )  # fmt: skip
            self._start(site, *command, log=f"{site}.log")
            self._until(site, "mariadb", "--no-defaults", f"--socket={socket}", "-e", self._ready())
        user = f"{ACCOUNT}@'%'"
        accounts = f"CREATE USER {user} IDENTIFIED BY '{ACCOUNT}'; GRANT ALL ON *.* TO {user};"
        made = "".join(f"CREATE DATABASE {name} CHARACTER SET utf8mb3;" for name in DATABASES)
        socket = self.folder / f"{self.sites[0]}.sock"
        client = ("mariadb", "--no-defaults", f"--socket={socket}", "-e", accounts + made)
        subprocess.run(client, check=True)

    def _options(self, site: str, *, first: bool) -> tuple[str, ...]:
        return ()

    def _ready(self) -> str:
        return "SELECT 1"

    def url(self, database: str, host: str, port: int) -> str:
        return f"mysql+pymysql://{ACCOUNT}:{ACCOUNT}@{host}:{port}/{database}?charset=utf8mb3"


class Galera(MariaDB):
    """One node per site; a client uses its own site's."""

    name = "galera"
    port = 3307
    sites = SITES

    def host(self, site: str) -> str:
        return self.places.address(site)

    def _options(self, site: str, *, first: bool) -> tuple[str, ...]:
        members = ",".join(self.places.address(name) for name in self.sites)
        return (
            *(("--wsrep-new-cluster",) if first else ()),
            "--binlog-format=ROW", "--default-storage-engine=InnoDB", "--wsrep-on=ON",
            "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
            "--wsrep-provider-options=gcache.size=64M",
            "--wsrep-cluster-name=rome-benchmark", f"--wsrep-cluster-address=gcomm://{members}",
            f"--wsrep-node-name={site}", f"--wsrep-node-address={self.places.address(site)}",
            "--wsrep-sst-method=rsync", "--wsrep-sync-wait=15", "--wsrep-slave-threads=1",
        )  # fmt: skip

    def _ready(self) -> str:
        return "SELECT COUNT(*) FROM mysql.user"  # refused until the node is in step


class PostgreSQL(Server):
    """One server."""

    name = "postgresql"
    port = 5432

    def start(self) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        initdb = (
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            ACCOUNT,
            "--auth=trust",
            "-E",
            "UTF8",
        )
        subprocess.run([*as_postgres, *initdb], check=True, capture_output=True, cwd="/")
        with (data / "pg_hba.conf").open("a") as access:
            access.write("host all all 0.0.0.0/0 trust\n")
        settings = (
            "listen_addresses=0.0.0.0", f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "max_connections=300", "shared_buffers=512MB", "synchronous_commit=on",
        )  # fmt: skip
        options = [word for setting in settings for word in ("-c", setting)]
        command = (*as_postgres, str(programs / "postgres"), "-D", str(data), *options)
        self._start(SERVER, *command, log="server.log")
        psql = (
            str(programs / "psql"),
            "-h",
            str(self.folder),
            "-U",
            ACCOUNT,
            "-d",
            "postgres",
            "-c",
        )
        self._until(SERVER, *psql, "SELECT 1")
        for name in DATABASES:
            subprocess.run([*psql, f"CREATE DATABASE {name}"], check=True, capture_output=True)

    def url(self, database: str, host: str, port: int) -> str:
        return f"postgresql+psycopg2://{ACCOUNT}:{ACCOUNT}@{host}:{port}/{database}"


class Rome(Server):
    """One Redis server."""

    name = "rome-sync"
    port = 6379
    fresh = "sync"
    durable = True

    def start(self) -> None:
        log = ("yes", "--appendfsync", "always") if self.durable else ("no",)
        listen = ("--port", str(self.port), "--bind", "0.0.0.0", "--protected-mode", "no")
        files = ("--save", "", "--dir", str(self.folder), "--appendonly", *log)
        self._start(SERVER, "redis-server", *listen, *files, log="server.log")
        self._until(SERVER, "redis-cli", "-p", str(self.port), "PING")

    def url(self, database: str, host: str, port: int) -> str:
        return f"rome://{host}:{port}/{database}?fresh={self.fresh}"


class RomePush(Rome):
    """Another one, whose clients are sent the log."""

    name = "rome-push"
    port = 6380
    fresh = "push"


SERVERS: dict[str, type[Server]] = {
    kind.name: kind for kind in (MariaDB, Galera, PostgreSQL, Rome, RomePush)
}
