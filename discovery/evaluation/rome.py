"""What `discovery rome` shows in the terminal."""

from __future__ import annotations

from rich.table import Table

from discovery.evaluation.console import Terminal, styled
from discovery.rome.integrity import Report
from discovery.rome.repair import Plan
from discovery.rome.status import Status
from discovery.words import counted


def render_status(status: Status) -> None:
    """Print what a database is, its tables, the server's replicas, and who is connected."""
    console = Terminal()
    _facts(console, status)
    for sentence in status.damage:
        console.print(styled("damage", "red"), sentence, highlight=False, soft_wrap=True)
    tables = _table("table", "rows", "size", "last id")
    for table in sorted(status.tables, key=lambda table: table.bytes, reverse=True):
        last = "" if table.last_id is None else f"{table.last_id:,}"
        tables.add_row(table.name, f"{table.rows:,}", size(table.bytes), last)
    console.print("\n", tables, sep="")
    followers = _table("replica of the server", "state", "behind", "heard")
    for one in status.followers:
        followers.add_row(one.address, one.state, size(one.bytes_behind), f"{one.heard_s} s ago")
    if status.followers:
        console.print("\n", followers, sep="")
    else:
        console.print("\nno replica of the server: what it loses is lost")
    processes = _table("process on", "pid", "connections", "fresh")
    for process in status.processes:
        fresh = "push" if process.follows else "sync"
        processes.add_row(process.host, str(process.pid), str(process.connections), fresh)
    if status.processes:
        console.print("\n", processes, sep="")
    else:
        console.print("\nno process is connected")


def _facts(console: Terminal, status: Status) -> None:
    limit = size(status.server_limit_bytes) if status.server_limit_bytes else "no limit"
    slot = "" if status.slot is None else f", of slot {status.slot}"
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("database", f"{status.database}, format {status.format}, epoch {status.epoch[:8]}"),
        ("server", f"{status.server}, Redis {status.version}, {status.role}{slot}"),
        ("memory", f"{size(status.server_bytes)} of {limit}, maxmemory-policy {status.eviction}"),
        ("disk", f"appendonly {'yes' if status.append_only else 'no'}"),
        ("commits", f"{status.newest:,}, schema changed {counted(status.schema_number, 'time')}"),
        (
            "log",
            f"{counted(status.entries, 'entry', 'entries')} "
            f"({status.oldest:,} to {status.newest:,}), "
            f"{size(status.log_bytes)}; keeps {status.keep:,}",
        ),
        ("version index", f"{counted(status.version_keys, 'key')}, {size(status.version_bytes)}"),
    ):
        facts.add_row(name, value)
    console.print(facts, highlight=False)


def render_report(report: Report) -> None:
    """Print every violation with its witness, then what was looked at."""
    console = Terminal(soft_wrap=True)
    for violation in report.violations:
        console.print(
            styled("wrong:", "red"), f"{violation.of}:", violation.witness, highlight=False
        )
    reach = "all of history" if report.from_start else "what the log has kept of it"
    found = counted(len(report.violations), "violation") if report.violations else "whole"
    console.print(
        f"{found}: {counted(report.entries, 'entry', 'entries')} ({reach}), "
        f"{counted(report.keys, 'version key')}, {counted(report.rows, 'row')} in "
        f"{counted(report.tables, 'table')}",
        highlight=False,
    )


def render_plan(plan: Plan, *, done: bool) -> None:
    """Print what a repair does or did, and what it cannot put right."""
    console = Terminal(soft_wrap=True)
    for sentence in plan.does:
        console.print(styled("done" if done else "would", "yellow"), sentence, highlight=False)
    for sentence in plan.leaves:
        console.print(styled("stays", "red"), sentence, highlight=False)
    if not plan.does:
        console.print("nothing to put right", highlight=False)
    elif not done:
        console.print("nothing was changed; --apply does it", highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right")
    return table


def size(number: int) -> str:
    """A number of bytes, for people."""
    value, units = float(number), ("B", "KB", "MB", "GB")
    for unit in units:
        if value < 1000 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
