"""What was run, from the manifest of a run: engine, data, parameters, and the terms of each leg."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from arb.leg import IN_QUOTE, IN_RECEIVED

#: The built-in strategy, whose thresholds the charts show.
SPREAD = "arb.strategies.spread.strategy:run"
#: Its parameters that a report begins with, by mode, with their keys in the configuration.
_PARAMETERS = {
    "inventory": (
        *("strategy.mode", "strategy.min_spread_bps", "strategy.max_edge_bps", "strategy.max_position_size"),
        *("strategy.inventory_skew_bps", "strategy.rebalance_threshold", "strategy.rebalance_cost_bps"),
        *("strategy.basis_halflife_s", "risk.stop_loss_bps"),
    ),
    "convergence": (
        *("strategy.mode", "strategy.min_spread_bps", "strategy.max_edge_bps", "strategy.max_position_size"),
        *("strategy.exit_spread_bps", "strategy.max_holding_s", "strategy.basis_halflife_s"),
        "risk.stop_loss_bps",
    ),
}
#: The command whose orders are answered by venues.
LIVE = "live"
_ENGINES = {"dry-run": "arb", LIVE: "venues"}
#: Elements of a list that are shown.
_LIST_MAX = 8


class LegTerms(NamedTuple):
    """What a run assumes of a leg: fees as shares, latencies in s, the position limit in base; NaN: unknown."""

    #: "spot" or "linear".
    kind: str | None = None
    maker_fee: float = math.nan
    taker_fee: float = math.nan
    #: An order, from the strategy to the matching engine; its response, back. NaN if `order_latencies` names a file.
    entry_s: float = math.nan
    response_s: float = math.nan
    #: The file of measured latencies.
    order_latencies: str | None = None
    queue_model: str | None = None
    position_limit: float = math.inf
    #: "received", or the name of an asset; None: quote.
    fee_asset: str | None = None
    #: Residuals below this quantity are what fees left that take base: a lot; 0 where they take none.
    fee_lot: float = 0.0


class RunSetup(NamedTuple):
    """What was run, apart from the legs."""

    #: Who matched the orders: hftbacktest, arb's simulated exchange, or the venues.
    engine: str = ""
    #: "live", "recording", or the name of an archive.
    sources: Sequence[str] = ()
    #: Of the strategy, by name: numbers and texts.
    parameters: Mapping[str, Any] = MappingProxyType({})
    #: Whether it is the built-in strategy.
    is_spread: bool = False


def setup_of(manifest: Mapping[str, Any]) -> RunSetup:
    """The setup of a run. Raises KeyError or TypeError unless it is a manifest of the current format."""
    config, strategy, command = manifest["config"], manifest["strategy"], str(manifest["command"])
    is_spread = strategy["function"] == SPREAD
    if is_spread:
        keys = _PARAMETERS[config["strategy"]["mode"]]
        parameters = {
            name: config[section][name] for section, _, name in (key.partition(".") for key in keys)
        }
        parameters["max_position_size"] = strategy["params"]["max_position_size"]
    else:
        parameters = {**strategy["params"], **strategy["arguments"]}
    return RunSetup(
        engine=str(config["backtest"]["engine"]) if command == "backtest" else _ENGINES[command],
        sources=list(dict.fromkeys(str(file["source"]) for file in manifest["inputs"])),
        parameters={name: _plain(value) for name, value in parameters.items()},
        is_spread=is_spread,
    )


def terms_of(config: Mapping[str, Any], leg: str, command: str = "") -> LegTerms:
    """The terms of a leg, `venue:SYMBOL`. config, command: of the manifest. A live session assumes no latencies."""
    name, _, symbol = leg.partition(":")
    venue, own = config["venues"][name], config["symbols"].get(symbol) or {}
    latency, queue, asset = venue["latency"], venue["queue"], venue["fees"].get("asset", IN_QUOTE)
    file, is_received = latency["order_file"], asset == IN_RECEIVED and venue["kind"] == "spot"
    exponent = f", power {queue['power']:g}" if queue["model"].startswith("power_") else ""
    terms = LegTerms(
        kind=str(venue["kind"]),
        maker_fee=float(venue["fees"]["maker"]),
        taker_fee=float(venue["fees"]["taker"]),
        fee_asset=None if asset == IN_QUOTE else str(asset),
        fee_lot=_lot_of(venue["symbols"][symbol]) if is_received else 0.0,
        entry_s=math.nan if file else latency["entry_ms"] / 1e3,
        response_s=math.nan if file else latency["response_ms"] / 1e3,
        order_latencies=file and file.replace("{symbol}", symbol.lower()),
        queue_model=f"{queue['model']}{exponent}",
        position_limit=float(own.get("position_limit") or config["risk"]["position_limit"]),
    )
    if command == LIVE:
        return terms._replace(entry_s=math.nan, response_s=math.nan, order_latencies=None, queue_model=None)
    return terms


def _lot_of(instrument: Mapping[str, Any]) -> float:
    return float(instrument["lot_size"]) * float(instrument["contract_size"])


def _plain(value: Any) -> Any:
    """A number or a text: a list of one value is that value, a long one its length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    if len(value) and all(one == value[0] for one in value):
        return _plain(value[0])
    if len(value) > _LIST_MAX or any(isinstance(one, Sequence) for one in value):
        return f"list of {len(value):,}"
    return ", ".join(str(_plain(one)) for one in value)
