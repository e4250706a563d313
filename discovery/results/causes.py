"""Why a request failed, which its client could not see: what its service's database had said.

Keystone tells its journal of every error of its database, with the request that met it (see
``discovery_causes.py`` of its role); Rally's clients name each request, and write the name into the
error of an iteration that it ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

MARK = "discovery-cause: "
_REQUEST = "req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMED = re.compile(rf" ?[(\[](?:Request-ID: |request )?({_REQUEST})[)\]]")
_ENTITY = re.compile(r"\b[0-9a-f]{32}\b")
_NAME = re.compile(rf"\A{_REQUEST}\Z")
_WORD = re.compile(r"\A\w{1,64}\Z")


def read_causes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """What the journals ``names`` in ``folder`` say of requests: request → cause.

    A cause is ``SerializationFailure 40001 on site-2-control``; of several errors of one request it
    is the last, since a service goes on after those before it.
    """
    causes = {}
    for name in sorted(names):
        node = Path(name).stem
        with (folder / name).open(encoding="utf-8", errors="replace") as journal:
            for request, said in _told(journal):
                causes[request] = f"{said} on {node}"
    return causes


def _told(journal: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in journal:
        _, mark, text = line.partition(MARK)
        if not mark:
            continue
        try:
            told: Any = json.loads(text)
            request, kind, state = told["request"], told["class"], told["state"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a line that was cut off, or is not Keystone's
        words = [kind] if state is None else [kind, state]
        # What a client calls its request is the client's own text.
        if isinstance(request, str) and _NAME.match(request) and all(map(_is_word, words)):
            yield request, " ".join(words)


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(_WORD.match(word))


def explained(error: str, causes: Mapping[str, str]) -> str:
    """``error`` without the ids that tell it from its like (in the raw report), with its cause."""
    requests = _NAMED.findall(error)
    known = [causes[request] for request in requests if request in causes]
    bare = _ENTITY.sub("…", _NAMED.sub("", error))
    return f"{bare} [{known[-1]}]" if known else bare
