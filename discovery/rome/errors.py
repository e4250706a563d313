"""The exceptions of the driver: PEP 249's tree, and ours inside it.

Error
├── InterfaceError
└── DatabaseError
    ├── DataError, IntegrityError, ProgrammingError, NotSupportedError
    ├── InternalError
    │   └── Damaged           what Redis holds is not what was committed; it can be read
    └── OperationalError
        ├── Deadlock          another transaction came first; run the transaction again
        ├── LockTimeout       another transaction has held a lock for too long
        ├── NotLocked         another transaction holds a lock, and NOWAIT was asked for
        ├── ConnectionLost    Redis cannot be reached, or it is not where it was
        │   ├── InDoubt       … and whether the commit happened is not known
        │   └── TailLost      … the master forgot commits that this process had seen
        └── StoreRefused      Redis answers, and cannot be used: the message says why
"""

from __future__ import annotations


class Warning(Exception):  # noqa: N818 - PEP 249 names it
    """Important warnings; never raised by this driver, PEP 249 wants the name."""


class Error(Exception):
    """Base of every error of the driver."""


class InterfaceError(Error):
    """The driver was used wrongly: a closed connection, an unknown option."""


class DatabaseError(Error):
    """Base of what the database says."""


class DataError(DatabaseError):
    """A value does not fit."""


class OperationalError(DatabaseError):
    """The database's operation, not the program, is at fault."""


class IntegrityError(DatabaseError):
    """A unique key, a foreign key, a check or NOT NULL is violated."""


class InternalError(DatabaseError):
    """The replica is not what it should be."""


class Damaged(InternalError):  # noqa: N818
    """What Redis holds is not what was committed: the database can be read, and takes no writes."""


class ProgrammingError(DatabaseError):
    """The SQL is wrong, or its parameters are."""


class NotSupportedError(DatabaseError):
    """This database cannot do that."""


class Deadlock(OperationalError):  # noqa: N818
    """Certification lost against another transaction; nothing was written."""


class LockTimeout(OperationalError):  # noqa: N818
    """A locking read has waited for ``lock_wait`` seconds; the transaction is as it was before."""


class NotLocked(OperationalError):  # noqa: N818
    """A locking read with NOWAIT would have to wait; the transaction is as it was before."""


class ConnectionLost(OperationalError):  # noqa: N818
    """Redis could not be reached in time; nothing is known to have been written."""


class InDoubt(ConnectionLost):
    """The commit was sent and its fate is unknown."""


class TailLost(ConnectionLost):
    """Redis lost commits that this process had seen; the replica was dropped and boots again."""


class StoreRefused(OperationalError):  # noqa: N818
    """This Redis cannot hold a ROME database as it is."""
