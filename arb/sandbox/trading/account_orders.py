"""Orders and executions of one account at one venue: open ones, and those that queries still find. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque

from arb.sandbox.trading.order_state import Execution, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import Named, Reason, RefusalError

#: Closed orders and executions that are kept; older ones are forgotten, also where a venue would keep them longer.
CLOSED_MAX = 10_000
EXECUTIONS_MAX = 10_000


class AccountOrders:
    """See the module. All orders in it are the desk's own; hand out views only."""

    def __init__(self) -> None:
        #: Open orders by id.
        self.open: dict[str, VenueOrder] = {}
        self._open_by_client: dict[str, VenueOrder] = {}
        self._closed: OrderedDict[str, VenueOrder] = OrderedDict()
        #: The last order of every client id.
        self._last_by_client: dict[str, VenueOrder] = {}
        self.executions: deque[Execution] = deque(maxlen=EXECUTIONS_MAX)

    @property
    def closed(self) -> list[VenueOrder]:
        """Closed orders in the order in which they ended."""
        return list(self._closed.values())

    def is_open(self, client_id: str) -> bool:
        """Whether an open order has this id of the client's."""
        return client_id in self._open_by_client

    def was_used(self, client_id: str) -> bool:
        """Whether any order that is kept has or had this id of the client's."""
        return client_id in self._last_by_client

    def add(self, order: VenueOrder) -> None:
        """A new order."""
        self.open[order.order_id] = order
        if order.client_id:
            self._open_by_client[order.client_id] = self._last_by_client[order.client_id] = order

    def rename(self, order: VenueOrder, client_id: str) -> None:
        """Gives an open order another client id."""
        self._open_by_client.pop(order.client_id, None)
        if self._last_by_client.get(order.client_id) is order:
            del self._last_by_client[order.client_id]
        order.client_id = client_id
        self._open_by_client[client_id] = self._last_by_client[client_id] = order

    def close(self, order: VenueOrder) -> None:
        """An order ended."""
        del self.open[order.order_id]
        self._open_by_client.pop(order.client_id, None)
        self._closed[order.order_id] = order
        if len(self._closed) > CLOSED_MAX:
            _, oldest = self._closed.popitem(last=False)
            if self._last_by_client.get(oldest.client_id) is oldest:
                del self._last_by_client[oldest.client_id]

    def find_open(self, named: Named) -> VenueOrder:
        """An open order. Raises RefusalError; its reason says what became of an order that is closed."""
        order = self.find(named)
        if order.is_open:
            return order
        is_filled = order.status is OrderStatus.FILLED
        raise RefusalError(Reason.ORDER_FILLED if is_filled else Reason.ORDER_CANCELED)

    def find(self, named: Named) -> VenueOrder:
        """An order, open or closed; an open one has priority. Raises RefusalError if there is none."""
        if named.order_id is not None:
            order = self.open.get(named.order_id) or self._closed.get(named.order_id)
            if order is not None and named.client_id not in (None, order.client_id):
                raise RefusalError(Reason.ID_MISMATCH)
        else:
            client_id = named.client_id or ""
            order = self._open_by_client.get(client_id) or self._last_by_client.get(client_id)
        if order is None or order.symbol != named.symbol:
            raise RefusalError(Reason.UNKNOWN_ORDER)
        return order
