"""Prices and quantities between whole ticks or lots and the decimal text of the wire, without floats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from connectors.errors import OffGridError

#: Texts that are kept per step.
_TEXTS_MAX = 8192
#: Longest text of a number, and largest power of ten: no venue's numbers come near, and longer ones take long.
_CHARS_MAX, _POWER_MAX = 80, 40
#: Below what arrays hold.
_COUNT_MAX = 1 << 62


class _Counts(dict[str, int]):
    """Counts by text; an unknown one is counted, and kept."""

    def __init__(self, counted: Callable[[str], int]) -> None:
        self._counted = counted

    def __missing__(self, text: str) -> int:
        count = self._counted(text)
        if len(self) >= _TEXTS_MAX:
            self.clear()
        self[text] = count
        return count


class DecimalStep:
    """A tick or lot size. Texts have its number of decimals, and neither an exponent nor superfluous zeros."""

    def __init__(self, text: str) -> None:
        """text: the size as the venue writes it, such as "0.010". Raises ValueError unless it is a positive decimal."""
        whole, _, decimals = text.strip().partition(".")
        decimals = decimals.rstrip("0")
        digits = whole + decimals
        if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
            raise ValueError(f"{text!r} is no positive decimal number")
        #: The size is `unit` times ten to the power of -`places`.
        self.unit = int(digits)
        self.places = len(decimals)
        self._texts: dict[int, str] = {}
        #: How many steps a decimal text is. Raises OffGridError if they are not whole, or it is no such text. Texts are
        #: kept: a venue repeats an order's prices and quantities in each message about it.
        self.count_of: Callable[[str], int] = _Counts(self._counted).__getitem__
        #: The same for a text that may not be negative.
        self.size_of: Callable[[str], int] = _Counts(self._counted_size).__getitem__

    def text_of(self, count: int) -> str:
        """`count` steps: 1003 steps of "0.10" are "100.3". Raises ValueError for a negative count."""
        text = self._texts.get(count)
        if text is None:
            if len(self._texts) >= _TEXTS_MAX:
                self._texts.clear()
            text = self._texts[count] = self._written(count)
        return text

    def _counted_size(self, text: str) -> int:
        count = self._counted(text)
        if count < 0:
            raise OffGridError(f"{text} is negative")
        return count

    def _counted(self, text: str) -> int:
        if len(text) > _CHARS_MAX:
            raise OffGridError(f"{text[:40]}... is no number of a venue")
        sign = -1 if text.startswith("-") else 1
        whole, _, decimals = text.removeprefix("-").partition(".")
        decimals = decimals.rstrip("0")
        digits = whole + decimals
        if not (digits.isascii() and digits.isdigit()):
            return self._count_of_exponent(text)
        if len(decimals) > self.places:
            raise OffGridError(f"{text} is no multiple of {self}")
        count, rest = divmod(int(digits) * 10 ** (self.places - len(decimals)), self.unit)
        if rest or count > _COUNT_MAX:
            raise OffGridError(f"{text} is no multiple of {self}")
        return sign * count

    def __str__(self) -> str:
        return self._written(1)

    def __repr__(self) -> str:
        return f"DecimalStep({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DecimalStep) and (self.unit, self.places) == (other.unit, other.places)

    def __hash__(self) -> int:
        return hash((self.unit, self.places))

    def _written(self, count: int) -> str:
        if count < 0:
            raise ValueError(f"{count} steps")
        digits = str(count * self.unit)
        if not self.places:
            return digits
        digits = digits.zfill(self.places + 1)
        text = f"{digits[: -self.places]}.{digits[-self.places :]}"
        return text.rstrip("0").rstrip(".")

    def _count_of_exponent(self, text: str) -> int:
        """`count_of` for the texts that some venues write for small values, such as "1E-7"."""
        value = amount_of(text)
        count = value.scaleb(self.places) / self.unit
        if count != count.to_integral_value() or abs(count) > _COUNT_MAX:
            raise OffGridError(f"{text} is no multiple of {self}")
        return int(count)


def above_zero(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The amounts that are more than nothing."""
    return {name: amount for name, amount in amounts.items() if amount > 0}


def amount_of(text: str) -> Decimal:
    """A fee or balance. "" is zero. Raises OffGridError for text that is no finite number."""
    if len(text) <= _POWER_MAX and text.isascii() and text.replace(".", "", 1).isdigit():
        return Decimal(text)
    if len(text) > _CHARS_MAX:
        raise OffGridError(f"{text[:40]}... is no number of a venue")
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        raise OffGridError(f"{text[:40]!r} is no number") from None
    if not text.isascii() or "_" in text:  # Python's own notations
        raise OffGridError(f"{text[:40]!r} is no number")
    if not value.is_finite() or abs(value.adjusted()) > _POWER_MAX:
        raise OffGridError(f"{text[:40]!r} is no finite number")
    return value
