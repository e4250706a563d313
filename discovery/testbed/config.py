"""The model of a testbed file, such as ``experiments/testbeds/local.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from discovery.errors import ConfigError
from discovery.experiment.base import Model
from discovery.experiment.load import read_yaml, validate


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


def load_testbed(path: Path) -> Testbed:
    """The testbed declared in ``path``; a :class:`ConfigError` says what is wrong with it."""
    from discovery.testbed.providers import PROVIDERS  # noqa: PLC0415 (their models are below ours)

    document = read_yaml(path)
    if not isinstance(document, dict):
        raise ConfigError("is not a mapping of keys to values", file=path)
    if "provider" not in document:
        raise ConfigError("this key is missing", file=path, key="provider", allowed=PROVIDERS)
    name = document["provider"]
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ConfigError(
            "no such provider", file=path, key="provider", value=name, allowed=PROVIDERS
        )
    testbed = validate(PROVIDERS[name].model, document, path)
    testbed._file = path
    return testbed
