"""Formats numbers for people. Unknown values are "-"."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import Any

from connectors.text import printable

UNKNOWN = "-"


def shown(value: Any, kind: str) -> str:
    """A value of the summary as text; None is "-". kind: one of `KINDS`."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    return KINDS[kind](value)


def escape(text: str) -> str:
    """Escapes text for HTML and SVG: markup, and characters as in `connectors.text.printable`."""
    return html.escape(printable(text))


def significant(value: float, digits: int) -> str:
    """A number of this many digits, with its whole part whole and without an exponent."""
    if value == 0.0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def money(value: float) -> str:
    """Quote units: two decimals; below one, four."""
    return f"{value:,.2f}" if abs(value) >= 1.0 or value == 0.0 else f"{value:,.4f}"


def gain(value: float) -> str:
    """Quote units with a sign."""
    return f"+{money(value)}" if value > 0.0 else money(value)


def percent(value: float) -> str:
    """A share in percent; small ones keep significant digits."""
    scaled = 100.0 * value
    return f"{scaled:,.2f} %" if abs(scaled) >= 0.1 or scaled == 0.0 else f"{significant(scaled, 3)} %"


def signed_percent(value: float) -> str:
    """A share in percent with a sign."""
    return f"+{percent(value)}" if value > 0.0 else percent(value)


def position(value: float) -> str:
    """Base units with a sign; a rest of a sum that is rounding is none."""
    held = round(value, 9)
    return f"{'-' if held < 0.0 else '+'}{significant(abs(held), 6)}"


def duration(seconds: float) -> str:
    """A time span in the unit that fits."""
    if seconds < 1.0:
        return f"{significant(1e3 * seconds, 3)} ms" if seconds else "0 s"
    if seconds < 100.0:
        return f"{significant(seconds, 3)} s"
    if seconds < 6000.0:
        return f"{seconds / 60.0:.1f} min"
    return f"{seconds / 3600.0:.1f} h" if seconds < 360_000.0 else f"{seconds / 86_400.0:.1f} days"


def plain(value: Any) -> str:
    """A parameter: a text, or a number with all its digits."""
    if isinstance(value, str):
        return value
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.10g}"


def moment(text: str) -> str:
    """A time of the summary, to the second."""
    return f"{text[:10]} {text[11:19]}" if text else UNKNOWN


KINDS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "value": plain,
    "day": str,
    "count": lambda value: f"{value:,d}",
    "money": money,
    "gain": gain,
    "share": percent,
    "return": signed_percent,
    "bps": lambda value: f"{value:+.3f} bps",
    "base": position,
    "quantity": lambda value: significant(value, 6),
    "units": lambda value: significant(value, 6),
    "price": lambda value: significant(value, 8),
    "ratio": lambda value: f"{value:,.2f}",
    "duration": duration,
    "time": moment,
}
