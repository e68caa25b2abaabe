"""Fees by asset and funding in the simulated exchange, against a model in decimal numbers.

    python -m tests.parity.money [--examples 2000] [--seed 1]

The model takes the fills that a run logged, which other tests compare with hftbacktest's engine, and the rows; it
computes every balance by the venues' rules. Half of the runs have the rule `funds`, with which no spot account may have
less than nothing of base, quote or the fee asset. hypothesis makes the runs, and shrinks one that differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from hftbacktest.order import BUY, GTC, IOC, LIMIT  # noqa: E402
from hftbacktest.types import (  # noqa: E402
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from hypothesis import HealthCheck, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from support.dry_market import MS, START_NS, leg  # noqa: E402

from arb.bot.compilation import compile_strategy  # noqa: E402
from arb.bot.recorder import state_of  # noqa: E402
from arb.leg import Leg  # noqa: E402
from arb.risk.funds import AssetFunds  # noqa: E402
from arb.risk.limits import AssetLimits, Limits  # noqa: E402
from arb.runtime.replay import PIECE_ROWS, replay  # noqa: E402
from arb.simulation.bot import DryRunBot  # noqa: E402
from connectors.model import FUNDING_EVENT  # noqa: E402

BOTH = EXCH_EVENT | LOCAL_EVENT
#: Response latency of the legs.
RESPONSE_NS = 10 * MS
CLOSE = Decimal("1e-9")


class Rates(NamedTuple):
    """A row with a mark price and a funding rate. Times in ms after the start; NaN and 0: not in it."""

    at_ms: int
    mark: float
    rate: float
    next_ms: int


def book_rows(prices: Sequence[float], step_ms: int = 100) -> Any:
    """A book of one level around each price, one every `step_ms`; NaN: an empty book."""
    rows: list[tuple[int, int, float, float]] = []
    before: list[tuple[int, float]] = []
    for number, price in enumerate(prices):
        ts = START_NS + number * step_ms * MS
        levels = [] if np.isnan(price) else [(BUY_EVENT, price - 0.5), (SELL_EVENT, price + 0.5)]
        rows += [(ts, side, px, 0.0) for side, px in before if (side, px) not in levels]
        rows += [(ts, side, px, 5.0) for side, px in levels]
        before = levels
    made = np.zeros(len(rows), event_dtype)
    for row, (ts, side, px, qty) in zip(made, rows, strict=True):
        row["ev"], row["px"], row["qty"] = BOTH | DEPTH_EVENT | side, px, qty
        row["exch_ts"] = row["local_ts"] = ts
    return made


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
    """One leg's balances in decimal numbers, from its fills and rows. least: the smallest holdings of a spot account,
    of base, quote and the fee asset."""

    def __init__(self, number: int, one: Leg, ended: Ended, rows: Any, price_rows: Any = None) -> None:
        self.leg = one
        self.base = self.cash = self.fee = self.base_fee = self.other = self.other_value = Decimal(0)
        self.funding = Decimal(0)
        fills = ended.fills[ended.fills["asset_no"] == number]
        fills = fills[np.argsort(fills["exch_ts"], kind="stable")]
        self.payments = self._payments(fills, rows)
        self.least = list(self._held())
        for fill in fills:
            self._fill(fill, price_rows)
            self.least = [min(pair) for pair in zip(self.least, self._held(), strict=True)]
        self.funding = sum((amount for _, amount in self.payments), Decimal(0))

    def _held(self) -> tuple[Decimal, Decimal, Decimal]:
        one = self.leg
        quote = exact(one.quote) + self.cash - self.fee + self.other_value
        return exact(one.base) + self.base, quote, exact(one.fee_units) - self.other

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
                if abs(position) > CLOSE and mark is not None and rate is not None:
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


#: Four seconds: all requests and funding times are before the last row, after which nothing is certain to be paid.
PRICES = st.lists(st.integers(-40, 40), min_size=40, max_size=40).map(
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


def funds_limits(legs: Sequence[Leg]) -> Limits:
    """The rule `funds` for accounts of their own."""
    funds = [
        AssetFunds(
            one.venue, one.is_spot, one.base, one.quote, one.tick_size, one.lot_size, one.contract_size,
            fee=max(one.maker_fee, one.taker_fee), leverage=3.0, fee_asset=one.fee_asset, other=one.fee_units,
            other_account=one.venue, other_price=one.fee_price, other_price_no=one.fee_price_leg,
        )
        for one in legs
    ]  # fmt: skip
    return Limits([AssetLimits()] * len(legs), funds=funds)


def check_balances(data: Any) -> None:
    """One random run against the model."""
    name = data.draw(st.sampled_from(("quote", "received", "BNB")))
    by_leg = name == "BNB" and data.draw(st.booleans())
    spot_leg = leg(
        0, venue="binance_spot", is_spot=True, maker_fee=data.draw(st.sampled_from((0.0008, -0.0001))),
        taker_fee=0.001, fee_asset=name, fee_price=np.nan if by_leg else 612.5, fee_price_leg=1 if by_leg else -1,
        base=data.draw(st.sampled_from((0.0, 2.0))), quote=200_000.0, fee_units=data.draw(st.sampled_from((0.1, 5.0))),
    )  # fmt: skip
    linear = leg(
        1,
        contract_size=data.draw(st.sampled_from((1.0, 0.01))),
        fee_asset=data.draw(st.sampled_from(("quote", "BNB"))),
        fee_price=600.0,
        fee_units=0.4,
    )
    spot_rows = book_rows(data.draw(PRICES))
    linear_rows = with_rates(book_rows(data.draw(PRICES)), data.draw(rate_lists()))

    legs = [spot_leg, linear]
    limits = funds_limits(legs) if data.draw(st.booleans()) else None

    ended = run(legs, [spot_rows, linear_rows], data.draw(step_lists(2)), limits)

    spot = Model(0, spot_leg, ended, spot_rows, linear_rows if by_leg else None)
    spot.check(ended.final[0])
    model = Model(1, linear, ended, linear_rows)
    model.check(ended.final[1])
    # A sum of floats may be zero where that of decimals is not, and the reverse.
    is_paid = (ended.charges["is_funding"] != 0) & (np.abs(ended.charges["qty"]) > float(CLOSE))
    paid = ended.charges[is_paid]
    assert paid["exch_ts"].tolist() == [ts for ts, _ in model.payments]
    assert (paid["received_ts"] == paid["exch_ts"] + RESPONSE_NS).all()
    if limits is not None:
        assert min(*spot.least, model.least[2]) >= -CLOSE


def many(test: Any, examples: int) -> Any:
    """The check of one random run as a hypothesis test of so many."""
    wide = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    return wide(given(st.data())(test))


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given_words = parser.parse_args()
    seed(given_words.seed)(many(check_balances, given_words.examples))()
    print(f"{given_words.examples:,} random runs: every balance is that of the model")


if __name__ == "__main__":
    main()
