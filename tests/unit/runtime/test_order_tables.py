"""The rows of a dry-run's orders, against what the bot knows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.strategies import random_orders
from parity.worlds import drive
from support.dry_market import leg, received_rows
from support.journals import RUN

from arb.bot.compilation import compile_strategy
from arb.bot.recorder import DECISION, state_of
from arb.journal.journal import insert_legs, insert_run, make_journal
from arb.journal.reader import JournalReader
from arb.journal.schema import (
    DRY_RUN,
    DRY_RUN_TAG,
    INTENTS,
    NOTES,
    Answered,
    Ended,
    ExecutionRow,
    Intent,
)
from arb.leg import IN_RECEIVED, Leg
from arb.results.trades import trades_of
from arb.runtime.order_news import OrderKey
from arb.runtime.order_tables import OrderTables
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.view import working_orders
from arb.simulation.bot import DryRunBot
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

LEGS = [leg(0), leg(1, is_spot=True, fee_asset=IN_RECEIVED, venue="bybit_spot")]
STEPS = 4_000


def traded(
    every: int = 0, quantities: dict[OrderKey, float] | None = None
) -> tuple[DryRunBot, OrderTables, list[Any]]:
    """A bot that has traded on live rows, and the rows of its orders, taken after every so many calls of the host.
    quantities: is given those of its orders, after every call."""
    bot = DryRunBot(LEGS, is_live=True, keep_trades=True, logs_orders=True)
    tables, rows, calls = OrderTables(bot, RUN), [], count(1)
    set_horizon = bot.world.set_horizon

    def between_two_calls(ts: int) -> None:
        if quantities is not None:
            quantities.update(tables.news().quantities)
        if every and next(calls) % every == 0:
            rows.extend(tables.take())
        set_horizon(ts)

    bot.world.set_horizon = between_two_calls  # type: ignore[method-assign]
    arguments = bot, np.zeros(3_000_000), 8, 900, 3, 0.001, 0.003
    task = StrategyTask(bot, compile_strategy(random_orders), arguments)
    drive(bot, task, [received_rows(number, 5, STEPS) for number in range(2)])
    assert task.error is None
    return bot, tables, rows + tables.take()


@pytest.fixture(scope="module")
def whole() -> tuple[DryRunBot, OrderTables, list[Any]]:
    return traded()


def of_kind(rows: list[Any], kind: type) -> list[Any]:
    return [row for row in rows if type(row) is kind]


def test_it_does_not_matter_when_they_are_taken(whole: tuple[DryRunBot, OrderTables, list[Any]]) -> None:
    quantities: dict[OrderKey, float] = {}
    for every, news in ((1, None), (37, quantities)):
        assert traded(every, news)[2] == whole[2]
    assert len(whole[2]) > 500
    placed = [row for row in of_kind(whole[2], Intent) if row.act == "place"]
    assert len(placed) > 100
    assert {key: round(qty / 0.001) for key, qty in quantities.items()} == {
        (row.leg, row.order_id): row.lots for row in placed
    }


def test_every_request_and_answer_has_a_row(whole: tuple[DryRunBot, OrderTables, list[Any]]) -> None:
    bot, _, rows = whole
    intents, answers = of_kind(rows, Intent), of_kind(rows, Answered)
    for no in range(2):
        numbers = [row.request for row in intents if row.leg == no]
        assert numbers == list(range(1, int(bot.world.assets[no]["requests_made"]) + 1))
    logged = bot.world.answers
    assert [(row.leg, row.request, row.ts) for row in answers] == [
        (int(one["asset_no"]), int(one["request_no"]), int(one["response_ts"])) for one in logged
    ]
    made = {(row.leg, row.request): row.ts for row in intents}
    for one in logged[logged["request_no"] > 0]:
        assert made[int(one["asset_no"]), int(one["request_no"])] == one["request_ts"]
    assert {row.act for row in intents} == {"place", "amend", "cancel"}
    assert {row.force for row in intents} == {"gtc", "gtx", "fok", "ioc"}
    assert {row.kind for row in answers} == {"accepted", "modified", "ended", "rejected"}
    steps = [row.step for row in intents]
    assert steps == sorted(steps)
    assert len(set(zip(steps, (row.ts for row in intents), strict=True))) == len(set(steps))


def test_executions_are_the_fills(whole: tuple[DryRunBot, OrderTables, list[Any]]) -> None:
    bot, tables, rows = whole
    executions = of_kind(rows, ExecutionRow)
    placed = {(row.leg, row.placed): row.order_id for row in of_kind(rows, Intent) if row.act == "place"}
    fills = bot.fills
    assert len(fills) > 50
    assert [
        (row.leg, placed[row.leg, row.placed], row.side, row.tick, row.lots, row.is_maker, row.venue_ms)
        for row in executions
    ] == [
        (
            no, int(one["order_id"]), int(one["side"]), round(one["price"] / LEGS[no].tick_size),
            round(one["qty"] / 0.001), bool(one["maker"]), int(one["exch_ts"]) // MILLISECOND,
        )
        for one in fills
        for no in [int(one["asset_no"])]
    ]  # fmt: skip
    trades = trades_of(fills, np.zeros(0, DECISION), LEGS, bot.charges)
    names = {"quote": "USDT", "base": "BTC"}
    assert Counter((LEGS[row.leg].name, float(row.fee), row.fee_asset) for row in executions) == Counter(
        (one.leg, one.fee_amount, names[one.fee_asset]) for one in trades
    )
    assert {row.fee_asset for row in executions} == {"USDT", "BTC"}
    assert tables.legs[1].base == "BTC"


def test_orders_end_once_and_the_others_still_work(whole: tuple[DryRunBot, OrderTables, list[Any]]) -> None:
    bot, _, rows = whole
    ends = Counter((row.leg, row.placed) for row in of_kind(rows, Ended))
    assert set(ends.values()) == {1}
    placed = {(row.leg, row.placed) for row in of_kind(rows, Intent) if row.act == "place"}
    assert ends.keys() <= placed
    answered = {(row.leg, row.placed) for row in of_kind(rows, Answered)}
    assert len((placed & answered) - ends.keys()) == working_orders(bot) > 0
    filled = {(row.leg, row.placed) for row in of_kind(rows, ExecutionRow)}
    assert {(row.leg, row.placed) for row in of_kind(rows, Ended) if row.status == "filled"} == filled


def test_the_journals_reader_understands_them(
    whole: tuple[DryRunBot, OrderTables, list[Any]], tmp_path: Path
) -> None:
    bot, tables, rows = whole
    path = tmp_path / "orders.db"
    connection = sqlite3.connect(path)
    make_journal(connection, DRY_RUN, DRY_RUN_TAG)
    insert_run(connection, 1, tables.run)
    insert_legs(connection, 1, tables.legs)
    for table in (INTENTS, *NOTES):
        connection.executemany(table.insert(), of_kind(rows, table.row))
    connection.commit()
    connection.close()
    with JournalReader(path, DRY_RUN) as reader:
        positions = {one.venue: one for one in reader.positions()}
        for no, own in enumerate(LEGS):
            found = positions[own.venue]
            net = float(found.qty) - float(found.base_fees)
            assert net == pytest.approx(state_of(bot, 2)[no]["position"], abs=1e-9)
        assert positions["bybit_spot"].base_fees > Decimal(0)
        assert len(reader.orders()) == sum(row.act == "place" for row in of_kind(rows, Intent))


def test_a_name_without_assets_is_no_obstacle() -> None:
    odd: Leg = leg(0, symbol="ODD")
    tables = OrderTables(DryRunBot([odd], is_live=True, logs_orders=True), RUN)
    (row,) = tables.legs
    assert (row.base, row.quote, row.account, row.tick, row.lot) == (
        "base",
        "quote",
        "dry-run",
        "0.1",
        "0.001",
    )
    assert tables.take() == []
