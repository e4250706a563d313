"""The WAN of a local lease where the kernel has netem: HTB and netem between the site routers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.home import home_mark
from discovery.testbed.ledger import Recorder, Thing
from discovery.testbed.wan.base import Delays, Wan
from discovery.testbed.wan.measure import Ping
from discovery.testbed.wan.netem_commands import (
    DEVICE,
    link_commands,
    router_commands,
    shape_commands,
    sorting_commands,
    state_commands,
    unlink_commands,
)
from discovery.testbed.wan.sites import Pair, SiteNetwork, check_sites, ordered_pairs

STATE = "wan-netem.json"
NAMESPACES = Path("/run/netns")


class NetemWan(Wan):
    """HTB and netem on the routers of the lease ``folder``."""

    backend = "netem"

    def __init__(self, folder: Path, ping: Ping | None, recorder: Recorder | None = None) -> None:
        document = json.loads((folder / STATE).read_text(encoding="utf-8"))
        self.networks = [
            SiteNetwork(**{**item, "namespace_path": Path(item["namespace_path"])})
            for item in document["networks"]
        ]
        super().__init__([network.name for network in self.networks], ping)
        self.folder = folder
        self._recorder = recorder
        self._seen: dict[str, str] = {}
        self._turn = 0
        self._settings = WanSettings.model_validate(document["settings"])
        self._asked = document["delays"]
        self._down = {(source, destination) for source, destination in document["down"]}

    @classmethod
    def start(
        cls,
        networks: Sequence[SiteNetwork],
        folder: Path,
        recorder: Recorder,
        ping: Ping | None = None,
    ) -> NetemWan:
        """Joins ``networks`` by a backbone, with no delay; its state file goes into ``folder``."""
        check_sites(networks)
        size = len(networks)
        _write(folder, networks, WanSettings(), [[0.0] * size] * size, [])
        self = cls(folder, ping, recorder)
        recorder.record_namespace(self.backbone)
        try:
            _batch("ip", None, [f"netns add {self.backbone}"])
            _batch("ip", NAMESPACES / self.backbone, link_commands(networks))
            for number, network in enumerate(networks):
                _batch("ip", network.namespace_path, router_commands(number, networks))
                _batch("tc", network.namespace_path, sorting_commands(number, networks))
            self._apply_all()
        except WanError:
            self.close()
            raise
        return self

    @property
    def backbone(self) -> str:
        """The name of the backbone's namespace, one per lease."""
        return f"dw-{self.folder.name}-{home_mark(self.folder.parent.parent)}-wan"

    def close(self) -> None:
        """Removes the backbone, and with it every router's link to it."""
        if not (self.folder / STATE).exists():
            return
        if (NAMESPACES / self.backbone).exists():
            # One by one, since some may be gone, or were never made; the kernel takes its time for
            # those that go with their namespace, and the next backbone would meet them.
            for line in unlink_commands(self.networks):
                with contextlib.suppress(WanError):
                    _batch("ip", NAMESPACES / self.backbone, [line])
            _batch("ip", None, [f"netns delete {self.backbone}"])
        if self._recorder:
            self._recorder.release(Thing("namespace", self.backbone))
        (self.folder / STATE).unlink()

    def _shape(self, delays: Delays, settings: WanSettings) -> None:
        self._asked, self._settings = [list(row) for row in delays], settings
        self._apply_all()

    def _cut(self, pairs: Sequence[Pair]) -> float:
        self._change(dict.fromkeys(pairs, False))
        self._down |= set(pairs)
        self._save()
        return time.time()

    def _heal(self) -> float:
        self._change(dict.fromkeys(sorted(self._down), True))
        self._down.clear()
        self._save()
        return time.time()

    def _pulse(self) -> None:
        """Looks at one router's rules, and at the next one's the next time."""
        network = self.networks[self._turn % len(self.networks)]
        self._turn += 1
        seen = _rules(network.namespace_path)
        if self._seen.setdefault(network.name, seen) != seen:
            raise WanError(
                f"The WAN of {network.name} is not as it was shaped: somebody changed {DEVICE} or "
                "its rules in tc; release the lease and take a new one."
            )

    def _change(self, changes: Mapping[Pair, bool]) -> None:
        """One ``tc`` per router, all at once: a cut must not take its time site by site."""
        running = []
        for number, network in enumerate(self.networks):
            lines = state_commands(number, self.networks, self._asked, self._settings, changes)
            if lines:
                running.append(_begin("tc", network.namespace_path, lines))
        for process in running:
            _finish(process)

    def _apply_all(self) -> None:
        for number, network in enumerate(self.networks):
            lines = shape_commands(number, self.networks, self._asked, self._settings, self._down)
            _batch("tc", network.namespace_path, lines)
        self._save()

    def _save(self) -> None:
        down = [pair for pair in ordered_pairs(self.sites) if pair in self._down]
        _write(self.folder, self.networks, self._settings, self._asked, down)
        self._seen = {item.name: _rules(item.namespace_path) for item in self.networks}


def _write(
    folder: Path,
    networks: Sequence[SiteNetwork],
    settings: WanSettings,
    delays: Delays,
    down: Sequence[Pair],
) -> None:
    document = {
        "networks": [
            {**vars(item), "namespace_path": str(item.namespace_path)} for item in networks
        ],
        "settings": settings.model_dump(),
        "delays": [list(row) for row in delays],
        "down": down,
    }
    temporary = folder / f"{STATE}.tmp"
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(folder / STATE)


def _begin(tool: str, namespace: Path | None, lines: Sequence[str]) -> subprocess.Popen[str]:
    enter = ["nsenter", f"--net={namespace}"] if namespace else []
    process = subprocess.Popen(
        [*enter, tool, "-batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):  # it says why on standard error
            process.stdin.write("\n".join(lines) + "\n")
            process.stdin.flush()
    return process


def _rules(namespace: Path) -> str:
    """What tells how a router shapes: its link to the others and all that sorts and delays there.

    Nothing in it changes by itself; a :class:`WanError` if the link is gone.
    """
    look = f"ip -o link show {DEVICE} && tc qdisc show dev {DEVICE} && tc class show dev {DEVICE}"
    done = subprocess.run(
        ["nsenter", f"--net={namespace}", "sh", "-c", look],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WanError(
            f"The WAN has lost a router: {done.stderr.strip()}; release the lease "
            "and take a new one."
        )
    return done.stdout


def _finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise WanError(f"The WAN could not be changed: {said.strip()}; release the lease.")


def _batch(tool: str, namespace: Path | None, lines: Sequence[str]) -> None:
    _finish(_begin(tool, namespace, lines))
