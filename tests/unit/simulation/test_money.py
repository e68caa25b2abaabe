"""Fees by asset and funding in the simulated exchange, against a model in decimal numbers.

The model takes the fills that a run logged, which other tests compare with hftbacktest's engine, and the rows; it
computes every balance by the venues' rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest.order import BUY, GTC, IOC, LIMIT
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parity.worlds import drive
from support.dry_market import MS, START_NS, leg

from arb.bot.bot import Bot
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import state_of
from arb.leg import Leg
from arb.runtime.replay import PIECE_ROWS, replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear
from connectors.model import FUNDING_EVENT

pytestmark = pytest.mark.slow

BOTH = EXCH_EVENT | LOCAL_EVENT
#: Response latency of the legs.
RESPONSE_NS = 10 * MS
CLOSE = Decimal("1e-9")

SPOT = leg(0, venue="binance_spot", is_spot=True, base=50.0, maker_fee=0.0008, taker_fee=0.001)
PERPETUAL = leg(1)


class Rates(NamedTuple):
    """A row with a mark price and a funding rate. Times in ms after the start; NaN and 0: not in it."""

    at_ms: int
    mark: float
    rate: float
    next_ms: int


def book_rows(prices: Sequence[float], step_ms: int = 100) -> Any:
    """The best bid and ask around each price, one every `step_ms`."""
    rows = np.zeros(4 * len(prices), event_dtype)
    place = 0
    before: tuple[float, float] | None = None
    for number, price in enumerate(prices):
        ts = START_NS + number * step_ms * MS
        levels = [(BUY_EVENT, price - 0.5, 5.0), (SELL_EVENT, price + 0.5, 5.0)]
        if before is not None:
            gone = [(BUY_EVENT, before[0], 0.0), (SELL_EVENT, before[1], 0.0)]
            levels = [one for one in gone if one[1] not in (price - 0.5, price + 0.5)] + levels
        before = (price - 0.5, price + 0.5)
        for side, px, qty in levels:
            rows[place]["ev"], rows[place]["px"], rows[place]["qty"] = BOTH | DEPTH_EVENT | side, px, qty
            rows[place]["exch_ts"] = rows[place]["local_ts"] = ts
            place += 1
    return rows[:place]


def with_rates(rows: Any, rates: Sequence[Rates]) -> Any:
    """The rows with funding rows among them, by venue time, which only the venue's side reads."""
    more = np.zeros(len(rates), event_dtype)
    for row, one in zip(more, rates, strict=True):
        row["ev"] = EXCH_EVENT | FUNDING_EVENT
        row["exch_ts"] = row["local_ts"] = START_NS + one.at_ms * MS
        row["px"], row["fval"] = one.mark, one.rate
        row["ival"] = START_NS + one.next_ms * MS if one.next_ms else 0
    whole = np.concatenate((rows, more))
    return whole[np.argsort(whole["exch_ts"], kind="stable")]


def trade_steps(bot, steps):
    """Sends one order for each row of `steps`: asset, side, quantity, ticks past the touch, wait in ms."""
    for index, step in enumerate(steps):
        asset = np.int64(step[0])
        if bot.elapse(np.int64(step[4]) * 1_000_000) != 0:
            break
        order_id = index + 1
        depth = bot.depth(asset)
        if step[1] > 0:
            price = depth.best_ask + step[3] * depth.tick_size
            bot.submit_buy_order(asset, order_id, price, step[2], GTC if step[3] < 0 else IOC, LIMIT, False)
        else:
            price = depth.best_bid - step[3] * depth.tick_size
            bot.submit_sell_order(asset, order_id, price, step[2], GTC if step[3] < 0 else IOC, LIMIT, False)
        bot.clear_inactive_orders(asset)
    bot.elapse(40 * 86_400_000_000_000)
    return 0


class Ended(NamedTuple):
    """A finished run."""

    fills: Any
    charges: Any
    final: Any
    unpaid: list[int]


def run(
    legs: Sequence[Leg], rows: Sequence[Any], steps: Any, limits: Any = None, piece_rows: int = PIECE_ROWS
) -> Ended:
    bot = DryRunBot(legs, limits)
    arguments = (bot, np.asarray(steps, np.float64))
    task = replay(
        bot, [[one] for one in rows], compile_strategy(trade_steps), arguments, piece_rows=piece_rows
    )
    assert task.error is None, task.error
    final = state_of(bot, len(legs)).copy()
    ended = Ended(bot.collect_fills().copy(), bot.charges.copy(), final, bot.unpaid_funding)
    bot.close()
    return ended


