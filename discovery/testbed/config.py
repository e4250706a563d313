"""The model of a testbed file, such as ``experiments/testbeds/local.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from discovery.errors import ConfigError, shortened
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

    @property
    def most_sites(self) -> int:
        """How many sites it can hold, whatever their nodes need."""
        raise NotImplementedError

    def refuse_sites(self, sites: int) -> None:
        """A :class:`ConfigError` if it cannot hold ``sites`` sites, whatever their nodes need."""
        if sites <= self.most_sites:
            return
        named = "sites" in type(self).model_fields
        has = "the file has" if named else f"provider {self.provider} has addresses for"
        raise ConfigError(
            f"this needs {shortened(str(sites), 20)} sites and {has} {self.most_sites}",
            file=self.file,
            key="sites" if named else None,
            allowed=f"at least {sites} sites" if named else f"at most {self.most_sites} sites",
        )

    def read_from(self, path: Path) -> None:
        """Remember that this was read from ``path``."""
        self._file = path
