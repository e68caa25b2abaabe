"""Derived streams add up to the trades that were sent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES, START_NS

from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

#: Ten seconds before a minute is over.
BEGIN_NS = START_NS + 50 * S


def received(
    venue: str, seconds: int, funding: Funding = USUAL_FUNDING
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Trades as sent, and derived frames by key."""
    tape = SeededTape([LISTINGS[venue]], PRICES, default_rng(5), BEGIN_NS)
    instrument = Exchange(FAMILIES[venue], tape, funding).instruments["BTCUSDT"]
    trades, derived = [], dict[str, list[Any]]()
    for step in range(1, seconds * 20 + 1):
        now_ns = BEGIN_NS + step * S // 20
        for line in tape.advance(now_ns):
            instrument.follow(line)
            if line.key == "btcusdt@trade":
                trades.append(json.loads(line.text)["data"])
            elif line.key.startswith("publicTrade"):
                trades += json.loads(line.text)["data"]
        for key, text in instrument.due(now_ns // MS):
            frame = json.loads(text)
            derived.setdefault(key, []).append(frame.get("data", frame) if "stream" in frame else frame)
    return trades, derived


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_aggregated_trades_and_bars_of_binance_are_the_trades(venue: str) -> None:
    trades, derived = received(venue, 14)
    aggregates = derived["btcusdt@aggTrade"]
    ids = [number for one in aggregates for number in range(one["f"], one["l"] + 1)]
    assert ids == [one["t"] for one in trades][: len(ids)]
    assert len(trades) - len(ids) < 20
    sent = {one["t"]: one for one in trades}
    for one in aggregates:
        parts = [sent[number] for number in range(one["f"], one["l"] + 1)]
        assert {(part["T"], part["p"], part["m"]) for part in parts} == {(one["T"], one["p"], one["m"])}
        assert sum(Decimal(part["q"]) for part in parts) == Decimal(one["q"])
    closed = [one["k"] for one in derived["btcusdt@kline_1m"] if one["k"]["x"]]
    assert [bar["t"] for bar in closed] == [START_NS // MS]
    for bar in closed:
        inside = [one for one in trades if bar["f"] <= one["t"] <= bar["L"]]
        assert {bar["t"] <= one["T"] <= bar["T"] for one in inside} == {True}
        assert (bar["o"], bar["c"], bar["n"]) == (inside[0]["p"], inside[-1]["p"], len(inside))
        assert Decimal(bar["h"]) == max(Decimal(one["p"]) for one in inside)
        assert Decimal(bar["l"]) == min(Decimal(one["p"]) for one in inside)
        assert Decimal(bar["v"]) == sum(Decimal(one["q"]) for one in inside)
        assert Decimal(bar["V"]) == sum(Decimal(one["q"]) for one in inside if not one["m"])
    if venue == "binance_usdm":
        assert len(derived["btcusdt@markPrice"]) == 6
        assert derived["btcusdt@markPrice@1s"][0]["T"] % (8 * 3_600_000) == 0


def test_tickers_of_bybit_spot_are_whole_and_those_of_linear_are_changes() -> None:
    _, spot = received("bybit_spot", 5)
    assert {one["type"] for one in spot["tickers.BTCUSDT"]} == {"snapshot"}
    _, linear = received("bybit_linear", 5)
    first, *others = linear["tickers.BTCUSDT"]
    assert (first["type"], {one["type"] for one in others}) == ("snapshot", {"delta"})
    assert {"lastPrice", "bid1Price", "ask1Size", "nextFundingTime"} <= first["data"].keys()
    assert any("bid1Price" not in one["data"] for one in others)


def test_funding_times_and_rates_are_those_that_are_set() -> None:
    funding = Funding(5_000, ("0.0001", "-0.0002"))
    frames = received("binance_usdm", 14, funding)[1]["btcusdt@markPrice@1s"]
    assert {one["T"] - one["E"] // 5_000 * 5_000 for one in frames} == {5_000}
    assert {(one["T"] // 5_000 % 2, one["r"]) for one in frames} == {(1, "0.0001"), (0, "-0.0002")}
    sent: dict[str, str] = {}
    for one in received("bybit_linear", 14, funding)[1]["tickers.BTCUSDT"]:
        sent |= one["data"]
        assert int(sent["nextFundingTime"]) == one["ts"] // 5_000 * 5_000 + 5_000
        assert sent["fundingRate"] == funding.rate(one["ts"])


def test_bars_of_bybit_confirm_when_they_close() -> None:
    trades, derived = received("bybit_linear", 14)
    bars = [one["data"][0] for one in derived["kline.1.BTCUSDT"]]
    (closed,) = [bar for bar in bars if bar["confirm"]]
    inside = [one for one in trades if closed["start"] <= one["T"] <= closed["end"]]
    assert Decimal(closed["volume"]) == sum(Decimal(one["v"]) for one in inside)
    assert bars[-1]["start"] == closed["end"] + 1
