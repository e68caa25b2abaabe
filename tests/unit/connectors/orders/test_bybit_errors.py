"""Bybit's codes that are definite refusals of some requests only."""

from __future__ import annotations

import pytest

from connectors.bybit.order_errors import verdict_of
from connectors.orders.model import Act, Verdict


@pytest.mark.parametrize("code", [110064, 170312, 170313])
def test_what_cannot_be_amended_is_a_refusal_of_an_amendment_only(code: int) -> None:
    assert verdict_of(code, Act.AMEND) is Verdict.REFUSED
    assert verdict_of(code, Act.PLACE) is Verdict.UNKNOWN
    assert verdict_of(code, Act.CANCEL) is Verdict.UNKNOWN
    assert verdict_of(110032, Act.AMEND) is Verdict.UNKNOWN, "it is not known when this one is given"
