"""The effective configuration of a run, as an explanation names it: values with their keys, as `--set` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from arb.strategies.parameters import defaults_of
from arb.strategies.spread.parameters import PARAMS
from connectors.units import MILLISECOND, SECOND


class Setting(NamedTuple):
    """A key and its value."""

    key: str
    value: float | str

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:.10g}"
        return f"{self.key} = {value}"


def is_of_spread(params: Mapping[str, Any]) -> bool:
    """Whether a strategy with these parameters in effect reads all of the spread strategy's."""
    return _spread_names() <= params.keys()


@cache
def _spread_names() -> frozenset[str]:
    return frozenset(defaults_of(PARAMS))


class Settings:
    """config: `config` of the manifest. params: the strategy's parameters in effect; legs: their names."""

    def __init__(self, config: Mapping[str, Any], params: Mapping[str, Any], legs: Sequence[str]) -> None:
        self._config = config
        self._params = params
        self._legs = legs

    def number(self, name: str, leg_no: int | None = None) -> float:
        """A parameter of the strategy, or that of a leg."""
        value = self._params[name]
        return float(value if leg_no is None else value[leg_no])

    def is_spot(self, leg_no: int) -> bool:
        return bool(self._params["is_spot"][leg_no])

    @property
    def is_convergence(self) -> bool:
        return bool(self._params["is_convergence"])

    def of(self, key: str, name: str = "") -> Setting:
        """A key whose value is the parameter `name`, by default that of its last part."""
        return Setting(key, self.number(name or key.rpartition(".")[2]))

    @property
    def threshold(self) -> Setting:
        return self.of("strategy.min_spread_bps")

    @property
    def stale_after(self) -> Setting:
        return Setting("execution.stale_after_ms", self.number("stale_after_ns") / MILLISECOND)

    @property
    def halflife(self) -> Setting:
        return Setting("strategy.basis_halflife_s", self.number("basis_halflife_ns") / SECOND)

    @property
    def in_doubt_max(self) -> Setting:
        return Setting("live.in_doubt_max_s", self.number("in_doubt_max_ns") / SECOND)

    @property
    def clock_offset(self) -> Setting | None:
        """None if the offset is measured."""
        offset_ms = self._config["clock"].get("offset_ms")
        return None if offset_ms is None else Setting("clock.offset_ms", float(offset_ms))

    def taker_fee(self, leg_no: int) -> Setting:
        return Setting(f"{self._venue(leg_no)}.fees.taker", self.number("taker_fee", leg_no))

    def latencies(self, leg_nos: Sequence[int]) -> list[Setting]:
        """The assumed latencies of orders at the venues of the legs."""
        return [
            Setting(f"{venue}.latency.{name}", float(self._config["venues"][venue]["latency"][name]))
            for venue in dict.fromkeys(map(self._venue, leg_nos))
            for name in ("entry_ms", "response_ms")
        ]

    def feed_latency(self, leg_no: int) -> Setting:
        venue = self._venue(leg_no)
        return Setting(f"{venue}.latency.feed_ms", float(self._config["venues"][venue]["latency"]["feed_ms"]))

    def instrument(self, leg_no: int, name: str) -> Setting:
        """A setting of a leg's instrument in the file of its venue: min_qty, min_notional or lot_size."""
        venue, symbol = self._place(leg_no)
        value = self._config["venues"][venue]["symbols"][symbol][name]
        return Setting(f"{venue}.symbols.{symbol}.{name}", float(value or 0.0))

    def capital(self, leg_no: int, name: str) -> Setting:
        """What a leg's account begins with: base or quote."""
        venue, symbol = self._place(leg_no)
        own = f".{name}_of.{symbol}" if symbol in self._config["capital"][venue][f"{name}_of"] else f".{name}"
        return Setting(f"capital.{venue}{own}", self.number(name, leg_no))

    def fee_units(self, leg_no: int) -> Setting | None:
        """What a leg's venue holds of the further asset that fees are charged in, if its price is a constant."""
        venue = self._venue(leg_no)
        if "fee_account" not in self._params or self.number("fee_account", leg_no) < 0:
            return None
        if not (self.number("fee_price", leg_no) > 0.0 and self.number("taker_fee", leg_no) > 0.0):
            return None
        asset = self._config["venues"][venue]["fees"]["asset"]
        return Setting(f"capital.{venue}.assets.{asset}", self.number("fee_units", leg_no))

    def of_symbol(self, leg_no: int, section: str, name: str) -> Setting:
        """A setting that a symbol may have of its own, instead of that in its section."""
        symbol = self._place(leg_no)[1]
        own = self._config["symbols"].get(symbol, {})
        place = f"symbols.{symbol}" if own.get(name) is not None else section
        return Setting(f"{place}.{name}", self.number(name, leg_no))

    def _venue(self, leg_no: int) -> str:
        return self._place(leg_no)[0]

    def _place(self, leg_no: int) -> tuple[str, str]:
        venue, _, symbol = self._legs[leg_no].partition(":")
        return venue, symbol
