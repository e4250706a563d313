"""Sites of bare network namespaces: a router and one node each, no image, no SSH, no lease.

What the WAN's own tests and benchmarks run on. Needs root; leaves nothing behind.
"""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from discovery.testbed.wan.sites import SiteNetwork


class BareSites:
    """A context manager of ``count`` sites; site *i* is ``<prefix>.<i>.0/24``, its node ``.11``."""

    def __init__(self, count: int, prefix: str = "10.82") -> None:
        self.tag = f"wan-{secrets.token_hex(3)}"
        self.prefix = prefix
        self.names = [f"site-{number}" for number in range(1, count + 1)]
        self.networks = [
            SiteNetwork(
                name=name,
                namespace_path=Path(f"/run/netns/{self.tag}-{name}"),
                network_cidr=f"{prefix}.{number}.0/24",
                gateway=f"{prefix}.{number}.1",
            )
            for number, name in enumerate(self.names, 1)
        ]

    def address(self, site: str) -> str:
        """The address of the site's node."""
        return f"{self.prefix}.{self.names.index(site) + 1}.11"

    def node(self, site: str) -> str:
        """The name of the namespace of the site's node."""
        return f"{self.tag}-{site}-node"

    def command(self, site: str, *words: str) -> list[str]:
        """``words`` as a command that runs on the site's node."""
        return ["nsenter", f"--net=/run/netns/{self.node(site)}", *words]

    def run(self, site: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs ``words`` on the site's node to its end."""
        return subprocess.run(
            self.command(site, *words), text=True, capture_output=True, check=False, **options
        )

    def __enter__(self) -> BareSites:
        """Makes the sites."""
        try:
            for network in self.networks:
                self._make(network)
        except subprocess.CalledProcessError:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes them."""
        self._remove()

    def _make(self, network: SiteNetwork) -> None:
        router, node = network.namespace_path.name, self.node(network.name)
        _ip(None, f"netns add {router}", f"netns add {node}")
        _ip(
            router,
            "link set lo up",
            f"link add lan type veth peer name eth0 netns {node}",
            f"address add {network.gateway}/24 dev lan",
            "link set lan up",
        )
        _ip(
            node,
            "link set lo up",
            f"address add {self.address(network.name)}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {network.gateway}",
        )

        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(
            ["nsenter", f"--net={network.namespace_path}", "sh", "-c", forward], check=True
        )

    def _remove(self) -> None:
        for network in self.networks:
            for name in (network.namespace_path.name, self.node(network.name)):
                if Path(f"/run/netns/{name}").exists():
                    _ip(None, f"netns delete {name}")


def _ip(namespace: str | None, *lines: str) -> None:
    where = ["-n", namespace] if namespace else []
    subprocess.run(
        ["ip", *where, "-batch", "-"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        check=True,
    )
