"""The checked configuration: venues, legs, and everything that a run takes from its files. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from arb.config.alert_keys import Alerts
from arb.config.archive import Archive
from arb.config.given import Given
from arb.config.live_keys import Account, Guard, Live, Supervisor
from arb.config.pairs import pairs_of
from arb.config.schema import (
    Backtest,
    Capital,
    Clock,
    Data,
    DryRun,
    Execution,
    MainFile,
    Record,
    Risk,
    Strategy,
    SymbolLimits,
)
from arb.config.secrets import Auth
from arb.config.venue_schema import Connection, Elsewhere, Fees, Latency, Queue, Symbol
from arb.leg import Leg

#: The sections of the main file.
MAIN_SECTIONS = MainFile.__struct_fields__


@dataclass(frozen=True)
class VenueConfig:
    """A checked venue file. `name` is the venue's name in legs, `file` the one in errors."""

    file: str
    name: str
    adapter: str
    kind: str
    connection: Connection
    testnet: Elsewhere
    demo: Elsewhere
    auth: Auth
    fees: Fees
    latency: Latency
    queue: Queue
    symbols: Mapping[str, Symbol]

    @property
    def is_spot(self) -> bool:
        return self.kind == "spot"


@dataclass(frozen=True)
class Config:
    """The whole configuration of a run. `strategy.legs` has the effective names, with the placeholder replaced."""

    file: str
    strategy: Strategy
    risk: Risk
    execution: Execution
    #: Empty without `[capital]`, until a run knows its first prices (`arb.config.starting_capital`).
    capital: Mapping[str, Capital]
    symbols: Mapping[str, SymbolLimits]
    clock: Clock
    data: Data
    record: Record
    backtest: Backtest
    dry_run: DryRun
    live: Live
    supervisor: Supervisor
    guard: Guard
    alerts: Alerts
    #: What is prepared and expected of the accounts at the venues of the legs.
    account: Mapping[str, Account]
    archive: Archive
    legs: tuple[Leg, ...]
    #: The venues of the legs, by name.
    venues: Mapping[str, VenueConfig]
    #: Keys that the user set, in the files or for this run; empty if it was read from a manifest.
    given: tuple[Given, ...] = ()

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The numbers of each pair's legs, which are neighbours; empty for legs that are no pairs."""
        return pairs_of(self.strategy)

    def value(self, key: str) -> Any:
        """The value of a strategy's parameter by its key, such as `strategy.min_spread_bps`."""
        section, _, name = key.partition(".")
        return getattr(getattr(self, section), name)

    def as_dict(self) -> dict[str, Any]:
        """Everything in effect, including defaults, in JSON types and a fixed order.

        Secrets appear as the `${NAME}` of the files. File paths are left out, so that the same configuration in another
        folder gives the same dict.
        """
        parts = {name: getattr(self, name) for name in MAIN_SECTIONS}
        parts["venues"] = {name: _venue_parts(venue) for name, venue in self.venues.items()}
        # Sorts the tables whose keys the user chooses: their order in a file has no meaning.
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parts, order="deterministic"))
        return plain


def _venue_parts(venue: VenueConfig) -> dict[str, Any]:
    names = (
        "name",
        "adapter",
        "kind",
        "connection",
        "testnet",
        "demo",
        "fees",
        "latency",
        "queue",
        "symbols",
    )
    return {**{name: getattr(venue, name) for name in names}, "auth": venue.auth.references}
