"""Where a transaction's generated keys come from: blocks of the process, or numbers of its own.

Blocks cost nothing and are in no order between processes. A transaction that holds locks leases
its numbers when it needs them, so that of two that have waited for each other the later one has the
larger ones, as on a server with one counter. With ``keys=ordered`` every transaction does, and
holds a lock on the table's numbers until it commits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from discovery.rome.certificate import Certificate, digest
from discovery.rome.errors import LockTimeout
from discovery.rome.locks import Locks, Wait
from discovery.rome.replica import Replica


class Numbers:
    """The keys of one transaction's new rows."""

    def __init__(self, replica: Replica, locks: Locks) -> None:
        self._replica = replica
        self._locks = locks
        self._ordered = replica.settings.keys == "ordered"
        self._own: dict[str, deque[int]] = {}
        self._leased: dict[str, int] = {}
        self._spans: dict[str, tuple[int, int]] = {}

    @property
    def _leases(self) -> bool:
        """Whether the transaction wants numbers that are larger than those given before."""
        return self._ordered or bool(self._locks.held)

    def prepare(self, wanted: Iterable[tuple[str, str]]) -> LockTimeout | None:
        """Have numbers at hand for a statement that asks for these tables' and columns'.

        The answer is the statement's error, where another transaction keeps a table's to itself.
        """
        for table, count in Counter(table for table, _ in wanted).items():
            refused = self._keep_to_itself(table)
            if refused is not None:
                return refused
            if self._leases:
                self._lease(table, count - len(self._own.get(table, ())))
            elif self._replica.ids.empty(table):
                self._replica.lease_ids(table)
        return None

    def take(self, table: str) -> int:
        """The next number.

        Raises:
            LockTimeout: another transaction keeps them to itself, and `prepare` was not asked.
        """
        while True:
            own = self._own.get(table)
            if own:
                return self._note(table, own.popleft())
            if self._leases:
                refused = self._keep_to_itself(table)
                if refused is not None:
                    raise refused
                self._lease(table, max(self._leased.get(table, 0), 1))
                continue
            number = self._replica.ids.take(table)
            if number is not None:
                return number
            self._replica.lease_ids(table)

    def _note(self, table: str, number: int) -> int:
        if self._ordered:
            least, most = self._spans.get(table, (number, number))
            self._spans[table] = (min(least, number), max(most, number))
        return number

    def _lease(self, table: str, count: int) -> None:
        if count <= 0:
            return
        first = self._replica.lease(table, count)
        self._leased[table] = self._leased.get(table, 0) + count
        self._own.setdefault(table, deque()).extend(range(first, first + count))

    def _keep_to_itself(self, table: str) -> LockTimeout | None:
        """With ``keys=ordered``, lock a table's numbers until the commit."""
        name = digest("numbers", table)
        if not self._ordered or name in self._locks.held:
            return None
        wait = Wait("wait", self._replica.settings.lock_wait)
        answer, _ = self._locks.take({name}, wait)
        return answer if isinstance(answer, LockTimeout) else None

    def certify(self, certificate: Certificate) -> None:
        """With ``keys=ordered``: no key may have been committed that is younger."""
        certificate.orders = [(table, *span) for table, span in self._spans.items()]
