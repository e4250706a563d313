"""YAML as people mean it: what YAML 1.1 would silently read as something else is refused.

Of YAML it takes mappings whose keys are text, lists, texts, whole and decimal numbers, ``true`` and
``false`` (also as ``yes``, ``no``, ``on``, ``off``), anchors and merge keys. A plain scalar that
YAML 1.1 takes for a number that its writer did not mean (``2:00`` is 120, ``0755`` is 493) has to
be written in quotes. Dates with a time and durations ``HH:MM:SS`` stay the text that they are.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from discovery.errors import ConfigError

DEEPEST = 32
"""The most mappings and lists within each other; ours have 8."""
LARGEST = 50_000
"""The most values, each counted wherever an alias brings it; a matrix of 99 sites has 9,801."""
LONGEST_NUMBER = 30

Location = tuple[int | str, ...]

_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_DURATION = re.compile(r"[0-9]{1,2}:[0-5][0-9]:[0-5][0-9]")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt]|[ \t]+)[0-9].*")
# What YAML 1.1, YAML 1.2 or a reader of either takes for something that is no text.
_AMBIGUOUS = (
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?"), "a number in base 60"),
    (re.compile(r"[-+]?0[xX][0-9a-fA-F_]+"), "a hexadecimal number"),
    (re.compile(r"[-+]?0[bB][01_]+"), "a binary number"),
    (re.compile(r"[-+]?0[oO]?[0-9_]+"), "an octal number"),
    (re.compile(r"[-+]?(?=[0-9])[0-9_]*_[0-9_]*(\.[0-9_]*)?"), "a number with underscores"),
    (re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+"), "a number"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"), "a date"),
    (re.compile(r"[yYnN]"), "true or false"),
    (re.compile(r"="), "a default value"),
)


@dataclass(frozen=True)
class Plain:
    """How a number, or true or false, is written: ``text``, in line ``line`` (from 1)."""

    text: str
    line: int


@dataclass(frozen=True)
class Document:
    """What a file holds, and how those of its values are written that are no text."""

    value: Any
    plain: dict[Location, Plain] = field(default_factory=dict)


def parse(text: str, file: Path) -> Document:
    """The one YAML document in ``text``, which is of ``file``; of an empty one it is ``None``.

    Raises :class:`ConfigError`, with key and line.
    """
    root = _compose(text, file)
    if root is None or _is_null(root):
        return Document(None)
    reader = _Reader(file)
    return Document(reader.value(root, ()), reader.plain)


def _compose(text: str, file: Path) -> yaml.Node | None:
    where = ""
    try:
        loader = _Composer(text)
        try:
            return loader.get_single_node()
        finally:
            where = f" at line {loader.line + 1}"
            loader.dispose()
    except yaml.YAMLError as error:
        problem = _problem(error)
    except (ValueError, OverflowError):  # an escape such as "\Uffffffff"
        problem = f"not valid YAML{where}: an escape stands for no character"
    raise ConfigError(problem, file=file)


def dotted(location: Location) -> str:
    """A location as an error has it: ``tiers.smoke.sites[0]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def in_quotes(text: str) -> str:
    """What to write in place of a plain ``text`` that is meant as it stands."""
    return f'write it in quotes: "{text}"'


def _problem(error: yaml.YAMLError) -> str:
    """What PyYAML found wrong, with its line."""
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}" if mark else ""
    if isinstance(error, yaml.reader.ReaderError):
        return f"not valid YAML: it holds the character U+{error.character:04X}"
    found = getattr(error, "problem", None) or getattr(error, "context", None) or "not text"
    return f"not valid YAML{where}: {found}"


def _is_null(node: yaml.Node) -> bool:
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return plain and node.value in ("", "~", "null", "Null", "NULL")


