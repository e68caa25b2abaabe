"""What the orders of a session need, from its configuration; and of a written session, to derive them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from arb.config import Config
from arb.config.assets import assets_of
from arb.config.environment import LiveOptions
from arb.errors import ConfigError, InputError
from arb.execution.ids import SessionIds, ids_of
from arb.leg import Leg
from arb.runtime.live_files import EXECUTION, STATE, OrderRecords
from arb.runtime.order_records import kept_records, line_counts
from arb.runtime.order_setup import OrderSetup
from arb.runtime.private_log import PrivateLine, private_venues, read_private, until_kept
from arb.runtime.session_store import SessionContent
from arb.verify.order_messages import CheckedStates
from arb.verify.private_frames import DerivedOrders, derive_orders
from connectors.orders.blanking import BlankSigner
from connectors.orders.model import Instrument
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import Signer
from connectors.trade.switch import SwitchTerms

#: A renewal of USD-M's countdown has a weight of 10, of 2,400 a minute, and there are three in this time of the switch.
SWITCH_S_PER_SYMBOL = 2.0


def order_setup(
    config: Config,
    legs: Sequence[Leg],
    signers: Mapping[str, Signer],
    ids: SessionIds,
    options: LiveOptions | None = None,
) -> OrderSetup:
    """What the orders of a session need. Raises InputError for a leg whose assets are not known by its name."""
    return OrderSetup(
        legs,
        [instrument_of_orders(leg) for leg in legs],
        signers,
        ids,
        config.live.answer_timeout_ms,
        config.live.recv_window_ms,
        options or LiveOptions("sandbox"),
        config.live.reconcile_s,
        config.supervisor.account_s,
        switches_of(config),
    )


def switches_of(config: Config) -> dict[str, SwitchTerms]:
    """The venues' own dead-man's switches that are on, by venue. Raises ConfigError for a venue without one, and for
    renewals that would use up its limits."""
    found = {}
    for venue in dict.fromkeys(leg.venue for leg in config.legs):
        account = config.account[venue]
        if account.switch == "off":
            continue
        if venue == "binance_spot":
            raise ConfigError(
                f"{config.file}: [account.{venue}] switch is {account.switch}: the venue has none: remove the key; the "
                "guard, and the next start, cancel there what a session has left"
            )
        symbols = sum(leg.venue == venue for leg in config.legs)
        if venue == "binance_usdm" and account.switch_s < (least := SWITCH_S_PER_SYMBOL * symbols):
            raise ConfigError(
                f"{config.file}: [account.{venue}] switch_s is {account.switch_s:g}: renewals for {symbols} symbols "
                f"would use more than half of the venue's limit on requests: write {least:g} or more"
            )
        found[venue] = SwitchTerms(round(account.switch_s * 1_000), account.switch == "require")
    return found


def instrument_of_orders(leg: Leg) -> Instrument:
    """A leg as order entry needs it. Raises InputError if its assets are not known by its name."""
    assets = assets_of(leg.symbol)
    if assets is None:
        raise InputError(
            f"{leg.name}: its base and quote asset are not known by its name: choose another leg"
        )
    tick, lot = DecimalStep(leg.tick_size_text), DecimalStep(leg.lot_size_text)
    return Instrument(leg.symbol, tick, lot, assets.base, assets.quote, leg.is_spot)


def written_lines(folder: Path, legs: Sequence[Leg], kept: int | None = None) -> dict[str, list[PrivateLine]]:
    """The private lines of a session by venue. kept: of a killed one, the number of its entries.

    Raises InputError unless there is a file for each venue.
    """
    venues = sorted({leg.venue for leg in legs})
    if private_venues(folder) != venues:
        raise InputError(
            f"{folder}/private: there must be a file for each of {', '.join(venues)}, and no other"
        )
    lines = {venue: read_private(folder, venue) for venue in venues}
    return {venue: list(own if kept is None else until_kept(own, kept)) for venue, own in lines.items()}


def derived_orders(
    config: Config,
    legs: Sequence[Leg],
    ids: SessionIds,
    lines: Mapping[str, Iterable[PrivateLine]],
    recorded: OrderRecords,
    error: str = "",
) -> DerivedOrders:
    """What follows from the private lines of a session. error: that ended it."""
    signers: dict[str, Signer] = {leg.venue: BlankSigner(logs_on=True) for leg in legs}
    setup = order_setup(config, legs, signers, ids)
    return derive_orders(lines, setup.desks(CheckedStates), legs, setup.instruments, recorded, error)


def orders_of_killed(
    folder: Path, config: Config, legs: Sequence[Leg], content: SessionContent
) -> OrderRecords:
    """The records of a killed session: those of its entries, and what follows from its private lines."""
    ids = ids_of(content.head)
    lines = written_lines(folder, legs, content.entries)
    own = OrderRecords(
        content.requests.copy(),
        content.responses.copy(),
        np.zeros(0, EXECUTION),
        np.zeros(0, STATE),
        {},
        {},
    )
    derived = derived_orders(config, legs, ids, lines, own)
    counts = line_counts({venue: len(of_venue) for venue, of_venue in lines.items()})
    return kept_records(own, derived.records, content.fills, content.entries, counts)
