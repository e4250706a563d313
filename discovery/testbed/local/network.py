"""The network of a local testbed: a namespace per node, and one per site with router and bridge.

Each site's bridge also has a port to the first namespace: control traffic (SSH) takes it, by-passes
the WAN and survives a partition. Bridges stay out of the first namespace, where another program's
firewall (Docker's, through br_netfilter) could drop their frames.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from discovery.errors import TestbedError
from discovery.testbed.home import home_path
from discovery.testbed.ledger import Recorder, Thing
from discovery.testbed.local.layout import Layout
from discovery.testbed.processes import all_marked, same_place

NAMESPACES = Path("/run/netns")


def refuse_prefix_in_use(prefix: str) -> None:
    """A :class:`TestbedError` if this machine has an address or a route inside ``prefix``/16."""
    ours = ipaddress.IPv4Network(f"{prefix}.0.0/16")
    for destination, device in _destinations():
        if ipaddress.IPv4Network(destination, strict=False).subnet_of(ours):
            raise TestbedError(
                f"The address prefix {prefix} is in use: interface {device} has {destination}; "
                f"give the testbed file another `prefix`, or release {_user(device)}."
            )


def _user(device: str) -> str:
    """The lease whose interface ``device`` is, and how to release it, as words for a sentence."""
    match = re.fullmatch(r"dw-([0-9a-f]{6})-s\d+", device)
    folders = {found.folder for found in all_marked()} if match else set()
    for folder in sorted(folders):
        if match and folder.name == match[1]:
            home = folder.parent.parent
            if same_place(folder, home_path() / "leases" / folder.name):
                return f"lease {folder.name}, which uses it (`discovery testbed down`)"
            return (
                f"lease {folder.name} of another state folder, which uses it "
                f"(`DISCOVERY_HOME={home} discovery testbed down`)"
            )
    return "what uses it (`discovery testbed list` shows leases)"


def _destinations() -> Iterable[tuple[str, str]]:
    for interface in _ip_json("address"):
        for address in interface.get("addr_info", []):
            if "local" in address:
                yield f"{address['local']}/{address['prefixlen']}", interface["ifname"]
    for route in _ip_json("route"):
        if route["dst"] != "default":
            yield route["dst"], route.get("dev", "?")


def _ip_json(what: str) -> list[dict[str, Any]]:
    done = subprocess.run(["ip", "-4", "-json", what], capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return [item for item in found if item]


def make_network(layout: Layout, recorder: Recorder) -> None:
    """Make all namespaces, links, addresses and routes of ``layout``."""
    recorder.hold(
        *(Thing("namespace", name) for name in layout.namespaces),
        *(Thing("link", layout.link(site)) for site in layout.numbers),
    )
    _batch([f"netns add {name}" for name in layout.namespaces])
    commands = []
    for site in layout.numbers:
        namespace, link = layout.site_namespace(site), layout.link(site)
        commands += [
            f"link add {link} type veth peer name control netns {namespace}",
            f"address add {layout.control(site)}/24 dev {link}",
            f"link set {link} up",
        ]
    for node in layout.nodes:
        commands.append(
            f"link add {layout.port(node)} netns {layout.site_namespace(node.site)} "
            f"type veth peer name eth0 netns {layout.node_namespace(node)}"
        )
    _batch(commands)
    for site in layout.numbers:
        _make_site(layout, site)
    for node in layout.nodes:
        _batch(
            [
                "link set lo up",
                f"address add {layout.address(node)}/24 dev eth0",
                "link set eth0 up",
                f"route add default via {layout.gateway(node.site)}",
            ],
            layout.node_namespace(node),
        )


def _make_site(layout: Layout, site: int) -> None:
    ports = ["control", *(layout.port(node) for node in layout.nodes_of(site))]
    namespace = layout.site_namespace(site)
    _batch(
        [
            "link set lo up",
            "link add lan type bridge",
            f"address add {layout.gateway(site)}/24 dev lan",
            *(f"link set {port} master lan up" for port in ports),
            "link set lan up",
        ],
        namespace,
    )
    forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
    _run(["nsenter", f"--net={NAMESPACES / namespace}", "sh", "-c", forward])


def _batch(commands: list[str], namespace: str | None = None) -> None:
    where = ["-n", namespace] if namespace else []
    _run(["ip", *where, "-batch", "-"], "\n".join(commands) + "\n")


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(
            f"The network of the local testbed could not be made: `{' '.join(command)}` said "
            f"{(done.stderr or done.stdout).strip()!r}; is this kernel without veth, bridge or "
            "network namespaces?"
        )


def remove_link(name: str) -> None:
    """Remove an interface of the first namespace; one that is gone is no error."""
    if Path("/sys/class/net", name).exists():
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
        if Path("/sys/class/net", name).exists():
            raise TestbedError(f"Interface {name} cannot be removed; try `ip link delete {name}`.")


def remove_namespace(name: str) -> None:
    """Remove a network namespace's name; one that is gone is no error."""
    path = NAMESPACES / name
    if path.exists():
        # A run killed between making the file and mounting on it leaves a file only: then
        # unmounting fails, and that is all right.
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)
        try:
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise TestbedError(
                f"Network namespace {name} cannot be removed ({error.strerror}); "
                f"try `ip netns delete {name}`."
            ) from None
