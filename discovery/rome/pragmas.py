"""Which of SQLite's PRAGMAs a ROME database takes: none may change one process' replica alone."""

from __future__ import annotations

import re
from typing import Literal

_PRAGMA = re.compile(
    r"\APRAGMA\s+(?:[A-Za-z]\w*\s*\.\s*)?([A-Za-z]\w*)\s*(=|\(|;|\Z)", re.IGNORECASE
)

_TELL = frozenset(
    {
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
        *("database_list", "collation_list", "function_list", "module_list", "pragma_list"),
        "compile_options",
    }
)
"""They look at the database, whatever they are given."""

_TELL_WITHOUT_VALUE = frozenset(
    {
        *("application_id", "auto_vacuum", "data_version", "encoding", "freelist_count"),
        *("page_count", "page_size", "schema_version", "user_version", "query_only"),
    }
)

_OWN = frozenset({"defer_foreign_keys", "read_uncommitted", "recursive_triggers"})
"""They are about the statements of one connection, and say the same when it runs them again."""

_IDLE = frozenset(
    {
        *("synchronous", "foreign_keys", "journal_mode", "temp_store", "cache_size", "optimize"),
        *("busy_timeout", "locking_mode", "mmap_size", "wal_autocheckpoint", "journal_size_limit"),
    }
)
"""They are about a file, which there is not, or are what the URL says; with a value they do
nothing, as most of them may in SQLite."""


def kind_of_pragma(text: str) -> Literal["read", "setting", "alone"]:
    """Whether a PRAGMA is run, or does nothing, or is refused."""
    found = _PRAGMA.match(text)
    if found is None:
        return "alone"
    name, value = found.group(1).lower(), found.group(2) in {"=", "("}
    if name in _TELL or name in _OWN or (not value and name in _TELL_WITHOUT_VALUE | _IDLE):
        return "setting" if name == "optimize" else "read"
    return "setting" if name in _IDLE else "alone"
