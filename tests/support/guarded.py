"""Sessions of `arb live` with a guard on one running sandbox, which are stopped in every way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace
from soak.account_kills import Killed

from arb.commands.order_setup import instrument_of_orders
from arb.execution.ids import RUNS_MAX, parse_client_id
from arb.journal.halts import Halt, Halts, clear_halt
from arb.leg import Leg
from arb.runtime.guard import VenueOrders
from arb.runtime.guard_plan import GuardKey, GuardLeg, GuardPlan, GuardVenue
from arb.sandbox.accounts.keys import test_keys as keys_of
from support.live_sandbox import await_first_row, await_that
from support.order_client import SEED
from support.paths import strategy_file

#: Binance counts the weight of requests by the minute, 6,000 or 2,400 at most; a session opens nothing with half of it
#: used. A start and its guard use so much.
_START_WEIGHT, _TIMES = 600, {"binance_spot": "/api/v3/time", "binance_usdm": "/fapi/v1/time"}
#: Orders that rest far from the touch: a new one at each leg four times a second, and the fourth to last is cancelled.
RESTING = """
def resting(bot):
    n = 1
    while bot.elapse(250_000_000) == 0:
        for leg in range(2):
            depth = bot.depth(leg)
            if depth.best_bid > 0:
                bot.submit_buy_order(leg, n, depth.best_bid * 0.98, 0.01, 0, 0, False)
                if n > 3:
                    bot.cancel(leg, n - 3, False)
        bot.clear_inactive_orders(-1)
        n += 1
    return 0


def stuck(bot):
    n = 1
    while bot.elapse(250_000_000) == 0 and n < 4:
        if bot.depth(0).best_bid > 0 and bot.depth(1).best_bid > 0:
            for leg in range(2):
                bot.submit_buy_order(leg, n, bot.depth(leg).best_bid * 0.98, 0.01, 0, 0, False)
            n += 1
    x = 0
    while x >= 0:
        x = (x + 1) % 1000
    return x
"""


class Guarded(Killed):
    """A sandbox with orders of others, and the sessions on it, one after the other."""

    def __init__(
        self, folder: Path, seed: int = 1, venues: tuple[str, ...] = (), *, has_others: bool = True
    ) -> None:
        """See `Killed`. has_others: whether orders of others rest at its venues."""
        super().__init__(folder, Random(seed), venues)
        self._has_others = has_others

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        if self._has_others:
            asyncio.run(self.place("web_1"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.__exit__(kind, error, trace)

    def file(self, function: str) -> Path:
        return (
            strategy_file("resting.py", RESTING)
            if function in ("resting", "stuck")
            else super().file(function)
        )

    @property
    def run(self) -> Path:
        """The folder of the present session."""
        return self.folder / f"run-{self.rounds}"

    def resting(self, function: str = "resting", *settings: str) -> subprocess.Popen[str]:
        """A session that has orders at both venues."""
        process = self.begin(*(word for one in settings for word in ("--set", one)), function=function)
        await_first_row(self.run)
        await_that(
            lambda: {venue for venue, _ in self.open_orders(is_ours=True)} == set(self.venues), "orders"
        )
        return process

    def await_room(self) -> None:
        """Returns when a start leaves room for orders in the limits on requests: earlier ones have used some."""
        for path, venue in ((_TIMES[one], one) for one in self.venues if one in _TIMES):

            def has_room(url: str = f"{self.sandbox.urls[venue].rest}{path}") -> bool:
                with urllib.request.urlopen(url) as answer:
                    return int(answer.headers["X-MBX-USED-WEIGHT-1M"]) < _START_WEIGHT

            await_that(has_room, f"room in the limits of {venue}", look_s=2.0)

    def open_orders(self, *, is_ours: bool) -> list[tuple[str, str]]:
        """Venue and client id of the open orders, ours or all others'."""
        with urllib.request.urlopen(f"{self.sandbox.urls[self.venues[0]].rest}/sandbox/ledger") as answer:
            ledger: dict[str, Any] = json.loads(answer.read())
        found = [
            (venue, one["client_id"])
            for houses in ledger.values()
            for account in houses.values()
            for venue, orders in account["open_orders"].items()
            for one in orders
        ]
        return [one for one in found if (parse_client_id(one[1] or "") is not None) == is_ours]

    def gone_after(self, act: Callable[[], object]) -> float:
        """Seconds from an act until no order of ours is open."""
        begun = time.monotonic()
        act()
        await_that(lambda: not self.open_orders(is_ours=True), "no order", look_s=0.01)
        return time.monotonic() - begun

    def plan(self, tag: str, run: int) -> GuardPlan:
        """What a guard of orders on this sandbox is given."""
        legs = self.config().legs
        venues = [
            GuardVenue(leg.venue, "", key_of(leg.venue), (GuardLeg(leg.symbol, *_texts(leg), leg.is_spot),))
            for leg in legs
        ]
        state, log = str(self.state / "sandbox"), str(self.folder / "guard.txt")
        return GuardPlan(state, log, tag, run, 500, 500, tuple(venues))

    def halts(self) -> tuple[Halt, ...]:
        return Halts(self.state / "sandbox").read()

    def resume(self) -> None:
        clear_halt(self.state / "sandbox", "")

    async def cancel_ours(self) -> None:
        """Cancels what a test has left open."""
        for tag in {client_id.split("-")[1] for _, client_id in self.open_orders(is_ours=True)}:
            plan = self.plan(tag, RUNS_MAX)
            for venue in plan.venues:
                orders = VenueOrders(plan, replace(venue, rest=self.sandbox.urls[venue.name].rest))
                await orders.cancel_all()
                await orders.close()

    def guard_log(self) -> str:
        return (self.run / "guard.txt").read_text()


def key_of(venue: str) -> GuardKey:
    """The sandbox's key of HMAC."""
    house = venue.partition("_")[0]
    key = next(one for one in keys_of(SEED) if (one.key.house, one.key.kind.name.lower()) == (house, "hmac"))
    return GuardKey(house, "hmac", key.key.id, key.private)


def _texts(leg: Leg) -> tuple[str, str, str, str]:
    assets = instrument_of_orders(leg)
    return leg.tick_size_text, leg.lot_size_text, assets.base, assets.quote
