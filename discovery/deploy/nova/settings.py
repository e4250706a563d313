"""What the services of a Nova control plane share, whatever their back ends."""

from __future__ import annotations

from dataclasses import dataclass

PROBE_FOLDER = "/var/lib/nova/probe"
_BUILDS = 10  # at once, Nova's own limit of a nova-compute; each hypervisor would have one


@dataclass(frozen=True)
class NovaSettings:
    """Sizes of the services, and what their computes pretend to have.

    ``workers`` are the processes of each site's nova-api, placement, nova-conductor and
    nova-scheduler. ``threads`` are those of each process of the two APIs: many more than cores,
    since they wait for a WAN, and since the 2017 study's had no bound. ``fake_nodes`` are the
    hypervisors that each site's nova-compute makes up. With ``zones``, each site's are a host
    aggregate and availability zone, called as the site is. With ``probe``, Nova's controllers
    record every call of their data-access layer in :data:`PROBE_FOLDER`.
    """

    workers: int = 1
    threads: int = 16
    fake_nodes: int = 1
    zones: bool = False
    probe: bool = False

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
            "fake_nodes": self.fake_nodes,
            "builds": _BUILDS * self.fake_nodes,
            "probe_folder": PROBE_FOLDER if self.probe else "",
        }
