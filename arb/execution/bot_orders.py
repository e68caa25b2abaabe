"""The rows of the bot for a gateway's answers: its orders by leg and id, with the floats of their requests. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from arb.errors import InvariantError
from arb.execution.answers import BotAnswer, BotOrder, RequestRow, charged_in
from arb.leg import Leg
from connectors.orders.model import Act, Instrument

#: Orders that have ended and can still be answered.
_ENDED_MAX = 10_000
_FINALS = frozenset({FILLED, CANCELED, EXPIRED})


class BotOrders:
    """All orders of a bot that may still be answered. One writer."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._lot_sizes = [leg.lot_size for leg in legs]
        self._open: list[dict[int, BotOrder]] = [{} for _ in legs]
        self._ended: OrderedDict[tuple[int, int], BotOrder] = OrderedDict()

    def note(self, leg: int, request: RequestRow, row: bytes) -> None:
        """Notes a request of the bot. row: the bytes of a row of ORDER, of which it was read."""
        lot_size = self._lot_sizes[leg]
        if request.act is Act.PLACE:
            self._ended.pop((leg, request.order_id), None)
            self._open[leg][request.order_id] = BotOrder(row, lot_size, max(request.lots, 0))
        else:
            known = self._find(leg, request.order_id)
            if known is None:  # it ended long ago: the request is refused
                known = self._ended[leg, request.order_id] = BotOrder(row, lot_size, max(request.lots, 0))
            known.request(row)

    def row_of(self, answer: BotAnswer, instrument: Instrument, fee_price: float) -> Any:
        """The row of ORDER for an answer, an array of one. fee_price: price of a third fee asset, NaN if not known.

        Raises InvariantError for an order that the bot does not have.
        """
        order = self._find(answer.leg, answer.order_id)
        if order is None:
            raise InvariantError(
                f"an answer to order {answer.order_id} of leg {answer.leg}, which the bot has not"
            )
        row = order.row_of(answer, charged_in(answer.fee_asset, instrument), fee_price)
        if answer.status in _FINALS:
            self._end(answer.leg, answer.order_id)
        return row

    def _find(self, leg: int, order_id: int) -> BotOrder | None:
        return self._open[leg].get(order_id) or self._ended.get((leg, order_id))

    def _end(self, leg: int, order_id: int) -> None:
        """An order has ended; the latest ones can still be answered."""
        order = self._open[leg].pop(order_id, None)
        if order is not None:
            self._ended[leg, order_id] = order
            if len(self._ended) > _ENDED_MAX:
                self._ended.popitem(last=False)