class Model:
    """One leg's balances in decimal numbers, from its fills and rows."""

    def __init__(self, number: int, one: Leg, ended: Ended, rows: Any, price_rows: Any = None) -> None:
        self.leg = one
        self.base = self.cash = self.fee = self.base_fee = self.other = self.other_value = Decimal(0)
        self.funding = Decimal(0)
        fills = ended.fills[ended.fills["asset_no"] == number]
        fills = fills[np.argsort(fills["exch_ts"], kind="stable")]
        self.payments = self._payments(fills, rows)
        for fill in fills:
            self._fill(fill, price_rows)
        self.funding = sum((amount for _, amount in self.payments), Decimal(0))

    def _fill(self, fill: Any, price_rows: Any) -> None:
        qty, price, side = exact(fill["qty"]), exact(fill["price"]), int(fill["side"])
        rate = exact(self.leg.maker_fee if fill["maker"] else self.leg.taker_fee)
        value = qty * price * exact(self.leg.contract_size)
        self.base += side * qty
        self.cash -= side * value
        name = self.leg.fee_asset
        unit = None
        if name not in ("quote", "received"):
            unit = (
                exact(self.leg.fee_price) if price_rows is None else mid_at(price_rows, int(fill["exch_ts"]))
            )
        if unit is not None:
            self.other += rate * value / unit
            self.other_value += rate * value
            self.fee += rate * value
        elif name != "quote" and self.leg.is_spot and side == BUY:
            self.base_fee += rate * qty
            self.base -= rate * qty
        else:
            self.fee += rate * value

    def _payments(self, fills: Any, rows: Any) -> list[tuple[int, Decimal]]:
        """(time, amount received) for every funding time with a position."""
        mark = rate = None
        next_ts, paid_ts, found = 0, 0, []
        last_ts = int(rows["exch_ts"].max())
        for row in [*rows[np.int64(rows["ev"]) & 0xFF == FUNDING_EVENT], None]:
            now = last_ts if row is None else int(row["exch_ts"])
            if next_ts and next_ts < now:
                held = fills[fills["exch_ts"] <= next_ts]
                position = sum((int(f["side"]) * exact(f["qty"]) for f in held), Decimal(0))
                if position and mark is not None and rate is not None:
                    amount = -position * exact(self.leg.contract_size) * mark * rate
                    found.append((next_ts, amount))
                paid_ts, next_ts = next_ts, 0
            if row is None:
                break
            mark = mark if np.isnan(row["px"]) else exact(row["px"])
            rate = rate if np.isnan(row["fval"]) else exact(row["fval"])
            if int(row["ival"]) > paid_ts:
                next_ts = int(row["ival"])
        return found

    def check(self, state: Any) -> None:
        expected = {
            "position": self.base,
            "balance": self.cash + self.funding,
            "fee": self.fee,
            "funding": self.funding,
            "base_fee": self.base_fee,
            "other_fee": self.other,
            "other_value": self.other_value,
        }
        for name, value in expected.items():
            room = CLOSE * max(abs(value), abs(self.cash), Decimal(1)) if name != "position" else CLOSE
            assert abs(exact(state[name]) - value) <= room, (name, state[name], value)


def exact(number: Any) -> Decimal:
    return Decimal(float(number))


