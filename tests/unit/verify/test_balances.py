"""How balances of a session's accounts have changed, and what of it nothing explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.dry_market import leg

from arb.engine.account import FUNDING
from arb.runtime.live_files import EXECUTION, REQUEST, RESPONSE, STATE, OrderRecords
from arb.verify.balances import balance_lines

SESSION_MS = 1_000
SPOT = leg(0, venue="binance_spot", is_spot=True, tick_size_text="0.1", lot_size_text="0.001")
PERP = leg(1, venue="bybit_linear", tick_size_text="0.5", lot_size_text="0.001")


def execution(
    side: int, tick: int, lots: int, fee: str, asset: str = "USDT", ms: int = 2_000
) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "side": side, "tick": tick, "lots": lots, "fee": fee, "fee_asset": asset, "venue_ms": ms,
    }  # fmt: skip


def facts(
    start: dict[str, str], end: dict[str, str], *executions: dict[str, Any], **more: Any
) -> dict[str, Any]:
    return {"balances": {"start": start, "end": end}, "executions": list(executions), "positions": {}, **more}


def lines(own: dict[str, Any], *funding: float, legs: Any = (SPOT, PERP)) -> list[str]:
    responses = np.zeros(len(funding), RESPONSE)
    responses["leg"] = 1
    for row, amount in zip(responses, funding, strict=True):
        row["row"]["req"], row["row"]["exec_qty"] = FUNDING, amount
    records = OrderRecords(
        np.zeros(0, REQUEST), responses, np.zeros(0, EXECUTION), np.zeros(0, STATE), own, {}
    )
    return balance_lines(records, legs, SESSION_MS)


def test_executions_fees_in_every_asset_and_transfers_explain_a_spot_wallet() -> None:
    spot = facts(
        {"USDT": "1000", "BTC": "1", "BNB": "2"}, {"USDT": "1004.9", "BTC": "0.9999", "BNB": "1.99"},
        execution(1, 1_000, 100, "0.0001", "BTC"),  # 0.1 for 10
        execution(-1, 1_100, 100, "0.01", "BNB"),  # for 11
        execution(1, 9_999, 999, "0", ms=SESSION_MS - 1),
        transfers=[{"id": "a", "asset": "USDT", "amount": "3.9", "venue_ms": 5}],
    )  # fmt: skip
    assert lines({"binance_spot": spot}) == [
        "balance of binance_spot BNB: -0.01: fees -0.01; all of it",
        "balance of binance_spot BTC: -0.0001: fees -0.0001; all of it",
        "balance of binance_spot USDT: +4.9: executions +1, transfers +3.9; all of it",
    ]


def test_a_perpetual_that_ends_flat_is_explained_with_its_funding() -> None:
    linear = facts(
        {"USDT": "100"}, {"USDT": "104.6"}, execution(1, 2_000, 100, "0.1"), execution(-1, 2_100, 100, "0.1"),
        positions={"start": {"BTCUSDT": "0"}, "end": {}},
    )  # fmt: skip
    assert lines({"bybit_linear": linear}, -0.25, 0.05) == [
        "balance of bybit USDT: +4.6: executions +5, fees -0.2, funding -0.2; all of it"
    ]


def test_what_nothing_explains_is_named() -> None:
    linear = facts({"USDT": "100"}, {"USDT": "99.5"})
    assert lines({"bybit_linear": linear}) == [
        "balance of bybit USDT: -0.5: nothing; -0.5 is not explained by them"
    ]


def test_open_positions_and_unknown_balances_are_not_explained() -> None:
    held = facts({"USDT": "100"}, {"USDT": "99"}, positions={"start": {}, "end": {"BTCUSDT": "0.1"}})
    assert lines({"bybit_linear": held}) == [
        "balance of bybit USDT: -1; not explained: a perpetual position was open"
    ]
    assert lines({"bybit_linear": facts({"USDT": "100"}, {})}) == []


def test_venues_of_one_wallet_have_their_transfers_once() -> None:
    moved = [{"id": "a", "asset": "USDT", "amount": "-7", "venue_ms": 5}]
    spot = leg(0, venue="bybit_spot", is_spot=True, tick_size_text="0.1", lot_size_text="0.001")
    own = {
        "bybit_spot": facts({"USDT": "10"}, {"USDT": "3"}, transfers=moved),
        "bybit_linear": facts({"USDT": "10"}, {"USDT": "3"}, transfers=moved),
    }
    found = lines(own, legs=(spot, PERP))
    assert "balance of bybit USDT: -7: transfers -7; all of it" in found
