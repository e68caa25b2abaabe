"""How the server gets its trading: made when the sandbox starts, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from numpy.random import Generator

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.funding import USUAL_FUNDING, Funding
from arb.sandbox.serve.limits import Limits, order_limits
from arb.sandbox.serve.tape import Tape

if TYPE_CHECKING:
    # These load the compiled decoders, which a sandbox without trading does not need.
    from arb.sandbox.trading.setup import TradingSetup
    from arb.sandbox.trading.state import Trading

#: Makes the trading of a sandbox from its tape, data of its listings by (venue, symbol), the time of the start, and the
#: venues' limits.
OpenTrading: TypeAlias = (
    "Callable[[Tape, Mapping[tuple[str, str], Facts], int, Mapping[str, Limits]], Trading]"
)


def trading_of(
    setup: TradingSetup, seed: int, chance: Generator, funding: Funding = USUAL_FUNDING
) -> OpenTrading:
    """Trading with these accounts. seed: of ids. chance: of delays. funding: of perpetuals whose frames carry none.

    With matching "whole" it loads the compiled exchange, before the sandbox's clock starts.
    """
    if setup.matching == "whole":
        from arb.sandbox.matching.whole import load_exchange

        load_exchange()

    def open_trading(
        tape: Tape, facts: Mapping[tuple[str, str], Facts], start_ns: int, limits: Mapping[str, Limits]
    ) -> Trading:
        from arb.sandbox.trading.state import Trading

        most = {venue: order_limits(one) for venue, one in limits.items()}
        return Trading(
            setup, tape, facts, start_ns, seed=seed, chance=chance, funding=funding, order_limits=most
        )

    return open_trading


def load_trading(listings: Sequence[Listing]) -> None:
    """Loads the compiled decoders of these instruments: a second that must pass before the sandbox's clock starts."""
    from arb.sandbox.matching.rows import load_decoders

    load_decoders(listings)
