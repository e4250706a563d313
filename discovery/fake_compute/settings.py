"""The options of the many-nodes driver, in nova-compute's own configuration file.

.. code-block:: ini

    [discovery_nodes]
    count = 50
    vcpus = 16
    memory_mb = 65536
    disk_gb = 1000
"""

from __future__ import annotations

from oslo_config import cfg

GROUP = "discovery_nodes"

OPTIONS = [
    cfg.IntOpt("count", default=1, min=1, max=999, help="Nodes of this nova-compute."),
    cfg.IntOpt("vcpus", default=16, min=1, help="Of each node."),
    cfg.IntOpt("memory_mb", default=65_536, min=1, help="Of each node, in MiB as Nova has it."),
    cfg.IntOpt("disk_gb", default=1_000, min=1, help="Of each node, in GiB as Nova has it."),
]
