"""Instances in number, made from the rows that Nova writes for one: every table that one has."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils, uuidutils

Row = dict[str, Any]
AT_ONCE = 500


def rows_of(engine: sa.Engine, metadata: sa.MetaData, uuid: str) -> dict[sa.Table, list[Row]]:
    """Every row that names instance ``uuid``, by table, parents first; events by their action."""
    found: dict[sa.Table, list[Row]] = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            name = (
                "uuid" if table.name in {"instances", "instance_id_mappings"} else "instance_uuid"
            )
            if name not in table.c or table.name.startswith("shadow_"):
                continue
            rows = connection.execute(sa.select(table).where(table.c[name] == uuid))
            found[table] = [dict(row._mapping) for row in rows]
        for table in metadata.sorted_tables:
            if table.name == "instance_actions_events":
                actions = [
                    row["id"]
                    for t, rows in found.items()
                    if t.name == "instance_actions"
                    for row in rows
                ]
                events = connection.execute(sa.select(table).where(table.c.action_id.in_(actions)))
                found[table] = [dict(row._mapping) for row in events]
    return {table: rows for table, rows in found.items() if rows}


def copies(
    template: dict[sa.Table, list[Row]], first: int, count: int, host: str
) -> Iterator[dict[sa.Table, list[Row]]]:
    """``count`` instances like the template, each with its own keys from number ``first`` on."""
    start = timeutils.utcnow()
    old = next(rows[0]["uuid"] for table, rows in template.items() if table.name == "instances")
    for number in range(first, first + count):
        new = uuidutils.generate_uuid()
        made: dict[sa.Table, list[Row]] = {}
        for table, rows in template.items():
            made[table] = [
                _copy(table, row, old, new, number * len(rows) + place)
                for place, row in enumerate(rows)
            ]
            if table.name == "instances":
                made[table][0] |= {
                    "host": host, "node": host, "project_id": f"p{number % 5}",
                    "display_name": f"vm-{number}", "hostname": f"vm-{number}",
                    "reservation_id": f"r-{number}",
                    "created_at": start + datetime.timedelta(seconds=number % 86400),
                }  # fmt: skip
            elif table.name == "instance_actions_events":
                actions = next(made[t] for t in made if t.name == "instance_actions")
                for event in made[table]:
                    event["action_id"] = actions[0]["id"]
        yield made


def _copy(table: sa.Table, row: Row, old: str, new: str, number: int) -> Row:
    copied = {name: new if value == old else value for name, value in row.items()}
    if "id" in copied:
        copied["id"] = number
    if table.name == "block_device_mapping":
        copied["uuid"] = uuidutils.generate_uuid()
    return copied


def insert(engine: sa.Engine, instances: Iterator[dict[sa.Table, list[Row]]]) -> None:
    """Write them through SQLAlchemy, some hundreds of instances per transaction."""
    while batch := [made for _, made in itertools.islice(enumerate(instances), AT_ONCE)]:
        with engine.begin() as connection:
            for table in batch[0]:
                connection.execute(table.insert(), [row for made in batch for row in made[table]])