def mid_at(rows: Any, ts: int) -> Decimal | None:
    """The mid of a leg's book after its rows up to a time."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for row in rows[rows["exch_ts"] <= ts]:
        side = bids if np.uint64(row["ev"]) & np.uint64(BUY_EVENT) else asks
        if int(row["ev"]) & 0xFF == DEPTH_EVENT:
            side.pop(float(row["px"]), None)
            if row["qty"]:
                side[float(row["px"])] = 1.0
    return (exact(max(bids)) + exact(min(asks))) / 2 if bids and asks else None


PRICES = st.lists(st.integers(-40, 40), min_size=30, max_size=30).map(
    lambda moves: [60_000.0 + 0.5 * move for move in np.cumsum(moves).tolist()]
)


@st.composite
def step_lists(draw: Any, assets: int) -> list[tuple[float, ...]]:
    one = st.tuples(
        st.integers(0, assets - 1),
        st.sampled_from((-1, 1)),
        st.integers(1, 3000).map(lambda lots: lots / 1000.0),
        st.sampled_from((0, 5, -3)),
        st.integers(1, 250),
    )
    return draw(st.lists(one, min_size=1, max_size=12))  # type: ignore[no-any-return]


@st.composite
def rate_lists(draw: Any) -> list[Rates]:
    """Mark prices and rates in any parts, with funding times at changing intervals."""
    rates, next_ms = [], draw(st.integers(1, 600))
    for at in sorted(draw(st.lists(st.integers(0, 2900), max_size=12, unique=True))):
        while next_ms <= at:
            next_ms += draw(st.sampled_from((100, 150, 700)))
        rates.append(
            Rates(
                at,
                draw(st.sampled_from((np.nan, 59_990.5, 60_100.0, 60_000.0))),
                draw(st.sampled_from((np.nan, 0.0001, -0.0003, 0.0))),
                draw(st.sampled_from((0, next_ms, next_ms))),
            )
        )
    return rates


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_balances_equal_those_of_a_decimal_model(data: Any) -> None:
    name = data.draw(st.sampled_from(("quote", "received", "BNB")))
    by_leg = name == "BNB" and data.draw(st.booleans())
    spot_leg = leg(
        0, venue="binance_spot", is_spot=True, maker_fee=data.draw(st.sampled_from((0.0008, -0.0001))),
        taker_fee=0.001, fee_asset=name, fee_price=np.nan if by_leg else 612.5, fee_price_leg=1 if by_leg else -1,
    )  # fmt: skip
    linear = leg(
        1,
        contract_size=data.draw(st.sampled_from((1.0, 0.01))),
        fee_asset=data.draw(st.sampled_from(("quote", "BNB"))),
        fee_price=600.0,
    )
    spot_rows = book_rows(data.draw(PRICES))
    linear_rows = with_rates(book_rows(data.draw(PRICES)), data.draw(rate_lists()))

    ended = run([spot_leg, linear], [spot_rows, linear_rows], data.draw(step_lists(2)))

    Model(0, spot_leg, ended, spot_rows, linear_rows if by_leg else None).check(ended.final[0])
    model = Model(1, linear, ended, linear_rows)
    model.check(ended.final[1])
    paid = ended.charges[ended.charges["is_funding"] != 0]
    assert paid["exch_ts"].tolist() == [ts for ts, _ in model.payments]
    assert (paid["received_ts"] == paid["exch_ts"] + RESPONSE_NS).all()


def test_a_long_position_pays_a_positive_rate_and_receives_a_negative_one() -> None:
    """The documented rule: position times mark price times rate; a positive rate is paid by longs to shorts."""
    rates = [Rates(0, 60_000.0, 0.0001, 1000), Rates(1200, 60_200.0, -0.0002, 2000)]
    rows = with_rates(book_rows([60_000.0] * 30), rates)

    ended = run([PERPETUAL], [rows], [(0, 1, 2.0, 0, 100)])

    assert ended.charges["quote"].tolist() == pytest.approx([-12.0, 24.08], rel=1e-12)
    assert ended.charges["qty"].tolist() == [2.0, 2.0]
    assert ended.final[0]["funding"] == pytest.approx(12.08, rel=1e-12)
    assert ended.unpaid == [0]


def test_a_funding_time_without_a_mark_price_is_counted_and_not_paid() -> None:
    rows = with_rates(book_rows([60_000.0] * 30), [Rates(0, np.nan, 0.0001, 1000)])

    ended = run([PERPETUAL], [rows], [(0, 1, 2.0, 0, 100)])

    assert len(ended.charges) == 0
    assert ended.unpaid == [1]


def test_a_payment_wakes_no_strategy() -> None:
    def count_events(bot, out):
        while True:
            code = bot.wait_next_feed(True, 10_000_000_000)
            if code == 1:
                return 0
            out[code] += 1

    counts = []
    for rates in ([], [Rates(0, 60_000.0, 0.01, 1050)]):
        rows = with_rates(book_rows([60_000.0] * 30), rates)
        bot: Bot = DryRunBot([PERPETUAL])
        out = np.zeros(4, np.int64)
        task = replay(bot, [[rows]], compile_strategy(count_events), (bot, out))
        assert task.error is None
        counts.append(out.tolist())
        bot.close()

    assert counts[0] == counts[1]


HOUR_MS = 3_600_000


def month_of(seed: int) -> tuple[list[Leg], list[Any], Any]:
    """Three perpetuals over 30 days: a book and a rate every ten minutes, intervals of 1 to 8 hours, and orders that
    turn positions around."""
    chance = np.random.default_rng(seed)
    legs, rows = [], []
    for number in range(3):
        legs.append(
            leg(
                number % 2,
                symbol=("BTCUSDT", "ETHUSDT", "SOLUSDT")[number],
                contract_size=(1.0, 0.1, 1.0)[number],
            )
        )
        moves = np.round(chance.normal(0.0, 20.0, 30 * 144)).cumsum()
        prices = 60_000.0 + 0.5 * np.round(moves)
        rates, next_ms, hours = [], 8 * HOUR_MS, 8
        for minute in range(0, 30 * 1440 - 10, 10):
            at_ms = minute * 60_000 + 7
            while next_ms <= at_ms:
                hours = int(chance.choice((hours, hours, 1, 2, 4, 8)))
                next_ms += hours * HOUR_MS
            mark = float(prices[minute // 10]) + float(chance.integers(-9, 9))
            # As in a stream of changes, not every row has all parts.
            parts = chance.random(2) < 0.9
            rates.append(
                Rates(
                    at_ms,
                    mark if parts[0] or minute < 60 else np.nan,
                    float(chance.normal(0, 2e-4)) if parts[1] or minute < 60 else np.nan,
                    next_ms,
                )
            )
        rows.append(with_rates(book_rows(prices.tolist(), 600_000), rates))
    steps, held = [], [0.0, 0.0, 0.0]
    for _ in range(450):
        number, qty = int(chance.integers(0, 3)), int(chance.integers(1, 3000)) / 1000.0
        side = -1 if held[number] * chance.normal(1.0, 1.0) > 0.0 else 1
        held[number] += side * qty
        steps.append((number, side, qty, 0, int(chance.integers(1, 3 * HOUR_MS))))
    return legs, rows, np.array(steps, np.float64)


def run_live(legs: Sequence[Leg], rows: Sequence[Any], steps: Any) -> Ended:
    """The same on rows as they are received, with the host's clock."""
    bot = DryRunBot(legs, is_live=True)
    task = StrategyTask(bot, compile_strategy(trade_steps), (bot, steps))
    late = drive(bot, task, [as_received(one) for one in rows])
    assert task.error is None
    assert late == 0
    final = state_of(bot, len(legs)).copy()
    ended = Ended(bot.collect_fills().copy(), bot.charges.copy(), final, bot.unpaid_funding)
    bot.close()
    return ended


