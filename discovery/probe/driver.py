"""The entry point: a notification driver, which each service of Nova loads as it reads its options.

.. code-block:: ini

    [oslo_messaging_notifications]
    driver = discovery-probe

It sends no notification. See ``docs/probe.md`` for why this way in was taken.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

from oslo_messaging.notify import notifier

from discovery.probe import layer, round_trips, settings
from discovery.probe.errors import ProbeError
from discovery.probe.lines import Header
from discovery.probe.record import Record, Records


class Probe(notifier.Driver):  # type: ignore[misc] # oslo.messaging has no types
    """Loading it loads the probe; oslo.messaging may do so more than once."""

    def __init__(self, conf: Any, topics: Any, transport: Any) -> None:
        super().__init__(conf, topics, transport)
        try:
            start(conf)
        except ProbeError as error:  # stevedore would go on without the driver, and tell a log
            sys.exit(f"the probe cannot be loaded: {error}")

    def notify(self, ctxt: Any, message: Any, priority: Any, retry: Any) -> None:
        """Nobody is told."""


def start(conf: Any) -> None:
    """Watch this process, and those that are forked from it, from now on; once."""
    given = settings.read(conf)
    process = Path(conf.prog or sys.argv[0]).name
    _start(given, process, str(conf.host))


@functools.cache
def _start(given: settings.Settings, process: str, host: str) -> None:
    def open_record(pid: int) -> Record:
        return Record(given.folder, Header(process, pid, host, given.site))

    records = Records(open_record)
    round_trips.listen(records.own)
    layer.watch(records.own)
