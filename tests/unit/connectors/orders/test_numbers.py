"""Ticks and lots as decimal text, against decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import OffGridError
from connectors.orders.numbers import DecimalStep, amount_of

STEPS = ["0.01", "0.10", "1", "0.00001000", "5", "0.25", "100", "0.000000001"]


@given(st.sampled_from(STEPS), st.integers(0, 10**15))
def test_a_text_is_the_exact_value_in_its_shortest_form(size: str, count: int) -> None:
    step = DecimalStep(size)
    text = step.text_of(count)
    assert Decimal(text) == Decimal(size) * count
    assert "e" not in text.lower()
    assert text == "0" or not text.startswith("0") or text.startswith("0.")
    assert "." not in text or not text.endswith("0")
    assert step.count_of(text) == count


@given(st.sampled_from(STEPS), st.decimals(-(10**6), 10**6, places=10, allow_nan=False))
def test_a_count_is_exact_or_refused(size: str, value: Decimal) -> None:
    step = DecimalStep(size)
    exact = value / Decimal(size)
    for text in (f"{value:f}", str(value)):
        if exact == exact.to_integral_value():
            assert step.count_of(text) == int(exact)
        else:
            with pytest.raises(OffGridError):
                step.count_of(text)


@pytest.mark.parametrize("text", ["", "0", "0.000", "-1", "1e-3", "x", "1.2.3", "٣", "nan"])
def test_a_size_is_a_positive_decimal(text: str) -> None:
    with pytest.raises(ValueError, match="no positive decimal"):
        DecimalStep(text)


@pytest.mark.parametrize(
    "text", ["x", "1.2.3", "NaN", "inf", "٣", "--1", "1_0", "1e999999", "1e-999999", "9" * 5000]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    for call in (DecimalStep("0.1").count_of, amount_of):
        with pytest.raises(OffGridError):
            call(text)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 steps"):
        DecimalStep("0.1").text_of(-1)


@pytest.mark.parametrize("text", ["9" * 30, "1e30", "-1e30"])
def test_a_count_fits_into_an_array(text: str) -> None:
    with pytest.raises(OffGridError):
        DecimalStep("0.1").count_of(text)


def test_texts_that_are_kept_are_bounded() -> None:
    step = DecimalStep("0.01")
    kept: Any = getattr(step.count_of, "__self__")  # noqa: B009
    for count in range(20_000):
        assert step.count_of(f"{count / 100:.2f}") == count
        assert len(kept) <= 8192
    assert step.count_of("0.07") == step.count_of("0.070") == 7
