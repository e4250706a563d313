"""Our rules about errors, each with what is left when it is taken away.

A rule is a filter, a state, a text, or one alternative inside a text. It is named, and told as
``(name, module, attribute, value without it)``. Imports nothing of OpenStack.
"""

import dataclasses
import itertools
import re

from discovery.cockroach import oslo, states

STATES = ("CONFLICT", "UNKNOWN", "LOST", "UNSAID")
PATTERNS = ("_CONFLICT_TEXT", "_UNKNOWN_TEXT", "_SAME_TEXT")


def rules():
    """All of them."""
    for one in oslo.FILTERS:
        yield f"filter {one.name}", oslo, "FILTERS", tuple(f for f in oslo.FILTERS if f is not one)
        for dialect in one.dialects:
            left = tuple(name for name in one.dialects if name != dialect)
            yield _filter(f"filter {one.name} for {dialect}", one, dialects=left)
        for gone, left in alternatives(one.pattern.pattern if one.pattern else ""):
            pattern = re.compile(left, one.pattern.flags)
            yield _filter(f"filter {one.name} without {gone}", one, pattern=pattern)
    for name in STATES:
        there = getattr(states, name)
        for state in sorted(there, key=str):
            yield f"{name} {state}", states, name, there - {state}
    for text in states.LOST_TEXTS:
        others = tuple(one for one in states.LOST_TEXTS if one != text)
        yield f"lost {text}", states, "LOST_TEXTS", others
        for gone, left in alternatives(text):
            yield f"lost {text} without {gone}", states, "LOST_TEXTS", (*others, left)
    for name in PATTERNS:
        text = getattr(states, name).pattern
        for gone, left in [("all of it", "(?!)"), *alternatives(text)]:
            yield f"{name} without {gone}", states, name, re.compile(left)


def _filter(name, one, **changed):
    others = (dataclasses.replace(one, **changed) if f is one else f for f in oslo.FILTERS)
    return name, oslo, "FILTERS", tuple(others)


def alternatives(text):
    """Each alternative of a regular expression, and the expression without it.

    A group that may be absent has two: to be there, and not to be. Ours have no ``|`` in brackets.
    """
    for start, bars, end in _groups(text):
        edges = [start - 1, *bars, end]
        for before, after in itertools.pairwise(edges):
            if bars:
                first = before < start
                left = text[:start] + text[after + 1 :] if first else text[:before] + text[after:]
                yield text[before + 1 : after], left
        if text[end : end + 2] == ")?":
            opened = text.rindex("(", 0, start)
            yield f"the absence of {text[opened : end + 1]}", text[: end + 1] + text[end + 2 :]
            yield text[opened : end + 2], text[:opened] + text[end + 2 :]


def _groups(text):
    """Of every group, and of the whole: where it begins, its bars, and where it ends."""
    opened = [(0, [])]
    for found in re.finditer(r"\\.|\[[^\]]*\]|\((?:\?P<\w+>|\?:)?|[|)]", text):
        token, place = found[0], found.start()
        if token.startswith("("):
            opened.append((found.end(), []))
        elif token == "|":
            opened[-1][1].append(place)
        elif token == ")":
            yield (*opened.pop(), place)
    yield (*opened.pop(), len(text))
