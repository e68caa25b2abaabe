"""What the orders of a session are made of: legs, instruments, keys, limits of time; its desks and protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from arb.config.environment import LiveOptions
from arb.execution.ids import SessionIds
from arb.execution.order_states import OrderStates
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.runtime.trade_protocols import protocols_of
from connectors.orders.model import Instrument
from connectors.orders.protocol import OrderProtocol, UserProtocol
from connectors.orders.signing import Signer
from connectors.trade.switch import SwitchTerms
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND


class OrderSetup(NamedTuple):
    """What the orders of a session need. signers: by venue. ids: of its orders."""

    legs: Sequence[Leg]
    instruments: Sequence[Instrument]
    signers: Mapping[str, Signer]
    ids: SessionIds
    answer_timeout_ms: int
    recv_window_ms: int
    options: LiveOptions = LiveOptions("sandbox")
    #: Interval of the comparisons with the venues.
    reconcile_s: float = 0.0
    #: Of the queries of balances, positions and clocks in between.
    account_s: float = 0.0
    #: By venue, its own dead-man's switch, where that is on.
    switches: Mapping[str, SwitchTerms] = MappingProxyType({})

    @property
    def times(self) -> TradeTimes:
        return TradeTimes(
            answer_ns=self.answer_timeout_ms * MILLISECOND,
            reconcile_ns=round(self.reconcile_s * SECOND),
            account_ns=round(self.account_s * SECOND),
        )

    @property
    def venues(self) -> list[str]:
        """The venues of the legs, each once."""
        return list(dict.fromkeys(leg.venue for leg in self.legs))

    def protocols(self, venue: str) -> tuple[OrderProtocol, UserProtocol]:
        """New protocol objects of a venue, with its legs."""
        has_switch = venue in self.switches
        made = protocols_of(venue, self.signers[venue], self.recv_window_ms, has_switch=has_switch)
        for no, leg in enumerate(self.legs):
            if leg.venue == venue:
                for protocol in made:
                    protocol.add_leg(no, self.instruments[no])
        return made

    def desks(self, states: type[OrderStates] = OrderStates) -> dict[str, VenueDesk]:
        """A new desk for each venue, with protocol objects of its own. states: see `VenueDesk`. Raises InputError."""
        desks = {}
        for venue in self.venues:
            protocols = protocols_of(venue, self.signers[venue], self.recv_window_ms)
            numbers = [no for no, leg in enumerate(self.legs) if leg.venue == venue]
            legs = {no: self.instruments[no] for no in numbers}
            opening = {no: round(self.legs[no].opening_position / self.legs[no].lot_size) for no in numbers}
            desks[venue] = VenueDesk(
                venue, *protocols, legs, self.ids, self.times, self.recv_window_ms, states, opening
            )
        return desks
