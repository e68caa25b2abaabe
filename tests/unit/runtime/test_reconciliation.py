"""Journals with any end, beside a venue that knows everything: after the start both agree, whatever was lost."""

from __future__ import annotations

import asyncio
import dataclasses
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.dry_market import leg

from arb.errors import InputError
from arb.execution.ids import SessionIds
from arb.journal.journal import Journal
from arb.journal.reader import JournalReader
from arb.journal.schema import Ended, ExecutionRow, Flagged, Intent, LegRow, RunRow
from arb.leg import Leg
from arb.runtime.reconciliation import Reconciliation, TakenOver
from connectors.orders.model import EndCause, Execution, ExecutionKind, OrderStatus, OrderUpdate
from connectors.units import MILLISECOND

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
ACCOUNT = "binance-7"
LEG: Leg = leg(0, tick_size_text="0.1", lot_size_text="0.001")


class Venue:
    """The orders of one symbol: `AccountQueries`, on simulated time. It lists executions of at most seven days."""

    venue = "binance_usdm"
    offset_ms = 0

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.orders: dict[str, OrderUpdate] = {}
        self.fills: list[Execution] = []
        self.cancelled: list[str] = []

    def trade(
        self, client: str, at_ms: int, lots: int, filled: tuple[int, ...], status: OrderStatus, side: int = 1
    ) -> None:
        venue_id = str(len(self.orders) + 1)
        self.orders[client] = OrderUpdate(
            LEG.symbol, client, venue_id, status, sum(filled), lots, 600_000, EndCause.NONE, at_ms
        )
        for number, part in enumerate(filled):
            x_id = f"{venue_id}-{number}"
            self.fills.append(
                Execution(
                    LEG.symbol,
                    "",
                    venue_id,
                    x_id,
                    side,
                    600_000,
                    part,
                    False,
                    Decimal("0.01"),
                    "USDT",
                    at_ms + number,
                )
            )

    def fill(self, order: OrderUpdate, at_ms: int) -> None:
        """What is left of an order is executed."""
        lots = order.total_lots - order.executed_lots
        side = next((x.side for x in self.fills if x.venue_order_id == order.venue_order_id), 1)
        self.fills.append(
            Execution(
                LEG.symbol, "", order.venue_order_id, f"{order.venue_order_id}-last", side, 600_000, lots, True,
                Decimal("0.01"), "USDT", at_ms,
            )
        )  # fmt: skip
        self.orders[order.client_id] = order._replace(
            status=OrderStatus.FILLED, executed_lots=order.total_lots
        )

    @property
    def position(self) -> int:
        return sum(x.side * x.lots for x in self.fills)

    async def clock(self) -> int:
        return self.now_ms

    async def open_orders(self, leg: int) -> list[OrderUpdate]:
        return [one for one in self.orders.values() if one.status.is_open]

    async def executions(self, leg: int, since_ms: int = 0, venue_id: str = "") -> list[Execution]:
        if venue_id:
            return [x for x in self.fills if x.venue_order_id == venue_id]
        return [x for x in self.fills if since_ms <= x.venue_ms < since_ms + 7 * DAY_MS]

    async def look_up(self, leg: int, client_id: str = "", venue_id: str = "") -> OrderUpdate | None:
        if client_id:
            return self.orders.get(client_id)
        return next((one for one in self.orders.values() if one.venue_order_id == venue_id), None)

    async def cancel(self, leg: int, order: OrderUpdate) -> None:
        self.cancelled.append(order.client_id)
        self.orders[order.client_id] = order._replace(status=OrderStatus.CANCELED)

    async def positions(self) -> dict[str, Decimal]:
        return {LEG.symbol: self.position * Decimal(LEG.lot_size_text)}


def begun(journal: Journal, at_ms: int, *, is_spot: bool = False) -> int:
    run = journal.begin_run(RunRow("live", "1", "", "", at_ms * MILLISECOND))
    row = LegRow("binance_usdm", LEG.symbol, ACCOUNT, "0.1", "0.001", "BTC", "USDT", is_spot)
    journal.add_legs(run, [row])
    return run


def intent(run: int, request: int, at_ms: int, lots: int, side: int = 1) -> Intent:
    at = at_ms * MILLISECOND
    return Intent(run, 0, request, at, request, "place", request, 1, side, "gtc", False, False, 600_000, lots)


def execution(run: int, request: int, x: Execution, at: int) -> ExecutionRow:
    return ExecutionRow(
        run, 0, request, x.execution_id, at, x.venue_ms, x.side, x.tick, x.lots, False, str(x.fee), "USDT"
    )


