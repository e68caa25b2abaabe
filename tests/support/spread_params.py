"""Parameters of the spread strategy for its plain functions."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from arb.strategies.parameters import defaults_of
from arb.strategies.spread.parameters import PARAMS


def spread_params(*, legs: int = 2, **changes: Any) -> SimpleNamespace:
    """The strategy's defaults with changes; `name_0`, `name_1` change one leg's value, `name` that of all."""
    values: dict[str, Any] = {
        name: default * legs if isinstance(default, tuple) else default
        for name, default in defaults_of(PARAMS).items()
    }
    # Pairs share the money of two venues.
    values["funds"] = tuple(leg % 2 for leg in range(legs))
    for name, value in changes.items():
        match = re.fullmatch(r"(\w+)_(\d+)", name)
        if match and match[1] in values:
            each = list(values[match[1]])
            each[int(match[2])] = value
            values[match[1]] = tuple(each)
        else:
            assert name in values, name
            values[name] = (value,) * legs if isinstance(values[name], tuple) else value
    return SimpleNamespace(**values)
