"""Where servers and clients are: three bare sites and, between them, the workbench's own WAN.

Sites are network namespaces of this machine; what runs on one reaches the others through the
forwarder only (or netem's, whichever the workbench would take), so a delay is that of the WAN.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from discovery.experiment.models import WanSettings
from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.wan.bare import BareSites
from discovery.testbed.wan.local import ForwarderWan

SITES = ("site-1", "site-2", "site-3")
SERVER, CLIENT = "site-1", "site-2"


class Places:
    """Sites, and how far apart they are."""

    def __init__(self, sites: BareSites, wan: ForwarderWan) -> None:
        self._sites, self._wan = sites, wan

    def command(self, site: str, *words: str) -> list[str]:
        """``words`` as a command that runs on ``site``."""
        return self._sites.command(site, *words)

    def address(self, site: str) -> str:
        """The address of ``site``'s node."""
        return self._sites.address(site)

    def set_rtt(self, rtt_ms: float) -> float:
        """Put all sites ``rtt_ms`` apart; the round trip that pings then take (ms, median)."""
        delays = [[0.0 if a == b else rtt_ms / 2 for b in SITES] for a in SITES]
        self._wan._shape(delays, WanSettings())
        ping = ["ping", "-n", "-q", "-i", "0.1", "-c", "2", self.address(SERVER)]
        subprocess.run(self.command(CLIENT, *ping), capture_output=True, check=True)
        ping[2:7] = ["-i", "0.05", "-c", "20"]
        said = subprocess.run(
            self.command(CLIENT, *ping), capture_output=True, text=True, check=True
        ).stdout
        trips = [
            float(line.split("time=")[1].split()[0]) for line in said.split("\n") if "time=" in line
        ]
        return statistics.median(trips)


@contextmanager
def places(prefix: str) -> Iterator[Places]:
    """Three sites, ``<prefix>.1.0/24`` to ``.3.0/24``, until the body ends. Needs root."""
    with BareSites(len(SITES), prefix) as sites, tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Ledger(Path(folder) / "ledger.jsonl"), "benchmark")
        wan = ForwarderWan.start(sites.networks, Path(folder), recorder, lambda *_: {})
        try:
            yield Places(sites, wan)
        finally:
            wan.close()
