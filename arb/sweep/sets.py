"""The sets of a sweep: what `--vary` says, and the values that a grid or a random choice gives each set. Pure.

A key is varied over a list of values or a range. A grid takes every combination, the last key changing fastest; random
and Sobol sets draw from the lists and ranges. Sets are made one at a time, so that their number costs no memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
import tomli

from arb.config.strict import toml_of
from arb.errors import InputError
from arb.sweep.table import Key, Value

#: One set: the value of each varied key.
Values = dict[str, Value]

#: Most values of one range: a step that is wrong by orders of magnitude is not a list to be made.
_VALUES_MAX = 1_000_000
_PARTS = (2, 3)
_FORM = "KEY=FROM:TO:STEP, or KEY=VALUE,VALUE,..."


class Span(NamedTuple):
    """A range of a key: decimals, so that its values are those a person would write."""

    low: Decimal
    high: Decimal
    step: Decimal | None

    @property
    def is_whole(self) -> bool:
        """Whether all of its values are written without a decimal point."""
        return all(part is None or ("." not in str(part) and "E" not in str(part)) for part in self)

    def values(self) -> list[Value]:
        """From the lowest to the highest, both included if the step meets it."""
        step = self.step or Decimal(1)
        count = int((self.high - self.low) / step) + 1
        made = (self.low + number * step for number in range(count))
        return [int(one) if self.is_whole else float(one) for one in made]


def key_of(text: str, *, is_drawn: bool) -> Key:
    """The key of a `--vary`. is_drawn: sets are drawn, so a range needs no step. Raises InputError."""
    name, equals, written = text.partition("=")
    name = ".".join(part.strip() for part in name.split("."))
    if not equals or not name or not written.strip():
        raise InputError(f"--vary {text}: must be {_FORM}")
    span = _span_of(name, written)
    if span is None:
        values = [_value(name, one) for one in _listed(written)]
        twice = next((one for n, one in enumerate(values) if one in values[:n]), None)
        if twice is not None:
            raise InputError(f"--vary {name}: names {twice!r} twice")
        return Key(name, values)
    if span.step is not None:
        if (span.high - span.low) / span.step >= _VALUES_MAX:
            raise InputError(f"--vary {name}: {written} has more than {_VALUES_MAX:,} values")
        return Key(name, span.values())
    if not is_drawn:
        raise InputError(
            f"--vary {name}: {written} has no step: write {name}={written}:STEP, or draw sets with --random, "
            "--sobol or --optuna"
        )
    if span.is_whole:
        return Key(name, low=int(span.low), high=int(span.high))
    return Key(name, low=float(span.low), high=float(span.high))


def _listed(written: str) -> list[str]:
    """The parts between commas that are in no bracket or quotes."""
    parts, depth, quote, begin = [], 0, "", 0
    for place, letter in enumerate(written):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[]":
            depth += 1 if letter == "[" else -1
        elif letter == "," and depth == 0:
            parts.append(written[begin:place])
            begin = place + 1
    return [*parts, written[begin:]]


def _span_of(name: str, written: str) -> Span | None:
    """The range that is written; None for a list. Raises InputError for an empty or reversed one."""
    parts = written.split(":")
    if len(parts) not in _PARTS or any(letter in written for letter in "\"'[,"):
        return None
    try:
        numbers = [Decimal(part.strip()) for part in parts]
    except InvalidOperation:
        raise InputError(f"--vary {name}: {written} is no range: write {_FORM}") from None
    if not all(number.is_finite() for number in numbers):
        raise InputError(f"--vary {name}: {written} is no range of finite numbers")
    low, high, *step = numbers
    if high < low:
        raise InputError(f"--vary {name}: {written} is reversed: write the lower end first")
    if step and not step[0] > 0:
        raise InputError(f"--vary {name}: the step of {written} is not above 0")
    if not step and low == high:
        raise InputError(f"--vary {name}: {written} is empty: both ends are the same")
    return Span(low, high, step[0] if step else None)


def _value(name: str, written: str) -> Value:
    """A value as TOML; a word needs no quotes."""
    word = written.strip()
    if not word:
        raise InputError(f"--vary {name}: has an empty value: write {_FORM}")
    try:
        tree = tomli.loads(f"value = {word}")
    except (ValueError, RecursionError):
        tree = {"value": word} if word.replace("_", "").replace("-", "").isalnum() else {}
    value = tree.get("value")
    if tree.keys() != {"value"} or not isinstance(value, bool | int | float | str | list):
        raise InputError(f"--vary {name}: {word} is not a TOML value (12.5, true, [1, 2])")
    return value


def settings_of(values: Values) -> list[str]:
    """The set as values of `--set`."""
    return [f"{name}={toml_of(value)}" for name, value in values.items()]


def grid_size(keys: Sequence[Key]) -> int:
    """How many sets a grid has."""
    return math.prod(len(key.values) for key in keys)


def grid(keys: Sequence[Key]) -> Iterator[Values]:
    """Every combination."""
    names = [key.name for key in keys]
    for values in itertools.product(*(key.values for key in keys)):
        yield dict(zip(names, values, strict=True))


def random_sets(keys: Sequence[Key], count: int, seed: int) -> Iterator[Values]:
    """Independent draws, uniform over lists and ranges; the first n of a longer sweep are those of a shorter one."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(count):
        point = generator.random(len(keys))
        yield {key.name: drawn(key, float(share)) for key, share in zip(keys, point, strict=True)}


def sobol_sets(keys: Sequence[Key], count: int, seed: int) -> Iterator[Values]:
    """Points of a scrambled Sobol sequence: they cover the ranges more evenly than independent draws."""
    # Takes time to load, which other sweeps do not need.
    from scipy.stats import qmc

    points = qmc.Sobol(len(keys), scramble=True, rng=np.random.Generator(np.random.PCG64(seed)))
    for _ in range(count):
        point = points.random(1)[0]
        yield {key.name: drawn(key, float(share)) for key, share in zip(keys, point, strict=True)}


def drawn(key: Key, share: float) -> Value:
    """The value of a key at a share of its list or range, from 0 to below 1."""
    if key.values:
        return key.values[min(int(share * len(key.values)), len(key.values) - 1)]
    low, high = key.low or 0, key.high or 0
    if isinstance(low, int) and isinstance(high, int):
        return low + min(int(share * (high - low + 1)), high - low)
    return low + share * (high - low)
