"""The traffic counter run as on a node, between namespaces with traffic of a known size."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discovery.workload.on_node import traffic
from tests.redis_servers import until

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
]

HERE, THERE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
UDP = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for _ in range(int(sys.argv[2])):
        out.sendto(bytes(1000), (sys.argv[1], 9))
"""
SINK = """
import socket
with socket.create_server(("0.0.0.0", 7000)) as listener:
    print("ready", flush=True)
    connection, _ = listener.accept()
    received = 0
    while chunk := connection.recv(1 << 16):
        received += len(chunk)
    connection.sendall(str(received).encode())
"""
SOURCE = """
import socket, sys
with socket.create_connection((sys.argv[1], 7000)) as out:
    out.sendall(bytes(int(sys.argv[2])))
    out.shutdown(socket.SHUT_WR)
    print(out.recv(100).decode())
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def namespaces():
    """Two, joined by a cable: this one's address is `HERE`, the other's `THERE`, `ELSEWHERE`."""
    one, two = (f"traffic-{name}-{os.getpid()}" for name in ("a", "b"))
    try:
        for name in (one, two):
            ip("netns", "add", name)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", two)
        ip("link", "add", "eth0", "netns", one, *cable)
        for name, addresses in ((one, [HERE]), (two, [THERE, ELSEWHERE])):
            for address in addresses:
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield one, two
    finally:
        for name in (one, two):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Node:
    """The counter in a namespace, with nft or without."""

    def __init__(self, namespace, folder, counter, peers):
        self.namespace = namespace
        self.output = folder / "traffic.jsonl"
        config = folder / "config.json"
        config.write_text(json.dumps({"output": str(self.output), "peers": peers, "period_s": 0.2}))
        programs = folder / "programs"
        programs.mkdir()
        if counter == "nftables":
            (programs / "nft").symlink_to(shutil.which("nft"))
        self.process = subprocess.Popen(
            self.inside(sys.executable, traffic.__file__, config),
            env={**os.environ, "PATH": str(programs)},
            stderr=subprocess.PIPE,
            text=True,
        )
        until(self.lines, "the counter has told of its peers")

    def inside(self, *words):
        ip_program = shutil.which("ip")
        return [ip_program, "netns", "exec", self.namespace, *map(str, words)]

    def run(self, code, *words):
        command = self.inside(sys.executable, "-c", code, *words)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def lines(self):
        if not self.output.exists():
            return []
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=20)
        return said

    def last(self, peer):
        return [line for line in self.lines() if line.get("peer") == peer][-1]


@pytest.fixture(params=["nftables", "packets"])
def node(request, namespaces, tmp_path):
    if request.param == "nftables" and shutil.which("nft") is None:
        pytest.skip("needs nft: apt-get install nftables")
    peers = {THERE: "site-2-control", ELSEWHERE: "site-3-control"}
    made = Node(namespaces[0], tmp_path, request.param, peers)
    made.wanted = request.param
    yield made
    made.process.kill()
    made.process.wait()
    made.process.stderr.close()


def test_bytes_and_packets_are_exact_and_each_peer_has_its_own(node):
    node.run(UDP, THERE, 500)
    node.run(UDP, ELSEWHERE, 30)
    time.sleep(0.5)
    said = node.stop()
    assert node.process.returncode == 0, said
    assert bool(said) == (node.wanted == "packets")
    one, two = node.last("site-2-control"), node.last("site-3-control")
    assert one["counter"] == node.wanted
    # 1000 bytes, and 28 of UDP's and IP's headers; what comes back are ICMP's "nobody listens".
    assert (one["tx_bytes"], one["tx_packets"]) == (500 * 1028, 500)
    assert (two["tx_bytes"], two["tx_packets"]) == (30 * 1028, 30)
    assert not any("missed" in line for line in node.lines())


def test_a_stream_is_counted_on_both_ways(node, namespaces):
    size = 20_000_000
    command = [shutil.which("ip"), "netns", "exec", namespaces[1], sys.executable, "-c", SINK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout.readline() == "ready\n"
        assert node.run(SOURCE, THERE, size) == f"{size}\n"
    node.stop()
    found = node.last("site-2-control")
    assert size < found["tx_bytes"] < size * 1.05
    assert 0 < found["rx_bytes"] < size * 0.05
    assert not any("missed" in line for line in node.lines())


def test_numbers_only_grow_and_only_changes_are_told(node):
    for _ in range(3):
        node.run(UDP, THERE, 10)
        time.sleep(0.4)
    node.stop()
    sent = [line["tx_bytes"] for line in node.lines() if line.get("peer") == "site-2-control"]
    assert sent == sorted(sent)
    assert sent[-1] == 30 * 1028
    quiet = [line for line in node.lines() if line.get("peer") == "site-3-control"]
    assert [line["tx_bytes"] for line in quiet] == [0]


def test_it_leaves_no_rule_behind(node):
    node.stop()
    if shutil.which("nft"):
        left = subprocess.run(
            node.inside(shutil.which("nft"), "list", "tables"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert left.stdout == ""
    assert Path(traffic.__file__).is_file()
