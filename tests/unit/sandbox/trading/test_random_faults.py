"""Random orders, prices and faults: balances stay equal to the ledger, and orders to their executions."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from support.fault_world import FaultWorld
from support.venue_rows import level, trade

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import ASK, BID
from arb.sandbox.faults import FaultKind
from arb.sandbox.matching.orders import Force, Prevention
from arb.sandbox.trading.requests import RefusalError

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
NAMES = ("main", "other")
KINDS = (
    "self_trade", "liquidate", "adl", "foreign_order", "transfer", "mode_switched", "cancel_only", "margin_call",
    "partial_then_expire", "not_visible", "pruned", "balance_lag", "reorder_event", "late_event",
)  # fmt: skip
MODES = (("leverage", "5"), ("position_mode", "hedge"), ("margin_mode", "isolated"))


class RandomWorld:
    """A world in which something random happens at every step."""

    def __init__(self, seed: int, matching: str) -> None:
        self.chance = random.Random(seed)
        self.world = FaultWorld(names=NAMES, matching=matching)
        self.mid = 100
        for venue in VENUES:
            self.world.trading.listen(venue, "main", lambda event: None)

    def step(self) -> None:
        venue = self.chance.choice(VENUES)
        act = self.chance.choices(
            (self.place, self.move, lambda _: self.world.pass_time(self.chance.random()), self.begin),
            (35, 15, 10, 40),
        )[0]
        try:
            act(venue)
        except RefusalError:
            return
        finally:
            self.world.trading.check_positions(self.world.now_ns)

    def place(self, venue: str) -> None:
        chance = self.chance
        force = chance.choice(list(Force))
        is_market = force is Force.IOC and chance.random() < 0.4
        more: dict[str, Any] = {"account": chance.choice(NAMES)}
        if not venue.endswith("spot") and self.world.account(venue, more["account"]).modes.is_hedge:
            more["position_side"] = chance.choice((PositionSide.LONG, PositionSide.SHORT))
        if venue == "binance_spot":
            more["prevention"] = chance.choice((None, *Prevention))
        self.world.place(
            venue,
            chance.randint(0, 1),
            str(Decimal(chance.randint(100, 5000)) / 1000),
            None if is_market else str(self.mid + chance.randint(-4, 4)),
            force=force,
            **more,
        )

    def move(self, venue: str) -> None:
        """Another price, with two levels at each side, and a trade."""
        chance = self.chance
        mid = self.mid = self.mid + chance.randint(-1, 1)
        self.world.show(
            venue,
            *(level(BID, price, 0) for price in range(mid, mid + 8)),
            *(level(ASK, price, 0) for price in range(mid - 8, mid + 1)),
            *(level(BID, mid - away, chance.randint(1, 9)) for away in (1, 2)),
            *(level(ASK, mid + away, chance.randint(1, 9)) for away in (1, 2)),
            trade(chance.randint(0, 1), mid, chance.randint(1, 3)),
        )

    def begin(self, venue: str) -> None:
        chance, kind = self.chance, self.chance.choice(KINDS)
        keys: dict[str, Any] = {}
        if kind in ("self_trade", "liquidate", "adl", "partial_then_expire"):
            keys["share"] = chance.choice((0.1, 0.33, 0.5, 1.0))
        elif kind == "foreign_order":
            keys = {"quantity": Decimal(chance.randint(1, 4)), "side": chance.choice(("buy", "sell"))}
            keys["price_bps"] = chance.choice((-100.0, 0.0, 300.0))
        elif kind == "transfer":
            keys = {
                "quantity": Decimal(chance.choice((-(10**7), -50, 5))),
                "asset": chance.choice(("USDT", "BTC")),
            }
        elif kind == "mode_switched":
            keys = dict(zip(("field", "value"), chance.choice(MODES), strict=True))
        elif kind == "cancel_only":
            keys["duration_s"] = 0.2
        about = {"venue": chance.choice((venue, "*")), "account": chance.choice(("main", "*"))}
        self.world.begin(FaultKind(kind), **about, **keys)

    def check(self) -> None:
        for venue in VENUES:
            desk = self.world.desk(venue)
            orders = {
                one.no: one for name in NAMES for one in desk.open_orders(name, all=True)
            }  # of both accounts
            (instrument,) = desk.instruments.values()
            assert set(instrument.resting) == set(orders)
            for name in NAMES:
                executed: dict[str, Decimal] = {}
                for one in desk.executions(name):
                    executed[one.order_id] = executed.get(one.order_id, Decimal(0)) + one.quantity
                for order in (*desk.open_orders(name, all=True), *desk.closed_orders(name, all=True)):
                    assert order.filled == executed.get(order.order_id, 0)
        for house, accounts in self.world.trading.accounts.items():
            for account in accounts.values():
                with exact():
                    account.ledger.check()
                venues = [venue for venue in VENUES if venue.startswith(house)]
                still = {
                    one.no
                    for venue in venues
                    for one in self.world.desk(venue).open_orders(account.id, all=True)
                }
                for wallet in account.wallets.values():
                    assert {no for no, _, _ in wallet.locks()} <= still


@pytest.mark.parametrize("matching", ["levels", "whole"])
@pytest.mark.parametrize("seed", range(6))
def test_no_fault_breaks_the_books(seed: int, matching: str) -> None:
    run = RandomWorld(seed, matching)
    for _ in range(80):
        run.step()
        run.check()
    assert len(run.world.log) > 10
