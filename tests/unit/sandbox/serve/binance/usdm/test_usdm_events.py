"""USD-M's user data events: fields as in the venue's documents, figures of what happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.sandbox_accounts import D
from support.usdm_messages import (
    AT_MS,
    AT_NS,
    BOTH,
    RULES,
    clock,
    example,
    execution,
    order,
    partly_filled,
    sent,
    shape,
    trader,
)

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.wallet import AssetView
from arb.sandbox.events import BUY
from arb.sandbox.matching.orders import EndReason, Force
from arb.sandbox.serve.binance.usdm import events
from arb.sandbox.trading.events import AccountEvent, Cause, Change, ConfigEvent, MarginCallEvent, OrderEvent
from arb.sandbox.trading.order_state import ExecutionKind, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


def changed(change: Change, one: VenueOrder, **also: Any) -> list[dict[str, Any]]:
    return events.order_events(OrderEvent("binance_usdm", "main", AT_NS, change, one, **also), RULES, clock)


def test_a_new_order() -> None:
    (row,) = changed(Change.NEW, order())
    row = sent("event_order", row)
    expected = shape(example("event_order"))
    # Without a commission its fields are not sent.
    del expected["o"]["n"], expected["o"]["N"]
    assert shape(row) == expected
    assert (row["E"], row["T"], row["o"]["T"]) == (AT_MS, AT_MS, AT_MS)
    update = row["o"]
    assert (update["q"], update["p"], update["ap"], update["l"], update["z"]) == (
        "0.010",
        "42000.00",
        "0",
        "0",
        "0",
    )
    assert (update["x"], update["X"], update["b"], update["a"], update["t"]) == ("NEW", "NEW", "0", "420", 0)


def test_a_fill_has_a_short_event_first() -> None:
    short, update = changed(Change.TRADE, partly_filled(side=BUY), execution=execution())
    short = sent("event_trade_lite", short)
    assert shape(short) == shape(example("event_trade_lite"))
    assert (short["L"], short["l"], short["t"], short["p"]) == ("42000.10", "0.003", 7, "42000.00")
    row = sent("event_order", update)["o"]
    assert shape(row) == shape(example("event_order")["o"])
    assert (row["x"], row["X"], row["l"], row["z"], row["L"]) == (
        "TRADE", "PARTIALLY_FILLED", "0.003", "0.003", "42000.10"
    )  # fmt: skip
    assert (row["n"], row["N"], row["rp"], row["ap"]) == ("0.05040010", "USDT", "-1.50000000", "42000.10000")
    # 0.007 are left at 42,000.
    assert (row["b"], row["a"]) == ("294", "0")


@pytest.mark.parametrize(
    ("reason", "kind", "force", "status", "expiry"),
    [
        (EndReason.IOC_REST, OrderKind.LIMIT, Force.IOC, "EXPIRED", "2"),
        (EndReason.IOC_REST, OrderKind.MARKET, Force.IOC, "EXPIRED", "9"),
        (EndReason.NO_LIQUIDITY, OrderKind.MARKET, Force.IOC, "EXPIRED", "9"),
        (EndReason.PREVENTED, OrderKind.LIMIT, Force.GTC, "EXPIRED_IN_MATCH", "1"),
        (EndReason.PREVENTED, OrderKind.LIMIT, Force.IOC, "EXPIRED_IN_MATCH", "3"),
        (EndReason.REDUCED, OrderKind.LIMIT, Force.GTC, "EXPIRED", "4"),
        (EndReason.LIQUIDATION, OrderKind.LIMIT, Force.GTC, "EXPIRED", "5"),
        (EndReason.FOK, OrderKind.LIMIT, Force.FOK, "EXPIRED", "10"),
        (EndReason.WOULD_TAKE, OrderKind.LIMIT, Force.POST_ONLY, "EXPIRED", "11"),
    ],
)
def test_why_an_order_expired(
    reason: EndReason, kind: OrderKind, force: Force, status: str, expiry: str
) -> None:
    one = order(kind=kind, force=force, status=OrderStatus.EXPIRED, end_reason=reason)
    (row,) = changed(Change.EXPIRED, one)
    assert (row["o"]["x"], row["o"]["X"], row["o"]["er"], row["o"]["a"]) == ("EXPIRED", status, expiry, "0")


def test_a_cancelled_order_has_no_expiry_reason() -> None:
    (row,) = changed(Change.CANCELED, order(status=OrderStatus.CANCELED, end_reason=EndReason.DEAD_MAN))
    assert (row["o"]["x"], row["o"]["X"], row["o"]["er"]) == ("CANCELED", "CANCELED", "0")


def test_an_amended_order_names_the_id_of_the_change() -> None:
    (row,) = changed(Change.AMENDED, order(extra={"modifyId": "5"}))
    assert (row["o"]["x"], row["o"]["X"], row["o"]["M"]) == ("AMENDMENT", "NEW", "5")
    sent("event_order", row)


def test_an_execution_of_a_liquidation_has_no_short_event() -> None:
    one = partly_filled(
        client_id="autoclose-1700000000000", kind=OrderKind.MARKET, force=Force.IOC, price=None
    )
    (row,) = changed(Change.CALCULATED, one, execution=execution(kind=ExecutionKind.LIQUIDATION))
    assert (row["o"]["x"], row["o"]["o"], row["o"]["p"]) == ("CALCULATED", "LIQUIDATION", "0")


@pytest.mark.parametrize("change", [Change.REJECTED, Change.PREVENTED])
def test_what_the_venue_does_not_report(change: Change) -> None:
    assert changed(change, order()) == []


def updated(cause: Cause, *assets: AssetView, isolated: str = "0", **also: Any) -> dict[str, Any]:
    event = AccountEvent("binance_usdm", "main", AT_NS, cause, assets, isolated=D(isolated), **also)
    return sent("event_account", events.account_update(event, clock))


def test_balances_and_position_after_a_fill() -> None:
    one = trader((BOTH, "0.1", "40000"), (BOTH, "-0.04", "41000"), margin="isolated")
    view = one.positions.view("BTCUSDT", BOTH, D("40500"))
    row = updated(Cause.ORDER, AssetView("USDT", D("1039.5"), D(0)), isolated="120", positions=(view,))
    assert shape(row) == shape(example("event_account"))
    assert row["a"]["m"] == "ORDER"
    assert row["a"]["B"] == [{"a": "USDT", "wb": "1039.50000000", "cw": "919.50000000", "bc": "0"}]
    assert row["a"]["P"] == [
        {
            "s": "BTCUSDT", "pa": "0.06", "ep": "40000", "bep": "40000", "cr": "40", "up": "30.00000000",
            "mt": "isolated", "iw": "120.00000000", "ps": "BOTH",
        }
    ]  # fmt: skip


def test_funding_of_a_cross_position_reports_the_balance_only() -> None:
    for margin, positions in (("cross", 0), ("isolated", 1)):
        one = trader((BOTH, "0.1", "40000"), margin=margin)
        view = one.positions.view("BTCUSDT", BOTH, D("40500"))
        asset = AssetView("USDT", D("999.6"), D(0), D("-0.4"))
        row = updated(Cause.FUNDING, asset, positions=(view,), symbol="BTCUSDT")["a"]
        assert (row["m"], row["S"], row["B"][0]["bc"], len(row["P"])) == (
            "FUNDING_FEE",
            "BTCUSDT",
            "-0.40000000",
            positions,
        )


@pytest.mark.parametrize(("amount", "cause"), [("5", "DEPOSIT"), ("-5", "WITHDRAW")])
def test_a_transfer(amount: str, cause: str) -> None:
    row = updated(Cause.TRANSFER, AssetView("BNB", D(10), D(0), D(amount)), isolated="3")["a"]
    assert (row["m"], row["P"], row["B"][0]["cw"]) == (cause, [], "10.00000000")


def test_changed_settings() -> None:
    leverage = events.config_update(ConfigEvent("binance_usdm", "main", AT_NS, "BTCUSDT", 25), clock)
    assert shape(sent("event_config", leverage)) == shape(example("event_config"))
    mode = events.config_update(ConfigEvent("binance_usdm", "main", AT_NS, is_multi_assets=False), clock)
    assert shape(sent("event_config", mode)) == shape(example("event_config", 1))
    assert mode["ai"] == {"j": False}


def test_a_margin_call_and_an_expired_key() -> None:
    view = trader((BOTH, "0.1", "40000")).positions.view("BTCUSDT", BOTH, D("30000"))
    call = MarginCallEvent("binance_usdm", "main", AT_NS, D("3.1"), ((view, D("12"), D("-1000")),))
    row = sent("event_margin_call", events.margin_call(call, clock))
    assert shape(row) == shape(example("event_margin_call"))
    assert (row["cw"], row["p"][0]["mt"], row["p"][0]["mm"]) == ("3.1", "CROSSED", "12.00000000")
    expired = sent("event_listen_key_expired", events.listen_key_expired("abc", AT_MS))
    assert shape(expired) == shape(example("event_listen_key_expired"))
