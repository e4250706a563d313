"""The forwarder between real namespaces: what packets meet there."""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.results.manifest import Wan as RecordedWan
from discovery.testbed.ledger import Recorder
from discovery.testbed.processes import alive, start_time, wait_until
from discovery.testbed.wan.bare import BareSites
from discovery.testbed.wan.control import request
from discovery.testbed.wan.local import CONFIG, SOCKET, ForwarderWan
from discovery.testbed.wan.probe import local_backend

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
]

STREAM = Path(__file__).parents[3] / "benchmarks" / "udp_stream.py"
PLAIN = WanSettings()
CUT_SECONDS = 0.020
# What a busy machine may add to an event that has no goal of its own.
SLACK = 0.020


def uniform(delay):
    return [[0 if a == b else delay for b in range(3)] for a in range(3)]


def pairs(wan, name):
    return {(p["source"], p["destination"]): p[name] for p in wan.status()["pairs"]}


@pytest.mark.parametrize("delay", [0, 10, 150])
def test_round_trips_are_twice_the_delay(wan, delay):
    wan.shape(uniform(delay), PLAIN)
    (measurement,) = wan.record["measurements"]
    assert measurement["when"] == "shaped"
    assert len(measurement["pairs"]) == 6
    for pair in measurement["pairs"]:
        assert pair["asked_rtt_ms"] == 2 * delay
        assert abs(pair["measured_rtt_ms"] - 2 * delay) <= max(0.04 * delay, 1.0)
        assert (pair["sent"], pair["lost"]) == (10, 0)


def test_each_direction_of_each_pair_has_its_own_delay(wan, sites):
    wan.shape([[0, 30, 5], [0, 0, 20], [1, 2, 0]], PLAIN)
    measured = {
        (pair["source"], pair["destination"]): pair["measured_rtt_ms"]
        for pair in wan.record["measurements"][-1]["pairs"]
    }
    asked = {"site-1": {"site-2": 30, "site-3": 6}, "site-2": {"site-1": 30, "site-3": 22}}
    asked["site-3"] = {"site-1": 6, "site-2": 22}
    for (source, destination), value in measured.items():
        assert value == pytest.approx(asked[source][destination], abs=1.0)
    one_way = stream(sites, "site-1", "site-2", 0.3, lambda: None)
    other_way = stream(sites, "site-2", "site-1", 0.3, lambda: None)
    assert statistics.median(a - s for _, s, a in one_way) == pytest.approx(0.030, abs=0.001)
    assert statistics.median(a - s for _, s, a in other_way) == pytest.approx(0.0, abs=0.001)


