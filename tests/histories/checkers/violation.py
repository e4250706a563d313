"""What is promised, and what is found."""

from dataclasses import dataclass

from tests.histories.history import Operation


@dataclass(frozen=True)
class Promises:
    """What the database under this fault promises.

    ``staleness``: a transaction sees all that was committed so many seconds before it began; None
    for no bound. What its own process has committed it always sees. ``failover``: the newest
    commits may be undone, and every process that had seen them is told. ``keeps_acknowledged``:
    those that their client knows of are not among them. ``serializable``: no cycle at all; without
    it, snapshot isolation, which allows those with two read-write dependencies in a row.
    """

    staleness: float | None = 0.0
    failover: bool = False
    keeps_acknowledged: bool = True
    serializable: bool = False


@dataclass(frozen=True)
class Violation:
    """An anomaly by its name, what happened, and the transactions that show it."""

    workload: str
    anomaly: str
    what: str
    witnesses: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.workload}: {self.anomaly}: {self.what}"]
        return "\n    ".join(lines + [str(op) for op in self.witnesses])


def see_before(reader: Operation, writer: Operation, promises: Promises) -> bool:
    """Whether ``reader`` must see what ``writer`` has committed."""
    if not (writer.ok and writer.survived and writer.known_end < reader.begin):
        return False
    if writer.process == reader.process:
        return True
    return promises.staleness is not None and writer.known_end + promises.staleness < reader.begin
