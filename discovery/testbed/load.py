"""From a testbed file to the model that its provider has of it."""

from __future__ import annotations

from pathlib import Path

from discovery.errors import ConfigError
from discovery.experiment.load import read_document, validate
from discovery.testbed.config import Testbed
from discovery.testbed.providers import PROVIDERS


def load_testbed(path: Path) -> Testbed:
    """The testbed declared in ``path``; a :class:`ConfigError` says what is wrong with it."""
    read = read_document(path)
    document = read.value
    if not isinstance(document, dict):
        raise ConfigError("is not a mapping of keys to values", file=path)
    if "provider" not in document:
        raise ConfigError("this key is missing", file=path, key="provider", allowed=PROVIDERS)
    name = document["provider"]
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ConfigError(
            "no such provider", file=path, key="provider", value=name, allowed=PROVIDERS
        )
    testbed = validate(PROVIDERS[name].model, document, path, read.plain)
    testbed.read_from(path)
    return testbed
