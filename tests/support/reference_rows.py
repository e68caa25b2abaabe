"""Rows of the sandbox's frames as the plain reference takes them."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    TRADE_EVENT,
)

from arb.sandbox.events import Listing
from arb.sandbox.matching.matcher import Rows
from connectors.model import FUNDING_EVENT
from support.reference_matcher import ZERO, Row


class FundingRow(NamedTuple):
    """What a frame says of funding; None: nothing new."""

    mark: Decimal | None
    rate: Decimal | None
    next_ns: int


def reference_rows(listing: Listing, rows: Rows) -> list[Row | FundingRow]:
    """The rows that matching and funding use, as decimals."""
    return [row for row in (_row_of(listing, one) for one in rows) if row is not None]


def _row_of(listing: Listing, row: Rows) -> Row | FundingRow | None:
    """A row as decimals; None for what the matching does not use."""
    event = int(row["ev"])
    kind = {
        DEPTH_EVENT: "level",
        DEPTH_SNAPSHOT_EVENT: "level",
        TRADE_EVENT: "trade",
        DEPTH_CLEAR_EVENT: "clear",
    }
    if event & 0xFF == FUNDING_EVENT:
        mark, rate = (None if one != one else Decimal(repr(float(one))) for one in (row["px"], row["fval"]))
        return FundingRow(mark, rate, int(row["ival"]))
    if event & 0xFF not in kind:
        return None
    side = 0 if event & BUY_EVENT == BUY_EVENT else 1
    if row["px"] != row["px"]:
        return Row("clear", side, None, ZERO, int(row["exch_ts"]))
    tick, lot = Decimal(listing.tick_size), Decimal(listing.lot_size)
    price = round(float(row["px"]) / float(tick)) * tick
    quantity = round(float(row["qty"]) / float(lot)) * lot
    return Row(kind[event & 0xFF], side, price, quantity, int(row["exch_ts"]))
