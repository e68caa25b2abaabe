"""Every request to Binance at a running sandbox over real sockets: it is accepted, and what follows agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from support.order_entry import OrderEntry, on_order_entry

from arb.sandbox.accounts.keys import KeyKind, TestKey, test_keys
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.undocumented import DEFAULTS
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.orders.model import (
    AccountView,
    Act,
    EndCause,
    Force,
    Notice,
    NoticeKind,
    OrderStatus,
    VenueAnswer,
    Verdict,
)
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer

HMAC, ED25519, _ = test_keys(7)
VENUES = ("binance_spot", "binance_usdm")
LOTS = {"binance_spot": 1000, "binance_usdm": 10}


def signer_of(key: TestKey) -> Signer:
    make = HmacSigner if key.key.kind is KeyKind.HMAC else Ed25519Signer
    return make(key.key.id, key.private)


def run(
    venue: str, test: Callable[[OrderEntry], object], key: TestKey = HMAC, *, session_logon: bool = True
) -> None:
    assumed = {venue: replace(DEFAULTS[venue], session_logon=session_logon, strict_decimals=True)}
    setup = TradingSetup((usual_account(),), (HMAC.key, ED25519.key), undocumented=assumed)
    signer = signer_of(key)
    if venue == "binance_spot":
        on_order_entry(setup, SpotOrders(signer, 2000), SpotUser(signer, 2000), test)
    else:
        on_order_entry(setup, UsdmOrders(signer, 2000), UsdmUser(signer), test)


def final(entry: OrderEntry, client_id: str) -> OrderStatus | None:
    updates = entry.updates(client_id)
    return updates[-1].status if updates and not updates[-1].status.is_open else None


async def all_requests(entry: OrderEntry, *, over_rest: bool) -> None:
    lots = LOTS[entry.venue]
    is_spot = entry.venue == "binance_spot"
    way = {"over_rest": over_rest}

    async def place(client_id: str, **more: object) -> VenueAnswer:
        bid, ask = entry.touch()
        given = {"side": 1, "tick": bid - 500, "lots": lots} | more
        if given["tick"] == "cross":
            given["tick"] = ask + 500 if given["side"] == 1 else bid - 500
        answer = await entry.answer(Act.PLACE, client_id, **way, **given)
        assert answer.verdict is Verdict.ACCEPTED, answer
        assert answer.venue_ms > 0
        return answer

    # Orders that rest: amended, replaced, looked up, cancelled.
    for client_id, force in (("rest-1", Force.GTC), ("rest-2", Force.GTX)):
        answer = await place(client_id, force=force)
        (update,) = answer.updates
        assert (update.status, update.executed_lots, update.total_lots) == (OrderStatus.NEW, 0, lots)
        await entry.await_events(lambda _, one=client_id: bool(entry.updates(one)))
        found = await entry.answer(Act.LOOK_UP, client_id, **way)
        assert (found.verdict, found.updates[0].tick) == (Verdict.FOUND, update.tick)
        opened = await entry.answer(Act.OPEN_ORDERS, **way)
        assert [one.client_id for one in opened.updates] == [client_id]

        tick = update.tick - 7
        amend = {"side": 1, "force": force, "tick": tick, "lots": lots, "total_lots": lots}
        amended = await entry.answer(Act.AMEND, client_id, new_client_id=f"{client_id}b", **amend, **way)
        assert amended.verdict is Verdict.ACCEPTED, amended
        own = f"{client_id}b" if is_spot else client_id
        assert (amended.updates[-1].client_id, amended.updates[-1].tick) == (own, tick)
        if is_spot:
            smaller = {"new_client_id": f"{client_id}c", "lots": lots - 1, "total_lots": lots - 1}
            kept = await entry.answer(Act.AMEND, own, **amend | smaller, keeps_place=True, **way)
            assert kept.verdict is Verdict.ACCEPTED, kept
            own = f"{client_id}c"
            assert [(one.client_id, one.total_lots, one.was_amended) for one in kept.updates] == [
                (own, lots - 1, True)
            ]
            await entry.await_events(lambda _, one=own: bool(entry.updates(one)))
            assert entry.updates(own)[-1].was_amended
        cancelled = await entry.answer(Act.CANCEL, own, new_client_id=f"{client_id}x", **way)
        assert cancelled.verdict is Verdict.ACCEPTED, cancelled
        assert [(one.client_id, one.status) for one in cancelled.updates] == [(own, OrderStatus.CANCELED)]
        await entry.await_events(lambda _, one=own: final(entry, one) is OrderStatus.CANCELED)
        again = await entry.answer(Act.CANCEL, own, new_client_id=f"{client_id}y", **way)
        assert again.verdict is Verdict.NOT_OPEN
        gone = await entry.answer(Act.AMEND, own, new_client_id=f"{client_id}z", **amend, **way)
        assert gone.verdict in (Verdict.NOT_OPEN, Verdict.NOT_FOUND)

    # Orders that do not rest.
    for number, (force, is_market) in enumerate(
        ((Force.IOC, False), (Force.FOK, False), (Force.GTC, False), (Force.GTC, True))
    ):
        for side in (1, -1):
            client_id = f"take-{number}-{'buy' if side == 1 else 'sell'}"
            answer = await place(client_id, side=side, force=force, is_market=is_market, tick="cross")
            await entry.await_events(lambda _, one=client_id: final(entry, one) is OrderStatus.FILLED)
            if is_spot:
                assert sum(one.lots for one in answer.executions) == lots
                assert all(one == entry.executions()[one.execution_id] for one in answer.executions)
    # Off the market: an IOC order expires; a post-only one that would take is refused.
    answer = await place("away", force=Force.IOC)
    (update,) = answer.updates
    assert (update.status, update.executed_lots, update.cause) == (OrderStatus.EXPIRED, 0, EndCause.IOC_REST)
    await entry.await_events(lambda _: final(entry, "away") is OrderStatus.EXPIRED)
    assert entry.updates("away")[-1].cause is EndCause.IOC_REST
    _, ask = entry.touch()
    taking = {"side": 1, "tick": ask + 500, "lots": lots, "force": Force.GTX}
    refused = await entry.answer(Act.PLACE, "taking", **taking, **way)
    assert refused.verdict is Verdict.REFUSED, refused
    # The same id twice, no order at all, everything cancelled.
    await place("twice")
    bid, _ = entry.touch()
    exists = await entry.answer(Act.PLACE, "twice", side=1, tick=bid - 500, lots=lots, **way)
    assert exists.verdict is Verdict.EXISTS, exists
    missing = await entry.answer(Act.LOOK_UP, "never", **way)
    assert missing.verdict is Verdict.NOT_FOUND
    assert (await entry.answer(Act.CANCEL_ALL, **way)).verdict is Verdict.ACCEPTED
    await entry.await_events(lambda _: final(entry, "twice") is OrderStatus.CANCELED)
    # The account, and all executions, which agree with the events and with the ledger.
    clock = await entry.answer(Act.TIME, **way)
    assert abs(clock.venue_ms - entry.now_ms()) < 5_000
    balances = await entry.ask(Act.BALANCES, **way)
    assert isinstance(balances, AccountView)
    assert balances.balances["USDT"] > 0
    rates = await entry.answer(Act.COMMISSION, **way)
    assert rates.text.startswith("maker 0.")
    if not is_spot:
        held = await entry.ask(Act.POSITION, **way)
        assert isinstance(held, AccountView)
        assert held.positions == {"BTCUSDT": Decimal(0)}
        assert await entry.ask(Act.MODE, **way) == (Notice(NoticeKind.MODE_CHANGED, "one-way"),)
    since_ms = clock.venue_ms - 60_000
    listed = {
        one.execution_id: one
        for one in (await entry.answer(Act.EXECUTIONS, since_ms=since_ms, **way)).executions
    }
    assert listed
    assert {key: one._replace(client_id="") for key, one in entry.executions().items()} == listed
    ledger = entry.desk.executions("main", "BTCUSDT")
    lot = Decimal(str(entry.desk.instruments["BTCUSDT"].rules.lot))
    assert {(str(one.trade_id), one.quantity, one.fee, one.fee_asset, one.is_maker) for one in ledger} == {
        (one.execution_id, one.lots * lot, one.fee, one.fee_asset, one.is_maker) for one in listed.values()
    }
    (last,) = {one.venue_order_id for one in entry.updates("take-3-sell")}
    of_order = (await entry.answer(Act.EXECUTIONS, venue_order_id=last, **way)).executions
    assert sum(one.lots for one in of_order) == lots
    by_venue_id = await entry.answer(Act.LOOK_UP, venue_order_id=last, **way)
    assert by_venue_id.updates[0].client_id == "take-3-sell"


@pytest.mark.parametrize("over_rest", [False, True])
@pytest.mark.parametrize("venue", VENUES)
def test_every_request_is_accepted(venue: str, over_rest: bool) -> None:
    run(venue, lambda entry: all_requests(entry, over_rest=over_rest))


@pytest.mark.parametrize("venue", VENUES)
def test_every_request_is_accepted_after_a_log_on(venue: str) -> None:
    async def test(entry: OrderEntry) -> None:
        assert "signature" not in entry.orders.encode(entry.request(Act.LOOK_UP, "x"), "w", 1).text
        await all_requests(entry, over_rest=False)

    run(venue, test, ED25519)


def test_a_market_without_log_on_is_signed_for_one_by_one() -> None:
    async def test(entry: OrderEntry) -> None:
        assert "signature" in entry.orders.encode(entry.request(Act.LOOK_UP, "x"), "w", 1).text
        await all_requests(entry, over_rest=False)

    run("binance_usdm", test, ED25519, session_logon=False)
