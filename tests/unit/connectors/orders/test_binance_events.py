"""Binance's user data, from the venue's documents."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from support.venue_orders import SIGNER, GoldenMessage, golden_messages, instrument

from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.errors import DecodeError
from connectors.orders.model import (
    AccountView,
    EndCause,
    Execution,
    ExecutionKind,
    Funding,
    Notice,
    NoticeKind,
    OrderStatus,
    OrderUpdate,
    Setting,
    Transfer,
    VenueAnswer,
    Verdict,
)

SPOT_FILES = ["event_order", "event_account", "event_balance", "event_shutdown", "event_terminated"]
USDM_FILES = [
    "event_order", "event_account", "event_config", "event_listen_key_expired", "event_margin_call",
    "event_trade_lite",
]  # fmt: skip


def spot() -> SpotUser:
    user = SpotUser(SIGNER, 2000)
    user.add_leg(0, instrument("ETHBTC", "0.00000001", "0.00000001"))
    return user


def usdm() -> UsdmUser:
    user = UsdmUser(SIGNER)
    user.add_leg(0, instrument(tick="0.01", lot="0.001", is_spot=False))
    return user


def report(**changes: Any) -> bytes:
    """The document's report with other fields; null: without the field."""
    content = json.loads(golden_messages("binance_spot", "event_order")[0].text)
    content["event"] |= changes
    return json.dumps(content).encode()


def order(user: UsdmUser, **changes: Any) -> tuple[Any, ...]:
    content = json.loads(golden_messages("binance_usdm", "event_order")[0].text)
    content["o"] |= changes
    return user.decode(json.dumps(content).encode())


def test_the_new_order_of_the_document() -> None:
    assert spot().decode(report()) == (
        OrderUpdate(
            "ETHBTC", "mUvoqJxFIILMdfAW5iGSOW", "4293153", OrderStatus.NEW, 0, 100_000_000, 10_264_410,
            EndCause.NONE, 1499405658657,
        ),
    )  # fmt: skip


def test_a_fill_gives_the_execution_before_the_order() -> None:
    filled = {
        "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.4", "L": "0.1", "z": "0.5", "n": "0.0004", "N": "ETH",
        "t": 77, "m": True, "T": 5,
    }  # fmt: skip
    execution, update = spot().decode(report(**filled))
    assert execution == Execution(
        "ETHBTC", "mUvoqJxFIILMdfAW5iGSOW", "4293153", "77", 1, 10_000_000, 40_000_000, True, Decimal("0.0004"),
        "ETH", 5,
    )  # fmt: skip
    assert isinstance(update, OrderUpdate)
    assert (update.status, update.executed_lots) == (OrderStatus.PARTIAL, 50_000_000)


def test_a_cancellation_is_that_of_the_original_id() -> None:
    (update,) = spot().decode(report(x="CANCELED", X="CANCELED", c="cancel-1", C="own"))
    assert isinstance(update, OrderUpdate)
    assert (update.client_id, update.status, update.cause) == ("own", OrderStatus.CANCELED, EndCause.BY_USER)


def test_an_amendment_keeps_the_order_under_its_new_id() -> None:
    (update,) = spot().decode(report(x="REPLACED", c="new", C="old", q="0.5"))
    assert isinstance(update, OrderUpdate)
    assert (update.client_id, update.was_amended, update.total_lots) == ("new", True, 50_000_000)


@pytest.mark.parametrize(
    ("changes", "status", "cause"),
    [
        ({"eR": "UNFILLED_IOC_QUANTITY_EXPIRED"}, OrderStatus.EXPIRED, EndCause.IOC_REST),
        ({"eR": "UNFILLED_FOK_ORDER_EXPIRED"}, OrderStatus.EXPIRED, EndCause.FOK),
        ({"eR": "INSUFFICIENT_LIQUIDITY"}, OrderStatus.EXPIRED, EndCause.NO_LIQUIDITY),
        ({"eR": "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"}, OrderStatus.EXPIRED, EndCause.PRICE_RANGE),
        ({"eR": "EXCHANGE_CANCELED"}, OrderStatus.EXPIRED, EndCause.BY_VENUE),
        ({"f": "IOC"}, OrderStatus.EXPIRED, EndCause.IOC_REST),
        ({}, OrderStatus.EXPIRED, EndCause.UNKNOWN),
        ({"X": "EXPIRED_IN_MATCH"}, OrderStatus.EXPIRED, EndCause.SELF_TRADE),
        ({"X": "REJECTED", "r": "WOULD_MATCH_IMMEDIATELY"}, OrderStatus.REJECTED, EndCause.WOULD_TAKE),
        ({"X": "REJECTED", "r": "INSUFFICIENT_BALANCES"}, OrderStatus.REJECTED, EndCause.UNKNOWN),
    ],
)
def test_an_end_has_a_cause(changes: dict[str, str], status: OrderStatus, cause: EndCause) -> None:
    (update,) = spot().decode(report(**{"x": "EXPIRED", "X": "EXPIRED"} | changes))
    assert isinstance(update, OrderUpdate)
    assert (update.status, update.cause) == (status, cause)


