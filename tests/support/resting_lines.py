"""The lines of a session at two venues, each with an order that rests, on simulated time; no strategy, no sockets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.commands.order_setup import order_setup
from arb.execution.desk_wires import Outputs
from arb.execution.ids import SessionIds
from arb.runtime.order_lines import OrderLines, Sockets
from arb.runtime.private_log import PrivateLog
from arb.sandbox.accounts.keys import test_keys as keys_of
from arb.sandbox.events import ASK, BID, BUY, Listing
from arb.sandbox.faults import Fault
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.requests import OrderKind, Place
from connectors.orders.blanking import blanked
from connectors.units import MILLISECOND, SECOND
from support.chaos_client import Client
from support.dry_market import START_NS
from support.live_faults import NetFaults
from support.live_world import account_of, config_of, network_of, signers_of
from support.venue_rows import level, rows_of

VENUES = ("binance_usdm", "bybit_linear")


class Still:
    """A market in which nothing happens."""

    start_ns = START_NS
    has_ended = False

    def __init__(self, listings: Sequence[Listing], *_: Any) -> None:
        self.listings = listings

    def advance(self, to_ns: int) -> list[Any]:
        return []

    def snapshot(self, no: int) -> str | None:
        return None

    def source_of(self, no: int, key: str) -> str | None:
        return None


class RestingLines:
    """See the module. The desks know nothing of these orders."""

    def __init__(self, folder: Path, *faults: Fault, switch: str = "warn", venues: Any = VENUES) -> None:
        config = config_of(venues, *(f"account.{venue}.switch='{switch}'" for venue in venues))
        legs = list(config.legs)
        self.net = network_of(config, 1, "levels", account_of(config))
        self.timers = self.net.timers
        #: The process: `skew_ns` of its clock.
        self.client = Client(self.net)
        if faults:
            NetFaults(self.net, faults, 1)
        ids = SessionIds("tests1", 1, START_NS // MILLISECOND)
        setup = order_setup(config, legs, signers_of(legs, keys_of(1)), ids)
        self.desks = setup.desks()
        self.notes: list[str] = []
        #: What the desks report: venue, event, text.
        self.events: list[tuple[str, str, str]] = []
        self.room = True
        self.lines = {
            venue: OrderLines(
                venue,
                Sockets(f"ws://{venue}", f"ws://{venue}", net, net, self.client, lambda: 0.5),
                setup.protocols(venue),
                self.desks[venue],
                PrivateLog(folder / venue, blanked),
                setup.times,
                now_of=lambda local_ts: local_ts,
                earliest=lambda: 0,
                failed=pytest.fail,
                apply=self._apply,
                terms=setup.switches.get(venue),
                on_switch=self.notes.append,
                has_room=lambda: self.room,
            )
            for venue, net in self.client.venues.items()
        }
        for lines in self.lines.values():
            lines.start()
        self.pass_time(2.0)
        for leg in legs:
            desk = self.net.trading.desks[leg.venue]
            rows = rows_of(level(BID, 422_799, 5), level(ASK, 422_801, 5), at_ns=self.timers.now)
            desk.instruments[leg.symbol].matcher.receive(rows, self.timers.now)
            desk.place(
                Place(
                    account="main", symbol=leg.symbol, side=BUY, kind=OrderKind.LIMIT, force=Force.GTC,
                    price=Decimal(40_000), quantity=Decimal("0.01"), client_id="arb-tests1-1-0-0-1",
                ),
                self.timers.now,
            )  # fmt: skip

    def _apply(self, venue: str, outputs: Outputs, now: int, has_more: bool) -> None:
        """As the gateway does."""
        lines, desk = self.lines[venue], self.desks[venue]
        self.events += [(venue, *event) for event in outputs.events]
        lines.plan(outputs.due_ns)
        for where in outputs.retire:
            lines.replace(where)
        for wire in outputs.wires:
            sent = lines.send(wire)
            lines.log_sent(wire, sent)
            self._apply(venue, desk.on_sent(wire.wire_id, sent, now), now, has_more)

    def pass_time(self, seconds: float) -> None:
        self.timers.run(self.timers.now + round(seconds * SECOND))

    @property
    def open_at(self) -> list[str]:
        """The venues where an order is open."""
        return [venue for venue in self.lines if self.net.trading.desks[venue].open_orders("main", all=True)]
