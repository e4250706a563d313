"""What this machine has and lacks, why each thing matters, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table

from discovery.deploy import image
from discovery.deploy.backends import BACKENDS, memory_mb, why_not_run
from discovery.deploy.cockroach import program as cockroach
from discovery.deploy.cockroach import release
from discovery.errors import MachineError, StorageError
from discovery.evaluation.console import Terminal, styled
from discovery.evaluation.plan import memory_there_mb
from discovery.testbed.down import held as held_leases
from discovery.testbed.home import home_path
from discovery.testbed.local.cgroups import hierarchies
from discovery.testbed.wan.probe import local_backend

NeededFor = Literal["everything", "the local testbed", "the paper", "tests", "a back end"]

_SITES = 3  # of the smoke tier, and of the laptop tier but for its last part
_IMAGE_GB = 8  # what scripts/reproduce asks for: image, dumps, Debian's packages, environments
_RESULTS_GB = 1
_TUN = Path("/dev/net/tun")
_BY_REPRODUCE = "scripts/reproduce installs it"
_PROGRAMS = {
    "systemd-nspawn": ("systemd-container", "runs the nodes"),
    "mmdebstrap": ("mmdebstrap", "makes the base system of the node image"),
    "ssh": ("openssh-client", "reaches the nodes"),
    "ip": ("iproute2", "makes the network of the sites"),
    "unshare": ("util-linux", "keeps what is tried apart from the machine"),
}


@dataclass(frozen=True)
class Finding:
    """One check: what was ``found``, what it is needed for and why, and how to ``get`` it.

    ``ok`` is whether it is as needed, ``mended`` whether scripts/reproduce mends it by itself.
    """

    name: str
    ok: bool
    found: str
    needed_for: NeededFor
    why: str
    get: str = ""
    mended: bool = False

    @property
    def blocks(self) -> bool:
        """Whether the local testbed cannot run because of this, whatever we install."""
        vital = self.needed_for in ("everything", "the local testbed")
        return vital and not self.ok and not self.mended


def examine() -> list[Finding]:
    """Check everything; changes nothing, and needs no root to say what needs root."""
    return [finding for check in _CHECKS for finding in check()]


def conclusion(findings: Iterable[Finding]) -> str:
    """What can be done on this machine, in a sentence or two."""
    blocking = [finding.name for finding in findings if finding.blocks]
    if not blocking:
        return (
            "The local testbed can run here: scripts/reproduce --tier smoke, then without --tier."
        )
    return (
        f"The local testbed cannot run here ({', '.join(blocking)}). What still can: "
        "scripts/reproduce --from-archive makes figures, claims, paper and report from archived "
        "results, without root, nodes or OpenStack; and a testbed file with provider static or "
        "grid5000 leases nodes elsewhere."
    )


def render(findings: list[Finding]) -> None:
    """Print the findings, what to do about each that is missing, and the conclusion."""
    console = Terminal()
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found", "needed for"):
        table.add_column(heading)
    for finding in findings:
        mark = (
            styled("ok", "green")
            if finding.ok
            else styled("no", "red")
            if finding.blocks
            else styled("–", "yellow")
        )
        table.add_row(mark, finding.name, finding.found, finding.needed_for)
    console.print(table)
    for finding in findings:
        if not finding.ok:
            get = f" {finding.get[0].upper()}{finding.get[1:]}." if finding.get else ""
            console.print()
            console.print(styled(finding.name, "bold"), f"{finding.why}.{get}", highlight=False)
    console.print(f"\n{conclusion(findings)}", highlight=False)


def _python() -> Iterable[Finding]:
    yield Finding(
        "Python ≥ 3.11",
        sys.version_info >= (3, 11),
        platform.python_version(),
        "everything",
        "is what the workbench and Snakemake 9 are written for",
        "on Debian 12: apt-get install python3",
    )


def _root() -> Iterable[Finding]:
    ok = os.geteuid() == 0
    yield Finding(
        "root",
        ok,
        "yes" if ok else f"user {os.geteuid()}",
        "the local testbed",
        "makes network namespaces, mounts and nodes",
        "run as root, e.g. with sudo, or in a virtual machine",
    )


def _debian() -> Iterable[Finding]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    yield Finding(
        "Debian 12",
        release.get("ID") == "debian" and release.get("VERSION_ID") == "12",
        release.get("PRETTY_NAME", "unknown"),
        "the local testbed",
        "is where the programs and versions come from that were measured",
        "use a virtual machine with Debian 12",
    )


def _disk() -> Iterable[Finding]:
    home = home_path()
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free / 10**9
    needed = _RESULTS_GB if _baked() else _IMAGE_GB
    yield Finding(
        "disk",
        free >= needed,
        f"{free:.0f} GB free below {there}",
        "the local testbed",
        f"holds the node image and results: {needed} GB",
        f"free some space, or set DISCOVERY_HOME (now {home}) to a folder on a larger disk",
    )


def _memory() -> Iterable[Finding]:
    there = memory_there_mb()
    needed = max(memory_mb(name, _SITES) for name in BACKENDS if why_not_run(name) is None)
    yield Finding(
        "memory",
        there >= needed,
        f"{there / 1000:.1f} GB for nodes, {_SITES} sites need {needed / 1000:.1f} GB",
        "the local testbed",
        f"holds the nodes of {_SITES} sites",
        "end other programs, or use a larger machine",
    )


def _programs() -> Iterable[Finding]:
    for program, (package, why) in _PROGRAMS.items():
        path = shutil.which(program)
        yield Finding(
            program,
            path is not None,
            path or "missing",
            "the local testbed",
            why,
            f"{_BY_REPRODUCE}; by hand: apt-get install {package}",
            mended=True,
        )


def _kernel() -> Iterable[Finding]:
    backend = _wan_backend()
    tun = _may_use(_TUN)
    yield Finding(
        "WAN back end",
        backend is not None,
        {
            "netem": "netem, in the kernel",
            "forwarder": "our forwarder, since the kernel has no netem",
            None: "only root can find out",
        }[backend],
        "the local testbed",
        "delays what sites send each other; both back ends are measured before every load",
        "run `discovery doctor` as root",
        mended=True,
    )
    yield Finding(
        "/dev/net/tun",
        tun or backend == "netem",
        "yes" if tun else "not permitted" if _TUN.exists() else "missing",
        "the local testbed",
        "carries the packets that the forwarder delays, where the kernel has no netem",
        "run modprobe tun; in a container: give it the device /dev/net/tun",
    )
    overlay = _overlay()
    yield Finding(
        "overlayfs",
        overlay,
        "yes" if overlay else "missing",
        "the local testbed",
        "gives every node a root of its own over one image",
        "run modprobe overlay; in a container: run it privileged",
    )
    cgroups = _cgroups()
    yield Finding(
        "cgroups",
        cgroups is not None,
        cgroups or "not writable",
        "the local testbed",
        "hold what a node runs, so that all of it can be ended",
        "in a container: run it privileged, with a cgroup namespace of its own",
    )


def _paper() -> Iterable[Finding]:
    missing = [name for name in ("latexmk", "pdflatex") if shutil.which(name) is None]
    yield Finding(
        "LaTeX",
        not missing,
        f"{', '.join(missing)} missing" if missing else str(shutil.which("latexmk")),
        "the paper",
        "sets the paper",
        f"{_BY_REPRODUCE} where it is root; by hand: apt-get install latexmk texlive-latex-extra",
    )
    chromium = shutil.which("chromium")
    yield Finding(
        "chromium",
        chromium is not None,
        chromium or "missing",
        "tests",
        "looks at the report page in the tests",
        "scripts/test installs it; by hand: apt-get install chromium",
    )


def _image() -> Iterable[Finding]:
    why = image.why_not(_rootfs())
    baked = why is None
    yield Finding(
        "node image",
        baked,
        f"{image.image_hash()}, {'baked' if why is None else why}",
        "the local testbed",
        "is what every node boots: Debian, OpenStack, the databases and Rally",
        "scripts/reproduce bakes it; by hand: discovery image bake",
        mended=True,
    )


def _leases() -> Iterable[Finding]:
    try:
        held = sorted(item.id for item in held_leases())
        found = f"{len(held)} held: {', '.join(held)}" if held else "none held"
    except StorageError as error:
        held, found = ["?"], f"not known: {error}"
    yield Finding(
        "leases",
        not held,
        found,
        "the local testbed",
        "are nodes of another run, or of one that died",
        "`discovery testbed list` shows them; `discovery testbed down --stale` ends the dead ones'",
        mended=True,
    )


def _cockroach() -> Iterable[Finding]:
    try:
        there = cockroach.find()
        found = f"{there.tag}, {there.path}" if there else f"not run: {cockroach.NONE}"
    except MachineError as error:
        there, found = None, f"not run: {error}"
    yield Finding(
        "CockroachDB",
        there is not None,
        found,
        "a back end",
        "is the third database of the 2018 study, and comes neither from Debian nor from PyPI",
        f"where {release.SITE} can be reached, discovery image bake fetches it;"
        f" else set {cockroach.VARIABLE} to a binary's path",
    )


def _baked() -> bool:
    return image.why_not(_rootfs()) is None


def _rootfs() -> Path:
    return home_path() / "images" / image.image_hash() / "rootfs"


def _wan_backend() -> str | None:
    if os.geteuid() != 0 or shutil.which("tc") is None:
        return None
    try:
        return local_backend()
    except MachineError:
        return None


def _overlay() -> bool:
    """Whether the kernel knows overlayfs, or has it as a module."""
    if "overlay" in Path("/proc/filesystems").read_text(encoding="utf-8").split():
        return True
    modules = Path("/lib/modules", platform.release())
    return any(modules.rglob("overlay.ko*"))


def _cgroups() -> str | None:
    """The hierarchies that nodes are put into, if all of them can be written to."""
    try:
        found = hierarchies()
    except MachineError:
        return None
    return " and ".join(map(str, found)) if all(map(_may_use, found)) else None


def _may_use(path: Path) -> bool:
    """Whether ``path`` is there, and root may write to it; of others that says nothing."""
    return path.exists() and (os.geteuid() != 0 or os.access(path, os.W_OK))


_CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    *(_python, _root, _debian, _disk, _memory),
    *(_programs, _kernel, _image, _leases),
    *(_paper, _cockroach),
)
