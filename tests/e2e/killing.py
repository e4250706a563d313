"""Killing a verb of ours at a drawn moment, and what can be seen of it afterwards."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from discovery.testbed.home import home_mark
from discovery.testbed.processes import all_marked

TOKEN = "DISCOVERY_TEST_TOKEN"
MAIN = "from discovery.cli import main; main()"


@dataclass
class Killer:
    """Starts verbs in the folder ``user``, whose home and temporary folder that is, and kills them.

    ``counts`` has (verb, signal) of every verb that a signal met; one that ended before is not
    counted.
    """

    user: Path
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def environment(self) -> dict[str, str]:
        own = {TOKEN: self.token, "HOME": str(self.user), "TMPDIR": str(self.user)}
        return {**os.environ, **own}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: object) -> str:
        """What a verb says that is left alone; it must end well."""
        with self.start(*arguments) as process:
            said = process.communicate()[0]
        assert process.returncode == 0, f"{arguments}: exit code {process.returncode}: {said}"
        return said

    def work_of(self, *arguments: object) -> float:
        """How much processor time (s) a whole run takes."""
        with self.start(*arguments) as process:
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, said
        return used.ru_utime + used.ru_stime

    def kill(
        self, number: signal.Signals, *arguments: object, work: float = 0.0, seconds: float = 0.0
    ) -> bool:
        """Start a verb and send it ``number`` after so much processor time, or time (s).

        Whether the signal met it. By its own processor time, a moment is the same one on a machine
        that is busy with something else.
        """
        name = " ".join(str(word) for word in arguments[:2] if str(word).isalpha())
        with self.start(*arguments) as process:
            started = time.monotonic()
            while process.poll() is None and (
                _used(process.pid) < work or time.monotonic() - started < seconds
            ):
                time.sleep(0.001)
            met = process.poll() is None
            if met:
                process.send_signal(number)
            process.communicate(timeout=120)
        self.counts[name, number.name if met else "ended before"] += 1
        return met

    def programs(self) -> list[str]:
        """What still runs of all that was started here."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if self.token.encode() in environment and state not in "ZX":
                found.append(f"{entry.name}: {command.decode(errors='replace')}")
        return found

    @property
    def tried(self) -> int:
        """How many verbs were to be killed."""
        return self.counts.total()

    @property
    def met(self) -> int:
        """How many of them were."""
        return sum(n for (_, number), n in self.counts.items() if number != "ended before")

    def report(self) -> str:
        """The kills by verb and signal."""
        lines = [f"{verb}: {n} {number}" for (verb, number), n in sorted(self.counts.items())]
        return f"{self.met} kills; " + "; ".join(lines)


def _used(pid: int) -> float:
    """Processor time (s) of a process without its children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def left_of(home: Path) -> list[str]:
    """What this machine has of a state folder, looked for without the code that removes it."""
    mark = home_mark(home)
    places = ("/run/netns", "/run/systemd/nspawn/propagate", "/sys/fs/cgroup", "/sys/class/net")
    named = [
        str(path)
        for place in places
        for path in [*Path(place).glob("*"), *Path(place).glob("*/dw-*")]
        if mark in path.name
    ]
    mounts = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line
    ]
    running = [str(one.pid) for one in all_marked() if one.folder.is_relative_to(home)]
    return [*named, *mounts, *running, *map(str, home.glob("leases/*"))]


def content(path: Path) -> object:
    """All of a file or folder, to compare; None if it is not there."""
    if path.is_dir():
        return {
            str(one.relative_to(path)): hashlib.sha256(one.read_bytes()).hexdigest()
            for one in sorted(path.rglob("*"))
            if one.is_file()
        }
    return path.read_bytes() if path.exists() else None


def hidden(folder: Path) -> list[str]:
    """What begins with a dot below ``folder``: partial files and folders."""
    return sorted(str(path) for path in folder.rglob(".*"))
