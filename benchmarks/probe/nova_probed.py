"""A client process: Nova's own objects, with the probe loaded as Nova loads it.

python nova_probed.py '{"nova_api": URL, "nova_cell1": URL}' FOLDER RECORDS|-
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "rome"))

import nova_client as client
from nova_operations import Operations
from serving import serve

PROBE = """
[oslo_messaging_notifications]
driver = discovery-probe
[discovery_probe]
folder = {folder}
site = site-1
"""


def main() -> None:
    urls, folder, records = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    more = "" if records == "-" else PROBE.format(folder=records)
    admin = client.configure(urls, folder, more=more)
    serve(Operations(admin).named(), {"populate": lambda _: client.populate(admin)})


if __name__ == "__main__":
    main()
