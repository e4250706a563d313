"""The terminal that our verbs draw tables on: no text is markup, and none acts on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from discovery.outside import visible


class Terminal(Console):
    """Rich's console for texts from outside; what is to have a style is a :class:`Text`."""

    def __init__(self, *, soft_wrap: bool = False) -> None:
        super().__init__(markup=False, emoji=False, soft_wrap=soft_wrap)

    def render_str(self, text: str, **options: Any) -> Text:
        """``text`` as it is written, what would act in it made visible."""
        return super().render_str(visible(text), **options)


def styled(text: str, style: str) -> Text:
    """``text`` in Rich's ``style``."""
    return Text(visible(text), style)
