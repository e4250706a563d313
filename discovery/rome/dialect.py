"""SQLAlchemy's view of it: SQLite's dialect, since SQLite is the engine, with MySQL's habits.

The dialect's name stays ``sqlite``, so that migrations, ``with_variant`` and alembic take the paths
that they have for SQLite; its driver is ``rome``.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from sqlalchemy import Column, Date, DateTime, String, Time, literal_column, pool, select
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect, SQLiteTypeCompiler
from sqlalchemy.engine.interfaces import (
    ConnectArgsType,
    DBAPIConnection,
    IsolationLevel,
    ReflectedColumn,
)
from sqlalchemy.engine.url import URL
from sqlalchemy.sql.selectable import CompoundSelect, Select, _CompoundSelectKeyword
from sqlalchemy.sql.util import surface_selectables_only

from discovery.rome import alembic_impl, oslo, times
from discovery.rome.errors import ConnectionLost
from discovery.rome.limits import IN_A_ROW
from discovery.rome.mysql_names import RomeDDLCompiler
from discovery.rome.secret import Secret

DEFAULT_LEVEL: IsolationLevel = "REPEATABLE READ"
"""SQLAlchemy has no word for snapshot isolation; this is what PostgreSQL calls it, too."""


class RomeCompiler(SQLiteCompiler):
    """Statements: locking reads, and primary keys that are leased."""

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        """As MySQL has it: the driver reads it, and SQLite never sees it."""
        arguments = select._for_update_arg
        text = " FOR SHARE" if arguments.read else " FOR UPDATE"
        if arguments.of:
            tables: dict[Any, None] = dict.fromkeys(
                table for clause in arguments.of for table in surface_selectables_only(clause)
            )
            names = [self.process(table, ashint=True, use_schema=False, **kw) for table in tables]
            text += f" OF {', '.join(names)}"
        if arguments.nowait:
            return f"{text} NOWAIT"
        return f"{text} SKIP LOCKED" if arguments.skip_locked else text

    def _generate_delimited_list(self, elements: Any, separator: str, **kw: Any) -> str:
        """In groups where there are many of AND, OR or ||, each of which would be one deeper."""
        render: Any = super()._generate_delimited_list
        elements = list(elements)
        if len(elements) <= IN_A_ROW or separator.strip() not in {"AND", "OR", "||"}:
            text: str = render(elements, separator, **kw)
            return text
        texts = [text for text in (self.process(one, **kw) for one in elements) if text]
        while len(texts) > IN_A_ROW:
            texts = [f"({separator.join(group)})" for group in _groups(texts)]
        return separator.join(texts)

    def _generate_delimited_and_list(self, clauses: Any, **kw: Any) -> str:
        """A WHERE of many conditions, likewise."""
        if len(clauses) > IN_A_ROW:
            return self._generate_delimited_list(clauses, " AND ", **kw)
        render: Any = super()._generate_delimited_and_list
        text: str = render(clauses, **kw)
        return text

    def visit_binary(self, binary: Any, *arguments: Any, **kw: Any) -> Any:
        """Comparisons; a text beside a time is one."""
        visit: Any = super().visit_binary
        return visit(times.read_alike(binary), *arguments, **kw)

    def visit_compound_select(self, cs: Any, *arguments: Any, **kw: Any) -> Any:
        """In groups where SQLite takes no more of them; the first stays, its columns are known."""
        visit: Any = super().visit_compound_select
        if len(cs.selects) <= IN_A_ROW:
            return visit(cs, *arguments, **kw)
        keyword = _OF_REST.get(cs.keyword, cs.keyword)
        first, *rest = cs.selects
        while len(rest) >= IN_A_ROW:
            rest = [select(CompoundSelect(keyword, *group).subquery()) for group in _groups(rest)]
        changed = cs._clone()
        changed.selects = [first, *rest]
        return visit(changed, *arguments, **kw)

    def visit_insert(
        self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
    ) -> Any:
        """Give the primary key a leased number where the statement gives it none."""
        statement = self._with_leased_key(insert_stmt)
        insert: Any = super().visit_insert
        return insert(statement, visited_bindparam, visiting_cte, **kw)

    def _with_leased_key(self, statement: Any) -> Any:
        column = getattr(statement.table, "_autoincrement_column", None)
        if column is None or column.default is not None or column.server_default is not None:
            return statement
        names = (statement.table.name.replace("'", "''"), column.name.replace("'", "''"))
        leased: Any = literal_column("rome_id('{}', '{}')".format(*names), column.type)
        if statement.select is not None:
            return self._select_with_leased_key(statement, column, leased)
        if statement._multi_values:
            return self._rows_with_leased_key(statement, column, leased)
        given = {*(self.column_keys or ()), *map(_key, statement._values or ())}
        if column.key in given or (self.column_keys is None and not given):
            return statement
        return statement.values({column: leased})

    @staticmethod
    def _select_with_leased_key(statement: Any, column: Any, leased: Any) -> Any:
        names = [_key(name) for name in statement._select_names]
        if column.key in names or not isinstance(statement.select, Select):
            return statement
        changed = statement._clone()
        changed.select = statement.select.add_columns(leased)
        changed._select_names = [*names, column.key]
        return changed

    @staticmethod
    def _rows_with_leased_key(statement: Any, column: Any, leased: Any) -> Any:
        rows = [row for rows in statement._multi_values for row in rows]
        if not all(isinstance(row, dict) for row in rows):
            return statement
        if any(column.key in map(_key, row) for row in rows):
            return statement
        changed = statement._clone()
        changed._multi_values = ([{**row, column: leased} for row in rows],)
        return changed


_OF_REST = {_CompoundSelectKeyword.EXCEPT: _CompoundSelectKeyword.UNION}
"""What is taken off by one after the other is taken off together."""


def _groups(items: list[Any]) -> list[list[Any]]:
    return [items[i : i + IN_A_ROW] for i in range(0, len(items), IN_A_ROW)]


def _key(name: Any) -> str:
    key: str = getattr(name, "key", name)
    return key


class RomeTypeCompiler(SQLiteTypeCompiler):
    """Column types: strings compare without case, as in MySQL, unless their collation says not."""

    def _render_string_type(
        self, name: str, length: int | None, collation: str | None, **kw: Any
    ) -> str:
        render: Any = super()._render_string_type
        text: str = render(name, length, None, **kw)
        return text

    def process(self, type_: Any, **kw: Any) -> str:
        """The type, with its collation where it is a column's."""
        text: str = super().process(type_, **kw)
        if isinstance(kw.get("type_expression"), Column) and _is_text(text):
            collation = (getattr(type_, "collation", None) or "").lower()
            sensitive = collation == "binary" or collation.endswith(("_bin", "_cs"))
            text += " COLLATE BINARY" if sensitive else " COLLATE NOCASE"
        return text


