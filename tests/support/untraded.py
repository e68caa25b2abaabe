"""Runs without a fill, made by hand: settings, log and measured edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from arb.bot.recorder import DECISION
from arb.results.result import RunResult
from arb.strategies.parameters import defaults_of
from arb.strategies.spread.measures import LEVELS, SHARES, Measure
from arb.strategies.spread.parameters import PARAMS as SPREAD
from support.finished_runs import LEGS, NOON, S, decisions, records, run_of

_VENUES = [leg.name.partition(":")[0] for leg in LEGS]
#: As much of a manifest's configuration as an explanation reads.
CONFIG: dict[str, Any] = {
    "clock": {"offset_ms": None},
    "symbols": {},
    "capital": {venue: {"base_of": {}, "quote_of": {}} for venue in _VENUES},
    "venues": {
        venue: {
            "fees": {"asset": "BNB"},
            "latency": {"feed_ms": 0.0, "entry_ms": 5.0, "response_ms": 4.0},
            "symbols": {"BTCUSDT": {"lot_size": "0.001", "min_qty": None, "min_notional": 5.0}},
        }
        for venue in _VENUES
    },
}


def params(**changes: Any) -> dict[str, Any]:
    """The spread strategy's parameters for two spot legs with money and base enough for any attempt."""
    values: dict[str, Any] = {
        name: value * 2 if isinstance(value, tuple) else value for name, value in defaults_of(SPREAD).items()
    }
    return (
        values | {"base": (10.0, 10.0), "quote": (10_000.0, 10_000.0), "min_notional": (5.0, 5.0)} | changes
    )


def edges(
    nets: Sequence[Sequence[float]] = ((3.2, 2.0, 1.5, -6.0), (-4.0, -5.0, -5.5, -14.0)),
    *,
    fee_bps: float = 20.0,
    basis_bps: float = 0.0,
    leave_bps: float = 0.0,
    span_s: float = 60.0,
    quoted_s: Sequence[float] = (60.0, 60.0),
    late_s: Sequence[float] = (0.0, 0.0),
    lag_ms: float = 10.0,
    both_s: float = 60.0,
    warm_up_s: float = 0.0,
    rises: Sequence[Sequence[float]] = ((3.0,) * 4 + (1.234,) * 6, (-5.0,) * 10),
    shown: float = 2.0,
) -> Any:
    """Lines of the second pass: net edges of both directions at each of SHARES, and what they are made of."""
    lines = [(Measure.SPAN, 0, -1, span_s * S), (Measure.BOTH, 0, 0, both_s * S)]
    lines.append((Measure.WARM_UP, 0, 0, warm_up_s * S))
    for leg in range(2):
        lines += [
            (Measure.QUOTED, 0, leg, quoted_s[leg] * S),
            (Measure.LATE, 0, leg, late_s[leg] * S),
            (Measure.LAG_MIN, 0, leg, lag_ms * 1e6),
        ]
    for leg, of_way in enumerate(nets):
        for point, net in enumerate(of_way):
            gross = net + fee_bps + basis_bps + leave_bps
            values = (net, gross, fee_bps, basis_bps, leave_bps)
            codes = (Measure.NET, Measure.GROSS, Measure.FEES, Measure.BASIS, Measure.LEAVE)
            lines += [(code, point, leg, value) for code, value in zip(codes, values, strict=True)]
        lines += [(Measure.ABOVE, n, leg, max(0.0, 9.0 - n) * S) for n in range(len(LEVELS) + 1)]
        lines += [(Measure.RISE, n, leg, rise) for n, rise in enumerate(rises[leg])]
        lines += [(Measure.BUY_PX, 0, leg, 100.0), (Measure.SELL_PX, 0, leg, 100.3)]
        lines.append((Measure.SHOWN, 0, leg, shown))
    assert all(len(of_way) in (0, len(SHARES)) for of_way in nets)
    rows = [(NOON + 7 * S, int(code), index, leg, 0, value) for code, index, leg, value in lines]
    made = decisions(*rows)
    assert made.dtype == DECISION
    return made


def untraded_run(log: Any = None, measured: Any = None, **changes: Any) -> RunResult:
    """A run of a minute without a fill; its edges are `edges()` unless `changes` have others."""
    run = run_of(records([[100.0, 100.2]] * 3, [0.0, 30.0, 60.0]), log)
    made = replace(run, config=CONFIG, params=params(), edges=edges() if measured is None else measured)
    return replace(made, **changes)
