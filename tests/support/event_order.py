"""Rows in the order of receipt, whole and in pieces, as Hypothesis makes them up, and hftbacktest's order of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hftbacktest.data import correct_event_order
from hftbacktest.types import event_dtype
from hypothesis import strategies as st

from arb.data.rows.order import END_OF_ROWS
from connectors.model import Rows


@st.composite
def received(draw: Any) -> Rows:
    """Rows in the order of receipt: small numbers, so that many are equal; each known by its order_id."""
    steps = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=40))
    rows = np.zeros(len(steps), event_dtype)
    local_ts = 100
    for n, (step, latency) in enumerate(steps):
        local_ts += step
        rows[n]["local_ts"], rows[n]["exch_ts"], rows[n]["order_id"] = local_ts, local_ts - latency, n
        rows[n]["ev"], rows[n]["px"], rows[n]["qty"] = 1, 1.0, 1.0
    return rows


@st.composite
def fed(draw: Any) -> tuple[Rows, list[tuple[Rows, int]]]:
    """Rows, and the same in pieces with frontiers that no later row lies below; the last one's is the end."""
    rows = draw(received())
    cuts = draw(st.lists(st.integers(0, len(rows)), max_size=6))
    bounds = [0, *sorted(cuts), len(rows)]
    pieces = []
    for start, end in pairwise(bounds):
        rest = rows["exch_ts"][end:]
        frontier = int(rest.min()) if len(rest) else 1000
        pieces.append((rows[start:end], frontier - draw(st.sampled_from([0, 0, 1, 5]))))
    pieces.append((rows[:0], END_OF_ROWS))
    if draw(st.booleans()):
        pieces[-2:] = [(pieces[-2][0], END_OF_ROWS)]
    return rows, pieces


def by_hftbacktest(rows: Rows) -> Rows:
    # It looks at the index behind the last before it asks whether there is one.
    exch, local = (np.append(np.argsort(rows[name], kind="stable"), 0) for name in ("exch_ts", "local_ts"))
    return correct_event_order(rows, exch, local) if len(rows) else rows
