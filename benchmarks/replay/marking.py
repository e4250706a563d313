"""How often each mark was written, counted by the database itself: triggers, or ROME's log.

marking.py install URL
marking.py count URL                 prints mark → how often, as JSON
"""

from __future__ import annotations

import collections
import json
import re
import sys

import msgpack
import redis
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

MARKS = re.compile(r"mark-[0-9a-f]{32}")

POSTGRESQL = """
CREATE TABLE written (mark text NOT NULL);
CREATE FUNCTION note_mark() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before text; after text;
BEGIN
  after := substring(row_to_json(NEW)::text from 'mark-[0-9a-f]{32}');
  IF TG_OP = 'UPDATE' THEN
    before := substring(row_to_json(OLD)::text from 'mark-[0-9a-f]{32}');
  END IF;
  IF after IS NOT NULL AND after IS DISTINCT FROM before THEN
    INSERT INTO written VALUES (after);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER note_project AFTER INSERT OR UPDATE ON project
  FOR EACH ROW EXECUTE FUNCTION note_mark();
CREATE TRIGGER note_user AFTER INSERT OR UPDATE ON "user"
  FOR EACH ROW EXECUTE FUNCTION note_mark();
CREATE TRIGGER note_tag AFTER INSERT ON project_tag
  FOR EACH ROW EXECUTE FUNCTION note_mark();
"""


def _mysql_trigger(table: str, event: str, column: str) -> str:
    after = f"REGEXP_SUBSTR(NEW.{column}, 'mark-[0-9a-f]{{32}}')"
    before = f"REGEXP_SUBSTR(OLD.{column}, 'mark-[0-9a-f]{{32}}')" if event == "UPDATE" else "''"
    return (
        f"CREATE TRIGGER note_{table}_{event.lower()} AFTER {event} ON `{table}` FOR EACH ROW "
        f"INSERT INTO written (mark) SELECT m.a FROM (SELECT {after} AS a, {before} AS b) AS m "
        "WHERE m.a <> '' AND m.a <> COALESCE(m.b, '')"
    )


MYSQL = (
    "CREATE TABLE written (id BIGINT AUTO_INCREMENT PRIMARY KEY, mark VARCHAR(64) NOT NULL)",
    _mysql_trigger("project", "INSERT", "description"),
    _mysql_trigger("project", "UPDATE", "description"),
    _mysql_trigger("user", "INSERT", "extra"),
    _mysql_trigger("user", "UPDATE", "extra"),
    _mysql_trigger("project_tag", "INSERT", "name"),
)


def install(url: URL) -> None:
    """Have the database note every mark that is written; ROME's log does so anyway."""
    if url.drivername == "rome":
        return
    engine = sa.create_engine(url)
    statements = (POSTGRESQL,) if engine.dialect.name == "postgresql" else MYSQL
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def count(url: URL) -> collections.Counter[str]:
    """Mark → how often it was written."""
    if url.drivername == "rome":
        return _count_in_log(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = collections.Counter(connection.scalars(sa.text("SELECT mark FROM written")))
    engine.dispose()
    return found


def _count_in_log(url: URL) -> collections.Counter[str]:
    """Its entries hold the rows that a commit changed; ``keep`` must hold all of them."""
    kind = redis.RedisCluster if url.query.get("cluster") == "true" else redis.Redis
    found: collections.Counter[str] = collections.Counter()
    last: dict[tuple[bytes, bytes], str] = {}
    with kind(host=url.host or "", port=url.port or 6379) as client:
        entries = client.xrange(f"rome:{{{url.database}}}:log")
    assert entries[0][0] == b"1-0", "the log has lost its beginning"
    for _, entry in entries:
        if not entry[b"d"]:
            continue
        what, tables = msgpack.unpackb(entry[b"d"], raw=True, strict_map_key=False)[:2]
        for table, rows in tables if what == 1 else ():
            for key, row in zip(rows[::2], rows[1::2], strict=True):
                marks = MARKS.findall(repr(row)) if row else []
                place = (table, repr(key).encode())
                if marks and last.get(place) != marks[0]:
                    found[marks[0]] += 1
                last[place] = marks[0] if marks else ""
    return found


def main() -> None:
    url = make_url(sys.argv[2])
    if sys.argv[1] == "install":
        install(url)
    else:
        json.dump(count(url), sys.stdout)


if __name__ == "__main__":
    main()
