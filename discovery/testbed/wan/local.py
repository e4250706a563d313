"""The WAN of a local lease where the kernel has no netem: starts, tells and stops the forwarder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.errors import MachineError, WanError
from discovery.testbed.ledger import Recorder, Thing
from discovery.testbed.processes import alive, start_time, wait_until
from discovery.testbed.wan.base import Delays, Wan
from discovery.testbed.wan.control import request
from discovery.testbed.wan.measure import Ping
from discovery.testbed.wan.sites import Pair, SiteNetwork, check_sites

if TYPE_CHECKING:
    from discovery.experiment.models import WanSettings

CONFIG = "wan-forwarder.json"
SOCKET = "wan.sock"
LOG = "wan-forwarder.log"
DEVICE = "wan0"
STOP_SECONDS = 5.0


class ForwarderWan(Wan):
    """A running forwarder (see :mod:`discovery.testbed.wan.forwarder`) of the lease ``folder``."""

    backend = "forwarder"

    def __init__(self, folder: Path, ping: Ping | None, recorder: Recorder | None = None) -> None:
        document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        super().__init__([site["name"] for site in document["sites"]], ping)
        self.folder = folder
        self._recorder = recorder
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def start(
        cls,
        networks: Sequence[SiteNetwork],
        folder: Path,
        recorder: Recorder,
        ping: Ping | None = None,
    ) -> ForwarderWan:
        """Starts the forwarder between ``networks``, with no delay; its files go into ``folder``.

        It outlives this process, and ends when ``folder`` is removed. The process is recorded
        before it makes anything.
        """
        check_sites(networks)
        _write_config(networks, folder)
        self = cls(folder, ping, recorder)
        try:
            with (folder / LOG).open("w", encoding="utf-8") as log:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "discovery.testbed.wan.forwarder",
                        str(folder / CONFIG),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,
                )
            recorder.record_process(self._process.pid, "WAN forwarder")
            answer = _go(self._process)
        except OSError as error:
            raise MachineError(f"The WAN forwarder cannot be started: {error}.") from None
        if answer != "ready\n":
            self._process.wait()
            said = (folder / LOG).read_text(encoding="utf-8").strip().splitlines()
            self.close()
            raise WanError(said[-1] if said else "The WAN forwarder ended before it was ready.")
        return self

    def status(self) -> dict[str, Any]:
        """The forwarder's counters; see :mod:`discovery.testbed.wan.commands`."""
        return self._tell({"do": "status"})

    def close(self) -> None:
        """Stops the forwarder, which takes its devices and routes along, and removes its files."""
        if not (self.folder / CONFIG).exists():
            return
        try:
            pid = self._process.pid if self._process else int(self.status()["pid"])
            started = start_time(pid)
            self._tell({"do": "stop"})
        except WanError:
            pid, started = (self._process.pid, None) if self._process else (0, None)
        (self.folder / CONFIG).unlink(missing_ok=True)
        if self._process:
            _end(self._process)
        elif not wait_until(lambda: not alive(pid, started), timeout=STOP_SECONDS):
            raise WanError(f"The WAN forwarder (process {pid}) does not stop; end it by hand.")
        if self._recorder and pid:
            self._recorder.release(Thing("process", str(pid)))
        for name in (SOCKET, LOG):
            (self.folder / name).unlink(missing_ok=True)

    def _shape(self, delays: Delays, settings: WanSettings) -> float:
        message = {"do": "shape", "delays_ms": [list(row) for row in delays]}
        return float(self._tell({**message, **settings.model_dump()})["time"])

    def _cut(self, pairs: Sequence[Pair]) -> float:
        return float(self._tell({"do": "cut", "pairs": [list(pair) for pair in pairs]})["time"])

    def _heal(self) -> float:
        return float(self._tell({"do": "heal"})["time"])

    def _tell(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = request(self.folder, SOCKET, message)
        except OSError as error:
            log = self.folder / LOG
            said = log.read_text(encoding="utf-8").strip() if log.exists() else ""
            raise WanError(
                f"The WAN forwarder of {self.folder} does not answer ({error}); "
                f"release the lease and take a new one. {said}".strip()
            ) from None
        if not answer["ok"]:
            raise WanError(f"The WAN forwarder refused to {message['do']}: {answer['error']}.")
        return answer


def _write_config(networks: Sequence[SiteNetwork], folder: Path) -> None:
    document = {
        "device": DEVICE,
        "socket": SOCKET,
        "sites": [
            {
                "name": network.name,
                "namespace": str(network.namespace_path),
                "cidr": network.network_cidr,
            }
            for network in networks
        ],
    }
    temporary = folder / f"{CONFIG}.tmp"
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(folder / CONFIG)


def _go(process: subprocess.Popen[str]) -> str:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the forwarder is started with pipes")
    with process.stdin as stdin, process.stdout as stdout:
        stdin.write("go\n")
        stdin.flush()
        return stdout.readline()


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
