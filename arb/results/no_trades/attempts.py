"""Why attempts began and no order was filled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from arb.results.no_trades.cause import Cause, broken_rules, counted, keys_of_rules, listed
from arb.results.no_trades.settings import Settings
from arb.strategies.spread.decisions import Decision

if TYPE_CHECKING:
    from arb.results.result import RunResult


def why_unfilled(run: RunResult, settings: Settings) -> Cause:
    """The cause of a run with attempts."""
    codes = Counter(run.decisions["code"].tolist())
    attempts = counted(codes[Decision.ATTEMPT], "attempt")
    sent = codes[Decision.OPEN] + codes[Decision.CHASE] + codes[Decision.REVERSE]
    if not sent:
        return _refused(run, attempts)
    legs = [leg_no for pair in run.pairs for leg_no in pair]
    latencies = settings.latencies(legs)
    took = f"an order takes {listed(latencies)}"
    if codes[Decision.HALTED]:
        longest = settings.in_doubt_max
        return Cause(
            f"{attempts} began, and the strategy halted with an order in doubt: no response arrived within "
            f"{longest}; {took}.",
            [longest, *latencies],
        )
    if codes[Decision.EXPIRED]:
        slippage = settings.of("execution.slippage_tolerance")
        return Cause(
            f"{attempts} sent {counted(sent, 'order')} and none was filled: when they arrived, the prices were worse "
            f"than {slippage} allows; {took}.",
            [slippage, *latencies],
        )
    return Cause(
        f"{attempts} sent {counted(sent, 'order')}, which were not answered before the run ended; {took}.",
        latencies,
    )


def _refused(run: RunResult, attempts: str) -> Cause:
    broken = broken_rules(run.refusals)
    if not broken:
        return Cause(f"{attempts} began, and the limits refused every order.")
    rule, count = broken[0]
    settings = keys_of_rules([rule])
    by = f" ({settings[0].key})" if settings else ""
    return Cause(
        f"{attempts} began, and the limits refused every order: {count:,} by the rule {rule}{by}.", settings
    )
