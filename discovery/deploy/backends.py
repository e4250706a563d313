"""The back ends a service can be put on: a database product in a given shape.

A new back end is a role in ``ansible/roles/``, a URL template, and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from discovery.deploy.cockroach import program
from discovery.deploy.credentials import ACCOUNT
from discovery.errors import DeployError, MachineError

Placement = Literal["first-site", "every-site"]
Deciders = Literal["first-site", "every-site", "majority"]

# Proportional set sizes, from the largest seen at 3 sites. A control node without a database server
# had 254, 413 and 680 MB with two, five and ten Keystone processes at work; where no client was it
# had 228, 306 and 328 MB: processes are small until they are asked something, and checks ask few.
_CONTROL_MB = 150
_PROCESS_MB = 55
_COLD_PROCESS_MB = 5
_WARM = 3  # processes that have been asked something where no client is
# A client node with Rally at work had 204 MB, one without 26.
_CLIENT_MB = 210
_IDLE_CLIENT_MB = 30
# Nodes of this machine write into memory, and each has 9 MB of journal and the like.
_NODE_FILES_MB = 10
PROCESSES = 10  # that these were first measured with


@dataclass(frozen=True)
class Backend:
    """A database product in a given shape.

    ``placement`` says which sites run a server of it, ``decided_by`` which of them have to answer
    before a commit is done, and ``least_sites`` how many it takes. ``places_replicas``: it is told
    where its replicas are. ``optional_indexes``: its driver makes the indexes of foreign keys that
    MariaDB's server makes, and can leave it. ``lacks`` says why it cannot be deployed from this
    machine, if it cannot.

    ``url`` is the SQLAlchemy URL template of a service's database; ``{host}`` becomes the address
    the service connects to (the server of its own site where there is one, else site 1's),
    ``{others}`` those of all other servers, ``{other_hosts}`` the same as ``host=…&host=…``,
    ``{password}`` that of the services' account, and ``{database}`` the service's database.
    ``dump`` is the back end whose bootstrapped databases this one starts from; one that has none is
    bootstrapped at every deployment. ``units`` are the systemd units of its server.

    ``counters`` says how the server's own counters are read on its node, as root: ``driver`` and
    ``connect`` (its arguments), ``queries`` (per counter, a statement whose rows' last columns are
    summed; for Redis, the commands whose calls are; for metrics over HTTP, the names that are), and
    whether the server ``counts_itself`` such a question.

    ``memory_mb`` is what one server adds to its node: what was seen under light load (114 MB for
    MariaDB, 120 in a cluster, 86 for PostgreSQL, 12 for Redis) and room for the connections of more
    sites; a cluster's node has those of its own site alone. CockroachDB's is not measured: it is
    twice the 128 MB that it is given (cache and SQL), and as much again for the rest.
    ``files_mb`` is what it writes, which is memory, too, where nodes are of this machine: its data
    (123 MB for MariaDB, 40 for PostgreSQL, next to nothing for Redis), MariaDB's temporary tables
    (12 MB) and a Galera node's cache of writes (64 MB); CockroachDB's is not measured.
    ``seen`` is what was seen of its time where no cell of it was measured, with its source.
    ``driver_mb`` is what its driver adds to every Keystone: ROME's ten processes share a replica,
    and each has what changed since their fork (693 MB were seen with a Redis).
    """

    name: str
    title: str
    role: str
    placement: Placement
    url: str
    dump: str | None
    units: tuple[str, ...]
    counters: Mapping[str, Any]
    memory_mb: int
    files_mb: int
    decided_by: Deciders = "first-site"
    driver_mb: int = 0
    least_sites: int = 1
    places_replicas: bool = False
    optional_indexes: bool = False
    seen: str = ""
    lacks: Callable[[], str | None] | None = None

    def missing(self) -> str | None:
        """Why it cannot be deployed from this machine, if it cannot: then it is not run.

        A :class:`MachineError` if what it needs is here and cannot be used.
        """
        return self.lacks() if self.lacks else None


# A session of its own kind: a status must not wait for what the cluster has yet to apply.
_MARIADB_COUNTERS: dict[str, Any] = {
    "driver": "pymysql",
    "connect": {
        "unix_socket": "/run/discovery-mariadb/mariadb.sock",
        "user": "root",
        "init_command": "SET SESSION wsrep_sync_wait = 0",
    },
    "queries": {
        "queries": "SHOW GLOBAL STATUS LIKE 'Questions'",
        "commits": "SHOW GLOBAL STATUS LIKE 'Com_commit'",
        "rollbacks": "SHOW GLOBAL STATUS LIKE 'Com_rollback'",
        "reads": "SHOW GLOBAL STATUS LIKE 'Com_select'",
        "writes": "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_insert', 'Com_insert_select',"
        " 'Com_replace', 'Com_update', 'Com_update_multi', 'Com_delete', 'Com_delete_multi')",
        # What two transactions that wanted the same rows came to: of one server, of a cluster.
        "conflicts": "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_deadlocks',"
        " 'wsrep_local_cert_failures', 'wsrep_local_bf_aborts')",
    },
    "counts_itself": True,
}

# Statements of the services' databases, not of the one this connects to. The statistics views
# (pg_stat_database) lag by up to ten seconds; these do not.
_CALLS = (
    "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements{arguments} JOIN pg_database d"
    " ON d.oid = dbid WHERE d.datname <> 'postgres'"
)
_POSTGRESQL_COUNTERS: dict[str, Any] = {
    "driver": "psycopg2",
    "connect": {"host": "/run/discovery-postgresql", "user": "root", "dbname": "postgres"},
    "queries": {
        "queries": _CALLS.format(arguments="(false)"),
        "commits": _CALLS.format(arguments="") + " AND query = 'COMMIT'",
        "rollbacks": _CALLS.format(arguments="") + " AND query = 'ROLLBACK'",
        "reads": _CALLS.format(arguments="") + " AND query ~* '^SELECT'",
        "writes": _CALLS.format(arguments="") + " AND query ~* '^(INSERT|UPDATE|DELETE)'",
    },
    "counts_itself": False,
}

# Redis counts the commands that scripts call, too, so the driver's requests are summed from those
# that scripts do not call, each a round trip: EVALSHA begins and commits transactions, EXEC boots a
# replica, XREAD follows the log. Only HINCRBY is both the driver's, to lease primary keys, and
# certify.lua's, to lease them with a commit: with it the sum is rather too high than too low. XADD
# is called once for each commit that is certified. A rollback sends nothing, and has no counter.
_REDIS_COUNTERS: dict[str, Any] = {
    "driver": "redis",
    "connect": {
        "unix_socket_path": "/run/discovery-redis/redis.sock",
        "username": ACCOUNT,
        "password": "",  # the lease's; see `counters_with`
    },
    "queries": {
        "queries": ["evalsha", "exec", "xread", "hincrby"],
        "commits": ["xadd"],
    },
    "counts_itself": False,
}

# A node's own metrics: statements with BEGIN, COMMIT and ROLLBACK, without the server's internal
# ones. They are asked for over HTTP, which every version answers alike and none counts.
_COCKROACH_COUNTERS: dict[str, Any] = {
    "driver": "metrics",
    "connect": {"url": "http://127.0.0.1:8080/_status/vars"},
    "queries": {
        "queries": ["sql_query_count"],
        "commits": ["sql_txn_commit_count"],
        "rollbacks": ["sql_txn_rollback_count"],
        "reads": ["sql_select_count"],
        "writes": ["sql_insert_count", "sql_update_count", "sql_delete_count"],
    },
    "counts_itself": False,
}

_WITHOUT_INDEXES = "foreign_key_indexes=off"

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            name="mariadb",
            title="MariaDB, one server on site 1",
            role="mariadb",
            placement="first-site",
            url="mysql+pymysql://openstack:{password}@{host}/{database}?charset=utf8mb3",
            dump="mariadb",
            units=("discovery-mariadb",),
            counters=_MARIADB_COUNTERS,
            memory_mb=200,
            files_mb=140,
        ),
        Backend(
            name="galera",
            title="MariaDB Galera, one node per site",
            role="galera",
            placement="every-site",
            url="mysql+pymysql://openstack:{password}@{host}/{database}?charset=utf8mb3",
            dump="mariadb",
            units=("discovery-mariadb",),
            counters=_MARIADB_COUNTERS,
            memory_mb=150,
            files_mb=210,
            decided_by="every-site",
        ),
        Backend(
            name="postgresql",
            title="PostgreSQL, one server on site 1 (control)",
            role="postgresql",
            placement="first-site",
            url="postgresql+oslo://openstack:{password}@{host}/{database}?isolation=read-committed",
            dump="postgresql",
            units=("discovery-postgresql",),
            counters=_POSTGRESQL_COUNTERS,
            memory_mb=200,
            files_mb=50,
            optional_indexes=True,
        ),
        Backend(
            name="postgresql-serializable",
            title="PostgreSQL at SERIALIZABLE, one server on site 1",
            role="postgresql",
            placement="first-site",
            url="postgresql+oslo://openstack:{password}@{host}/{database}",
            dump="postgresql",
            units=("discovery-postgresql",),
            counters=_POSTGRESQL_COUNTERS,
            memory_mb=200,
            files_mb=50,
            optional_indexes=True,
        ),
        Backend(
            name="cockroachdb",
            title="CockroachDB, one node per site",
            role="cockroach",
            placement="every-site",
            url="cockroachdb+oslo://root@{host}:26257/{database}?sslmode=disable&{other_hosts}",
            dump=None,
            units=("discovery-cockroach",),
            counters=_COCKROACH_COUNTERS,
            memory_mb=512,
            files_mb=0,
            decided_by="majority",
            least_sites=3,
            places_replicas=True,
            optional_indexes=True,
            seen="no earlier run; a 22.1 before its release was deployed on 3 sites in 51 to 82 s"
            " (database 28 to 41, bootstrap 15 to 24)",
            lacks=program.missing,
        ),
        Backend(
            name="rome",
            title="ROME on Redis, one server on site 1",
            role="redis",
            placement="first-site",
            url="rome://openstack:{password}@{host}/{database}",
            dump="rome",
            units=("discovery-redis",),
            counters=_REDIS_COUNTERS,
            memory_mb=60,
            files_mb=5,
            driver_mb=50,
        ),
        Backend(
            name="rome-cluster",
            title="ROME on a Redis Cluster, one node per site, the database's slot on site 1",
            role="redis_cluster",
            placement="every-site",
            url="rome://openstack:{password}@{host}/{database}?cluster=true&host={others}",
            dump="rome",
            units=("discovery-redis",),
            counters=_REDIS_COUNTERS,
            memory_mb=60,
            files_mb=5,
            driver_mb=50,
            least_sites=3,
        ),
    )
}


def chosen(name: str, *, foreign_key_indexes: bool) -> Backend:
    """The back end ``name``; its foreign keys have the indexes that MySQL makes, or have not.

    A :class:`DeployError` where nothing here can leave them.
    """
    backend = BACKENDS[name]
    if foreign_key_indexes:
        return backend
    if not backend.optional_indexes:
        raise DeployError(f"back end {name}: the indexes of foreign keys are not for us to leave")
    joined = "&" if "?" in backend.url else "?"
    return replace(backend, url=f"{backend.url}{joined}{_WITHOUT_INDEXES}")


def source(backend: Backend) -> Backend | None:
    """The back end from whose dump ``backend`` starts, with or without indexes as it; or none."""
    if backend.dump is None:
        return None
    return chosen(backend.dump, foreign_key_indexes=not backend.url.endswith(_WITHOUT_INDEXES))


def counters_with(backend: Backend, password: str) -> Mapping[str, Any]:
    """How the counters of ``backend``'s servers are read where its account has ``password``."""
    connect = dict(backend.counters["connect"])
    if "password" in connect:
        connect["password"] = password
    return {**backend.counters, "connect": connect}


def why_not_run(name: str) -> str | None:
    """Why cells of the back end ``name`` were not run here, if they were not; raises nothing."""
    try:
        return BACKENDS[name].missing()
    except MachineError as error:
        return str(error)


def memory_mb(
    backend: str,
    sites: int,
    *,
    load: Literal["light", "high"] = "high",
    processes: int = PROCESSES,
) -> int:
    """What a deployment of ``backend`` on ``sites`` sites takes under load, all nodes together.

    ``processes`` are each Keystone's. Under ``light`` load one site has a client at work, and the
    others idle. Raises a :class:`DeployError` where ``backend`` needs more sites.
    """
    if sites < BACKENDS[backend].least_sites:
        raise DeployError(
            f"back end {backend} needs {BACKENDS[backend].least_sites} sites or more, and this is"
            f" {sites}: a majority of three decides in it"
        )
    servers = sites if BACKENDS[backend].placement == "every-site" else 1
    control = _CONTROL_MB + BACKENDS[backend].driver_mb
    warm = min(processes, _WARM)
    busy = control + processes * _PROCESS_MB + _CLIENT_MB
    idle = control + warm * _PROCESS_MB + (processes - warm) * _COLD_PROCESS_MB + _IDLE_CLIENT_MB
    at_work = sites if load == "high" else 1
    nodes = at_work * busy + (sites - at_work) * idle + 2 * sites * _NODE_FILES_MB
    return nodes + servers * (BACKENDS[backend].memory_mb + BACKENDS[backend].files_mb)
