"""Where the user's Grid'5000 credentials are; apart, because looking for them loads no EnOSlib."""

from __future__ import annotations

import os
from pathlib import Path


def credentials_path() -> Path:
    """Where python-grid5000 looks for the API's address, user and password."""
    return Path(os.environ.get("HOME", "~")).expanduser() / ".python-grid5000.yaml"
