"""ROME: any OpenStack service on Redis, unmodified, by changing one URL.

``rome://host:port/database`` is an ordinary SQLAlchemy URL. Behind it is a DB-API driver whose
database is a replica inside the process, fed by an ordered log in Redis; commits are certified by
one Lua call. docs/rome.md has the protocol and what it guarantees.

    errors, settings, urls  what can go wrong, what a URL may say
    dialect, times, oslo    for SQLAlchemy and for oslo.db
    dbapi                   PEP 249: connections and cursors
    transaction, workspace  statements, snapshots, running again
    locking, locks          what locking reads lock, and how they wait
    certificate, catalogue  which keys a commit depends on and changes
    references              foreign keys where the schema changes
    replica, feed           the copy that a process shares, and how it follows the log
    state, pages, reading   a database at one place in the log, the pages that it is, how it is read
    rows, schema            what is in it
    keys, head, log         what Redis holds of it
    scripts, lua/, ids      what Redis decides: which commits enter the log, who has which number
    numbers                 generated keys of a transaction
    store, answers          Redis: one server or a cluster, and what its answers mean
    totals, damage, watch   how what Redis loses is noticed, and told
    probation, pragmas      what no process may do alone
    snapshot, integrity, history, status, dump, repair
                            the tools
"""

from discovery.rome.counters import Counters
from discovery.rome.dbapi import connect, replica_of
from discovery.rome.errors import (
    ConnectionLost,
    Damaged,
    Deadlock,
    Error,
    InDoubt,
    IntegrityError,
    LockTimeout,
    NotLocked,
    StoreRefused,
    TailLost,
)

__all__ = [
    "ConnectionLost",
    "Counters",
    "Damaged",
    "Deadlock",
    "Error",
    "InDoubt",
    "IntegrityError",
    "LockTimeout",
    "NotLocked",
    "StoreRefused",
    "TailLost",
    "connect",
    "replica_of",
]
