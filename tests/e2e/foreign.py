"""Machines that a test reaches as if they were somebody else's: local nodes, leased elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.down import release
from discovery.testbed.factory import keep
from discovery.testbed.local.config import LocalTestbed
from discovery.testbed.local.network import refuse_prefix_in_use


@dataclass(frozen=True)
class Foreign:
    """Two sites of two machines; site *i* is ``<prefix>.<i>.0/24``, its machines .11 and .12."""

    prefix: str
    key: Path

    def ssh(self, address: str, command: str) -> str:
        """What ``command`` prints on the machine at ``address``, whatever its exit code."""
        options = [f"-o{name}" for name in ("BatchMode=yes", "StrictHostKeyChecking=no")]
        options += ["-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", f"-i{self.key}"]
        return subprocess.run(
            ["ssh", *options, f"root@{address}", command],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    @contextmanager
    def out_of_reach(self, address: str) -> Iterator[None]:
        """This machine has no way to ``address`` meanwhile, as if it had lost its power."""
        subprocess.run(["ip", "route", "add", "unreachable", address], check=True)
        try:
            yield
        finally:
            subprocess.run(["ip", "route", "del", "unreachable", address], check=True)


@contextmanager
def foreign_machines(image: Path) -> Iterator[Foreign]:
    """Two joined sites, in the ledger of a state folder of their own."""
    state = Path(tempfile.mkdtemp(prefix="dw-", dir="/var/tmp"))
    prefix = _free_prefix()
    with _home(state):
        machines = LocalTestbed(provider="local", image=image, prefix=prefix)
        held = keep(machines, sites=2, purpose="somebody else's machines")
    try:
        yield Foreign(prefix, held.folder / "id_ed25519")
    finally:
        with _home(state):
            release(held.id)
        shutil.rmtree(state)


@contextmanager
def _home(state: Path) -> Iterator[None]:
    before = os.environ.get("DISCOVERY_HOME")
    os.environ["DISCOVERY_HOME"] = str(state)
    try:
        yield
    finally:
        del os.environ["DISCOVERY_HOME"]
        if before is not None:
            os.environ["DISCOVERY_HOME"] = before


def _free_prefix() -> str:
    for number in range(87, 120):
        try:
            refuse_prefix_in_use(f"10.{number}")
        except TestbedError:
            continue
        return f"10.{number}"
    raise AssertionError("no prefix is free")
