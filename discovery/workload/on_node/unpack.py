"""Write files on a node: ``unpack.py FOLDER``, with base64 of a JSON object {name: text} as input.

One Ansible task then does what a task per file would, each of which costs every node its time.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(mode=0o700, parents=True, exist_ok=True)
for name, text in json.loads(base64.b64decode(sys.stdin.read())).items():
    (folder / name).touch(mode=0o600)
    (folder / name).write_text(text, encoding="utf-8")
