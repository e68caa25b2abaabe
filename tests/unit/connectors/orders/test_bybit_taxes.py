"""Bybit's executions with taxes beside the fee: never lost, whatever is said of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.bybit.user_events import BybitUser
from connectors.orders.model import Execution, Instrument
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner

LEG = Instrument("BTCUSDT", DecimalStep("0.10"), DecimalStep("0.001"), "BTC", "USDT", False)


@pytest.mark.parametrize(
    ("fees", "fee", "other"),
    [
        ('""', "1.5", ""),
        ("[]", "1.5", ""),
        ("null", "1.5", ""),
        ('[{"feeCoin":"USDT","feeType":"GST","fee":"0.25"}]', "1.75", ""),
        ('"[{\\"feeCoin\\":\\"USDT\\",\\"fee\\":\\"0.25\\"}]"', "1.75", ""),
        (
            '[{"feeCoin":"USDT","fee":"0.25"},{"feeCoin":"IDR","feeType":"TAX","fee":"7"}]',
            "1.75",
            "7 IDR TAX",
        ),
        ('[{"feeCoin":"IDR","fee":"0"}]', "1.5", ""),
        ('[{"coin":"USDT"}]', "1.5", "unreadable: [{'coin': 'USDT'}]"),
        ('[{"feeCoin":"USDT","fee":"much"}]', "1.5", "unreadable: [{'feeCoin': 'USDT', 'fee': 'much'}]"),
        ('"much"', "1.5", "unreadable: much"),
        ("7", "1.5", "unreadable: 7"),
    ],
)
def test_extra_fees_are_added_or_named_and_never_cost_an_execution(fees: str, fee: str, other: str) -> None:
    user = BybitUser("linear", HmacSigner("key", "secret"), 5000)
    user.add_leg(0, LEG)
    text = (
        '{"topic":"execution","data":[{"category":"linear","symbol":"BTCUSDT","orderId":"v1","side":"Buy",'
        '"execId":"x1","execType":"Trade","execPrice":"100","execQty":"0.001","execFee":"1.5","execTime":"1",'
        f'"isMaker":false,"extraFees":{fees}}}]}}'
    )
    (one,) = user.decode(text.encode())
    assert isinstance(one, Execution)
    assert (one.fee, one.fee_asset, one.other_fees) == (Decimal(fee), "USDT", other)
