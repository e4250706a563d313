"""What is kept of an accident: the next try sweeps away everything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from discovery.errors import DiscoveryError
from discovery.whole import whole_folder
from discovery.workload.subject import Tell

Writer = Callable[[Path], None]


class Evidence:
    """A context that writes, if an error of ours ends it, what is known of it into ``folder``."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder = folder
        self._tell = tell
        self._writers: list[Writer] = []

    def keep(self, writer: Writer) -> None:
        """Have ``writer`` write its part, from now on; it gets a folder that is empty or shared."""
        self._writers.append(writer)

    def __enter__(self) -> Evidence:
        """Nothing is written yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write it, as far as those who know something still answer."""
        if not isinstance(error, DiscoveryError) or not self._writers:
            return
        with suppress(_Nothing), whole_folder(self._folder) as kept:
            for writer in self._writers:
                with suppress(DiscoveryError):
                    writer(kept)
            if not any(path.is_file() for path in kept.rglob("*")):
                raise _Nothing
            self._tell(f"an accident; what its nodes said is in {self._folder}")


class _Nothing(Exception):  # noqa: N818  (no error: nobody said anything)
    """There is nothing to keep."""
