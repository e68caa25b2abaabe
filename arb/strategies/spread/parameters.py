"""The parameters of the spread strategy, each declared once, in one line; it imports nothing.

A line with four parts is a parameter of the configuration: default, unit, allowed values, meaning. Its name is its key
(`[strategy]` unless it names another section). Keys, `--set`, the files of `arb init`, the table of
docs/configuration.md and the compiled record are derived from it (`arb.strategies.parameters`). A line with a default
alone is a fact of the run or of its legs (`arb.commands.strategy_facts`), or set by `[strategy.params]` only. A default
in a tuple of one is a value for each leg.
"""

from __future__ import annotations

PARAMS = {
    "mode": ("inventory", "", "inventory | convergence", "inventory: each attempt ends hedged; convergence: the spread is held until it has reverted."),
    "min_spread_bps": (10.0, "bps", "[0, 10_000]", "Least edge, net of both taker fees, that opens an attempt."),
    "max_edge_bps": (200.0, "bps", "(0, 1e6]", "Larger edges open no attempt: one of the prices is probably wrong."),
    "max_position_size": ((1.0,), "base", "(0, 1e9]", "Largest quantity per leg and attempt."),
    "inventory_skew_bps": (5.0, "bps", "[0, 10_000]", "Largest change of the threshold by inventory, reached when it has moved as far as `rebalance_threshold`."),
    "rebalance_threshold": (0.1, "share", "[0, 1]", "Share of the whole inventory (of `position_limit` with a perpetual) that may move before it is moved back."),
    "rebalance_cost_bps": (5.0, "bps", "[0, 10_000]", "What moving inventory back may cost, both taker fees included."),
    "exit_spread_bps": (0.0, "bps", "[-10_000, 10_000]", "Distance of the mids from the basis at which a held spread has reverted (convergence)."),
    "max_holding_s": (0.0, "s", "[0, 1e7]", "Longest time that a spread is held; 0: any (convergence)."),
    "basis_halflife_s": (0.0, "s", "[0, 1e7]", "Half-life of the average cross spread that edges are measured from; 0: from zero."),
    "risk.max_drawdown": (0.05, "share", "(0, 1]", "Loss from the highest equity, as a share of the capital, that halts."),
    "risk.max_attempt_loss": (0.01, "share", "(0, 1]", "Loss of one attempt, as a share of the capital, that halts."),
    "risk.max_daily_loss": (0.03, "share", "(0, 1]", "Loss since 0:00 UTC, as a share of the capital, that ends the day's attempts."),
    "risk.max_failures": (5, "", "[0, 1_000_000]", "Attempts in a row that were missed or reversed before a pause; 0: any."),
    "risk.cooldown_s": (60.0, "s", "[0, 1e6]", "Length of that pause."),
    "risk.max_attempts_per_day": (0, "", "[0, 1_000_000]", "Most attempts in any 24 hours; 0: no limit."),
    "risk.stop_loss_bps": (50.0, "bps", "(0, 10_000]", "Loss at the closing touches, before fees, relative to the value of the held spread (of the moved inventory), that closes it."),
    "risk.capital_allocation": (0.7, "share", "(0, 1]", "Share of what each venue starts with that attempts may use; the rest is kept."),
    "execution.order_timeout_ms": (5000, "ms", "[1, 600_000]", "Time to fill a short leg before the long one is reversed, and then to reverse it."),
    "execution.unhedged_max_ms": (0, "ms", "[0, 600_000]", "Time from an attempt's first execution until its long leg is reversed, if that is shorter; 0: `order_timeout_ms`."),
    "execution.max_chases": (5, "", "[0, 1_000]", "Most orders of an attempt that chase a short leg."),
    "execution.chase_interval_ms": (50, "ms", "[0, 60_000]", "Least time from one of them to the next."),
    "execution.attempt_interval_ms": (100, "ms", "[0, 86_400_000]", "Least time from the beginning of one attempt to the next."),
    "execution.touch_share": (1.0, "share", "(0, 1]", "Share of the quantity that both touches show that an attempt takes."),
    "record_interval_ns": 1_000_000_000,
    "in_doubt_max_ns": 60_000_000_000,
    "slippage_tolerance": 0.001,
    "price_band": 0.0,
    "stale_after_ns": 2_000_000_000,
    "max_leverage": 1.0,
    "max_order_qty": 0.0,
    "max_order_notional": 0.0,
    "position_limit": (10.0,),
    "common_lot": (0.001,),
    "is_spot": (True,),
    "base": (0.0,),
    "quote": (0.0,),
    "funds": (0,),
    "taker_fee": (0.001,),
    "base_fee": (0.0,),
    "fee_account": (-1,),
    "fee_units": (0.0,),
    "fee_price": (0.0,),
    "fee_price_leg": (-1,),
    "contract_size": (1.0,),
    "min_qty": (0.0,),
    "min_notional": (0.0,),
}  # fmt: skip
