"""Runs of the code of orders on scratch objects."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.dry_market import leg as leg_of

from arb.execution.ids import SessionIds
from arb.runtime.order_setup import OrderSetup
from arb.runtime.path_warming import PathWarming, ScratchOrders
from connectors.orders.model import Instrument
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")


class LoggedOn(HmacSigner):
    """Signs the log-on, and no request after it."""

    logs_on = True


def setup(signer: type[HmacSigner] = HmacSigner) -> OrderSetup:
    legs = [replace(leg_of(0), venue=venue, is_spot=venue.endswith("spot")) for venue in VENUES]
    steps = DecimalStep("0.1"), DecimalStep("0.001")
    instruments = [Instrument(leg.symbol, *steps, "BTC", "USDT", leg.is_spot) for leg in legs]
    signers = {venue: signer("key", "secret") for venue in VENUES}
    return OrderSetup(legs, instruments, signers, SessionIds("tests1", 1, 0), 2_000, 5_000)


@pytest.mark.parametrize("signer", [HmacSigner, LoggedOn])
def test_every_order_is_filled_and_nothing_is_left_of_it(signer: type[HmacSigner]) -> None:
    orders = ScratchOrders(setup(signer))
    for _ in range(200):
        for part in orders.parts():
            part()
    for leg, venue in enumerate(VENUES):
        desk = orders.gateway.desks[venue]
        assert (dict(desk.facts.events), desk.positions.lots(leg)) == ({}, 200)
        assert not desk.orders.open
        assert desk.doubts == {}
    assert orders.gateway.fault is None
    assert orders.take() == (b"", b"")
    orders.free()


def test_what_ends_it_is_kept_and_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def broken(one: ScratchOrders) -> None:
        calls.append(1)
        raise ValueError("broken")

    async def run() -> PathWarming:
        warming = PathWarming(setup())
        warming.begin()
        for _ in range(20):
            await asyncio.sleep(0)
        assert warming.error is None
        monkeypatch.setattr(ScratchOrders, "_step", broken)
        warming.begin()
        warming.begin()
        warming.close()
        return warming

    assert str(asyncio.run(run()).error) == "broken"
    assert calls == [1]
