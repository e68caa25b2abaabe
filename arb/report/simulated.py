"""The orders of a live session beside the simulated exchange, on the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from arb.report.screen import Column, tables
from arb.report.wording import escape, shown
from arb.results.figures.declared import SIMULATED
from arb.results.figures.simulated import SIMULATED_FIGURES
from arb.results.simulated_orders import LIVE_ONLY, SIMULATED_ONLY, SimulatedOrder

_LINES = [figure for figure in SIMULATED_FIGURES.figures if figure.label]
#: Orders in the table of the page: those with the largest difference.
ORDERS_MAX = 200
#: Its columns: name in `simulated.csv`, heading, kind.
_COLUMNS = (
    ("time", "Time (UTC)", "time"),
    ("leg", "Leg", "text"),
    ("side", "Side", "text"),
    ("force", "Force", "text"),
    ("lots", "Lots", "count"),
    ("filled_by", "Filled by", "text"),
    ("live_worse_bps", "Live worse by", "bps"),
    ("live_price", "Price, live", "price"),
    ("simulated_price", "... simulated", "price"),
    ("live_lots", "Lots, live", "count"),
    ("simulated_lots", "... simulated", "count"),
    ("live_end", "End, live", "text"),
    ("simulated_end", "... simulated", "text"),
)
#: What is compared, on the page.
_ABOUT = (
    "Each order of the session was also put to the simulated exchange of dry-runs, over the recorded market: with its "
    "price, size, time in force, amendments and cancellations, each arriving when it arrived at the venue by the "
    "venue's own time, and with the configured queue model. Orders are judged one by one, by the market alone. "
    "The simulated exchange fills whole orders, takers at the touch. Prices compare the fills, latencies the measured "
    "ones with the configured ones."
)


def simulated_view(legs: Sequence[Mapping[str, Any]], width: int) -> Iterator[RenderableType]:
    """The table of `simulated` of the summary."""
    labels = Column("", [figure.label for figure in _LINES], is_figures=False)
    columns = [
        Column(leg["leg"], [shown(leg[figure.name], figure.kind) for figure in _LINES]) for leg in legs
    ]
    yield from tables([labels], columns, width)


def simulated_section(
    summary: Mapping[str, Any], orders: Sequence[SimulatedOrder], number: Callable[[Any, str, str], str]
) -> str:
    """The section of the page; "" if no orders were compared. number: the HTML of a value, by its key and kind."""
    legs = summary["simulated"]
    if legs is None:
        return ""
    heads = "".join(
        f'<th data-key="simulated.{n}.leg">{escape(leg["leg"]).replace(":", ":<wbr>")}</th>'
        for n, leg in enumerate(legs)
    )
    rows = ""
    for figure in _LINES:
        cells = "".join(
            f"<td>{number(leg[figure.name], f'simulated.{n}.{figure.name}', figure.kind)}</td>"
            for n, leg in enumerate(legs)
        )
        rows += f"<tr><th>{escape(figure.label)}</th>{cells}</tr>"
    return (
        f'<section class="card wide"><h2>{SIMULATED}</h2><p>{_ABOUT}</p>'
        f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"{_orders(orders, number)}</section>"
    )


def _listed(orders: Sequence[SimulatedOrder]) -> list[SimulatedOrder]:
    """The orders with the largest difference, by time: filled by one alone, then by price."""
    if len(orders) <= ORDERS_MAX:
        return list(orders)
    return [
        orders[n]
        for n in sorted(sorted(range(len(orders)), key=lambda n: -_difference(orders[n]))[:ORDERS_MAX])
    ]


def _difference(one: SimulatedOrder) -> float:
    if one.live_worse_bps is not None:
        return abs(one.live_worse_bps)
    return math.inf if one.filled_by in (LIVE_ONLY, SIMULATED_ONLY) else 0.0


def _orders(orders: Sequence[SimulatedOrder], number: Callable[[Any, str, str], str]) -> str:
    """The table of orders."""
    listed = _listed(orders)
    left_out = len(orders) - len(listed)
    extent = f"the {len(listed)} of the largest difference; {left_out} left out" if left_out else "all"
    heads = "".join(f"<th>{head}</th>" for _, head, _ in _COLUMNS)
    rows = "".join(
        f'<tr data-order="{one.client_id}">'
        + "".join(f"<td>{number(getattr(one, name), name, kind)}</td>" for name, _, kind in _COLUMNS)
        + "</tr>"
        for one in listed
    )
    return (
        f"<details><summary>Orders <small>{extent}; every one is in simulated.csv</small></summary>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )
