"""USD-M's answers: fields as in the venue's documents, figures of the orders and accounts behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from support.sandbox_accounts import D, Order
from support.usdm_messages import (
    AT_MS,
    AT_NS,
    BOTH,
    LONG,
    MESSAGES,
    RULES,
    SHORT,
    clock,
    example,
    execution,
    order,
    partly_filled,
    sent,
    shape,
    trader,
)
from support.venue_messages.binance_usdm import DECODERS

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.margin import margin_of, order_values
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.events import BUY
from arb.sandbox.matching.orders import EndReason, Force
from arb.sandbox.serve.binance.usdm import account_answers as accounts
from arb.sandbox.serve.binance.usdm import answers
from arb.sandbox.trading.order_state import OrderStatus
from arb.sandbox.trading.requests import OrderKind

PATHS = sorted(MESSAGES.glob("*.toml"))
OPEN = Order("BTCUSDT", BUY, BOTH, D("0.1"), D(39000))


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_examples_of_the_documents_decode(path: Any) -> None:
    content = tomli.loads(path.read_text(encoding="utf-8"))
    assert content["source"]
    assert content["read"]
    assert content["request"]
    for message in content["message"]:
        DECODERS[path.stem].decode(message["text"])


def test_every_decoder_has_an_example() -> None:
    assert {path.stem for path in PATHS} == DECODERS.keys()


def state(one: Account, mark: str, *orders: Order) -> accounts.State:
    def marks(_: str) -> Any:
        return D(mark)

    known = {"BTCUSDT": RULES}
    return accounts.State(
        one, margin_of(one, "binance_usdm", known, marks, order_values(orders)), known, marks, clock
    )


ANSWERS = {
    "order_place": lambda: answers.acknowledged_order(order(), RULES, clock),
    "order_cancel": lambda: answers.changed_order(order(status=OrderStatus.CANCELED), RULES, clock),
    "order_modify": lambda: answers.modified_order(order(), RULES, clock, 1),
    "order_query": lambda: answers.queried_order(order(), RULES, clock),
    "open_orders": lambda: [answers.queried_order(order(), RULES, clock)],
    "all_orders": lambda: [answers.queried_order(partly_filled(), RULES, clock)],
    "cancel_all": lambda: answers.ALL_CANCELED,
    "margin_type": lambda: answers.SUCCESS,
    "countdown": lambda: answers.countdown("BTCUSDT", 100000),
    "user_trades": lambda: [answers.user_trade(execution(), RULES, clock)],
    "leverage_brackets": lambda: [answers.leverage_brackets(RULES)],
    "leverage": lambda: answers.changed_leverage(RULES, 21),
    "commission_rate": lambda: answers.commission_rate("BTCUSDT", D("0.0002"), D("0.0004")),
    "account_config": lambda: answers.account_config(Modes(), -1),
    "symbol_config": lambda: [answers.symbol_config(RULES, Modes())],
    "balances": lambda: accounts.balances(state(trader(), "1")),
    "account_v2": lambda: accounts.account_v2(state(trader(), "41000")),
    "account_v3": lambda: accounts.account_v3(state(trader(), "41000", OPEN)),
    "positions_v2": lambda: accounts.positions_v2(state(trader(), "41000")),
    "positions_v3": lambda: accounts.positions_v3(state(trader(), "41000", OPEN)),
    "socket_positions_v3": lambda: accounts.socket_positions_v3(state(trader(), "41000", OPEN)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_fields_are_those_of_the_documents(name: str) -> None:
    assert shape(sent(name, ANSWERS[name]())) == shape(example(name))


def test_figures_of_orders_have_the_decimals_of_tick_and_lot() -> None:
    row = answers.queried_order(partly_filled(), RULES, clock)
    assert (row["price"], row["origQty"], row["executedQty"]) == ("42000.00", "0.010", "0.003")
    assert (row["avgPrice"], row["cumQuote"]) == ("42000.10000", "126.00030")
    assert (row["orderId"], row["time"], row["updateTime"]) == (8886774, AT_MS, AT_MS)
    market = answers.queried_order(order(kind=OrderKind.MARKET, force=Force.IOC, price=None), RULES, clock)
    assert (market["type"], market["timeInForce"], market["price"]) == ("MARKET", "GTC", "0.00")
    # A fault made the lot larger: the order keeps its digits.
    assert answers.queried_order(order(quantity=D("0.0105")), RULES, clock)["origQty"] == "0.0105"


def test_an_acknowledgement_has_no_result_yet() -> None:
    filled = partly_filled(updated_ns=AT_NS + 10**9)
    row = answers.acknowledged_order(filled, RULES, clock)
    assert (row["status"], row["executedQty"], row["cumQty"], row["updateTime"]) == (
        "NEW",
        "0.000",
        "0.000",
        AT_MS,
    )
    row = answers.changed_order(filled, RULES, clock)
    assert (row["status"], row["executedQty"], row["updateTime"]) == (
        "PARTIALLY_FILLED",
        "0.003",
        AT_MS + 1000,
    )
    assert not {"avgPrice", "cumQuote", "cumBase"} & row.keys()


def test_an_order_that_prevention_ended_has_a_status_of_its_own() -> None:
    for reason, status in ((EndReason.PREVENTED, "EXPIRED_IN_MATCH"), (EndReason.IOC_REST, "EXPIRED")):
        row = answers.changed_order(order(status=OrderStatus.EXPIRED, end_reason=reason), RULES, clock)
        assert row["status"] == status


def test_a_change_repeats_its_id_only_if_it_had_one() -> None:
    assert answers.modified_order(order(), RULES, clock, 5)["modifyId"] == 5
    assert "modifyId" not in answers.modified_order(order(), RULES, clock, None)


def test_a_trade_names_what_was_paid() -> None:
    row = answers.user_trade(execution(), RULES, clock)
    assert (row["commission"], row["commissionAsset"], row["realizedPnl"]) == (
        "0.05040010",
        "USDT",
        "-1.50000000",
    )
    assert (row["price"], row["qty"], row["quoteQty"]) == ("42000.10", "0.003", "126.00030")


def test_incomes_by_cause() -> None:
    one = trader()
    changes = [(("USDT"), D(-1), cause) for cause in answers.INCOMES]
    entries = one.ledger.post(one.wallet("binance_usdm"), AT_NS, "binance_usdm", changes, "BTCUSDT", "8", 9)
    rows = sent("income", [answers.income(entry, clock) for entry in entries])
    assert shape(rows) == shape(example("income"))
    assert [row["incomeType"] for row in rows] == list(answers.INCOMES.values())
    assert (rows[0]["income"], rows[0]["tradeId"], rows[0]["tranId"]) == ("-1.00000000", "9", 1)
    transfer = one.ledger.post(
        one.wallet("binance_usdm"), AT_NS, "binance_usdm", [("BNB", D(1), EntryCause.TRANSFER)]
    )
    assert answers.income(transfer[0], clock)["tradeId"] == ""


def test_figures_of_a_position() -> None:
    now = state(trader((BOTH, "0.1", "40000")), "41000.12345678", OPEN)
    (row,) = sent("positions_v3", accounts.positions_v3(now))
    assert (row["positionAmt"], row["entryPrice"], row["markPrice"]) == ("0.100", "40000", "41000.12345678")
    assert (row["notional"], row["unRealizedProfit"]) == ("4100.01234567", "100.01234567")
    assert (row["positionInitialMargin"], row["openOrderInitialMargin"]) == ("205.00061728", "195.00000000")
    assert (row["initialMargin"], row["maintMargin"]) == ("400.00061728", "16.40004938")
    assert (row["breakEvenPrice"], row["isolatedMargin"], row["updateTime"]) == ("40016", "0", AT_MS)
    assert float(row["liquidationPrice"]) == pytest.approx((4000 - 1000) / (0.1 * 0.996))
    assert accounts.positions_v3(now, "ETHUSDT") == []
    assert accounts.positions_v3(state(trader(), "1")) == []


def test_every_side_of_every_symbol_in_the_older_answers() -> None:
    hedged = state(trader((SHORT, "-0.2", "40000"), is_hedge=True, margin="isolated"), "41000")
    rows = sent("positions_v2", accounts.positions_v2(hedged))
    assert [(row["positionSide"], row["positionAmt"]) for row in rows] == [
        ("LONG", "0.000"),
        ("SHORT", "-0.200"),
    ]
    short = rows[1]
    assert (short["marginType"], short["isolatedWallet"], short["isolatedMargin"]) == (
        "isolated", "400.00000000", "200.00000000"
    )  # fmt: skip
    assert short["maxNotionalValue"] == "20000000"
    assert [one["positionSide"] for one in accounts.account_v2(hedged)["positions"]] == [
        LONG.name,
        SHORT.name,
    ]


def test_totals_and_balances_of_the_account() -> None:
    one = trader((BOTH, "0.1", "40000"))
    one.ledger.post(one.wallet("binance_usdm"), AT_NS, "binance_usdm", [("USDT", D(-2), EntryCause.FEE)])
    now = state(one, "41000", OPEN)
    total = sent("account_v3", accounts.account_v3(now))
    assert (total["totalWalletBalance"], total["totalMarginBalance"]) == ("998.00000000", "1098.00000000")
    # 998 + 100 - 205 - 195
    assert (total["availableBalance"], total["maxWithdrawAmount"]) == ("698.00000000", "598.00000000")
    usdt, bnb = total["assets"]
    assert (usdt["marginBalance"], usdt["updateTime"]) == ("1098.00000000", AT_MS)
    assert (bnb["asset"], bnb["walletBalance"], bnb["updateTime"]) == ("BNB", "0.50000000", 0)
    rows = sent("balances", accounts.balances(now))
    assert [(row["asset"], row["balance"], row["marginAvailable"]) for row in rows] == [
        ("USDT", "998.00000000", True), ("BNB", "0.50000000", False)
    ]  # fmt: skip