@pytest.mark.parametrize(
    ("er", "status", "cause"),
    [
        ("1", "EXPIRED_IN_MATCH", EndCause.SELF_TRADE),
        ("2", "EXPIRED", EndCause.IOC_REST),
        ("3", "EXPIRED_IN_MATCH", EndCause.SELF_TRADE),
        ("3", "EXPIRED", EndCause.SELF_TRADE),
        ("4", "EXPIRED", EndCause.REDUCE_ONLY),
        (5, "EXPIRED", EndCause.LIQUIDATION),
        ("10", "EXPIRED", EndCause.FOK),
        ("11", "EXPIRED", EndCause.WOULD_TAKE),
        ("99", "EXPIRED", EndCause.UNKNOWN),
        ("0", "CANCELED", EndCause.BY_USER),
    ],
)
def test_an_end_at_usdm_has_a_cause(er: str, status: str, cause: EndCause) -> None:
    (update,) = order(usdm(), x="EXPIRED", X=status, er=er)
    assert isinstance(update, OrderUpdate)
    assert update.cause is cause


def test_accounts_of_spot() -> None:
    (view,) = spot().decode(golden_messages("binance_spot", "event_account")[0].text.encode())
    assert view == AccountView({"ETH": Decimal(10_000)}, {}, False, 1564034571073)


@pytest.mark.parametrize(
    ("venue", "file", "notice"),
    [
        (
            "binance_spot",
            "event_balance",
            Transfer("BTC", Decimal(100), "1573200697068-BTC-100.00000000", 1573200697068),
        ),
        ("binance_spot", "event_shutdown", Notice(NoticeKind.SHUTDOWN, "serverShutdown")),
        ("binance_spot", "event_terminated", Notice(NoticeKind.ENDED)),
        ("binance_usdm", "event_trade_lite", Notice(NoticeKind.IGNORED, "TRADE_LITE")),
        ("binance_usdm", "event_listen_key_expired", Notice(NoticeKind.KEY_EXPIRED)),
        ("binance_usdm", "event_margin_call", Notice(NoticeKind.MARGIN_CALL)),
        ("binance_usdm", "event_config", Setting("leverage of BTCUSDT", "25")),
    ],
)
def test_notices(venue: str, file: str, notice: Notice) -> None:
    user = spot() if venue == "binance_spot" else usdm()
    assert user.decode(golden_messages(venue, file)[0].text.encode()) == (notice,)


def test_the_new_order_of_usdm() -> None:
    assert order(usdm()) == (
        OrderUpdate(
            "BTCUSDT", "TEST", "8886774", OrderStatus.NEW, 0, 1, 991_000, EndCause.NONE, 1568879465650
        ),
    )


def test_a_fill_at_usdm() -> None:
    filled = {"x": "TRADE", "X": "FILLED", "l": "0.001", "L": "9910.10", "z": "0.001", "t": 5, "T": 7}
    execution, update = order(usdm(), **filled, n="0.004", N="USDT", m=True)
    assert execution == Execution(
        "BTCUSDT", "TEST", "8886774", "5", -1, 991_010, 1, True, Decimal("0.004"), "USDT", 7
    )
    assert (update.status, update.executed_lots) == (OrderStatus.FILLED, 1)
    # Without a fee its fields may be missing.
    content = json.loads(golden_messages("binance_usdm", "event_order")[0].text)
    del content["o"]["n"], content["o"]["N"]
    content["o"] |= filled
    execution, _ = usdm().decode(json.dumps(content).encode())
    assert isinstance(execution, Execution)
    assert (execution.fee, execution.fee_asset) == (0, "")


@pytest.mark.parametrize(
    ("client_id", "kind"),
    [
        ("autoclose-123", ExecutionKind.LIQUIDATION),
        ("adl_autoclose", ExecutionKind.ADL),
        ("mine", ExecutionKind.TRADE),
    ],
)
def test_liquidations_are_known_by_the_venues_client_ids(client_id: str, kind: ExecutionKind) -> None:
    execution, _ = order(usdm(), x="CALCULATED", X="FILLED", c=client_id, l="0.001", L="1", z="0.001", t=5)
    assert execution.kind is kind


