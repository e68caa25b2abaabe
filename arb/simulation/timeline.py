"""The simulated exchanges at the port of a live world: rows by venue time and requests in transit, in one order.

The strategy's requests get their latency here and arrive later; a row of the same time and asset is processed first, as
in hftbacktest. The host gives the rows and the horizon up to which they are complete: in a replay that of the bot, on
live data the watermark (`arb.simulation.watermark`).

A funding time is processed after all rows and requests of its time, and only once a later one is there: in a replay
nothing is paid after the last event, and live data gives the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hftbacktest.order import REJECTED
from numba import carray, int64, intp

from arb.bot.codes import OK
from arb.bot.memory import as_pointer
from arb.engine.account import deliver
from arb.engine.order_table import ORDER, append, first_time, pop, queue_at
from arb.engine.port import port_at, precedes
from arb.engine.row_stream import current_row, look, step, stream_at
from arb.engine.world import NEVER, assets_of, world_at
from arb.simulation.exchange import pay_funding, process_requests, process_row
from arb.simulation.exchange_record import EXCHANGE, log_order
from arb.simulation.latency import entry_ns, latency_at
from connectors.jit.compilation import compiled, compiled_callback

_ROW, _REQUEST, _FUNDING, _NOTHING = range(4)


@compiled
def serve(address):
    """`Port.serve` of the simulated exchanges. Requests from before the first row wait until the clock has started."""
    world = world_at(address)
    port = port_at(world.port)
    exchanges = carray(as_pointer(port.side), world.num_assets, EXCHANGE)
    if world.is_started:
        _take_requests(world, exchanges)
    for number in range(world.num_assets):
        look(stream_at(exchanges[number].rows))
    has_responded = False
    while True:
        kind, number, timestamp = _next_event(exchanges, port.horizon)
        port.next_ts = timestamp
        port.next_asset = number
        if has_responded or not precedes(timestamp, number, port.until_ts, port.until_asset):
            return OK
        exchange = exchanges[number]
        responses = queue_at(exchange.responses)
        before = responses.count
        code = _process(exchange, kind, timestamp)
        if code != OK:
            return code
        has_responded = responses.count != before


@compiled
def _take_requests(world, exchanges):
    """Sends the strategy's new requests to their exchanges, each with its latency."""
    scratch = np.zeros(1, ORDER)
    for number in range(world.num_assets):
        requests = queue_at(assets_of(world)[number].requests)
        exchange = exchanges[number]
        while requests.count > 0:
            pop(requests, scratch)
            log_order(exchange.requested, scratch)
            order = scratch[0]
            sent_ts = order.local_timestamp
            way_ns = entry_ns(latency_at(exchange.latency), sent_ts, order.request_no)
            if way_ns < 0:
                order.req = REJECTED
                log_order(exchange.delivered, scratch)
                deliver(world, exchange.responses, order, sent_ts - way_ns)
            elif not append(queue_at(exchange.arriving), order, sent_ts + way_ns):
                world.lost += 1


@compiled
def _next_event(exchanges, horizon):
    """(kind, asset number, time) of the exchanges' next event within the horizon."""
    kind = _NOTHING
    asset_no = 0
    earliest = NEVER
    # The earliest row, also beyond the horizon, and the earliest funding time.
    row_ts = NEVER
    funding_no, funding_ts = 0, NEVER
    for number in range(len(exchanges)):
        exchange = exchanges[number]
        timestamp = stream_at(exchange.rows).next_ts
        row_ts = min(row_ts, timestamp)
        if timestamp < earliest and timestamp <= horizon:
            kind, asset_no, earliest = _ROW, number, timestamp
        timestamp = first_time(queue_at(exchange.arriving))
        if timestamp < earliest and timestamp <= horizon:
            kind, asset_no, earliest = _REQUEST, number, timestamp
        if exchange.funding_ts < funding_ts:
            funding_no, funding_ts = number, exchange.funding_ts
    # On live data in a silence, a later request may arrive before a later row does.
    if funding_ts < earliest and funding_ts <= horizon and (row_ts != NEVER or earliest != NEVER):
        return _FUNDING, funding_no, funding_ts
    return kind, asset_no, earliest


@compiled
def _process(exchange, kind, timestamp):
    """Processes one event. Returns a code of the bot."""
    if kind == _REQUEST:
        return process_requests(exchange, timestamp)
    if kind == _FUNDING:
        pay_funding(exchange)
        return OK
    stream = stream_at(exchange.rows)
    code = process_row(exchange, current_row(stream))
    if code == OK:
        step(stream)
    return code


@cache
def serve_callback() -> Any:
    """`serve` as a C function, kept for the life of the process."""
    return compiled_callback(int64(intp), serve)