def _is_text(rendered: str) -> bool:
    return any(word in rendered.upper() for word in ("CHAR", "TEXT", "CLOB"))


class RomeDialect(SQLiteDialect):
    """``rome://host:port/database``; more nodes of a cluster as ``?cluster=true&host=h:p,h:p``."""

    driver = "rome"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    supports_native_boolean = False
    statement_compiler = RomeCompiler
    ddl_compiler = RomeDDLCompiler
    type_compiler_cls = RomeTypeCompiler
    colspecs: Any = {  # noqa: RUF012 - SQLAlchemy's
        **SQLiteDialect.colspecs,
        DateTime: times.Moment,
        Date: times.Day,
        Time: times.TimeOfDay,
    }

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """The driver, and what oslo.db and alembic, where they are, have to know of it."""
        from discovery.rome import dbapi  # noqa: PLC0415 - SQLAlchemy asks for it when it wants it

        oslo.register()
        alembic_impl.register()
        return dbapi

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """A pool that threads share: a connection is cheap, the replica is the process's."""
        return pool.QueuePool

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of `discovery.rome.dbapi.connect`."""
        options: dict[str, Any] = dict(url.query)
        more = options.pop("host", ())
        host = f"[{url.host}]" if url.host and ":" in url.host else url.host
        hosts = [host if url.port is None else f"{host or '127.0.0.1'}:{url.port}"]
        hosts += [more] if isinstance(more, str) else more
        arguments = {
            "hosts": ",".join(filter(None, hosts)) or None,
            "database": url.database,
            "username": url.username,
            "password": None if url.password is None else Secret(url.password),
            **options,
        }
        return [], arguments

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether the pool should drop its connections."""
        return isinstance(e, ConnectionLost)

    def do_ping(self, dbapi_connection: DBAPIConnection) -> bool:
        """True: requests are tried again by the driver, and a ping would cost a round trip."""
        return True

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        from discovery.rome import dbapi  # noqa: PLC0415

        return dbapi.sqlite_version_info

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedColumn]:
        """SQLite's, with the collation of strings that compare with case, so that it is kept."""
        reflect: Any = super().get_columns
        columns: list[ReflectedColumn] = reflect(connection, table_name, schema, **kw)
        strings = [column for column in columns if isinstance(column["type"], String)]
        if strings and schema is None:
            read: Any = self._get_table_sql
            definition = read(connection, table_name, **kw) or ""
            for column in strings:
                name = self.identifier_preparer.format_column(Column(column["name"]))
                pattern = rf"(^|,)\s*{re.escape(name)} [^,(]*(\([^)]*\))? COLLATE BINARY\b"
                if re.search(pattern, definition, re.MULTILINE):
                    column["type"].collation = "BINARY"  # type: ignore[attr-defined]
        return columns

    def get_isolation_level_values(self, dbapi_conn: Any) -> list[IsolationLevel]:
        """Snapshot isolation, under PostgreSQL's name for it; serializable; and autocommit."""
        return [DEFAULT_LEVEL, "SERIALIZABLE", "AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> IsolationLevel:
        """The level that this connection is on."""
        if dbapi_connection.autocommit:
            return "AUTOCOMMIT"
        return "SERIALIZABLE" if dbapi_connection.serializable else DEFAULT_LEVEL

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Whether each statement is committed by itself."""
        autocommit: bool = dbapi_conn.autocommit
        return autocommit

    def set_isolation_level(self, dbapi_connection: Any, level: IsolationLevel) -> None:
        """From the next transaction on."""
        dbapi_connection.autocommit = level == "AUTOCOMMIT"
        dbapi_connection.serializable = level == "SERIALIZABLE"


dialect = RomeDialect
