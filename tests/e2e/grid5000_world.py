"""What the tests of ``grid5000`` share: a fake API, a home to find it, a fast clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from enoslib.infra.enos_g5k import g5k_api_utils
from urllib3.util.retry import Retry

from discovery.testbed.grid5000 import oar
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.load import load_testbed
from tests.e2e.grid5000_api import Grid5000Api, Site

TWO_SITES = "provider: grid5000\nwalltime: '01:00:00'\njump: false\nsites:\n"
TWO_SITES += "  - cluster: paravance\n  - cluster: econome\n"
EMULATED = TWO_SITES.partition("  - ")[0] + "  - {cluster: gros, count: 2}\n"


def places(prefix: str) -> dict[str, Site]:
    """Two clusters of two nodes, and one of four made of the same machines."""
    addresses = {site: [f"{prefix}.{site}.11", f"{prefix}.{site}.12"] for site in (1, 2)}
    return {
        "rennes": Site(f"{prefix}.1.0/24", {"paravance": addresses[1]}),
        "nantes": Site(f"{prefix}.2.0/24", {"econome": addresses[2]}),
        "nancy": Site(f"{prefix}.0.0/16", {"gros": addresses[1] + addresses[2]}),
    }


@contextmanager
def world(prefix: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Grid5000Api]:
    """The fake API for ``<prefix>.<site>.11`` and up, found from a home in ``folder``.

    EnOSlib's client and caches are those of a new process, and nobody sleeps for long.
    """
    with Grid5000Api(places(prefix)) as api:
        patch.setenv("HOME", str(folder))
        (folder / ".python-grid5000.yaml").write_text(api.credentials())
        patch.setattr(g5k_api_utils, "_api_client", None)
        for name in dir(g5k_api_utils):
            if hasattr(getattr(g5k_api_utils, name), "cache_clear"):
                getattr(g5k_api_utils, name).cache_clear()
        short = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.1)))
        patch.setattr(g5k_api_utils, "time", short)
        patch.setattr(Retry, "get_backoff_time", lambda _: 0.0)
        patch.setattr(oar, "POLL_S", 0.1)
        yield api


def declare(folder: Path, text: str = TWO_SITES) -> Grid5000Testbed:
    """The testbed file ``text``, loaded."""
    path = folder / "grid5000.yaml"
    path.write_text(text)
    loaded = load_testbed(path)
    assert isinstance(loaded, Grid5000Testbed)
    return loaded
