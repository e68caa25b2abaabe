"""Texts that a venue sends about an order: for tests of speed, and for runs of the code before it is needed. Pure.

Everything about the order is made up but its symbol and client id; the forms are those of the venues' documents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

#: Values of a template that are texts, and those that are numbers, also within a text.
_TEXTS, _NUMBERS = ("wire_id", "client_id"), ("number", "now_ms")


class ExampleOrder(NamedTuple):
    """An order that rests and is then filled at its price. number: the venue's ids of it and of its execution."""

    wire_id: str
    client_id: str
    number: int
    now_ms: int


class OrderTexts(NamedTuple):
    """Of an order: the answer that accepts it, and messages of the stream: that it is open, and that it is filled."""

    accepted: bytes
    opened: Sequence[bytes]
    filled: Sequence[bytes]


class OrderTemplates(NamedTuple):
    """`OrderTexts` of any order, with places for the values of `ExampleOrder`."""

    accepted: str
    opened: Sequence[str]
    filled: Sequence[str]

    def of(self, order: ExampleOrder) -> OrderTexts:
        """The texts of an order."""
        values = order._asdict()
        return OrderTexts(
            (self.accepted % values).encode(),
            [(text % values).encode() for text in self.opened],
            [(text % values).encode() for text in self.filled],
        )


def templates_of(accepted: Any, opened: Sequence[Any], filled: Sequence[Any]) -> OrderTemplates:
    """Of JSON values in which "@name" is the place of a value; "@text_ms": `now_ms` as text."""
    return OrderTemplates(
        _template(accepted), [_template(one) for one in opened], [_template(one) for one in filled]
    )


def _template(message: Any) -> str:
    text = json.dumps(message, separators=(",", ":")).replace("%", "%%")
    for name in _NUMBERS:
        text = text.replace(f'"@{name}"', f"%({name})d").replace(f"@{name}", f"%({name})d")
    text = text.replace("@text_ms", "%(now_ms)d")
    for name in _TEXTS:
        text = text.replace(f"@{name}", f"%({name})s")
    return text
