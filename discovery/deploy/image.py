"""The node image: a Debian with every program of a node, baked once and cached by its inputs.

``$DISCOVERY_HOME/images/<hash>/rootfs`` is the image, where the hash covers every input of a bake:
the base system's recipe, the lock files, the install play, and what is sealed away. It is made
under another name and renamed when it is whole, so that an image that exists can be trusted. Only
one bake runs at a time; what a killed one left is removed by the next.

CockroachDB's program is no input: it is put beside the rest where it can be had, under a name of
its own checksum, so that naming another one costs a copy and not a bake.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from discovery.deploy import chroot, playbook
from discovery.deploy.cockroach import program
from discovery.deploy.cockroach.fetch import fetch
from discovery.deploy.logs import new_log
from discovery.errors import DeployError, MachineError
from discovery.machine import readable
from discovery.testbed.home import home
from discovery.whole import whole_folder

SUITE = "bookworm"

# What a node needs to be reached and driven; everything else is the install play's business.
BASE_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus"),
    *("openssh-server", "python3", "python3-apt"),
    *("ca-certificates", "iproute2", "iputils-ping"),
)

MARKER = "etc/discovery-image"
ROOM = Path(__file__).parent
LOCKS = ROOM / "image"
INSTALL = playbook.ANSIBLE / "install" / "install.yml"

_BASE_COMMAND = (
    *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"),
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
    SUITE,
)
_FREE_GB = 4
_INDEX_VARIABLES = (
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_HTTP_TIMEOUT"),
)

# A marker of the install play stays; what only this machine's bake needed, and the data that
# Debian's packages made at their installation, go. An empty machine-id is made anew at each boot.
_SEAL = """
cd "$1"
rm -rf usr/sbin/policy-rc.d etc/hostname etc/resolv.conf root/.ansible root/.cache root/.ssh
rm -rf var/lib/mysql var/lib/apt/lists/* var/cache/apt/* var/log/*.log var/log/apt tmp/* run/*
mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial
: > etc/machine-id
rm -f var/lib/dbus/machine-id
"""


def image_hash() -> str:
    """The name of the image: 16 hexadecimal digits over every input of a bake."""
    digest = hashlib.sha256(" ".join((*_BASE_COMMAND, _SEAL)).encode())
    for path in (*_files(LOCKS), *_files(INSTALL.parent)):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(ROOM)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def image_folder() -> Path:
    """The folder of the image: ``rootfs`` and, beside it, ``dumps/<back end>``."""
    return home() / "images" / image_hash()


def rootfs() -> Path:
    """The root file system of the baked image; a :class:`MachineError` if there is none to use."""
    path = image_folder() / "rootfs"
    if (why := why_not(path)) is not None:
        raise MachineError(
            f"the node image {image_hash()} {why}: run scripts/reproduce or `discovery image bake`"
        )
    return path


def why_not(root: Path) -> str | None:
    """Why nodes cannot boot ``root``, in words that follow the image's name; None if they can.

    An image whose programs only root may run has the hash of a good one: an older version of the
    workbench baked it under a strict umask.
    """
    try:
        if not (root / MARKER).is_file():
            return "is not baked yet"
        for folder in (root / "opt", *(root / "opt").glob("*")):
            if folder.is_dir() and folder.stat().st_mode & 0o005 != 0o005:
                return (
                    "was baked under a strict umask, so the users of its services may not enter "
                    f"/{folder.relative_to(root)}"
                )
    except PermissionError:
        return "may not be looked at by this user"
    return None


def bake(progress: Callable[[str], None]) -> Path:
    """Bake the image if it is not in the cache, and return its root file system.

    ``progress`` is told each step in a few words. Needs root, Debian's archive and a package
    index (through a proxy if the environment names one). Raises :class:`MachineError`, or
    :class:`DeployError` if the install play fails. CockroachDB's program is fetched as well; that
    it cannot be had is no error.
    """
    _check_machine()
    with readable():
        return _baked(progress)


def _baked(progress: Callable[[str], None]) -> Path:
    program.find()  # one that is named and cannot be used is told before the minutes of a bake
    images = image_folder().parent
    with _alone(images, progress):
        for stale in images.glob(".bake-*"):
            shutil.rmtree(stale)
        root = image_folder() / "rootfs"
        if (why := why_not(root)) is not None:
            if root.exists():
                progress(f"the image {why}: it is baked anew")
                root.rename(Path(tempfile.mkdtemp(prefix=".bake-", dir=images)) / "rootfs")
            _bake(images, progress)
        found = fetch(progress)
        if found is not None:
            _place(found, progress)
    return rootfs()


def index_environment() -> dict[str, str]:
    """This machine's variables that say how packages are fetched: proxies and package indexes."""
    return {name: os.environ[name] for name in _INDEX_VARIABLES if os.environ.get(name)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise MachineError("baking the node image needs root: run it with sudo")
    missing = [name for name in ("mmdebstrap",) if not shutil.which(name)]
    missing += chroot.contained_programs()
    if missing:
        raise MachineError(
            f"{', '.join(missing)} missing:"
            " apt-get install mmdebstrap util-linux openssh-client debian-archive-keyring"
        )
    images = image_folder().parent
    images.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(images).free / 1e9
    if free < _FREE_GB:
        raise MachineError(
            f"{images} has {free:.1f} GB free, and the node image needs {_FREE_GB} GB while it is"
            " baked: free some, or set DISCOVERY_HOME to a larger disk"
        )


@contextmanager
def _alone(images: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the images' lock, which the kernel lets go when its holder dies."""
    with (images / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another bake on this machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bake(images: Path, progress: Callable[[str], None]) -> None:
    work = Path(tempfile.mkdtemp(prefix=".bake-", dir=images))
    try:
        work.chmod(0o755)
        root = work / "rootfs"
        _bootstrap(root, work / "mmdebstrap.log", progress)
        _install(root, work, progress)
        progress("sealing the image")
        subprocess.run(["sh", "-ec", _SEAL, "seal", str(root)], check=True, capture_output=True)
        image_folder().mkdir(exist_ok=True)
        root.rename(image_folder() / "rootfs")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _place(found: program.Program, progress: Callable[[str], None]) -> None:
    """Put a program into the image, where every node finds it and none has to be sent it."""
    place = image_folder() / "rootfs" / found.on_node.relative_to("/")
    if place.is_file():
        return
    progress(f"CockroachDB {found.tag} into the image")
    with whole_folder(place.parent) as folder:
        shutil.copy(found.path, folder / place.name)
        (folder / place.name).chmod(0o755)


def _bootstrap(root: Path, log: Path, progress: Callable[[str], None]) -> None:
    progress(f"base system: Debian {SUITE}, {len(BASE_PACKAGES)} packages")
    command = [*chroot.CONTAINED, *_BASE_COMMAND, str(root)]
    with log.open("w") as out:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        words = [line.strip() for line in log.read_text().splitlines() if line.startswith("E:")]
        raise MachineError(
            "mmdebstrap could not make the base system: "
            + (" ".join(words[-3:]) or f"exit code {done.returncode}")
        )


def _install(root: Path, work: Path, progress: Callable[[str], None]) -> None:
    progress("databases, OpenStack and Rally, by the install play")
    denied = root / "usr/sbin/policy-rc.d"  # Debian's way to forbid starting services
    denied.write_text("#!/bin/sh\nexit 101\n")
    denied.chmod(0o755)
    log = new_log("install", image_hash())
    certificates = dict.fromkeys(
        ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), chroot.CA_CERTIFICATES
    )
    with chroot.served(root, work) as host:
        playbook.run(
            INSTALL,
            {"all": [host]},
            {
                "locks": str(LOCKS),
                "image_hash": image_hash(),
                "index_environment": {
                    "DEBIAN_FRONTEND": "noninteractive",
                    **index_environment(),
                    **certificates,
                },
            },
            log,
        )
    if not (root / MARKER).is_file():
        raise DeployError(f"the install play left no /{MARKER} in the image; see {log}")
