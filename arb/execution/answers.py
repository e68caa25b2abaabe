"""Between the bot's rows of `ORDER` and the gateway's ticks and lots: requests of the bot, and answers to it.

The one place of order entry with floats. A quantity of the bot is a whole number of lots, or it is refused; what
executes everything that is left has the bot's own value of it, so that a whole fill has the simulated exchange's bits.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.order import CANCELED, MARKET, NEW, NONE, REJECTED

from arb.engine.account import EXECUTED, FUNDING, NO_ORDER, REPLACED
from arb.engine.order_table import ORDER
from arb.engine.world import FEE_AS_RECEIVED, FEE_IN_OTHER, FEE_IN_QUOTE
from connectors.orders.model import Act, Force, Instrument

#: Codes of `struct` for the types of ORDER's fields.
_CODES = {"<f8": "d", "<i8": "q", "<u8": "Q", "|b1": "?", "|u1": "B", "|i1": "b", "<u2": "H"}
#: How far from a whole number of lots a quantity may be.
_LOTS_OFF_MAX = 1e-6
#: A row of ORDER as values: NumPy takes 15 times as long to set its fields one by one.
_ROW = struct.Struct("<" + "".join(_CODES[ORDER[name].str] for name in ORDER.names or ()))
_unpacked = _ROW.unpack
(
    _QTY, _LEAVES, _EXEC_QTY, _EXEC_TICK, _TICK, _EXCH_TS, _MAKER, _REQ, _STATUS, _REQUEST_NO, _REQUEST_TS,
    _FEE_PRICE, _FILL_QTY, _FEE, _CHARGED, _ORDER_ID, _SIDE, _TIME_IN_FORCE, _ORDER_TYPE,
) = (
    (ORDER.names or ()).index(name)
    for name in (
        "qty", "leaves_qty", "exec_qty", "exec_price_tick", "price_tick", "exch_timestamp", "maker", "req", "status",
        "request_no", "request_ts", "fee_price", "fill_qty", "fee", "charged", "order_id", "side", "time_in_force",
        "order_type",
    )
)  # fmt: skip
_ACTS = {NEW: Act.PLACE, CANCELED: Act.CANCEL, REPLACED: Act.AMEND}
_FORCES = {int(force): force for force in Force}


class RequestRow(NamedTuple):
    """A request of the bot. side: 1 buy, -1 sell; lots: -1 if the quantity is not a whole number of them. reduces: the
    venue may only reduce the position by it, which is no wish of the bot. attempt: see `arb.execution.attempts`.
    has_venue_time: it is stamped with the venue's time."""

    order_id: int
    request_no: int
    act: Act
    side: int
    force: Force
    is_market: bool
    tick: int
    lots: int
    made_ns: int
    reduces: bool = False
    attempt: int = 0
    has_venue_time: bool = False


class AnswerKind(IntEnum):
    """What an answer does to the bot's order."""

    ACCEPTED = 0
    MODIFIED = 1
    EXECUTED = 2
    """A further execution: requests in flight stay as they are."""
    ENDED = 3
    """The order is final, with its last execution if that filled it."""
    REJECTED = 4
    """Of a request, not of an order."""


class BotAnswer(NamedTuple):
    """One response for the bot."""

    leg: int
    order_id: int
    #: The request that it ends, by its number among the leg's; 0: none.
    request_no: int
    kind: AnswerKind
    #: hftbacktest's code of the order's status.
    status: int
    tick: int
    total_lots: int
    leaves_lots: int
    #: Of the order's last execution.
    exec_tick: int
    exec_lots: int
    is_maker: bool
    #: Executed by this answer; 0: nothing.
    fill_lots: int
    fee: Decimal
    fee_asset: str
    execution_id: str
    exch_ns: int
    received_ns: int
    cause: str


class FundingAnswer(NamedTuple):
    """A funding payment for the bot. amount: received, in quote. rate, mark, position: NaN if not known."""

    leg: int
    amount: Decimal
    rate: float
    mark: float
    position: float
    exch_ns: int
    received_ns: int


def request_of(row: bytes, lot_size: float) -> RequestRow:
    """The request in the bytes of a row of ORDER."""
    # All fields at once: NumPy reads them one by one, in ten times as long.
    values = _unpacked(row)
    lots = values[_QTY] / lot_size
    whole = round(lots)
    # The class's own constructor is a function of Python, and this runs before an order's bytes leave.
    return tuple.__new__(
        RequestRow,
        (
            values[_ORDER_ID],
            values[_REQUEST_NO],
            _ACTS[values[_REQ]],
            values[_SIDE],
            _FORCES[values[_TIME_IN_FORCE]],
            values[_ORDER_TYPE] == MARKET,
            values[_TICK],
            whole if -_LOTS_OFF_MAX <= lots - whole <= _LOTS_OFF_MAX else -1,
            values[_REQUEST_TS],
            False,
            0,
            False,
        ),
    )