def test_an_amendment_at_usdm() -> None:
    (update,) = order(usdm(), x="AMENDMENT", p="9900", q="0.005")
    assert (update.was_amended, update.tick, update.total_lots) == (True, 990_000, 5)


def test_the_account_of_usdm_and_its_funding() -> None:
    content = json.loads(golden_messages("binance_usdm", "event_account")[0].text)
    view = AccountView({"USDT": Decimal("122624.12345678")}, {"BTCUSDT": Decimal(0)}, False, 1564745798938)
    assert usdm().decode(json.dumps(content).encode()) == (view,)
    content["a"] |= {"m": "FUNDING_FEE", "S": "BTCUSDT", "P": []}
    content["a"]["B"][0]["bc"] = "-0.25"
    _, funding = usdm().decode(json.dumps(content).encode())
    assert isinstance(funding, Funding)
    assert (funding.symbol, funding.asset, funding.amount) == ("BTCUSDT", "USDT", Decimal("-0.25"))
    assert math.isnan(funding.rate)
    assert math.isnan(funding.mark)
    assert funding.position is None


def test_events_of_other_symbols_are_ignored() -> None:
    assert spot().decode(report(s="XYZ")) == (Notice(NoticeKind.IGNORED, "order of XYZ"),)
    assert order(usdm(), s="XYZ") == (Notice(NoticeKind.IGNORED, "order of XYZ"),)


def test_the_answer_to_a_subscription() -> None:
    (answer,) = spot().decode(b'{"id":"subscribe","status":200,"result":{"subscriptionId":0}}')
    assert isinstance(answer, VenueAnswer)
    assert spot().opened(answer) is True
    (refused,) = spot().decode(b'{"id":"subscribe","status":401,"error":{"code":-2015,"msg":"no"}}')
    assert isinstance(refused, VenueAnswer)
    assert refused.verdict is Verdict.REFUSED
    assert spot().opened(refused) is False


@pytest.mark.parametrize("message", golden_messages("binance_spot", *SPOT_FILES), ids=str)
def test_a_cut_event_of_spot_is_refused(message: GoldenMessage) -> None:
    frame = message.text.encode()
    assert spot().decode(frame)
    for end in range(len(frame)):
        with pytest.raises(DecodeError):
            spot().decode(frame[:end])


@pytest.mark.parametrize("message", golden_messages("binance_usdm", *USDM_FILES), ids=str)
def test_a_cut_event_of_usdm_is_refused(message: GoldenMessage) -> None:
    frame = message.text.encode()
    assert usdm().decode(frame)
    for end in range(len(frame)):
        with pytest.raises(DecodeError):
            usdm().decode(frame[:end])


FIELDS = ("s", "c", "C", "S", "f", "q", "p", "x", "X", "i", "l", "L", "z", "T", "t", "m")
BAD = (None, "?", "0.000000001", -1.5, [], "\u0661")


@pytest.mark.parametrize("field", FIELDS)
def test_an_event_of_unknown_content_is_refused(field: str) -> None:
    """A text field may have any text, unless it is a number, a side or a status."""
    for value in BAD:
        texts = ("s", "c", "C", "f", "x") if isinstance(value, str) else ()
        if (
            field in texts
            or (field == "l" and isinstance(value, str))
            or (field in "LS" and isinstance(value, str))
        ):
            continue
        with pytest.raises(DecodeError):
            spot().decode(report(**{field: value}))
    for field_of_fill, value in (("l", "?"), ("L", "?"), ("S", "?"), ("n", "nan")):
        with pytest.raises(DecodeError):
            spot().decode(
                report(**{"x": "TRADE", "X": "FILLED", "l": "1", "L": "1", "n": "0"} | {field_of_fill: value})
            )


@pytest.mark.parametrize(("cause", "count"), [("DEPOSIT", 1), ("WITHDRAW", 1), ("ORDER", 0)])
def test_deposits_and_withdrawals_of_usdm_are_transfers(cause: str, count: int) -> None:
    content = json.loads(golden_messages("binance_usdm", "event_account")[0].text)
    content["a"] |= {"m": cause, "B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "-2.5"}]}
    found = [one for one in usdm().decode(json.dumps(content).encode()) if isinstance(one, Transfer)]
    assert [(one.asset, one.amount) for one in found] == [("USDT", Decimal("-2.5"))] * count