class _Composer(yaml.SafeLoader):
    """Nodes of bounded depth and number, without tags, none of which holds itself."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._deepest = self._size = 0
        self._known: dict[yaml.Node, tuple[int, int]] = {}  # size and height of what is whole

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; PyYAML's own way, but for what is refused."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            return self._alias(super().compose_node(parent, index), event)
        if event.tag is not None:
            self._fail(f"the tag {event.tag} is not read", event)
        size, deepest = self._size, self._deepest
        self._deepest = self._depth
        self._grow(1, 0, event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            self._known[node] = self._size - size, self._deepest - self._depth
        self._deepest = max(deepest, self._deepest)
        return node

    def _alias(self, node: yaml.Node | None, event: yaml.AliasEvent) -> yaml.Node | None:
        if node not in self._known:
            self._fail(f"the alias {event.anchor} stands inside of what it names", event)
        self._grow(*self._known[node], event)
        return node

    def _grow(self, size: int, height: int, event: yaml.Event) -> None:
        self._size += size
        self._deepest = max(self._deepest, self._depth + height)
        if self._size > LARGEST:
            self._fail(f"more than {LARGEST:,} values, those of its aliases counted", event)
        if self._deepest > DEEPEST:
            self._fail(f"more than {DEEPEST} mappings and lists within each other", event)

    @staticmethod
    def _fail(problem: str, event: yaml.Event) -> NoReturn:
        mark: Any = event.start_mark
        raise yaml.composer.ComposerError(None, None, problem, mark)


class _Reader:
    """From nodes to values; every value knows its place."""

    def __init__(self, file: Path) -> None:
        self.plain: dict[Location, Plain] = {}
        self._file = file

    def value(self, node: yaml.Node, place: Location) -> Any:
        """What ``node`` stands for."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Location) -> dict[str, Any]:
        own, merged = {}, {}
        for name, key, value in self._entries(node):
            if name == "<<" and key.style is None:
                merged = self._merged(value, place)
            else:
                own[name] = self.value(value, (*place, name))
        return {**{key: merged[key] for key in merged if key not in own}, **own}

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.ScalarNode, yaml.Node]]:
        """The keys of a mapping, each text and each once, with their values."""
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                kind = "a mapping" if isinstance(key, yaml.MappingNode) else "a list"
                self._refuse(f"not valid YAML at line {line}: a key is {kind}, and not text")
            if key.value in seen:
                self._refuse(f"not valid YAML at line {line}: the key {key.value} stands twice")
            seen.add(key.value)
            if key.style is None and _meaning(key.value) is not None:
                self._refuse(
                    f"at line {line} the key {key.value or 'that is empty'} is not text; "
                    f"{in_quotes(key.value)}"
                )
            self._refuse_controls(key, ())
            yield key.value, key, value

    def _merged(self, node: yaml.Node, place: Location) -> dict[str, Any]:
        """What a merge key brings: a mapping, or several that have no key in common."""
        found: dict[str, Any] = {}
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            line = part.start_mark.line + 1
            if not isinstance(part, yaml.MappingNode):
                self._refuse(f"not valid YAML at line {line}: what << merges is not a mapping")
            for key, value in self._mapping(part, place).items():
                if key in found:
                    self._refuse(f"not valid YAML at line {line}: << merges the key {key} twice")
                found[key] = value
        return found

    def _scalar(self, node: yaml.ScalarNode, place: Location) -> Any:
        text, line = str(node.value), node.start_mark.line + 1
        self._refuse_controls(node, place)
        if node.style is not None:
            return text
        if _is_null(node):
            self._refuse(f"has no value at line {line}", place, "a value, or no such key")
        if text.lower() in _TRUE + _FALSE and text in (text.lower(), text.title(), text.upper()):
            self.plain[place] = Plain(text, line)
            return text.lower() in _TRUE
        if any(form.fullmatch(text) for form in (_WHOLE, _DECIMAL, _INFINITE)):
            self.plain[place] = Plain(text, line)
            return self._number(text, place, line)
        meaning = None if _stays_text(text) else _meaning(text)
        if meaning is not None:
            instead = ", or the number in decimal digits" if "number" in meaning else ""
            self._refuse(
                f"{text} at line {line} is {meaning} to YAML; {in_quotes(text)}{instead}", place
            )
        return text

    def _number(self, text: str, place: Location, line: int) -> int | float:
        if len(text) > LONGEST_NUMBER:
            self._refuse(f"is a number of {len(text):,} characters at line {line}", place)
        number = int(text) if _WHOLE.fullmatch(text) else _float(text)
        if not math.isfinite(number):
            self._refuse("", place, "a finite number", value=number)
        if number == 0 and text.startswith("-"):
            self._refuse(f"{text} at line {line} is a zero with a sign", place, "0")
        return number

    def _refuse_controls(self, node: yaml.ScalarNode, place: Location) -> None:
        """Control characters and halves of characters, which only an escape can bring."""
        for character in node.value:
            if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
                line = node.start_mark.line + 1
                code = f"U+{ord(character):04X}"
                self._refuse(f"holds the character {code} at line {line}", place, "printable text")

    def _refuse(
        self,
        message: str,
        place: Location = (),
        allowed: str | None = None,
        value: float | None = None,
    ) -> NoReturn:
        key = dotted(place) or None
        raise ConfigError(message, file=self._file, key=key, value=value, allowed=allowed)


def _float(text: str) -> float:
    return float(text.replace(".", "", 1) if _INFINITE.fullmatch(text) else text)


def _stays_text(text: str) -> bool:
    """What YAML 1.1 has a type of its own for that nobody here wants otherwise than as written."""
    return bool(_DURATION.fullmatch(text) or _MOMENT.fullmatch(text))


def _meaning(text: str) -> str | None:
    """What a plain ``text`` is to YAML, in words; ``None`` if it is text."""
    if text in ("", "~") or text.lower() == "null":
        return "no value"
    if text.lower() in _TRUE + _FALSE:
        return "true or false"
    if _WHOLE.fullmatch(text) or _DECIMAL.fullmatch(text):
        return "a number"
    return next((meaning for form, meaning in _AMBIGUOUS if form.fullmatch(text)), None)
