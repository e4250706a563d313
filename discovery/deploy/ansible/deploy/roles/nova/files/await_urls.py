"""Wait until every URL answers anything over HTTP: ``await_urls.py SECONDS URL…``.

Exits with 1, naming the URL and what was said last, when the seconds are over.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request


def said(url: str) -> str | None:
    """What went wrong with ``url``; ``None`` if it answers."""
    try:
        with urllib.request.urlopen(url, timeout=30):
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}" if error.code >= 500 else None
    except OSError as error:
        return str(getattr(error, "reason", error))


def main(seconds: float, urls: list[str]) -> int:
    """The exit code."""
    deadline = time.monotonic() + seconds
    for url in urls:
        while (wrong := said(url)) is not None:
            if time.monotonic() > deadline:
                print(f"{url} did not answer in {seconds:.0f} s: {wrong}", file=sys.stderr)
                return 1
            time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
