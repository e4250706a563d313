"""What a deployment shows to who should not see it: sockets, arguments of processes, files."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from discovery.deploy import Deployment
from discovery.deploy.credentials import Secrets
from discovery.deploy.nova import NovaDeployment
from discovery.testbed import Node

# The owner's, who lets us in; systemd has its socket on some machines.
OWNERS = {"sshd", "systemd"}
SOCKETS = "ss --no-header --listening --numeric --tcp --udp --processes"

# Files that others may read, below folders that they may enter, with one of the patterns; and lines
# of the journal, which is kept on machines that are somebody's.
READABLE = """
find /etc /opt/discovery* /run /srv /tmp /var -xdev -type d ! -perm -001 -prune \
    -o -type f -perm -004 -size -20000k -print0 |
    xargs --null --no-run-if-empty grep --files-with-matches --fixed-strings --file=/root/patterns
journalctl --no-pager --output cat | grep --fixed-strings --file=/root/patterns | head -n 3
rm /root/patterns
"""


def ask(node: Node, command: str, text: str = "") -> str:
    """What ``command`` prints on ``node``, with ``text`` as its input."""
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    done = subprocess.run(
        ["ssh", "-i", str(node.host.keyfile), *(f"-o{option}" for option in options),
         f"root@{node.host.address}", command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return done.stdout


def listening(node: Node) -> dict[str, set[str]]:
    """The addresses that each program of ``node`` listens on, without ports."""
    found: dict[str, set[str]] = {}
    for line in ask(node, SOCKETS).splitlines():
        _, _, _, _, local, *_ = line.split()
        program = re.search(r'users:\(\("([^"]+)"', line)
        address = local.rpartition(":")[0].partition("%")[0].strip("[]")
        found.setdefault(program[1] if program else "?", set()).add(address)
    return found


def assert_only_the_testbed_is_served(nodes: Iterable[Node]) -> set[str]:
    """Every program listens on its node's address or on loopback; the programs."""
    programs: set[str] = set()
    for node in nodes:
        for program, addresses in listening(node).items():
            allowed = {node.address, "127.0.0.1", "::1"}
            if program not in OWNERS:
                assert addresses <= allowed, f"{node.alias}: {program} listens on {addresses}"
                programs.add(program)
    return programs


def assert_no_other_reads_them(nodes: Iterable[Node], secrets: Secrets) -> None:
    """No file of a node that anybody may read, and no journal, has one of the lease's secrets."""
    for node in nodes:
        ask(node, "umask 077; cat > /root/patterns", "\n".join(secrets.all()) + "\n")
        assert not ask(node, READABLE).split(), node.alias


def assert_nothing_is_shown(
    deployment: Deployment | NovaDeployment,
    nodes: Sequence[Node],
    arguments: Arguments,
    servers: set[str],
) -> None:
    """No secret is in an argument, a log or a file for all; ``servers`` are there, for us alone."""
    assert len(arguments.seen) > 10
    assert arguments.with_one_of(deployment.secrets) == []
    log = deployment.log.read_text(encoding="utf-8")
    assert not [secret for secret in deployment.secrets.all() if secret in log]
    assert deployment.log.stat().st_mode & 0o077 == 0
    assert servers <= assert_only_the_testbed_is_served(nodes)
    assert_no_other_reads_them(nodes, deployment.secrets)


class Arguments:
    """The command lines of all processes of this machine, its nodes' among them."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def look(self) -> None:
        """One look at all there are."""
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                self.seen.add(process.read_bytes())

    def with_one_of(self, secrets: Secrets) -> list[str]:
        """Those that have a secret in them."""
        told = [secret.encode() for secret in secrets.all()]
        return [
            line.replace(b"\0", b" ").decode(errors="replace")
            for line in self.seen
            if any(secret in line for secret in told)
        ]


@contextmanager
def watched(pause_s: float = 0.02) -> Iterator[Arguments]:
    """Look at all processes again and again while the body runs."""
    arguments, over = Arguments(), threading.Event()

    def watch() -> None:
        while not over.wait(pause_s):
            arguments.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield arguments
    finally:
        over.set()
        thread.join()


def recorded(keep: list[Secrets]) -> Callable[[], Secrets]:
    """A ``Secrets.fresh`` that puts what it makes into ``keep``."""
    fresh = Secrets.fresh

    def make() -> Secrets:
        keep.append(fresh())
        return keep[-1]

    return make


def files_with_one_of(secrets: Secrets, *folders: Path) -> list[Path]:
    """The files in ``folders`` with a secret in them; tables are read."""
    found = []
    for path in (one for folder in folders for one in folder.rglob("*") if one.is_file()):
        if path.suffix == ".parquet":
            text = pd.read_parquet(path).to_csv()
        else:
            text = path.read_bytes().decode("utf-8", errors="replace")
        if any(secret in text for secret in secrets.all()):
            found.append(path)
    return found
