"""The gate of a session: its legs and limits, what earlier sessions traded on the day, and the flags of `arb halt`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from arb.commands.order_setup import instrument_of_orders
from arb.config import Config
from arb.config.account_keys import house_of
from arb.journal.journal import FILE
from arb.journal.reader import JournalReader
from arb.leg import Leg, legs_of_pairs
from arb.risk.exposure import DAY_NS, GateLeg
from arb.risk.gate import Gate, GateLimits
from arb.risk.losses import Losses
from arb.risk.rate_budget import RateBudget
from arb.runtime.account_risks import PROFIT
from arb.runtime.session_halts import SessionHalts
from arb.runtime.trade_protocols import banned_with, budgets_of


def gate_of(
    config: Config,
    legs: Sequence[Leg],
    limits: GateLimits | None = None,
    budgets: Mapping[str, RateBudget] | None = None,
) -> Gate:
    """The gate of a session. Legs of a pair hedge each other, those without one if they have the same base asset.

    limits: None: those of `[live]`. budgets: the venues' limits on requests; None: the documented ones.
    """
    venues = list(dict.fromkeys(leg.venue for leg in legs))
    gate_legs = [
        GateLeg(
            leg.venue,
            # Markets at one address are those of one account.
            wallet=banned_with(leg.venue, venues)[0],
            group=leg.pair if leg.pair >= 0 else instrument.base,
            is_spot=leg.is_spot,
            base=instrument.base,
            quote=instrument.quote,
            tick_size=leg.tick_size,
            lot_size=leg.lot_size,
            contract_size=leg.contract_size,
            fee=max(leg.maker_fee, leg.taker_fee, 0.0),
            leverage=config.account[leg.venue].leverage if leg.venue in config.account else 1.0,
            lots_min=max(1, math.ceil(leg.min_qty / leg.lot_size - 1e-6)),
            notional_min=leg.min_notional,
            position_max=leg.position_limit if math.isfinite(leg.position_limit) else 0.0,
        )
        for leg, instrument in zip(legs, map(instrument_of_orders, legs), strict=True)
    ]
    live = config.live
    if limits is None:
        limits = GateLimits(live.price_band_bps, live.max_notional or 0.0, live.max_daily_notional or 0.0)
    gate = Gate(gate_legs, limits, budgets_of(venues) if budgets is None else budgets)
    for no, leg in enumerate(legs):
        gate.exposure.set_position(no, round(leg.opening_position / leg.lot_size))
    return gate


def add_traded(gate: Gate, state: Path, environment: str, now_ns: int) -> None:
    """Counts what earlier sessions executed on the UTC day. state: folder of the environment. Raises InputError."""
    with JournalReader(state / FILE, environment) as reader:
        trades = reader.executions(now_ns // DAY_NS * DAY_NS)
    gate.exposure.add_traded(float(sum(one.price * one.qty for one in trades)), now_ns)


def losses_of(
    gate: Gate, legs: Sequence[Leg], state: Path, environment: str, now_ns: int, *, has_pairs: bool
) -> Losses:
    """The losses of a session, with the profit that earlier ones have written on the UTC day. state: folder of the
    environment. Raises InputError."""
    with JournalReader(state / FILE, environment) as reader:
        flags = reader.flags(now_ns // DAY_NS * DAY_NS)
    written = [(ts, float(text)) for _, ts, _, flag, text in flags if flag == PROFIT]
    pairs = legs_of_pairs(legs) if has_pairs else []
    return Losses(legs, gate.exposure, pairs, written[-1] if written else (0, 0.0))


def halts_of(state: Path, venues: Sequence[str]) -> SessionHalts:
    """The flags of a session at these venues. state: folder of the environment."""
    return SessionHalts(state, {venue: house_of(venue) for venue in venues})
