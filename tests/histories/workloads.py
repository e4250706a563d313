"""Tables and transactions of the workloads; SQLAlchemy alone, so that they run on any URL.

A workload plans a transaction (plain data, written down before it begins) and runs a plan. Running
gives what it was told, which is also stored in ``commits`` with the transaction if it has written.
"""

import random
from typing import Any, Protocol

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text, func, select
from sqlalchemy.exc import IntegrityError

from tests.histories import programs
from tests.histories.profile import Profile

Plan = dict[str, Any]
Told = dict[str, Any]

metadata = MetaData()
commits = Table(
    "commits",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("note", Text, nullable=False),
)
accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("balance", Integer, nullable=False),
)
elements = Table(
    "elements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bucket", String(40), nullable=False, index=True),
    Column("owner", String(40), nullable=False),
)
lists = Table(
    "lists",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("content", Text, nullable=False),
)
names = Table(
    "names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("owner", String(40), nullable=False),
)
parents = Table(
    "parents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(40), nullable=False),
)
children = Table(
    "children",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent", Integer, ForeignKey("parents.id"), nullable=False),
    Column("owner", String(40), nullable=False),
)
tags = Table(
    "tags",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent", Integer, ForeignKey("parents.id", ondelete="CASCADE"), nullable=False),
    Column("owner", String(40), nullable=False),
)