def as_received(rows: Any) -> Any:
    received = rows.copy()
    received["ev"] &= ~np.uint64(BOTH)
    return received


@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_of_funding_is_equal_in_every_world(seed: int) -> None:
    legs, rows, steps = month_of(seed)

    ended = run(legs, rows, steps)

    for number, one in enumerate(legs):
        model = Model(number, one, ended, rows[number])
        model.check(ended.final[number])
        assert len(model.payments) > 80
        paid = ended.charges[ended.charges["asset_no"] == number]
        assert {np.sign(one) for one in paid["qty"]} == {-1.0, 1.0}
    by_pieces = run(legs, rows, steps, piece_rows=64)
    live = run_live(legs, rows, steps)
    for other in (by_pieces, live):
        for name in ("asset_no", "exch_ts", "qty", "price", "rate", "quote"):
            assert in_order(other.charges)[name].tolist() == in_order(ended.charges)[name].tolist()
    assert by_pieces.final.tobytes() == ended.final.tobytes()


def in_order(charges: Any) -> Any:
    return np.sort(charges, order=["exch_ts", "asset_no"])


#: Frames as the venues document them, with a next funding time one second after the first row.
_NEXT_MS = START_NS // MS + 1000
DOCUMENTED = {
    "binance_usdm": (
        BinanceUsdm,
        b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"11794.15000000",'
        b'"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","ap":"11794.15","T":%d,"st":1}}',
    ),
    "bybit_linear": (
        BybitLinear,
        b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"11794.15",'
        b'"indexPrice":"11784.62","fundingRate":"0.00038167","fundingIntervalHour":"8","fundingCap":"0.005",'
        b'"ts_of_book":%d,"nextFundingTime":"%d"},"cs":1,"ts":1562305380000}',
    ),
}


@pytest.mark.parametrize("venue", DOCUMENTED)
@pytest.mark.parametrize("side", [1, -1])
def test_positive_rates_of_the_documented_frames_are_paid_by_longs(venue: str, side: int) -> None:
    adapter, frame = DOCUMENTED[venue]
    (row,) = adapter().decode(frame % (START_NS // MS, _NEXT_MS)).rows
    rate = Rates(0, float(row["px"]), float(row["fval"]), (int(row["ival"]) - START_NS) // MS)
    rows = with_rates(book_rows([11_800.0] * 30), [rate])

    ended = run([PERPETUAL], [rows], [(0, side, 2.0, 0, 100)])

    assert ended.charges["quote"].tolist() == pytest.approx([-side * 2.0 * 11794.15 * 0.00038167], rel=1e-12)
