"""The Binance markets that have accounts here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from arb.sandbox.serve.binance.api import Operation
from arb.sandbox.serve.binance.market import Market
from arb.sandbox.serve.binance.spot.operations import spot_market
from arb.sandbox.serve.binance.usdm.operations import usdm_market
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import Limits, Weights

#: By venue: makes the market with its limits, the weights of the address, and the methods without an account.
MARKETS: dict[str, Callable[[Exchange, Limits, Weights, Mapping[str, Operation]], Market]] = {
    "binance_spot": spot_market,
    "binance_usdm": usdm_market,
}