def reconciled(journal: Journal, venue: Venue, leg: Leg = LEG, **options: Any) -> TakenOver:
    """The next start."""
    with JournalReader(journal.path, "sandbox") as reader:
        known_ns = reader.known_until_ns()
        run = begun(journal, venue.now_ms, is_spot=leg.is_spot)
        queries: Any = {"binance_usdm": venue}
        return asyncio.run(
            Reconciliation(
                [leg], queries, journal, reader, {"binance_usdm": ACCOUNT}, run=run, known_ns=known_ns,
                recv_window_ms=2_000, now_ns=lambda: venue.now_ms * MILLISECOND, look_s=0.0, **options,
            ).run()
        )  # fmt: skip


def write(journal: Journal, venue: Venue, run: int, request: int, client: str, chance: Random) -> None:
    """What the journal has of an order: each part of it may be lost, but none before one that is not."""
    order = venue.orders[client]
    at = order.venue_ms * MILLISECOND
    fills = [x for x in venue.fills if x.venue_order_id == order.venue_order_id]
    kept = chance.randrange(4)
    if kept:
        side = fills[0].side if fills else 1
        journal.commit_step(
            [
                Intent(
                    run,
                    0,
                    request,
                    at,
                    request,
                    "place",
                    request,
                    1,
                    side,
                    "gtc",
                    False,
                    False,
                    600_000,
                    order.total_lots,
                )
            ]
        )
    for x in fills[: chance.randrange(len(fills) + 1)] if kept > 1 else ():
        journal.note(execution(run, request, x, at))
    if kept == 3 and not order.status.is_open:
        for x in fills:
            journal.note(
                ExecutionRow(
                    run,
                    0,
                    request,
                    x.execution_id,
                    at,
                    x.venue_ms,
                    x.side,
                    x.tick,
                    x.lots,
                    False,
                    str(x.fee),
                    "USDT",
                )
            )
        journal.note(Ended(run, 0, request, at, order.status.name.lower(), order.executed_lots, ""))
    journal.write_notes()