def stream(sites, source, destination, seconds, meanwhile):
    """What arrives of a packet a millisecond: [[number, sent, arrived], …]."""
    python = [sys.executable, str(STREAM)]
    place = [sites.address(destination), "5009"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(sites.command(destination, *python, "receive", *place), **pipes) as taker:
        assert taker.stdout.readline() == "ready\n"
        send = sites.command(source, *python, "send", *place, str(seconds))
        with subprocess.Popen(send, **pipes) as sender:
            assert sender.stdout.readline() == "ready\n"
            meanwhile()
        taker.stdin.close()
        return json.loads(taker.stdout.read())


def test_a_cut_is_visible_within_20_ms_and_healing_takes_the_paths_delay(wan, sites):
    wan.shape(uniform(50), PLAIN)

    def cut_and_heal():
        time.sleep(0.6)
        wan.cut(["site-2"])
        time.sleep(0.5)
        wan.heal()

    arrivals = stream(sites, "site-1", "site-2", 2.0, cut_and_heal)
    cut, heal = (change["time"] for change in wan.record["changes"][-2:])
    assert [(change["action"], change["sites"]) for change in wan.record["changes"]] == [
        ("cut", ["site-2"]),
        ("heal", ["site-1", "site-2", "site-3"]),
    ]
    before = [arrived for _, _, arrived in arrivals if arrived < (cut + heal) / 2]
    after = [(sent, arrived) for _, sent, arrived in arrivals if arrived > (cut + heal) / 2]
    assert before[-1] - cut <= CUT_SECONDS
    first_sent, first_arrived = after[0]
    assert first_sent >= heal - 0.002
    assert 0.050 <= first_arrived - heal + 0.002 <= 0.052 + SLACK
    numbers = [number for number, _, _ in arrivals]
    assert numbers == sorted(numbers)
    assert len(before) > 200
    assert len(after) > 200


def test_sites_that_are_cut_together_still_reach_each_other(wan, sites):
    wan.cut(["site-1", "site-2"])
    assert sites.run("site-1", "ping", "-c1", "-W1", sites.address("site-2")).returncode == 0
    assert sites.run("site-1", "ping", "-c1", "-W1", sites.address("site-3")).returncode == 1
    wan.heal()
    assert sites.run("site-1", "ping", "-c1", "-W1", sites.address("site-3")).returncode == 0


def test_a_pair_can_be_cut_one_way(wan, sites):
    wan.cut_pairs([("site-1", "site-2")])
    assert stream(sites, "site-1", "site-2", 0.1, lambda: None) == []
    assert len(stream(sites, "site-2", "site-1", 0.1, lambda: None)) == 100
    with pytest.raises(WanError, match="no link site-1 → site-9"):
        wan.cut_pairs([("site-1", "site-9")])


def test_the_record_is_what_results_read(wan):
    wan.measure("unshaped")
    wan.shape(uniform(1), PLAIN)
    wan.cut(["site-1", "site-3"])
    wan.heal()
    wan.cut_pairs([("site-2", "site-1")])
    wan.measure("after-load")
    read = RecordedWan.model_validate_json(json.dumps(wan.record))
    assert [measurement.when for measurement in read.measurements] == [
        "unshaped",
        "shaped",
        "after-load",
    ]
    lost = {(pair.source, pair.destination): pair for pair in read.measurements[-1].pairs}
    assert lost["site-1", "site-2"].measured_rtt_ms is None
    assert lost["site-1", "site-2"].asked_rtt_ms == 2
    assert read.changes[-1].sites == ("site-2", "site-1")


def test_a_cut_outlives_a_new_shape(wan, sites):
    wan.cut(["site-3"])
    with pytest.raises(WanError, match=r"site-3 cannot be measured: all 10 pings were lost"):
        wan.shape(uniform(1), PLAIN)
    assert not pairs(wan, "up")["site-1", "site-3"]


def test_loss_takes_the_asked_share_of_packets(wan, sites):
    wan.shape(uniform(0), WanSettings(loss_percent=10.0))
    arrivals = stream(sites, "site-1", "site-2", 2.0, lambda: None)
    assert 1 - len(arrivals) / 2000 == pytest.approx(0.10, abs=0.035)


def test_loss_hits_single_packets_of_a_tcp_stream(wan, sites):
    wan.shape(uniform(0), WanSettings(loss_percent=2.0))
    before = pairs(wan, "packets")["site-1", "site-2"]
    lost_before = pairs(wan, "dropped_loss")["site-1", "site-2"]
    assert iperf(sites, "-t", "2")[0]["bytes"] > 1e6
    passed = pairs(wan, "packets")["site-1", "site-2"] - before
    lost = pairs(wan, "dropped_loss")["site-1", "site-2"] - lost_before
    assert passed > 1000
    assert lost / (passed + lost) == pytest.approx(0.02, abs=0.008)


def test_jitter_varies_the_delay_and_keeps_the_order(wan, sites):
    wan.shape(uniform(20), WanSettings(jitter_ms=5.0))
    arrivals = stream(sites, "site-1", "site-2", 1.0, lambda: None)
    delays = [arrived - sent for _, sent, arrived in arrivals]
    assert len(arrivals) == 1000
    assert [number for number, _, _ in arrivals] == list(range(1000))
    assert min(delays) >= 0.015
    assert max(delays) <= 0.025 + SLACK
    assert statistics.pstdev(delays) > 0.0005


def iperf(sites, *options):
    """iperf3's summaries of TCP from site-1 to site-2, as received and as sent."""
    server = subprocess.Popen(
        sites.command("site-2", "iperf3", "--server", "--one-off", "--forceflush"),
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        for line in server.stdout:
            if "listening" in line:
                break
        client = sites.run(
            "site-1", "iperf3", "--json", "--client", sites.address("site-2"), *options
        )
        server.stdout.read()
    end = json.loads(client.stdout)["end"]
    return end["sum_received"], end["sum_sent"]


def test_tcp_keeps_to_the_rate_and_uses_it(wan, sites):
    wan.shape(uniform(5), WanSettings(rate_mbit=20.0))
    assert 15e6 < iperf(sites, "-t", "4")[0]["bits_per_second"] <= 20e6


def test_round_trips_hold_while_a_tcp_stream_runs(wan, sites):
    wan.shape(uniform(10), PLAIN)
    streaming = threading.Thread(target=iperf, args=(sites, "-t", "4"))
    streaming.start()
    time.sleep(1.5)
    done = sites.run("site-1", "ping", "-i", "0.02", "-c", "80", sites.address("site-2"))
    streaming.join()
    trips = [
        float(line.split("time=")[1].split()[0])
        for line in done.stdout.splitlines()
        if "time=" in line
    ]
    assert len(trips) == 80
    assert abs(statistics.median(trips) - 20) <= 1.0


@pytest.fixture
def quiet(folder, ledger):
    """Sites of their own, where nothing of another test is still under way."""
    with BareSites(3, "10.84") as sites:
        wan = ForwarderWan.start(sites.networks, folder, Recorder(ledger, "test"))
        yield wan, sites
        wan.close()


def test_counters_count_packets_of_the_network(quiet):
    wan, sites = quiet
    before = wan.status()
    sites.run("site-1", "ping", "-c", "5", "-i", "0.01", "-s", "972", sites.address("site-2"))
    after = wan.status()
    for first, second in zip(before["pairs"], after["pairs"], strict=True):
        between = {first["source"], first["destination"]} == {"site-1", "site-2"}
        assert second["packets"] - first["packets"] == (5 if between else 0)
        assert second["bytes"] - first["bytes"] == (5000 if between else 0)
    assert after["refused"] == 0
    assert after["scheduling"] in {"realtime", "high", "normal"}


def test_what_is_for_no_site_is_dropped_and_counted(quiet):
    wan, sites = quiet
    router = sites.networks[0].namespace_path.name
    subprocess.run(["ip", "-n", router, "route", "add", "10.99.0.0/16", "dev", "wan0"], check=True)
    before = wan.status()
    sites.run("site-1", "ping", "-c", "2", "-i", "0.01", "-W", "1", "10.99.1.1")
    after = wan.status()
    assert after["unknown_destination"] - before["unknown_destination"] == 2
    assert after["pairs"] == before["pairs"]


def test_a_super_packet_counts_as_the_packets_it_stands_for(quiet):
    wan, sites = quiet
    received, sent = iperf(sites, "-n", "20M")
    packets = pairs(wan, "packets")["site-1", "site-2"]
    size = pairs(wan, "bytes")["site-1", "site-2"]
    # A full packet carries 1448 bytes: 1500 less 20 of IPv4 and 32 of TCP with its time stamps.
    # The server stops reading when the client is done, so it has not seen all that was sent.
    assert received["bytes"] / 1448 <= packets <= sent["bytes"] / 1448 * 1.1
    assert 1400 * packets <= size <= 1500 * packets


def test_a_matrix_of_the_wrong_size_changes_nothing(wan, folder):
    wan.shape(uniform(3), PLAIN)
    with pytest.raises(WanError, match="matrix is 2 x 2 but there are 3 sites"):
        wan.shape([[0, 1], [1, 0]], PLAIN)
    told = {"do": "shape", "delays_ms": [[0, 1], [1, 0]], "jitter_ms": 0, "loss_percent": 0}
    answer = request(folder, SOCKET, {**told, "rate_mbit": None})
    assert not answer["ok"]
    assert "3 x 3" in answer["error"]
    assert set(pairs(wan, "one_way_delay_ms").values()) == {3.0}


def test_a_wan_that_is_not_as_asked_is_an_error(wan, ping):
    wan._ping = lambda count, timeout: {
        pair: [value and value + 5 for value in row] for pair, row in ping(count, timeout).items()
    }
    with pytest.raises(WanError, match=r"is 2\d\.\d+ ms, but 20 ± 1 ms was asked of the forwarder"):
        wan.shape(uniform(10), PLAIN)
    assert len(wan.record["measurements"][-1]["pairs"]) == 6


def test_nonsense_on_the_control_socket_is_answered_and_harms_nothing(wan, folder):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / SOCKET))
        for nonsense in (b"{\n", b"[]\n", b'{"do": "fly"}\n', b"\xff\n", b'{"do": []}\n'):
            client.sendall(nonsense)
            assert json.loads(client.recv(10_000))["ok"] is False
        client.sendall(b'{"do": "cut"')
    assert wan.status()["pid"] > 0
    assert oct((folder / SOCKET).stat().st_mode & 0o777) == "0o600"


