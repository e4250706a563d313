"""Whether the Keystone that is installed is, file for file, the wheel that its project published.

    python keystone_wheel.py

Prints JSON: ``wheel``, the SHA-256 over the wheel's own list of the package's files and their
hashes; ``changed``, files that are not as that list has them; ``added``, files that it has not.
Standard library only, since it runs with whatever Python has Keystone.
"""

import base64
import csv
import hashlib
import json
from importlib import metadata
from pathlib import Path

PACKAGE = "keystone"

# Over the lines of RECORD about keystone/ in keystone-30.0.0-py3-none-any.whl as PyPI has it, whose
# SHA-256 is d0fa097278b1c1eda5b2c727766322a6a8afac0ed848d3104253855d4d483515. An installer adds
# lines about other files only.
PUBLISHED = "cfbce6a1a11ba559fc327c481728ef3f785b608b16cdf9944021586275d0afae"
UNTOUCHED = {"wheel": PUBLISHED, "changed": [], "added": []}


def state():
    """What there is, to be compared with `UNTOUCHED`."""
    installed = metadata.distribution(PACKAGE)
    listed = sorted(
        line
        for line in (installed.read_text("RECORD") or "").splitlines()
        if line.startswith(f"{PACKAGE}/") and "/__pycache__/" not in line
    )
    hashes = {path: found for path, found, _ in csv.reader(listed)}
    folder = Path(str(installed.locate_file("")))
    there = {
        str(path.relative_to(folder))
        for path in (folder / PACKAGE).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    return {
        "wheel": hashlib.sha256("\n".join(listed).encode()).hexdigest(),
        "changed": [path for path, found in hashes.items() if found != _hash(folder / path)],
        "added": sorted(there - set(hashes)),
    }


def _hash(path):
    """As RECORD writes it; "" for a file that is not there."""
    if not path.is_file():
        return ""
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256={digest.decode().rstrip('=')}"


if __name__ == "__main__":
    print(json.dumps(state()))
