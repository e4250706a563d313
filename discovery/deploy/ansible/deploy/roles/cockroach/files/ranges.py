"""Wait until every range has its replicas where they belong: ``ranges.py QUESTION``.

The question is JSON: ``{"connect": {…}, "wanted": {database: {"least": 3, "most": 3, "zones":
{zone: replicas there}}}, "deadline_s": …}``, where ``most`` may be null. After the deadline, says
what is lacking on standard error, with what to do, and exits with 1.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

PERIOD_S = 1.0
EXAMPLES = 3
# A cluster that has lost its ranges' majorities answers no question, and says nothing.
ANSWER = "10s"
WHAT_TO_DO = (
    "see that every server runs and reaches the others (journalctl --unit discovery-cockroach on"
    " each node), or give it more time (cockroach_deadline_s)"
)

Range = tuple[int, Sequence[int], Sequence[str]]


def shortages(ranges: Sequence[Range], wanted: dict[str, Any]) -> list[str]:
    """What each range lacks that is not as ``wanted``; a database without one lacks everything.

    A range is its number, the numbers of the nodes with a replica, and their localities
    (``zone=zone-1,site=site-2``).
    """
    if not ranges:
        return ["there is no range yet"]
    least, most = wanted["least"], wanted["most"]
    found = []
    for number, replicas, localities in ranges:
        if len(replicas) < least or (most is not None and len(replicas) > most):
            found.append(f"range {number} has {len(replicas)} of {least} replicas")
            continue
        tiers = [locality.split(",") for locality in localities]
        for zone, count in wanted["zones"].items():
            there = sum(f"zone={zone}" in tier for tier in tiers)
            if there != count:
                found.append(f"range {number} has {there} of {count} replicas in {zone}")
                break
    return found


def read(connection: Any, database: str) -> list[Range]:
    """The ranges of ``database``; these columns are in every version's answer since 20.1.

    Older versions name a range once for each table in it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT range_id, replicas, replica_localities"
            f" FROM [SHOW RANGES FROM DATABASE {database}]"
        )
        return list({row[0]: row for row in cursor.fetchall()}.values())


def look(connect: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """One look at all databases: a sentence for each that is not as wanted."""
    # The node's; all the rest is used without it.
    import psycopg2  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        connection = psycopg2.connect(**connect)
    except psycopg2.Error as error:
        return [" ".join(str(error).split())]
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{ANSWER}'")
        said = []
        for database, rule in wanted.items():
            ranges = read(connection, database)
            lacking = shortages(ranges, rule)
            if lacking:
                examples = "; ".join(lacking[:EXAMPLES])
                share = f"{len(lacking)} of {len(ranges)} ranges of {database}"
                said.append(f"{share} lack replicas: {examples}")
    except psycopg2.Error as error:
        return [" ".join(str(error).split())]
    finally:
        connection.close()
    return said


def main(question: dict[str, Any]) -> None:
    """Look until all is well, or the time is over."""
    deadline = time.monotonic() + question["deadline_s"]
    while said := look(question["connect"], question["wanted"]):
        if time.monotonic() > deadline:
            sys.exit(f"after {question['deadline_s']} s, {', and '.join(said)}; {WHAT_TO_DO}")
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
