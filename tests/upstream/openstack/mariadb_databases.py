"""Databases on MariaDB for suites that want a new, empty SQLite for every test.

What a content consists of is kept as the server's own statements. Where a database still has the
tables of the content that is wanted, only those are emptied that a row has come into since.
"""

import contextlib
from dataclasses import dataclass

import pymysql
from pymysql.constants import ER
from pymysql.converters import escape_item
from sqlalchemy.engine import make_url
from suite_databases import Databases


@dataclass(frozen=True)
class Content:
    """Statements by table: those that make it, and those that fill it."""

    tables: dict
    rows: dict


class MariadbDatabases(Databases):
    """Databases on the server of a URL; they end with it."""

    def __init__(self, url, kept=False):
        super().__init__(url, kept)
        parts = make_url(url % "mysql")
        self._server = pymysql.connect(
            host=parts.host, port=parts.port, user=parts.username, password=parts.password
        )
        self._server.autocommit(True)
        self._ask("SET foreign_key_checks = 0", "SET lock_wait_timeout = 2")
        self._has = {}

    def _ask(self, *statements):
        with self._server.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(statement)
                except pymysql.err.OperationalError as error:
                    if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
                        raise
                    self._end_idle(cursor)
                    cursor.execute(statement)
            return cursor.fetchall()

    @staticmethod
    def _end_idle(cursor):
        """End the sessions that a test has left open with a transaction in this database."""
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() "
            "AND command = 'Sleep' AND id <> CONNECTION_ID()"
        )
        for (session,) in cursor.fetchall():
            with contextlib.suppress(pymysql.err.OperationalError):  # it has ended meanwhile
                cursor.execute(f"KILL {session}")

    def _use(self, url):
        name = make_url(url).database
        self._ask(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3", f"USE {name}")
        return name

    def _tables(self):
        return {name for (name,) in self._ask("SHOW TABLES")}

    def empty(self, url):
        """Leave nothing in the database."""
        name = self._use(url)
        self._has.pop(name, None)
        if tables := self._tables():
            self._ask("DROP TABLE " + ", ".join(f"`{table}`" for table in tables))

    def content(self, url):
        """What the database has now."""
        name = self._use(url)
        tables, rows = {}, {}
        for table in self._tables():
            ((_, tables[table]),) = self._ask(f"SHOW CREATE TABLE `{table}`")
            if found := self._ask(f"SELECT * FROM `{table}`"):
                values = ", ".join(
                    f"({', '.join(escape_item(item, 'utf8mb4') for item in row)})" for row in found
                )
                rows[table] = f"INSERT INTO `{table}` VALUES {values}"
        made = Content(tables, rows)
        self._has[name] = made
        return made

    def restore(self, url, content):
        """Give the database that content, and no other."""
        name = self._use(url)
        if self._has.get(name) is content and self._tables() == content.tables.keys():
            touched = self._touched(name, content)
            self._ask(*(f"TRUNCATE TABLE `{table}`" for table in touched))
        else:
            self.empty(url)
            touched = list(content.tables)
            self._ask(*content.tables.values())
        self._ask(*(content.rows[table] for table in touched if table in content.rows))
        self._has[name] = content

    def _touched(self, name, content):
        """The tables that have rows, or have given a number out."""
        if not content.tables:
            return []
        rows = (f"(SELECT '{table}' FROM `{table}` LIMIT 1)" for table in content.tables)
        found = {table for (table,) in self._ask(" UNION ALL ".join(rows))}
        numbers = self._ask(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = '{name}' AND auto_increment > 1"
        )
        return sorted(found | {table for (table,) in numbers} | content.rows.keys())
