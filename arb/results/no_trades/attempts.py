"""Why attempts began and no order was filled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from arb.results.no_trades.cause import Cause, counted, listed
from arb.results.no_trades.settings import Setting, Settings
from arb.strategies.spread.decisions import Decision

if TYPE_CHECKING:
    from arb.results.result import RunResult

#: What a rule of the limits is set by; the others have no key.
_KEYS = {
    "qty": "risk.max_order_qty",
    "notional": "risk.max_order_notional",
    "position": "risk.position_limit",
    "funds": "capital",
    "rate": "risk.max_orders_per_second",
}


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
        timeout = settings.order_timeout
        return Cause(
            f"{attempts} began, and the strategy halted with an order in doubt: no response arrived within twice "
            f"{timeout}; {took}.",
            [timeout, *latencies],
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
    rules = Counter[str]()
    for of_leg in run.refusals.values():
        rules.update(of_leg)
    rule, count = max(rules.items(), key=lambda one: one[1], default=("", 0))
    settings = [Setting(_KEYS[rule], "")] if count and rule in _KEYS else []
    by = f": {count:,} by the rule {rule}" + (f" ({settings[0].key})" if settings else "") if count else ""
    return Cause(f"{attempts} began, and the limits refused every order{by}.", settings)