def bounded(row: RequestRow, tick: int) -> RequestRow:
    """A market order as it is sent: an IOC order at the worst price that it may have."""
    return row._replace(is_market=False, force=Force.IOC, tick=tick)


class BotOrder:
    """An order as the bot has it: the floats of its last request, and what answers made of them."""

    __slots__ = (
        "_accepted_ts",
        "_asked",
        "_asked_qty",
        "_exec_qty",
        "_leaves",
        "_leaves_lots",
        "_lot",
        "_qty",
        "_total_lots",
    )

    def __init__(self, row: bytes, lot_size: float, lots: int) -> None:
        """row: the bytes of a row of ORDER, the request that creates it."""
        self.request(row)
        self._accepted_ts: int = self._asked[_REQUEST_TS]
        self._lot = lot_size
        self._qty = self._leaves = self._asked_qty
        self._total_lots = self._leaves_lots = lots
        self._exec_qty = 0.0

    def request(self, row: bytes) -> None:
        """A further request: a cancellation or an amendment."""
        self._asked = _unpacked(row)
        self._asked_qty: float = self._asked[_QTY]

    def row_of(self, answer: BotAnswer, charged: int = 0, fee_price: float = float("nan")) -> Any:
        """The row of ORDER for an answer, an array of one. charged: as in ORDER, of an execution."""
        row = list(self._asked)
        row[_FILL_QTY] = self._take(answer)
        row[_REQ] = _REQUESTS[answer.kind]
        row[_STATUS] = answer.status
        if row[_ORDER_TYPE] != MARKET:  # otherwise as the strategy gave it: the bound is not its own
            row[_TICK] = answer.tick
        row[_QTY], row[_LEAVES] = self._qty, self._leaves
        row[_EXEC_QTY], row[_EXEC_TICK] = self._exec_qty, answer.exec_tick
        row[_MAKER] = answer.is_maker
        row[_EXCH_TS] = answer.exch_ns
        row[_REQUEST_NO] = answer.request_no
        if not answer.request_no:
            row[_REQUEST_TS] = self._accepted_ts
        elif answer.kind is not AnswerKind.REJECTED:
            self._accepted_ts = row[_REQUEST_TS]
        row[_CHARGED], row[_FEE] = (charged, float(answer.fee)) if answer.fill_lots else (0, 0.0)
        row[_FEE_PRICE] = fee_price
        return np.frombuffer(_ROW.pack(*row), ORDER)

    def _take(self, answer: BotAnswer) -> float:
        """Applies an answer to the quantities; returns what it executes."""
        fill_qty = 0.0
        if answer.fill_lots:
            is_rest = answer.leaves_lots == 0 and answer.fill_lots == self._leaves_lots
            fill_qty = self._exec_qty = self._leaves if is_rest else answer.fill_lots * self._lot
        asked_qty = self._asked_qty
        if answer.leaves_lots != self._leaves_lots:
            is_asked = answer.kind is AnswerKind.MODIFIED and answer.leaves_lots == round(
                asked_qty / self._lot
            )
            self._leaves = asked_qty if is_asked else answer.leaves_lots * self._lot
        if answer.total_lots != self._total_lots:
            is_whole = answer.total_lots == answer.leaves_lots
            self._qty = self._leaves if is_whole else answer.total_lots * self._lot
        self._leaves_lots, self._total_lots = answer.leaves_lots, answer.total_lots
        return fill_qty


_REQUESTS = {
    AnswerKind.ACCEPTED: NONE,
    AnswerKind.MODIFIED: NONE,
    AnswerKind.EXECUTED: EXECUTED,
    AnswerKind.ENDED: NONE,
    AnswerKind.REJECTED: REJECTED,
}


def charged_in(fee_asset: str, instrument: Instrument) -> int:
    """The code of `ORDER.charged` for a fee in an asset; without one it is zero, in quote."""
    if fee_asset in ("", instrument.quote):
        return 1 + FEE_IN_QUOTE
    is_base = instrument.is_spot and fee_asset == instrument.base
    return 1 + (FEE_AS_RECEIVED if is_base else FEE_IN_OTHER)


def funding_row(payment: FundingAnswer) -> Any:
    """The row of ORDER for a funding payment, an array of one."""
    row = np.zeros(1, ORDER)
    row["req"], row["order_id"] = FUNDING, NO_ORDER
    row["exch_timestamp"] = payment.exch_ns
    row["qty"], row["tick_size"] = payment.position, payment.mark
    row["leaves_qty"], row["exec_qty"] = payment.rate, float(payment.amount)
    return row
