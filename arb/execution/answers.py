"""Answers of a gateway to the bot, in ticks and lots."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple


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
