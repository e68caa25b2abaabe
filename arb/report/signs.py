"""The class of a figure by its sign, and of a state, which gives it a colour on the page.

Colour is never alone: the text has the sign, or names the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

#: Profits and positions: their kinds, with the classes of values above and below zero.
_SIGNED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "gain": ("gain", "loss"),
        "return": ("gain", "loss"),
        "base": ("long", "short"),
    }
)
#: Outcomes of runs and of attempts.
_STATES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ended", "hedged"), "good"),
        **dict.fromkeys(("interrupted", "reversed", "unfinished"), "warn"),
        **dict.fromkeys(("halted", "failed", "hung", "killed"), "bad"),
    }
)


def sign_class(value: Any, kind: str) -> str:
    """The class of a number of the summary; "" for zero, and for a kind without a sign."""
    above, below = _SIGNED.get(kind, ("", ""))
    return above if value > 0 else below if value < 0 else ""


def state_class(text: str) -> str:
    """The class of an outcome; "" for any other text."""
    return _STATES.get(text, "")