desks = Table("desks", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("desk", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("owner", String(40), nullable=False),
)


class Session(Protocol):
    """A connection inside a transaction, which pauses before each statement."""

    def execute(self, statement: Any) -> Any:
        """Run one statement."""

    def exec_driver_sql(self, statement: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Run one statement as it is."""


class Workload:
    """One kind of transactions."""

    name: str

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def fill(self, session: Session) -> None:
        """The first rows."""

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """The ``step``-th transaction of a client, called ``name``."""
        raise NotImplementedError

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """Run ``plan``: what it was told, and whether it has written anything."""
        raise NotImplementedError


class Bank(Workload):
    """Transfers between accounts; the total stays what it was."""

    name = "bank"
    OPENING = 50

    def fill(self, session: Session) -> None:
        """Every account with the same balance."""
        for number in range(self.profile.accounts):
            session.execute(accounts.insert().values(id=number, balance=self.OPENING))

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Look at all, or transfer: by values read before, or inside SQL."""
        if rng.random() < self.profile.reads:
            return {"do": "look", "split": rng.randrange(self.profile.accounts)}
        source, target = rng.sample(range(self.profile.accounts), 2)
        do = rng.choice(["move", "move-in-sql"])
        return {"do": do, "from": source, "to": target, "amount": rng.randint(1, 20)}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """Two statements read the accounts, so that a torn snapshot shows."""
        if plan["do"] == "look":
            found = []
            for half in (accounts.c.id < plan["split"], accounts.c.id >= plan["split"]):
                found += session.execute(select(accounts.c.balance).where(half)).scalars()
            return {"balances": found}, False
        source, target, amount = plan["from"], plan["to"], plan["amount"]
        if plan["do"] == "move":
            balances = dict(
                session.execute(
                    select(accounts.c.id, accounts.c.balance).where(
                        accounts.c.id.in_([source, target])
                    )
                ).all()
            )
            if balances[source] < amount:
                return {"moved": 0}, False
            for account, change in ((source, -amount), (target, amount)):
                session.execute(
                    accounts.update()
                    .where(accounts.c.id == account)
                    .values(balance=balances[account] + change)
                )
            return {"moved": amount}, True
        taken = session.execute(
            accounts.update()
            .where(accounts.c.id == source, accounts.c.balance >= amount)
            .values(balance=accounts.c.balance - amount)
        )
        if not taken.rowcount:
            return {"moved": 0}, False
        session.execute(
            accounts.update()
            .where(accounts.c.id == target)
            .values(balance=accounts.c.balance + amount)
        )
        return {"moved": amount}, True


class Sets(Workload):
    """Rows that are inserted and never changed, a few in a transaction."""

    name = "sets"

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Insert up to three rows into a bucket, or read a bucket."""
        bucket = f"{step // 40}-{rng.randrange(2)}"
        if rng.random() < self.profile.reads:
            return {"do": "read", "bucket": bucket}
        return {"do": "add", "bucket": bucket, "rows": rng.randint(1, 3)}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """The rows of one transaction have one owner: all of them are there or none."""
        if plan["do"] == "read":
            query = select(elements.c.owner).where(elements.c.bucket == plan["bucket"])
            return {"owners": list(session.execute(query).scalars())}, False
        for _ in range(plan["rows"]):
            session.execute(elements.insert().values(bucket=plan["bucket"], owner=name))
        return {}, True


class Appends(Workload):
    """Lists that grow: reads and appends of several lists in a transaction."""

    name = "appends"

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Steps ``r`` (read), ``a`` (append inside SQL), ``w`` (read, then write what was read)."""
        reads = self.profile.reads
        steps = []
        for number in range(rng.randint(1, self.profile.longest)):
            key = f"{step // 40}-{rng.randrange(self.profile.keys)}"
            do = rng.choices("raw", (reads + 0.2, 0.4, 0.4))[0]
            steps.append([do, key] if do == "r" else [do, key, f"{name}.{number}"])
        return {"do": "append" if any(s[0] != "r" for s in steps) else "read", "steps": steps}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """What each step has read, None for an append inside SQL."""
        told: list[list[str] | None] = []
        for do, key, *value in plan["steps"]:
            here = lists.c.id == key
            if do == "a":
                told.append(None)
                longer = lists.update().where(here).values(content=lists.c.content + f" {value[0]}")
                if not session.execute(longer).rowcount:
                    session.execute(lists.insert().values(id=key, content=value[0]))
                continue
            items = session.execute(select(lists.c.content).where(here)).scalar()
            told.append((items or "").split())
            if do == "w" and items is None:
                session.execute(lists.insert().values(id=key, content=value[0]))
            elif do == "w":
                session.execute(lists.update().where(here).values(content=f"{items} {value[0]}"))
        return {"read": told}, plan["do"] == "append"


class Uniques(Workload):
    """Few names, compared without case, that are taken, given back and exchanged."""

    name = "uniques"

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Take one blindly, take one that was looked for, drop one, rename one, or look at all."""
        if rng.random() < self.profile.reads:
            return {"do": "look"}
        words = [f"name{rng.randrange(self.profile.names)}" for _ in range(2)]
        words = [rng.choice([word, word.upper(), word.title()]) for word in words]
        do = rng.choice(["take", "look-and-take", "drop", "rename"])
        return {"do": do, "name": words[0], "to": words[1]}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """Told: the rows, or the owner of the row that was dropped or renamed."""
        do = plan["do"]
        if do == "look":
            rows = session.execute(select(names.c.id, names.c.name, names.c.owner)).all()
            return {"rows": [list(row) for row in rows]}, False
        query = select(names.c.id, names.c.owner).where(names.c.name == plan["name"])
        found = None if do == "take" else session.execute(query).first()
        if do in {"take", "look-and-take"}:
            if found is not None:
                return {}, False
            session.execute(names.insert().values(name=plan["name"], owner=name))
            return {}, True
        if found is None:
            return {}, False
        here = names.c.id == found.id
        if do == "drop":
            changed = session.execute(names.delete().where(here)).rowcount
        else:
            changed = session.execute(names.update().where(here).values(name=plan["to"])).rowcount
        return {"owner": found.owner, "changed": changed}, True


class References(Workload):
    """Parents with children that forbid to drop them, and tags that go with them."""

    name = "references"

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Add a parent, a child or a tag; drop a parent, a parent's children; look at all."""
        if rng.random() < self.profile.reads:
            return {"do": "look"}
        do = rng.choice(["parent", "child", "child", "tag", "tag", "drop", "drop", "empty"])
        return {"do": do, "parent": rng.randrange(self.profile.parents)}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """Told: the rows as ``[owner, parent]``, or the owners of the rows that were dropped."""
        do, parent = plan["do"], plan.get("parent")
        if do == "look":
            told: Told = {
                "parents": list(session.execute(select(parents.c.id)).scalars()),
                "children": [],
                "tags": [],
            }
            for table in (tags, children):
                rows = session.execute(select(table.c.owner, table.c.parent)).all()
                told[table.name] = [list(row) for row in rows]
            return told, False
        if do == "parent":
            session.execute(parents.insert().values(id=parent, owner=name))
            return {}, True
        if do in {"child", "tag"}:
            table = children if do == "child" else tags
            session.execute(table.insert().values(parent=parent, owner=name))
            return {}, True
        table = tags if do == "drop" else children
        query = select(table.c.owner).where(table.c.parent == parent)
        owners = list(session.execute(query).scalars())
        victims = parents.c.id if do == "drop" else children.c.parent
        changed = session.execute(victims.table.delete().where(victims == parent)).rowcount
        return {"owners": owners, "changed": changed}, changed > 0


class Programs(Workload):
    """Statements that tell of rows in every way; SQLite's own, so that they run on ROME only."""

    name = "programs"

    def fill(self, session: Session) -> None:
        """Tables that SQLAlchemy does not know, and their first rows."""
        for sql in (*programs.SCHEMA, *programs.FILL):
            session.exec_driver_sql(sql)

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """A few statements."""
        return {"do": "program", "steps": programs.program(rng, self.profile.longest)}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """What each statement has said."""
        answers = []
        for sql, values in plan["steps"]:
            try:
                result = session.exec_driver_sql(sql, tuple(values))
            except IntegrityError:
                answers.append(programs.REFUSED)
                continue
            rows = result.all() if result.returns_rows else None
            answers.append(programs.answer_of(sql, rows, result.rowcount))
        return {"answers": answers}, programs.writes(plan["steps"])


class Tickets(Workload):
    """Numbers without holes, from a count that a lock of another row protects."""

    name = "tickets"

    def fill(self, session: Session) -> None:
        """Where they are given out."""
        for number in range(self.profile.desks):
            session.execute(desks.insert().values(id=number))

    def plan(self, rng: random.Random, name: str, step: int) -> Plan:
        """Look at the numbers of a desk, or take the next."""
        do = "look" if rng.random() < self.profile.reads else "take"
        return {"do": do, "desk": rng.randrange(self.profile.desks)}

    def run(self, session: Session, plan: Plan, name: str) -> tuple[Told, bool]:
        """Told: the numbers in the order of their keys, or the one that was taken."""
        here = tickets.c.desk == plan["desk"]
        if plan["do"] == "look":
            query = select(tickets.c.number).where(here).order_by(tickets.c.id)
            return {"numbers": list(session.execute(query).scalars())}, False
        session.execute(select(desks).where(desks.c.id == plan["desk"]).with_for_update()).one()
        number = session.execute(select(func.count()).select_from(tickets).where(here)).scalar()
        session.execute(tickets.insert().values(desk=plan["desk"], number=number, owner=name))
        return {"number": number}, True


BY_NAME: dict[str, type[Workload]] = {
    kind.name: kind for kind in (Bank, Sets, Appends, Uniques, References, Programs, Tickets)
}
TABLES = tuple(metadata.sorted_tables)
