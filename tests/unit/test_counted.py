"""What is one is not many."""

import pytest

from discovery.words import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 entries"), (1, "1 entry"), (1200, "1,200 entries")]
)
def test_a_count_is_said_in_its_number(number, said):
    assert counted(number, "entry", "entries") == said


def test_the_plural_is_that_with_an_s():
    assert (counted(1, "table"), counted(2, "table")) == ("1 table", "2 tables")
