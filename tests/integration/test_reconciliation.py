"""What a session begins with on an account: orders and positions of the journal beside those of the venue."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.account_sandbox import AccountSandbox, config_of, signers

from arb.commands.account_state import AccountState, prepare_accounts
from arb.commands.order_setup import instrument_of_orders
from arb.commands.sandbox_account import sandbox_started
from arb.config import Config
from arb.config.environment import LiveOptions
from arb.errors import InputError
from arb.journal.halts import Halt, clear_halt, set_halt
from arb.journal.journal import Journal
from arb.journal.reader import JournalReader
from arb.journal.schema import LegRow, RunRow
from arb.leg import Leg
from arb.runtime.account_queries import AccountQueries
from arb.runtime.trade_protocols import protocols_of
from arb.sandbox.funding import Funding
from connectors.net.hosts import LOOPBACK
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Act, Force, OrderRequest, Verdict

pytestmark = pytest.mark.slow

PAIR = ("binance_spot", "bybit_linear")


class Place:
    """A sandbox with one account, and sessions that prepare to trade on it."""

    def __init__(self, folder: Path, venues: tuple[str, ...] = PAIR, funding: Funding | None = None) -> None:
        self.folder = folder
        self.venues = venues
        self.sandbox = AccountSandbox(folder / "sandbox", funding=funding)
        self.state = folder / "state" / "sandbox"
        self.lines: list[str] = []

    def config(self, *venues: str) -> Config:
        state = f"live.state_directory={json.dumps(str(self.folder / 'state'))}"
        return config_of(self.folder, venues or self.venues, state)

    def prepare(self, *venues: str, **options: Any) -> AccountState:
        """The start of a session, as far as its accounts."""
        config = self.config(*venues)
        by_house = signers()
        by_venue = {leg.venue: by_house[leg.venue.partition("_")[0]] for leg in config.legs}
        self.lines = []
        return prepare_accounts(
            config, self.sandbox.urls, by_venue, LiveOptions("sandbox", **options), self.folder / "run",
            lambda event, text: self.lines.append(text),
        )  # fmt: skip

    def prepared(self, *venues: str, **options: Any) -> tuple[Leg, ...]:
        """The legs of a session that then ends without a trade."""
        state = self.prepare(*venues, **options)
        # As a session does before its first order.
        state.kept.journal.add_legs(state.kept.run, state.kept.legs())
        state.close()
        return tuple(state.config.legs)

    def refused(self, *venues: str, **options: Any) -> str:
        with pytest.raises(InputError) as raised:
            self.prepare(*venues, **options)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    def order(
        self, venue: str, client_id: str, *, side: int = 1, away: float = 0.003, force: Force = Force.IOC
    ) -> None:
        """An order beside the session, with the account's key: 0.01 BTC."""

        async def place() -> None:
            leg = next(leg for leg in self.config(venue).legs if leg.venue == venue)
            rest = HttpTradeRest(self.sandbox.urls[venue].rest, LOOPBACK)
            protocol = protocols_of(venue, signers()[venue.partition("_")[0]], 5000)[0]
            queries = AccountQueries(protocol, rest, {0: instrument_of_orders(leg)})
            await queries.clock()
            price = self.mid(venue) * (1.0 + away)
            request = OrderRequest(
                Act.PLACE, 0, leg.symbol, 1, client_id, side=side, force=force,
                tick=round(price / leg.tick_size), lots=round(0.01 / leg.lot_size),
            )  # fmt: skip
            try:
                for _ in range(50):  # until the market has prices
                    answer, why = await queries._once(request)
                    if getattr(answer, "verdict", None) is Verdict.ACCEPTED:
                        return
                    await asyncio.sleep(0.1)
                raise AssertionError((answer, why))
            finally:
                await rest.close()

        asyncio.run(place())
        time.sleep(0.1)

    def mid(self, venue: str = "binance_spot") -> float:
        """Of a venue's own market; it waits for its first price."""
        path, bids, asks = {
            "binance_spot": ("/api/v3/depth?symbol=BTCUSDT&limit=5", "bids", "asks"),
            "bybit_linear": ("/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=5", "b", "a"),
        }[venue]
        for _ in range(200):
            with urllib.request.urlopen(f"{self.sandbox.urls[venue].rest}{path}") as page:
                book = json.load(page)
            book = book.get("result", book)
            if book.get(bids) and book.get(asks):
                return (float(book[bids][0][0]) + float(book[asks][0][0])) / 2.0
            time.sleep(0.05)
        raise AssertionError("no price")

    def journal(self) -> JournalReader:
        return JournalReader(self.state / "journal.db", "sandbox")

    @property
    def tag(self) -> str:
        with self.journal() as reader:
            return reader.tag


