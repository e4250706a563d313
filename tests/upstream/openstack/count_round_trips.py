"""Run a command of OpenStack as it is, and then say what it cost ROME.

    count_round_trips.py OUTPUT_FILE COMMAND ARGUMENT...

``OUTPUT_FILE`` gets ``round_trips`` (requests sent to Redis), ``commits`` and ``boots`` (replicas
that were read whole) of all databases that the command used.
"""

import json
import runpy
import sys
from pathlib import Path

from discovery.rome import dbapi


def main():
    output, command, *arguments = sys.argv[1:]
    sys.argv = [command, *arguments]
    try:
        runpy.run_path(command, run_name="__main__")
    finally:
        replicas = [replica for replica, _ in dbapi._replicas.values()]
        said = {
            "round_trips": sum(replica.store.round_trips for replica in replicas),
            "commits": sum(replica.counters.commits for replica in replicas),
            "boots": sum(1 + replica.counters.boots for replica in replicas),
        }
        Path(output).write_text(json.dumps(said))


if __name__ == "__main__":
    main()
