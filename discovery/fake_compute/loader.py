"""The entry point: makes the driver importable where Nova looks for drivers.

Nova imports ``nova.virt.<compute_driver>`` and nothing else, so that a driver from outside has to
be a module there. A file in Nova's folder would be one more thing to install and to explain;
instead a notification driver, which nova-compute loads before it loads its virtualisation driver,
enters our module under that name.

.. code-block:: ini

    [DEFAULT]
    compute_driver = discovery.ManyNodes
    [oslo_messaging_notifications]
    driver = discovery-nodes
"""

from __future__ import annotations

import sys
from typing import Any

from oslo_messaging.notify import notifier

MODULE = "nova.virt.discovery"


class Loader(notifier.Driver):  # type: ignore[misc] # oslo.messaging has no types
    """It sends no notification."""

    def __init__(self, conf: Any, topics: Any, transport: Any) -> None:
        super().__init__(conf, topics, transport)
        from discovery.fake_compute import driver  # noqa: PLC0415 - only nova-compute needs Nova's

        sys.modules[MODULE] = driver

    def notify(self, ctxt: Any, message: Any, priority: Any, retry: Any) -> None:
        """Nobody is told."""
