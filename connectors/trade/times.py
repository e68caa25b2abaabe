"""Time limits of order entry and of streams of accounts."""

from __future__ import annotations

from typing import NamedTuple

from connectors.net.connection import LinkTimes
from connectors.units import MINUTE, SECOND


class TradeTimes(NamedTuple):
    """Spans in ns, and counts."""

    #: A request without an answer for this long is in doubt.
    answer_ns: int = 2 * SECOND
    #: Executions that an order's state says exist are queried when they have not arrived after this time.
    executions_ns: int = SECOND // 2
    #: Interval of the renewals of a listen key, which is valid for 60 minutes.
    renew_ns: int = 30 * MINUTE
    #: A line is replaced this long before the venue ends it; randomised up to twice as long.
    life_margin_ns: int = 10 * MINUTE
    #: How long an old stream of events runs beside its successor.
    overlap_ns: int = 2 * SECOND
    #: Intervals of the look-ups of a doubt: the first, and the longest.
    lookup_first_ns: int = SECOND // 2
    lookup_max_ns: int = 5 * SECOND
    #: Interval at which open orders, positions and balances are queried; 0: never.
    reconcile_ns: int = 0
    #: Interval at which balances, positions and the venue's clock are queried in between; 0: with the rest.
    account_ns: int = 0
    #: Of one line: handshake, log-on, pings, silence.
    link: LinkTimes = LinkTimes()
    retry_first_ns: int = SECOND // 2
    retry_max_ns: int = 5 * SECOND
    #: Failures in a row at one address before the next one is tried.
    failures_max: int = 3
    #: A line that was up for this long counts as a success.
    stable_ns: int = 10 * SECOND
