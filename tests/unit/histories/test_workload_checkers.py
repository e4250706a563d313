"""Each anomaly of the bank, sets, unique keys and foreign keys, and of commits that vanish."""

from tests.histories.checkers import Promises, check
from tests.unit.histories.handmade import anomalies, history, operation

ACCOUNTS = [[0, 40], [1, 60]]
FAILOVER = {"failover": True, "keeps_acknowledged": False}


def move(**more):
    plan = {"from": 0, "to": 1, "amount": 10}
    return operation("bank", "move", plan=plan, moved=10, **more)


def look(*balances, **more):
    return operation("bank", "look", writes=False, balances=list(balances), **more)


def test_a_transfer_and_looks_before_and_after() -> None:
    operations = [move(), look(50, 50), look(40, 60)]
    assert anomalies(history(operations, accounts=ACCOUNTS)) == []


def test_half_a_transfer() -> None:
    made = history([move(), look(40, 50)], accounts=ACCOUNTS)
    assert anomalies(made) == ["torn or lost transfer"]


def test_an_overdraft() -> None:
    made = history([move(), look(-10, 110)], accounts=ACCOUNTS)
    assert anomalies(made) == ["overdraft"]


def test_a_transfer_that_another_overwrote() -> None:
    made = history([move(), move()], accounts=ACCOUNTS)
    assert anomalies(made) == ["lost update"]


def test_a_refused_transfer_that_happened() -> None:
    made = history([move(outcome="refused")], accounts=ACCOUNTS)
    assert anomalies(made) == ["lost update"]
    made.operations[0].survived = True
    assert "refused commit is there" in anomalies(made)


def add(name, rows=1, at=(0.0, 1.0), **more):
    return operation("sets", "add", at, name=name, plan={"bucket": "b", "rows": rows}, **more)


def read(*owners, at=(2.0, 3.0), **more):
    told = {"owners": list(owners), **more}
    return operation("sets", "read", at, plan={"bucket": "b"}, writes=False, **told)


def test_a_set() -> None:
    operations = [add("a", 2), read("a", "a"), add("b", outcome="refused")]
    made = history(operations, elements=[[1, "b", "a"], [2, "b", "a"]])
    assert anomalies(made) == []


def test_a_lost_insert() -> None:
    assert anomalies(history([add("a")])) == ["lost insert"]


def test_an_insert_that_was_done_twice() -> None:
    made = history([add("a")], elements=[[1, "b", "a"], [2, "b", "a"]])
    assert anomalies(made) == ["duplicated insert"]


def test_half_a_transaction_of_inserts() -> None:
    made = history([add("a", 2), read("a")], elements=[[1, "b", "a"], [2, "b", "a"]])
    assert anomalies(made) == ["torn read"]


def test_a_read_that_is_too_old() -> None:
    made = history([add("a"), read()], elements=[[1, "b", "a"]])
    assert anomalies(made) == ["stale read"]
    assert anomalies(made, staleness=None) == ["stale read"]
    made.operations[1].process = "another"
    assert anomalies(made, staleness=None) == []


def test_a_read_of_what_was_refused() -> None:
    made = history([add("a", outcome="refused"), read("a")])
    assert anomalies(made) == ["aborted read"]


def take(name, at=(0.0, 1.0), **more):
    return operation("uniques", "take", at, name=name, plan={"name": "n"}, **more)


def drop(owner, at=(2.0, 3.0), changed=1, **more):
    return operation("uniques", "drop", at, owner=owner, changed=changed, **more)


def names(*rows, at=(4.0, 5.0)):
    return operation("uniques", "look", at, writes=False, rows=[list(row) for row in rows])


def test_a_name_that_goes_from_hand_to_hand() -> None:
    operations = [take("a"), drop("a"), names(), take("b", (6, 7)), names([2, "n", "b"], at=(8, 9))]
    assert anomalies(history(operations, names=[[2, "n", "b"]])) == []


def test_two_owners_of_one_name_whatever_its_case() -> None:
    operations = [take("a"), take("b"), names([1, "n", "a"], [2, "N", "b"])]
    made = history(operations, names=[[1, "n", "a"], [2, "N", "b"]])
    assert anomalies(made) == ["duplicate"]


def test_two_rows_with_one_primary_key() -> None:
    operations = [take("a"), take("b"), names([1, "n", "a"], [1, "m", "b"])]
    made = history(operations, names=[[1, "n", "a"], [1, "m", "b"]])
    assert anomalies(made) == ["duplicate"]


def test_a_row_that_two_dropped() -> None:
    made = history([take("a"), drop("a"), drop("a")])
    assert anomalies(made) == ["lost update"]


def test_a_row_that_vanished() -> None:
    assert anomalies(history([take("a")])) == ["lost update"]