@pytest.mark.parametrize("seed", range(40))
def test_journal_and_venue_agree_after_the_start_whatever_was_lost(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    venue = Venue(START_MS)
    requests = 0
    for _ in range(3):
        run = begun(journal, venue.now_ms)
        ids = SessionIds(journal.tag, run, 0)
        requests = 0
        for _ in range(chance.randrange(6)):
            requests += 1
            client = ids.client_id(0, requests)
            filled = tuple(chance.randint(1, 4) for _ in range(chance.randrange(3)))
            status = chance.choice([OrderStatus.NEW, OrderStatus.CANCELED, OrderStatus.EXPIRED])
            venue.now_ms += chance.randrange(20_000)
            venue.trade(client, venue.now_ms, sum(filled) + 1, filled, status, chance.choice([1, -1]))
            write(journal, venue, run, requests, client, chance)
        lost = ids.client_id(0, requests + 1)  # committed, and killed before the first byte
        journal.commit_step(
            [
                Intent(
                    run,
                    0,
                    requests + 1,
                    venue.now_ms * MILLISECOND,
                    9,
                    "place",
                    requests + 1,
                    1,
                    1,
                    "gtc",
                    False,
                    False,
                    1,
                    1,
                )
            ]
        )
        venue.trade(f"web_{run}", venue.now_ms, 5, (), OrderStatus.NEW)
        # The machine is away; what rests is filled meanwhile.
        away_ms = chance.choice([30_000, DAY_MS, 13 * DAY_MS])
        for one in [
            one for one in venue.orders.values() if one.status.is_open and one.client_id.startswith("arb-")
        ]:
            if chance.random() < 0.5:
                venue.fill(one, venue.now_ms + chance.randrange(away_ms))
        venue.now_ms += away_ms
        taken = reconciled(journal, venue)
        with JournalReader(journal.path, "sandbox") as reader:
            assert reader.orders(open_only=True) == []
            (position, *_) = reader.positions() or [None]
            assert (0 if position is None else position.lots) == venue.position
            assert reader.trade_count() == len(venue.fills)
        assert taken.holdings[0].qty == venue.position * Decimal(LEG.lot_size_text)
        assert all(
            not one.status.is_open for client, one in venue.orders.items() if client.startswith("arb-")
        )
        assert not any(client.startswith("web_") for client in venue.cancelled)
        assert lost not in venue.orders
    journal.close()


def test_an_order_that_may_still_arrive_is_waited_for(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    venue = Venue(START_MS)
    run = begun(journal, START_MS)
    client = SessionIds(journal.tag, run, 0).client_id(0, 1)
    journal.commit_step(
        [Intent(run, 0, 1, START_MS * MILLISECOND, 1, "place", 1, 1, 1, "gtc", False, False, 600_000, 3)]
    )
    asked = 0

    class Late(Venue):
        async def look_up(self, leg: int, client_id: str = "", venue_id: str = "") -> OrderUpdate | None:
            nonlocal asked
            asked += 1
            self.now_ms += 3_000
            if asked == 3:
                self.trade(client, self.now_ms, 3, (3,), OrderStatus.FILLED)
            return await super().look_up(leg, client_id, venue_id)

    venue = Late(START_MS + 100)
    taken = reconciled(journal, venue)
    assert taken.holdings[0].qty == Decimal("0.003")
    journal.close()


def test_a_list_that_does_not_add_up_ends_the_start(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    run = begun(journal, START_MS)
    client = SessionIds(journal.tag, run, 0).client_id(0, 1)
    journal.commit_step(
        [Intent(run, 0, 1, START_MS * MILLISECOND, 1, "place", 1, 1, 1, "gtc", False, False, 600_000, 3)]
    )
    venue = Venue(START_MS + 30_000)
    venue.trade(client, START_MS, 3, (2,), OrderStatus.FILLED)
    venue.orders[client] = venue.orders[client]._replace(executed_lots=3)
    with pytest.raises(InputError, match="executed 3 lots, and lists executions of 2"):
        reconciled(journal, venue)
    journal.close()


@pytest.mark.parametrize("kind", [ExecutionKind.LIQUIDATION, ExecutionKind.TRADE])
def test_a_liquidation_counts_once_however_many_starts_find_it(tmp_path: Path, kind: ExecutionKind) -> None:
    # Binance's list of executions does not say it, only the order's client id does.
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    run = begun(journal, START_MS)
    venue = Venue(START_MS)
    venue.trade(SessionIds(journal.tag, run, 0).client_id(0, 1), START_MS, 3, (3,), OrderStatus.FILLED)
    journal.commit_step([intent(run, 1, START_MS, 3)])
    assert reconciled(journal, venue).holdings[0].qty == Decimal("0.003")
    venue.now_ms += 10_000
    venue.trade("autoclose-1", venue.now_ms, 2, (2,), OrderStatus.FILLED, side=-1)
    venue.fills[-1] = venue.fills[-1]._replace(kind=kind)
    for start in range(3):
        venue.now_ms += 1_000
        taken = reconciled(journal, venue)
        assert taken.holdings[0].qty == Decimal("0.001")
        assert any("the venue traded -2 lots itself" in line for line in taken.lines) == (start == 0)
    journal.close()


def test_spot_that_was_bought_and_is_gone_ends_the_start(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    venue = Venue(START_MS)
    run = begun(journal, START_MS, is_spot=True)
    venue.trade(SessionIds(journal.tag, run, 0).client_id(0, 1), START_MS, 5, (5,), OrderStatus.FILLED)
    journal.commit_step([intent(run, 1, START_MS, 5)])
    spot = dataclasses.replace(LEG, is_spot=True)
    own = (LEG.venue, LEG.symbol)
    venue.now_ms += 1_000
    for owned in ("7", "0.005", "0.0045"):  # a remainder too small for an order is no matter
        taken = reconciled(journal, venue, spot, owned={own: Decimal(owned)})
        assert taken.holdings[0].qty == Decimal("0.005")
    with pytest.raises(InputError, match=r"of which 0\.003 is gone: transfer it back"):
        reconciled(journal, venue, spot, owned={own: Decimal("0.002")})
    taken = reconciled(journal, venue, spot, owned={own: Decimal("0.002")}, takes_any=True)
    assert taken.holdings[0].qty == Decimal("0.002")
    assert reconciled(journal, venue, spot, owned={own: Decimal("0.002")}).lines == ()
    journal.close()


def test_a_liquidation_that_a_session_has_seen_as_a_difference_is_looked_for(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", "sandbox")
    run = begun(journal, START_MS)
    venue = Venue(START_MS)
    venue.trade(SessionIds(journal.tag, run, 0).client_id(0, 1), START_MS, 3, (3,), OrderStatus.FILLED)
    journal.commit_step([intent(run, 1, START_MS, 3)])
    journal.note(execution(run, 1, venue.fills[0], START_MS * MILLISECOND))
    journal.note(Ended(run, 0, 1, START_MS * MILLISECOND, "filled", 3, ""))
    venue.trade("autoclose-1", START_MS + 60_000, 3, (3,), OrderStatus.FILLED, side=-1)
    # The session goes on for an hour.
    for after_ms, flag in ((90_000, "position differs"), (3_600_000, "up")):
        journal.note(Flagged(run, (START_MS + after_ms) * MILLISECOND, ACCOUNT, flag, ""))
    journal.write_notes()
    venue.now_ms += 3_700_000
    assert reconciled(journal, venue).holdings[0].qty == 0
    journal.close()