def open_ids(place: Place) -> list[str]:
    """Client ids of the open orders, by the sandbox's ledger."""
    last = {one["order"]["no"]: one["order"] for one in place.sandbox.orders}
    return [one["client_id"] for one in last.values() if one["status"] in ("NEW", "PARTIALLY_FILLED")]


def test_an_account_without_a_past_begins_flat(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        legs = place.prepared()
        assert [(leg.opening_position, leg.base) for leg in legs] == [(0.0, 1.0), (0.0, 0.0)]
        with place.journal() as reader:
            assert {one.is_agreed for one in reader.reconciliations().values()} == {True}


def test_a_position_that_the_journal_does_not_explain_is_refused_or_taken_over(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.order("bybit_linear", "web_1")
        line = place.refused()
        assert line.startswith("bybit_linear BTCUSDT: the position is 0.010, and the journal explains 0.000")
        assert "--adopt" in line
        with place.journal() as reader:
            assert [one.is_agreed for one in reader.reconciliations().values() if "bybit" in one.account] == [
                False
            ]
        legs = place.prepared(is_adopting=True)
        assert legs[1].opening_position == pytest.approx(0.01)
        assert legs[1].opening_price == pytest.approx(place.mid("bybit_linear"), rel=0.02)
        # From now on the journal explains it.
        assert place.prepared()[1].opening_position == pytest.approx(0.01)
        place.order("bybit_linear", "web_2", side=-1, away=-0.003)
        assert "(others traded -0.010 meanwhile)" in place.refused()


def test_orders_that_a_loss_of_power_took_from_the_journal_are_adopted(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.prepared()
        for venue in PAIR:
            place.order(venue, f"arb-{place.tag}-1-1f-{PAIR.index(venue)}-1")
            place.order(venue, f"arb-{place.tag}-1-1f-{PAIR.index(venue)}-2", away=-0.02, force=Force.GTC)
            place.order(venue, "web_1", away=-0.02, force=Force.GTC)
        assert len(open_ids(place)) == 4
        # Their run has legs in the journal, as every run that could send an order.
        legs = place.prepared()
        assert [leg.opening_position for leg in legs] == pytest.approx([0.01, 0.01], abs=1e-4)
        assert open_ids(place) == ["web_1", "web_1"]
        assert sum("was cancelled" in line for line in place.lines) == 2
        with place.journal() as reader:
            assert reader.orders(open_only=True) == []
            executed: dict[str, Decimal] = {}  # the book may fill an order in parts
            for one in reader.executions():
                executed[one.venue] = executed.get(one.venue, Decimal(0)) + one.qty
                assert one.attempt == 0x1F, "so that its client id is the venue's"
            assert executed == {"binance_spot": Decimal("0.01"), "bybit_linear": Decimal("0.01")}
            executions = reader.trade_count()
        # Once is enough.
        place.prepared()
        with place.journal() as reader:
            assert reader.trade_count() == executions


def test_funding_and_transfers_between_sessions_are_in_the_journal_once(tmp_path: Path) -> None:
    place = Place(tmp_path, funding=Funding(1_000, ("0.001",)))
    with place.sandbox:
        place.prepared()
        with place.journal() as reader:
            assert reader.payments() == [], "what was before the first session is not its own"
        place.order("bybit_linear", f"arb-{place.tag}-1-0-1-1")
        place.sandbox.begin(
            kind="transfer", venue="bybit_linear", account="main", asset="USDT", quantity="-12.5"
        )
        time.sleep(2.0)
        place.prepared()
        assert any(
            "bybit: transfer -12.5 USDT (1) while no session received it" in line for line in place.lines
        )
        place.prepared()
        with place.journal() as reader:
            found = reader.payments()
            (position,) = [one for one in reader.positions() if one.qty]
    transfers = [one for one in found if one.kind == "transfer"]
    fundings = [one for one in found if one.kind == "funding"]
    assert [(one.amount, one.asset, one.account) for one in transfers] == [
        ("-12.5", "USDT", position.account)
    ]
    assert len(fundings) >= 1
    assert {one.symbol for one in fundings} == {"BTCUSDT"}
    assert len({one.venue_ms for one in fundings}) == len(fundings), "each time once"
    assert all(-1.0 < float(one.amount) < -0.2 for one in fundings), "a thousandth of 0.01 BTC"


def test_an_order_of_a_run_that_the_journal_does_not_know_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.prepared()
        place.order("binance_spot", f"arb-{place.tag}-99-0-0-1", away=-0.02, force=Force.GTC)
        assert "an older copy of the journal is in use; restore the newest one" in place.refused()
        assert len(open_ids(place)) == 1


def test_a_journal_in_use_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        state = place.prepare()
        try:
            assert "is in use by process " in place.refused()
        finally:
            state.close()
        place.prepared()


def test_the_journal_of_another_account_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.state.mkdir(parents=True)
    with place.sandbox:
        started = sandbox_started(place.sandbox.urls["binance_spot"])
        (place.state / "sandbox").write_text(str(started))
        journal = Journal.open(place.state / "journal.db", "sandbox")
        run = journal.begin_run(RunRow("live", "0", "", "", 1))
        journal.add_legs(
            run, [LegRow("binance_spot", "BTCUSDT", "binance-4711", "0.01", "0.00001", "BTC", "USDT", True)]
        )
        journal.close()
        line = place.refused()
    assert "is the journal of binance-4711, and the key is one of binance-1" in line
    assert line.endswith("choose another live.state_directory")


def test_positions_that_the_session_would_not_see_are_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.order("bybit_linear", "web_1")
        place.prepared(is_adopting=True)
        line = place.refused("binance_spot", "bybit_spot")
        assert (
            "it has open orders or positions of bybit_linear:BTCUSDT, which this session does not trade"
            in line
        )


def test_a_restarted_sandbox_has_a_journal_of_its_own(tmp_path: Path) -> None:
    for number in range(2):
        place = Place(tmp_path)
        place.sandbox = AccountSandbox(tmp_path / f"sandbox-{number}")
        with place.sandbox:
            place.prepared()
            place.order("bybit_linear", "web_1")
            place.prepared(is_adopting=True)
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_a_halt_is_not_put_aside_with_the_journal_of_a_sandbox_that_ended(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.prepared()
    set_halt(place.state, Halt("", 1, False, "by hand"))
    place.sandbox = AccountSandbox(tmp_path / "sandbox-1")
    with place.sandbox:
        for _ in range(2):
            assert "(by hand): look at the accounts, then arb resume" in place.refused()
        assert clear_halt(place.state, "")
        place.prepared()


def test_too_little_that_is_free_does_not_keep_a_position_from_being_taken_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.sandbox:
        place.prepared()
        place.sandbox.begin(kind="transfer", venue="binance_spot", asset="USDT", quantity="-100000000")
        time.sleep(0.2)
        assert "the least order needs" in place.refused()
        place.sandbox.begin(kind="transfer", venue="binance_spot", asset="USDT", quantity="100")
        place.order("bybit_linear", "web_1")
        place.prepared(is_adopting=True)
        place.sandbox.begin(kind="transfer", venue="binance_spot", asset="USDT", quantity="-100000000")
        time.sleep(0.2)
        assert place.prepared()[1].opening_position == 0.01
        assert any("the least order needs" in line for line in place.lines)
