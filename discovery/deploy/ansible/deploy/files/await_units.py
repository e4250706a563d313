"""Wait until every unit of this node is up and answers: ``await_units.py QUESTION``.

The question is JSON: ``{"units": {unit: URL or ""}, "seconds": how long}``. Prints JSON:
``{"late": [[unit, what is wrong], …]}``.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit


def wrong(unit: str, url: str) -> str | None:
    """What is wrong with ``unit``; ``None`` if it is up and answers."""
    state = subprocess.run(
        ["systemctl", "is-active", unit], capture_output=True, text=True, check=False
    ).stdout.strip()
    if state != "active":
        return f"it is {state}"
    try:
        if url.startswith("tcp:"):
            parts = urlsplit(url)
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
        elif url:
            urllib.request.urlopen(url, timeout=30).close()
    except urllib.error.HTTPError as error:
        return f"{url} answers HTTP {error.code}" if error.code >= 500 else None
    except OSError as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"
    return None


def main(question: dict[str, Any]) -> None:
    """Ask all of them until they are well, or the time is over, or one has died."""
    deadline = time.monotonic() + question["seconds"]
    left = dict(question["units"])
    why: dict[str, str] = {}
    while left:
        why = {unit: found for unit, url in left.items() if (found := wrong(unit, url))}
        left = {unit: left[unit] for unit in why}
        if "it is failed" in why.values() or time.monotonic() > deadline:
            break
        if left:
            time.sleep(0.2)
    print(json.dumps({"late": list(why.items())}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
