"""What is watched of Nova: public functions of ``nova.db``, and transactions begun elsewhere.

In the study's Nova every access was a function of ``nova.db.api``. In today's, `nova.db.main.api`
has most of them, `nova.db.api.api` none, and ``nova/objects`` has functions of its own that open a
transaction. So each function of the first two is watched, and each transaction that oslo.db opens
outside of them is a call, under the name of the function that it is for.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType
from typing import Any

from discovery.probe.calls import Sink, WatchedBlock, current, watched
from discovery.probe.errors import LayerError

MODULES = ("nova.db.main.api", "nova.db.api.api")

NOT_CALLS = frozenset(
    {
        "configure", "constraint", "convert_objects_related_datetimes", "create_context_manager",
        "equal_any", "get_context_manager", "get_engine", "model_query", "not_equal",
        "pick_context_manager_reader", "pick_context_manager_reader_allow_async",
        "pick_context_manager_writer", "quota_get_per_project_resources", "select_db_reader_mode",
    }
)  # fmt: skip
"""Public functions that set up, decorate or build a query, and ask no database."""

_DECORATED = ("fn", "f")
"""What oslo.db's and Nova's decorators call the function that they wrap."""


def functions(module: ModuleType) -> list[str]:
    """The names of ``module``'s calls: its public functions, but for `NOT_CALLS`."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and name not in NOT_CALLS
    ]


def watch(sink: Callable[[], Sink]) -> None:
    """Watch this process's Nova.

    Raises:
        LayerError: oslo.db has not got what opens its transactions.
    """
    for name in MODULES:
        module = importlib.import_module(name)
        for function in functions(module):
            label = f"{_short(name)}.{function}"
            setattr(module, function, watched(getattr(module, function), label, sink))
    _watch_transactions(sink)


def _watch_transactions(sink: Callable[[], Sink]) -> None:
    from oslo_db.sqlalchemy import enginefacade  # noqa: PLC0415 - after Nova's own imports

    manager = getattr(enginefacade, "_TransactionContextManager", None)
    opens = getattr(manager, "_transaction_scope", None)
    if manager is None or opens is None:
        raise LayerError("this oslo.db has no _TransactionContextManager._transaction_scope")
    passes = frozenset(
        code for code in (_code(manager, "using"), _code(manager, "__call__")) if code
    )

    @functools.wraps(opens)
    def scope(self: Any, context: Any) -> Any:
        block = opens(self, context)
        if current() is not None:
            return block
        return WatchedBlock(block, _name(sys._getframe(1), passes), sink)

    manager._transaction_scope = scope


def _code(kind: type, name: str) -> CodeType | None:
    return getattr(getattr(kind, name, None), "__code__", None)


def _name(frame: FrameType, passes: frozenset[CodeType]) -> str:
    """Of the function that a transaction is for: the decorated one, or the one with the block."""
    while frame.f_code in passes and frame.f_back is not None:
        frame = frame.f_back
    if frame.f_code.co_name == "wrapper":
        decorated = frame.f_locals
        for local in _DECORATED:
            function = decorated.get(local)
            if inspect.isfunction(function):
                return f"{_short(function.__module__)}.{function.__qualname__}"
    module = frame.f_globals.get("__name__", "")
    return f"{_short(module)}.{frame.f_code.co_qualname}"


def _short(module: str) -> str:
    return module.removeprefix("nova.")
