"""What is made of the venues' answers about accounts, and of refusals; frames of the documents and of the sandbox."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arb.accounts import binance, bybit
from arb.accounts.ccxt_client import refusal_of
from arb.accounts.facts import Balance, FeeRates, Modes, Position, Rights, SymbolModes

RESTRICTIONS = {
    "ipRestrict": False,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "enableSpotAndMarginTrading": True,
}


@pytest.mark.parametrize(
    ("changed", "rights"),
    [
        ({}, Rights(frozenset({"spot"}), False, False, False)),
        (
            {"enableFutures": True, "ipRestrict": True},
            Rights(frozenset({"spot", "linear"}), False, False, True),
        ),
        ({"enableWithdrawals": True}, Rights(frozenset({"spot"}), True, False, False)),
        ({"permitsUniversalTransfer": True}, Rights(frozenset({"spot"}), False, True, False)),
        ({"enableInternalTransfer": True}, Rights(frozenset({"spot"}), False, True, False)),
    ],
)
def test_rights_of_a_binance_key(changed: dict[str, bool], rights: Rights) -> None:
    assert binance.rights_of(RESTRICTIONS | changed) == rights


def key_at_bybit(**changed: Any) -> dict[str, Any]:
    permissions = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": []}
    return {
        "result": {
            "readOnly": 0,
            "ips": ["10.0.0.1"],
            "expiredAt": "1970-01-01T00:00:00Z",
            "permissions": permissions | changed.pop("permissions", {}),
            **changed,
        }
    }


@pytest.mark.parametrize(
    ("changed", "rights"),
    [
        ({}, Rights(frozenset({"spot", "linear"}), False, False, True)),
        ({"readOnly": 1}, Rights(frozenset(), False, False, True)),
        ({"permissions": {"ContractTrade": ["Order"]}}, Rights(frozenset({"spot"}), False, False, True)),
        (
            {"permissions": {"ContractTrade": [], "Derivatives": ["DerivativesTrade"]}},
            Rights(frozenset({"spot", "linear"}), False, False, True),
        ),
        ({"permissions": {"Wallet": ["Withdraw"]}}, Rights(frozenset({"spot", "linear"}), True, False, True)),
        (
            {"permissions": {"Wallet": ["SubMemberTransfer"]}},
            Rights(frozenset({"spot", "linear"}), False, True, True),
        ),
        (
            {"ips": ["*"], "expiredAt": "2026-12-01T00:00:00Z"},
            Rights(frozenset({"spot", "linear"}), False, False, False, "2026-12-01T00:00:00Z"),
        ),
    ],
)
def test_rights_of_a_bybit_key(changed: dict[str, Any], rights: Rights) -> None:
    assert bybit.rights_of(key_at_bybit(**changed)) == rights


def commission(in_bnb: bool) -> dict[str, Any]:
    """The example of the FAQ."""

    def rates(*values: str) -> dict[str, str]:
        return dict(zip(("maker", "taker", "buyer", "seller"), values, strict=True))

    return {
        "standardCommission": rates("0.00000010", "0.00000020", "0.00000030", "0.00000040"),
        "specialCommission": rates("0.01000000", "0.02000000", "0.03000000", "0.04000000"),
        "taxCommission": rates("0.00000112", "0.00000114", "0.00000118", "0.00000116"),
        "discount": {
            "enabledForAccount": in_bnb,
            "enabledForSymbol": True,
            "discountAsset": "BNB",
            "discount": "0.25000000",
        },
    }


def test_spot_fees_are_the_sum_of_three_rates_on_the_dearer_side() -> None:
    assert binance.spot_fees(commission(in_bnb=False)) == FeeRates(
        (Decimal("0.00000050") + Decimal("0.05") + Decimal("0.00000230"),),
        (Decimal("0.00000060") + Decimal("0.06") + Decimal("0.00000232"),),
        "received",
    )


def test_the_discount_of_bnb_is_of_the_standard_rate_alone_read_both_ways() -> None:
    fees = binance.spot_fees(commission(in_bnb=True))
    more = Decimal("0.05") + Decimal("0.00000230")
    standard = Decimal("0.00000050")
    assert fees.maker == (standard * Decimal("0.25") + more, standard * Decimal("0.75") + more)
    assert fees.paid_in == "BNB"


def test_modes_of_binance() -> None:
    row = {"symbol": "BTCUSDT", "marginType": "ISOLATED", "leverage": 20}
    found = binance.modes_of({"dualSidePosition": True, "multiAssetsMargin": False}, [row], ["BTCUSDT"])
    assert found == Modes(True, False, {"BTCUSDT": SymbolModes("isolated", Decimal(20))})


def test_modes_of_bybit() -> None:
    rows = {"BTCUSDT": [{"positionIdx": 1, "leverage": "10"}, {"positionIdx": 2, "leverage": "10"}]}
    assert bybit.modes_of("PORTFOLIO_MARGIN", rows) == Modes(
        True, False, {"BTCUSDT": SymbolModes("portfolio", Decimal(10))}, True
    )
    rows = {"BTCUSDT": [{"positionIdx": 0, "leverage": ""}]}
    assert bybit.modes_of("REGULAR_MARGIN", rows) == Modes(
        False, False, {"BTCUSDT": SymbolModes("cross", Decimal(0))}, True
    )


def test_what_positions_hold_at_bybit_is_not_free() -> None:
    coin = {
        "coin": "USDT",
        "walletBalance": "100",
        "locked": "10",
        "totalOrderIM": "5",
        "totalPositionIM": "20",
    }
    empty = {"coin": "BTC", "walletBalance": "", "locked": "", "totalOrderIM": "", "totalPositionIM": ""}
    answer = {"result": {"list": [{"coin": [coin, empty]}]}}
    assert bybit.balances_of(answer) == {
        "USDT": Balance(Decimal(100), Decimal(65)),
        "BTC": Balance(Decimal(0), Decimal(0)),
    }


def test_short_positions_are_negative_and_empty_ones_left_out() -> None:
    rows = [
        {"symbol": "BTCUSDT", "side": "Sell", "size": "0.5", "avgPrice": "42000"},
        {"symbol": "ETHUSDT", "side": "", "size": "0", "avgPrice": "0"},
    ]
    assert bybit.positions_of(rows) == [Position("BTCUSDT", Decimal("-0.5"), Decimal(42000))]


@pytest.mark.parametrize(
    ("house", "status", "answer", "found"),
    [
        ("binance", 200, {"code": 200, "msg": "success"}, None),
        ("binance", 200, [], None),
        ("binance", 400, {"code": -2015, "msg": "Invalid API-key."}, ("-2015", "Invalid API-key.")),
        ("binance", 404, None, ("404", "<html>")),
        ("bybit", 200, {"retCode": 0, "retMsg": "OK"}, None),
        (
            "bybit",
            200,
            {"retCode": 110043, "retMsg": "leverage not modified"},
            ("110043", "leverage not modified"),
        ),
        (
            "bybit",
            200,
            {
                "retCode": 3400045,
                "retMsg": "Set margin mode failed",
                "result": {"reasons": [{"reasonMsg": "Equity"}]},
            },
            ("3400045", "Set margin mode failed Equity"),
        ),
        ("bybit", 403, None, ("403", "<html>")),
    ],
)
def test_refusals(house: str, status: int, answer: object, found: tuple[str, str] | None) -> None:
    assert refusal_of(house, status, answer, "<html>") == found
