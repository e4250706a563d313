"""The model of a testbed file, such as ``experiments/testbeds/local.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from discovery.experiment.base import Model


class Testbed(Model):
    """Where nodes come from; every provider has a model of its own below this one.

    ``on_this_machine`` says that the nodes take this machine's memory and processors.
    """

    __test__ = False  # not a pytest class, whatever its name says
    on_this_machine: ClassVar[bool] = False
    provider: str
    _file: Path = PrivateAttr(Path("the testbed file"))

    @property
    def file(self) -> Path:
        """Where this was read, for errors that show only when the nodes' number is known."""
        return self._file

    def read_from(self, path: Path) -> None:
        """Remember that this was read from ``path``."""
        self._file = path
