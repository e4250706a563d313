"""The WAN of a local lease where the kernel has no netem: starts, tells and stops the forwarder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.errors import MachineError, WanError
from discovery.testbed.ledger import Recorder, Thing
from discovery.testbed.processes import alive, kill, start_time, wait_until
from discovery.testbed.wan.base import Delays, Wan
from discovery.testbed.wan.control import request
from discovery.testbed.wan.measure import Ping, RoundTrip
from discovery.testbed.wan.sites import Pair, SiteNetwork, check_sites

if TYPE_CHECKING:
    from discovery.experiment.models import WanSettings

CONFIG = "wan-forwarder.json"
SOCKET = "wan.sock"
LOG = "wan-forwarder.log"
DEVICE = "wan0"
STOP_SECONDS = 5.0
# How long (s) the forwarder may take to say that it lives.
PULSE_SECONDS = 3.0


class ForwarderWan(Wan):
    """A running forwarder (see :mod:`discovery.testbed.wan.forwarder`) of the lease ``folder``."""

    backend = "forwarder"

    def __init__(self, folder: Path, ping: Ping | None, recorder: Recorder | None = None) -> None:
        document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        super().__init__([site["name"] for site in document["sites"]], ping)
        self.folder = folder
        self._recorder = recorder
        self._pid = 0
        # Of a WAN that another process made, this one does not know what is cut.
        self._own = False

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
        self._own = True
        ready_to_go, go = os.pipe()
        said, say = os.pipe()
        try:
            self._pid = _spawn(folder, ready_to_go, say)
        except OSError as error:
            raise MachineError(f"The WAN forwarder cannot be started: {error}.") from None
        finally:
            os.close(ready_to_go)
            os.close(say)
        with os.fdopen(go, "w") as order, os.fdopen(said) as answer:
            recorder.record_process(self._pid, "WAN forwarder")
            order.write("go\n")
            order.flush()
            ready = answer.readline() == "ready\n"
        if not ready:
            message = _last_line(folder / LOG) or "The WAN forwarder ended before it was ready."
            self.close()
            raise WanError(message)
        return self

    def status(self) -> dict[str, Any]:
        """The forwarder's counters; see :mod:`discovery.testbed.wan.commands`."""
        return self._tell({"do": "status"})

    def close(self) -> None:
        """Stops the forwarder, which takes its devices and routes along, and removes its files."""
        if not (self.folder / CONFIG).exists():
            return
        try:
            self._pid = int(self.status()["pid"])
            started = start_time(self._pid)
            self._tell({"do": "stop"})
            if not wait_until(lambda: not alive(self._pid, started), timeout=STOP_SECONDS):
                kill(self._pid, started)
        except WanError:
            pass  # it has ended already, and left its files
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)
        if self._recorder and self._pid:
            self._recorder.release(Thing("process", str(self._pid)))
        for name in (CONFIG, SOCKET, LOG):
            (self.folder / name).unlink(missing_ok=True)

    def _shape(self, delays: Delays, settings: WanSettings) -> None:
        message = {"do": "shape", "delays_ms": [list(row) for row in delays]}
        self._tell({**message, **settings.model_dump()})

    def _cut(self, pairs: Sequence[Pair]) -> float:
        return float(self._tell({"do": "cut", "pairs": [list(pair) for pair in pairs]})["time"])

    def _heal(self) -> float:
        return float(self._tell({"do": "heal"})["time"])

    def _pulse(self) -> None:
        answer = self._tell({"do": "pulse"}, PULSE_SECONDS)
        self._stalls = answer["stalls"]
        if self._own and answer["down"] != len(self._parted):
            raise WanError(
                f"{answer['down']} ways between the sites are cut, and this run has cut "
                f"{len(self._parted)}: somebody used `discovery testbed cut` or `heal`; run it "
                "again alone."
            )

    def measure(self, when: str) -> list[RoundTrip]:
        """Measures and records, and also whether the forwarder stood still until then."""
        trips = super().measure(when)
        self.pulse()
        return trips

    def _tell(self, message: dict[str, Any], seconds: float = STOP_SECONDS) -> dict[str, Any]:
        try:
            answer = request(self.folder, SOCKET, message, seconds)
        except TimeoutError:
            raise WanError(
                f"The WAN forwarder of lease {self.folder.name} does not answer within "
                f"{seconds:g} s: it hangs or was stopped; release the lease and take a new one."
            ) from None
        except OSError as error:
            raise WanError(
                f"The WAN forwarder of lease {self.folder.name} does not answer and has died "
                f"({error}); release the lease and take a new one. "
                f"{_last_line(self.folder / LOG)}".strip()
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


def _spawn(folder: Path, stdin: int, stdout: int) -> int:
    """Starts the forwarder in a session of its own; it outlives us, so no handle of it is kept."""
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "discovery.testbed.wan.forwarder", str(folder / CONFIG)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(folder / LOG), log_flags, 0o600),
        ],
        setsid=True,
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else ""