def has_device(sites):
    return any(
        "wan0"
        in subprocess.run(
            ["nsenter", f"--net={network.namespace_path}", "ip", "link"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for network in sites.networks
    )


def test_stop_leaves_nothing(sites, folder, ledger):
    wan = ForwarderWan.start(sites.networks, folder, Recorder(ledger, "test"))
    pid = wan.status()["pid"]
    held = [(thing.kind, thing.name) for thing in ledger.held("test")]
    assert held == [("process", str(pid))]
    assert has_device(sites)
    wan.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not list(folder.iterdir())
    assert not ledger.held("test")
    assert not has_device(sites)
    wan.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_it_takes_its_devices_along(sites, wan, folder, number):
    pid = wan.status()["pid"]
    started = start_time(pid)
    os.kill(pid, number)
    assert wait_until(lambda: not alive(pid, started), timeout=5)
    assert not has_device(sites)
    assert (folder / SOCKET).exists() == (number == signal.SIGKILL)
    with pytest.raises(WanError, match="does not answer"):
        wan.cut(["site-1"])


def test_another_process_can_cut_and_close(sites, folder, ledger):
    first = ForwarderWan.start(sites.networks, folder, Recorder(ledger, "test"))
    pid = first.status()["pid"]
    other = ForwarderWan(folder, None, Recorder(ledger, "test"))
    assert other.sites == sites.names
    other.cut(["site-1"])
    assert not pairs(first, "up")["site-1", "site-2"]
    with pytest.raises(WanError, match="without its nodes"):
        other.measure("shaped")
    other.close()
    assert not alive(pid, start_time(pid))
    assert not ledger.held("test")
    first.close()


def test_it_ends_when_its_lease_folder_is_gone(sites, wan, folder):
    pid = wan.status()["pid"]
    started = start_time(pid)
    (folder / CONFIG).unlink()
    assert wait_until(lambda: not alive(pid, started), timeout=5)


def test_it_ends_when_a_sites_namespace_is_gone(folder, ledger):
    with BareSites(2, "10.83") as two:
        wan = ForwarderWan.start(two.networks, folder, Recorder(ledger, "test"))
        pid = wan.status()["pid"]
        started = start_time(pid)
    assert wait_until(lambda: not alive(pid, started), timeout=5)
    wan.close()
    assert not list(folder.iterdir())


def test_it_ends_when_a_device_is_gone(sites, wan):
    pid = wan.status()["pid"]
    started = start_time(pid)
    router = sites.networks[1].namespace_path.name
    subprocess.run(["ip", "-n", router, "link", "delete", "wan0"], check=True)
    assert wait_until(lambda: not alive(pid, started), timeout=5)
    with pytest.raises(WanError, match="a site's device is gone"):
        wan.heal()


def test_a_namespace_that_is_not_there_is_told_in_a_sentence(sites, folder, ledger):
    networks = [
        *sites.networks[:2],
        sites.networks[2].__class__(
            "site-3", Path("/run/netns/absent"), "10.82.3.0/24", "10.82.3.1"
        ),
    ]
    with pytest.raises(WanError, match=r"could not start: .*absent"):
        ForwarderWan.start(networks, folder, Recorder(ledger, "test"))
    assert not list(folder.iterdir())
    assert not ledger.held("test")
    assert not has_device(sites)


def test_the_probe_agrees_with_tc():
    trial = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    has_netem = subprocess.run(trial, capture_output=True, check=False).returncode == 0
    assert local_backend() == ("netem" if has_netem else "forwarder")
