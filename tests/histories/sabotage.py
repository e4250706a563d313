"""ROME with one of its safeguards taken out, to see that the checker misses none of them."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from discovery.rome import certificate, locks, reads, scripts, store


def _rewrite(script: Any, pattern: str, replacement: str) -> None:
    script.text, count = re.subn(pattern, replacement, script.text)
    assert count, f"{pattern} is not in the script any more"
    script.sha = hashlib.sha1(script.text.encode()).hexdigest()


def no_certification() -> None:
    """Whoever comes last wins."""
    _rewrite(scripts.CERTIFY, r"if changed and tonumber\(changed\) > seq then", "if false then")


def no_memory_of_commits() -> None:
    """A commit that is sent again is done again."""
    _rewrite(scripts.CERTIFY, r"if done then", "if false then")


def no_hashes() -> None:
    """A replica is taken for one of this history by its number alone."""
    for script in (scripts.CERTIFY, scripts.SYNC):
        _rewrite(script, r"if [^\n]* ~= (hash|last|at\[4\]) then return \{'DIVERGED'\} end", "")
        _rewrite(script, r"or seq > now then return \{'DIVERGED'\}", "then return {'DIVERGED'}")


def no_unique_keys() -> None:
    """Certificates leave unique keys out."""
    certificate._certify_unique = lambda *_: None  # type: ignore[assignment]


def no_foreign_keys() -> None:
    """Certificates leave references out."""
    certificate._certify_references = lambda *_: None  # type: ignore[assignment]


def no_waiting() -> None:
    """``wait=1`` is not heeded."""
    evaluate = store.Store._evaluate

    def at_once(self: Any, client: Any, script: Any, keys: Any, arguments: Any, wait: int) -> Any:
        return evaluate(self, client, script, keys, arguments, 0)

    store.Store._evaluate = at_once  # type: ignore[method-assign]


def no_locks() -> None:
    """FOR UPDATE waits for nobody, and certificates leave out what was locked."""
    _rewrite(scripts.LOCK, r"if whose ~= owner then return whose end", "")
    locks.Found.certify = lambda *_: None  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    "no certification": no_certification,
    "no memory of commits": no_memory_of_commits,
    "no hashes": no_hashes,
    "no unique keys": no_unique_keys,
    "no foreign keys": no_foreign_keys,
    "no waiting": no_waiting,
    "no locks": no_locks,
}


def no_tables_written(patch: pytest.MonkeyPatch) -> None:
    """SERIALIZABLE counts tables whose columns are read, and no others."""
    patch.setattr(reads, "_TELLS", frozenset({apsw.SQLITE_READ}))


def no_chosen_keys(patch: pytest.MonkeyPatch) -> None:
    """A key that SQLite chose by the greatest one counts as one that was given."""
    patch.setattr(reads, "gives_all_keys", lambda *_: True)


def no_rows_that_stay(patch: pytest.MonkeyPatch) -> None:
    """A row that was written with what it held is in no certificate."""
    patch.setattr(certificate, "_certify_unchanged", lambda *_: None)


def no_rows(patch: pytest.MonkeyPatch) -> None:
    """Whoever writes a row last wins."""
    check, change = certificate.Certificate.check, certificate.Certificate.change

    def checks_no_row(self: Any, kind: str, name: str, key: bytes = b"") -> None:
        if kind != "row":
            check(self, kind, name, key)

    def changes_rows(self: Any, kind: str, name: str, key: bytes = b"") -> None:
        if kind == "row":
            self.bump(kind, name, key)
        else:
            change(self, kind, name, key)

    patch.setattr(certificate.Certificate, "check", checks_no_row)
    patch.setattr(certificate.Certificate, "change", changes_rows)


WITHOUT: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "tables that are written": no_tables_written,
    "keys that SQLite chooses": no_chosen_keys,
    "rows that hold what they held": no_rows_that_stay,
    "rows": no_rows,
}
"""Safeguards that one process' programs go without, until the patch is undone."""
