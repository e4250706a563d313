"""What the services of a Nova control plane share, whatever their back ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NovaSettings:
    """Sizes of the services, and what their computes pretend to have.

    ``workers`` are the processes of each site's nova-api, placement, nova-conductor and
    nova-scheduler; ``threads`` those of each process of the two APIs. ``compute_driver`` is Nova's
    option, and ``fake_nodes`` the hypervisors that it makes at each site. With ``zones``, each
    site's computes are a host aggregate and availability zone, called as the site is.
    """

    workers: int = 1
    threads: int = 4
    compute_driver: str = "fake.FakeDriverWithoutFakeNodes"
    fake_nodes: int = 1
    zones: bool = False

    @property
    def told(self) -> dict[str, object]:
        """The same as the playbooks are told it."""
        return {
            "api_processes": self.workers,
            "api_threads": self.threads,
            "placement_processes": self.workers,
            "placement_threads": self.threads,
            "conductor_workers": self.workers,
            "scheduler_workers": self.workers,
            "compute_driver": self.compute_driver,
            "fake_nodes": self.fake_nodes,
        }
