"""What was run, shortly, as the terminal shows it above the figures: the period, the run, and each leg."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from arb.report.layout import lines_of
from arb.report.wording import UNKNOWN, shown
from arb.results.figures.declared import SETUP, value_at
from connectors.text import printable

#: Legs and parameters that are shown; the files have all of them.
_LEGS_MAX, _PARAMETERS_MAX = 6, 12
_INDENT = "  "


def setup_lines(summary: Mapping[str, Any], width: int) -> Iterator[str]:
    """Period and data; engine, strategy and its parameters; fees, latencies, queue model and capital of each leg.

    No figure is folded unless a single one is wider than `width`, in characters.
    """
    legs = summary["legs"]
    shown_legs = (_leg(leg, payer) for leg, payer in zip(legs[:_LEGS_MAX], payers_of(legs), strict=False))
    for parts in (_period(summary), _run(summary), *shown_legs):
        yield from _packed([printable(part) for part in parts], width)
    if len(legs) > _LEGS_MAX:
        yield f"... and fees, latencies and capital of {len(legs) - _LEGS_MAX} more legs in summary.json"


def payers_of(legs: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each leg the one whose quote at the start it shares, "" for a leg with quote of its own, or with none."""
    payers = {_venue(leg): str(leg["leg"]) for leg in reversed(legs) if leg["start_quote"]}
    return ["" if leg["start_quote"] else payers.get(_venue(leg), "") for leg in legs]


def _period(summary: Mapping[str, Any]) -> list[str]:
    first, last = (shown(summary[name], "time") for name in ("first_time", "last_time"))
    data = f" ({summary['setup']['data']})" if summary["setup"]["data"] else ""
    return [
        f"{first} to {last} UTC, {shown(summary['duration_s'], 'duration')};",
        f"{summary['rows']:,} rows of data{data}",
    ]


def _run(summary: Mapping[str, Any]) -> list[str]:
    given = [line for line in lines_of(SETUP, summary) if line.key.startswith("setup.parameters.")]
    values = [
        f"{line.label} {shown(value_at(summary, line.key), line.kind)}" for line in given[:_PARAMETERS_MAX]
    ]
    if len(given) > _PARAMETERS_MAX:
        values.append(f"{len(given) - _PARAMETERS_MAX} more in summary.json")
    engine = summary["setup"]["engine"]
    return [
        *([f"engine {engine};"] if engine else []),
        f"{summary['strategy']}{':' if values else ''}",
        *(f"{value}," for value in values[:-1]),
        *values[-1:],
    ]


def _venue(leg: Mapping[str, Any]) -> str:
    return str(leg["leg"]).partition(":")[0]


def _leg(leg: Mapping[str, Any], payer: str) -> list[str]:
    """payer: the leg whose quote it shares, "" for none."""
    maker, taker = (shown(leg[f"{name}_fee_share"], "share") for name in ("maker", "taker"))
    there, back = (shown(leg[f"{name}_latency_s"], "duration") for name in ("entry", "response"))
    file = leg["order_latency_file"]
    orders = [f"orders as measured, {file};"] if file else [f"orders {there} there, {back} back;"]
    if leg["queue_model"] is None and leg["entry_latency_s"] is None:  # nothing is simulated
        orders = []
    else:
        orders.append(f"queue {leg['queue_model'] or UNKNOWN};")
    asset = leg["fee_asset"]
    charged = "" if asset is None else ", as received" if asset == "received" else f", in {asset}"
    quote, base = shown(leg["start_quote"], "money"), shown(leg["start_base"], "quantity")
    capital = f"{base} base, and the quote of {payer}" if payer else f"{quote} quote, {base} base"
    return [
        f"{leg['leg']}:",
        *([f"{leg['kind']};"] if leg["kind"] else []),
        f"fees {maker} maker, {taker} taker{charged};",
        *orders,
        f"starts with {capital}",
    ]


def _packed(parts: Sequence[str], width: int) -> Iterator[str]:
    """The parts in as few lines as fit; all but the first are indented."""
    line = parts[0]
    for part in parts[1:]:
        if cell_len(line) + 1 + cell_len(part) > width:
            yield line
            line = f"{_INDENT}{part}"
        else:
            line = f"{line} {part}"
    yield line