def test_a_row_that_is_back() -> None:
    made = history([take("a"), drop("a"), names([1, "n", "a"])])
    assert anomalies(made) == ["stale read"]


def test_a_drop_of_nothing() -> None:
    made = history([take("a"), drop("a", changed=0)], names=[[1, "n", "a"]])
    assert anomalies(made) == ["lost update"]


def child(name, at=(0.0, 1.0), **more):
    return operation("references", "child", at, name=name, plan={"parent": 1}, **more)


def tree(parents, children=(), tags=(), at=(4.0, 5.0)):
    told = {"parents": parents, "children": list(children), "tags": list(tags)}
    return operation("references", "look", at, writes=False, **told)


def test_a_child_with_its_parent() -> None:
    operations = [child("c"), tree([1], [["c", 1]])]
    made = history(operations, parents=[[1, "p"]], children=[[1, 1, "c"]])
    assert anomalies(made) == []


def test_an_orphan_that_was_seen() -> None:
    made = history([child("c"), tree([], [["c", 1]])], parents=[[1, "p"]], children=[[1, 1, "c"]])
    assert anomalies(made) == ["orphan"]


def test_an_orphan_that_stays() -> None:
    assert anomalies(history([child("c")], children=[[1, 1, "c"]])) == ["orphan"]


def test_a_cascade_that_took_what_nobody_had_seen() -> None:
    cascade = operation("references", "drop", owners=[], changed=1)
    tag = operation("references", "tag", name="t", plan={"parent": 1})
    assert anomalies(history([tag, cascade])) == ["lost update"]
    cascade.told["owners"] = ["t"]
    assert anomalies(history([tag, cascade])) == []


LOST_AND_NOT = [(10.0, "kill"), (11.0, "promoted")]


def test_an_acknowledged_commit_that_is_lost() -> None:
    made = history([add("a")], lost=("a",))
    assert anomalies(made) == ["lost commit"]
    assert anomalies(made, **FAILOVER) == ["lost commit"], "there was no failover"


def test_a_tail_that_is_lost() -> None:
    made = history([add("a")], lost=("a",), events=LOST_AND_NOT)
    assert anomalies(made, **FAILOVER) == []
    assert anomalies(made, failover=True) == ["lost commit"], "wait=1 loses nothing"


def test_a_loss_in_the_middle() -> None:
    operations = [add("a"), add("b", at=(2, 3), process="q")]
    made = history(operations, lost=("a",), events=LOST_AND_NOT, elements=[[1, "b", "b"]])
    assert anomalies(made, **FAILOVER) == ["lost commit"]


def test_a_process_that_was_not_told_of_its_loss() -> None:
    operations = [add("a"), add("b", at=(20, 21))]
    made = history(operations, lost=("a",), events=LOST_AND_NOT, elements=[[1, "b", "b"]])
    assert anomalies(made, **FAILOVER) == ["silent loss"]
    told = read(at=(15, 16), outcome="refused", error="TailLost")
    made.operations.insert(1, told)
    assert anomalies(made, **FAILOVER) == []


def test_replicas_that_end_differently() -> None:
    made = history([], finals={"0.0": "one", "1.0": "another"})
    assert [v.anomaly for v in check(made, Promises())] == ["diverged replicas"]


def test_an_error_that_no_client_should_see() -> None:
    made = history([add("a", outcome="crashed", error="KeyError")])
    assert anomalies(made) == ["client error"]


def ticket(name, number, **more):
    return operation("tickets", "take", name=name, plan={"desk": 0}, number=number, **more)


def numbers(*found):
    plan = {"desk": 0}
    return operation("tickets", "look", plan=plan, writes=False, numbers=list(found))


def test_tickets() -> None:
    operations = [ticket("a", 0), numbers(0), ticket("b", 1), ticket("c", 1, outcome="refused")]
    made = history(operations, tickets=[[3, 0, 0, "a"], [7, 0, 1, "b"]])
    assert anomalies(made) == []


def test_a_number_that_was_given_twice() -> None:
    operations = [ticket("a", 0), ticket("b", 0), numbers(0, 0)]
    made = history(operations, tickets=[[1, 0, 0, "a"], [2, 0, 0, "b"]])
    assert anomalies(made) == ["numbers"]


def test_numbers_that_are_not_in_the_order_of_their_keys() -> None:
    operations = [ticket("a", 0), ticket("b", 1)]
    made = history(operations, tickets=[[9, 0, 0, "a"], [2, 0, 1, "b"]])
    assert anomalies(made) == ["numbers"]


def test_a_ticket_that_is_lost_and_one_that_nobody_took() -> None:
    made = history([ticket("a", 0)], tickets=[[1, 0, 0, "x"]])
    assert anomalies(made) == ["lost insert", "phantom"]
