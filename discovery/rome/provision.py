"""What SQLAlchemy's test plugin asks of a dialect; it loads this module by its name."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.url import URL
from sqlalchemy.testing.provision import generate_driver_url, temp_table_keyword_args, upsert


@generate_driver_url.for_db("rome")
def _only_driver(url: URL, driver: str, query: str) -> URL:
    return url


@temp_table_keyword_args.for_db("rome")
def _temporary_table(config: Any, engine: Any) -> dict[str, list[str]]:
    return {"prefixes": ["TEMPORARY"]}


@upsert.for_db("rome")
def _upsert(
    config: Any,
    table: Any,
    returning: Any,
    *,
    set_lambda: Any = None,
    sort_by_parameter_order: bool = False,
    index_elements: Any = None,
) -> Any:
    statement = insert(table)
    if set_lambda is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(set_=set_lambda(statement.excluded))
    return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)
