"""A node that writes until its disk is full fills its own disk alone."""

from __future__ import annotations

from pathlib import Path

import enoslib as en
import psutil
import pytest

from discovery.testbed import lease, load_testbed
from discovery.testbed.local import limits

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

TOGETHER_MB = 480
# Every place where root may write, files with content and without; then what each of them says.
FILL = """
for place in / /tmp /dev/shm /run /var/tmp /root; do
  dd if=/dev/zero of=$place/full bs=1M count=2000 2>&1 | grep -o 'No space left.*'
done
seq 200000 | (cd /var && xargs touch) 2>&1 | grep -o 'No space left.*' | tail -1
df --output=used,target -m / /run /dev | tail -n +2
"""
# What is a file system in memory, can be written to, and is not of this node's disks.
OTHERS = """
awk '$3 ~ /tmpfs|ramfs/ && $4 ~ /^rw/ && $1 !~ /^dw-/ {print $2}' /proc/mounts |
while read place; do echo $(stat -f -c '%b %S' $place 2>/dev/null) $place; done
"""


def shared_mb() -> float:
    return psutil.virtual_memory().shared / 2**20


def test_a_full_node_leaves_the_others_and_this_machine_alone(
    local_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = psutil.virtual_memory().available / 2**20
    monkeypatch.setattr(limits, "FILES_SHARE", TOGETHER_MB / available)
    with lease(load_testbed(local_file), sites=2, purpose="full disks") as held:
        full, *rest = [node.host for node in held.nodes]
        (others,) = en.run_command(OTHERS, roles=[full])
        for line in others.stdout.splitlines():
            blocks, size, place = line.split()
            assert int(blocks) * int(size) <= 5 * 2**20 or place == "/dev/shm", line
        before = shared_mb()
        (told,) = en.run_command(FILL, roles=[full])
        share = TOGETHER_MB * 3 / 8  # two control nodes weigh three, two clients one
        assert told.stdout.count("No space left") >= 6, told.stdout
        assert shared_mb() - before < share + 60  # others on this machine may write meanwhile
        used = {place: int(mb) for mb, place in map(str.split, told.stdout.splitlines()[-3:])}
        assert used["/"] + used["/run"] <= share
        assert used["/"] > share / 2
        names = en.run_command("echo kept > /root/file && cat /root/file", roles=rest)
        assert [result.stdout for result in names] == ["kept"] * 3
        (still,) = en.run_command("hostname; rm /full /var/tmp/full; echo x > /x", roles=[full])
        assert (still.rc, still.stdout) == (0, "site-1-control")
        assert psutil.virtual_memory().available / 2**20 > available / 2
