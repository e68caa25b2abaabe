"""The simulated exchange of one instrument without a bot: requests and rows go in, responses come out.

Times are the venue's and there are no latencies. Position and funding of the exchange are not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from arb.bot.codes import OK
from arb.bot.memory import as_pointer, call_int64
from arb.engine.book import NO_ASK, NO_BID, book_at, qty_at
from arb.engine.live import LiveWorld
from arb.engine.order_table import ORDER, append, pop, queue_at
from arb.engine.port import port_at
from arb.engine.world import assets_of, set_fields, world_at
from arb.errors import InvariantError
from arb.leg import Leg
from arb.simulation.bot import SimulatedExchanges
from arb.simulation.exchange_record import EXCHANGE
from arb.simulation.latency import Latency
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Responses that one compiled call returns.
_RESPONSES = 64


class DrivenExchange:
    """See the module. One thread; times never decrease."""

    def __init__(self, leg: Leg, *, subtracts_taken: bool = False) -> None:
        """leg: the instrument with its queue model; its costs and latencies are not used. subtracts_taken: see
        `DryRunBot`; what the strategy's side is to take from its book is among the responses, as TAKEN."""
        world = LiveWorld([leg])
        set_fields(world.record, is_started=1)
        self._address = world.address
        exchanges = SimulatedExchanges(world, [Latency(0, 0)])
        if subtracts_taken:
            exchanges.subtract_taken()
        self._kept = (world, exchanges)
        self._rows = exchanges.streams[0]
        self._responses = np.zeros(_RESPONSES, ORDER)

    def append(self, rows: Rows) -> None:
        """Appends rows with EXCH_EVENT, by venue time; they must be contiguous."""
        self._rows.append(rows)

    def request(self, order: Any, at_ns: int) -> None:
        """Queues a request that arrives at this time: an array of one ORDER."""
        _request(self._address, order, at_ns)

    def run(self, to_ns: int) -> list[Any]:
        """Processes everything up to this time; returns the responses in order, rows of ORDER.

        Raises InvariantError if the exchange refuses a request as malformed.
        """
        found: list[Any] = []
        while True:
            count = _run(self._address, to_ns, self._responses)
            if count < 0:
                raise InvariantError(f"the simulated exchange failed with code {-count}")
            found += list(self._responses[:count].copy())
            if count < _RESPONSES:
                return found

    def touch(self) -> tuple[int | None, int | None, float, float]:
        """Best bid and ask in ticks, None without one, and their quantities."""
        bid, ask, bid_qty, ask_qty = _touch(self._address)
        return (None if bid == NO_BID else bid), (None if ask == NO_ASK else ask), bid_qty, ask_qty


@compiled
def _request(address, order, at_ns):
    """Queues a request, an array of one ORDER."""
    append(queue_at(assets_of(world_at(address))[0].requests), order[0], at_ns)


@compiled
def _run(address, to_ns, out):
    """Processes events up to a time, or until `out` is full; returns the number of responses, or minus a bot's code."""
    world = world_at(address)
    port = port_at(world.port)
    responses = queue_at(assets_of(world)[0].responses)
    port.horizon = to_ns
    port.until_ts = to_ns + 1
    port.until_asset = 0
    count = 0
    while count < len(out):
        if responses.count > 0:
            pop(responses, out[count : count + 1])
            count += 1
            continue
        code = call_int64(port.serve, address)
        if code != OK:
            return -code
        if responses.count == 0 and port.next_ts > to_ns:
            break
    return count


@compiled
def _touch(address):
    """Best bid and ask of the exchange's book in ticks, and their quantities."""
    world = world_at(address)
    exchanges = carray(as_pointer(port_at(world.port).side), world.num_assets, EXCHANGE)
    book = book_at(exchanges[0].book)
    bid, ask = book.best_bid, book.best_ask
    bid_qty = qty_at(book, True, bid) if bid != NO_BID else 0.0
    ask_qty = qty_at(book, False, ask) if ask != NO_ASK else 0.0
    return bid, ask, bid_qty, ask_qty
