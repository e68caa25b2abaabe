"""The main cause of a run without a fill, and the words that several causes share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from arb.results.no_trades.settings import Setting

#: What sets a rule of the limits; the others have no key.
_RULE_KEYS = {
    "qty": "risk.max_order_qty",
    "notional": "risk.max_order_notional",
    "position": "risk.position_limit",
    "funds": "capital",
    "rate": "risk.max_orders_per_second",
}


class Cause(NamedTuple):
    """sentence: one plain sentence. settings: what it names. details: further sentences."""

    sentence: str
    settings: Sequence[Setting] = ()
    details: Sequence[str] = ()


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "order"), counted(1200, "order")
    ('1 order', '1,200 orders')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(texts: Iterable[object]) -> str:
    """Several texts as one.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = map(str, texts)
    return f"{', '.join(first)} and {last}" if first else last


def bps(value: float) -> str:
    """An edge in a sentence.

    >>> bps(-0.004), bps(123.456)
    ('-0.004 bps', '123.5 bps')
    """
    return f"{value:.4g} bps"


def share(part: float, whole: float) -> str:
    """A share of the time in percent."""
    return f"{100.0 * part / whole:.3g} %" if whole > 0.0 else "0 %"


def broken_rules(refusals: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """The rules of the limits that refused orders of any leg, with their numbers, the most frequent first."""
    rules = Counter[str]()
    for of_leg in refusals.values():
        rules.update(of_leg)
    return [(rule, count) for rule, count in rules.most_common() if count]


def keys_of_rules(rules: Iterable[str]) -> list[Setting]:
    """The settings behind rules of the limits, without values."""
    return [Setting(_RULE_KEYS[rule], "") for rule in rules if rule in _RULE_KEYS]
