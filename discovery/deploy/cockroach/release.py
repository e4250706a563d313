"""The release of CockroachDB that is pinned, and under which terms it may be run.

CockroachDB is source-available, and its terms changed twice. Up to 24.2 everything but the
"enterprise" features is under the Business Source License 1.1, which grants every use but offering
the database to others as a service, asks for no key and turns into Apache 2.0 three years after a
series' first release. From 24.3.0 on, and in the patches to 23.1 … 24.2 that came after it
(November 2024), all is under the CockroachDB Software License: a cluster of several nodes without a
key is throttled after seven days. Sources: the vendor's licensing FAQ for v22.2, v23.1 and v26.3.

Hence v23.1.4 (June 2023): of the last long-supported series under the old terms, from long before
the change; nothing here needs a key (zone configurations of databases, localities and lease
preferences never did), and the licence's own conversion date has come. Any other version from 21.1
on works when it is named by ``DISCOVERY_COCKROACH``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

SITE = "https://binaries.cockroachdb.com"

# The SHA-256 of the vendor's archive for each architecture (in the vendor's words). That of amd64
# is in a public build recipe that fetches this very archive and stops if it differs. For arm64 no
# public text was found that has it: there the vendor's own, which lies beside the archive, is asked
# for with it, which proves that a download is whole, but not who made it.
CHECKSUMS: Mapping[str, str | None] = {
    "amd64": "3125f85389c81bd4d443cb6e826ccbdd8eb4a49ef2d397f95bdb2e3bd6e79acb",
    "arm64": None,
}


class Version(NamedTuple):
    """A version; a pre-release counts as the release it led to."""

    year: int
    number: int
    patch: int

    def __str__(self) -> str:
        """As in the vendor's names of archives: ``v23.1.4``."""
        return f"v{self.year}.{self.number}.{self.patch}"


PINNED = Version(23, 1, 4)
OLDEST = Version(21, 1, 0)


def parse(tag: str) -> Version | None:
    """A build tag (``v23.1.4``, ``v21.1.0-beta.1-12-gabcdef``) as a version, if it is one."""
    found = re.match(r"v(\d+)\.(\d+)\.(\d+)(?![\d.])", tag)
    return Version(*map(int, found.groups())) if found else None


def archive(architecture: str) -> str:
    """The name of the pinned release's archive, which is also that of the folder in it."""
    return f"cockroach-{PINNED}.linux-{architecture}"
