"""How a figure of `summary.json` is written, by its path."""

from __future__ import annotations

import math

from arb.results.figures.summary import GROUPS

_KINDS = {
    f"{group.key}.{figure.name}" if group.key else figure.name: figure.kind
    for group in GROUPS
    for figure in group.figures
}


def kind(figure: str) -> str:
    """The kind of a figure; those of legs and pairs are numbered."""
    parts = [part for part in figure.split(".") if not part.isdigit()]
    return _KINDS.get(".".join(parts), "units")


def kind_of(figure: str, value: float) -> tuple[float | int, str]:
    """A value of a figure and its kind. A mean of counts, which may be no whole number, is no count."""
    found = kind(figure)
    if found != "count" or not math.isfinite(value):
        return value, found
    return (int(value), found) if value.is_integer() else (value, "units")
