"""One clock for both sides: processes events in hftbacktest's order.

Each asset has four kinds of next events: a row for the bot, a response for the bot, a row at the venue, a request at
the venue. The earliest is processed first; at equal times the kind named first, then the lower asset number.

The host sets how far each side's data is complete. In a replay both horizons are equal and the order is the engine's.
On live data the venues' side stops at the watermark, behind the bot: an exchange event that arrives late delays its
response, and the actual times are recorded (`LiveWorld.answers`), so that a replay with them gives the same results.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from hftbacktest.order import REJECTED
from numba import int64, intp

from arb.bot.codes import END_OF_DATA, MARKET_FEED, OK, ORDER_RESPONSE
from arb.engine.account import apply_row, receive
from arb.engine.order_table import ORDER, append, first_time, pop, queue_at
from arb.engine.row_stream import current_row, look, step, stream_at
from arb.engine.waiting import later
from arb.engine.world import NEVER, STARVED, WAIT_ANY, WAIT_ONE, assets_of, world_at
from arb.simulation.exchange import exchange_at, process_requests, process_row
from arb.simulation.latency import entry_ns, latency_at
from connectors.jit.compilation import compiled, compiled_callback

_LOCAL_ROW, _LOCAL_ANSWER, _EXCH_ROW, _EXCH_REQUEST, _NOTHING = range(5)


@compiled
def advance(address):
    """Processes events until the strategy's wait is over; returns its code. STARVED if a horizon is reached first."""
    world = world_at(address)
    assets = assets_of(world)
    for number in range(world.num_assets):
        look(stream_at(assets[number].rows))
        look(stream_at(exchange_at(assets[number].port).rows))
    if not world.is_started:
        code = _start(world, assets)
        if code != OK:
            return code
    _send_requests(world, assets)
    while True:
        kind, number, timestamp = _next_event(world, assets)
        if kind == _NOTHING:
            if world.local_horizon == NEVER and world.exch_horizon == NEVER:
                return END_OF_DATA
            if world.deadline > world.local_horizon:
                return STARVED
            return _wake(world)
        if timestamp > world.deadline:
            return _wake(world)
        code = _happen(world, assets[number], kind, timestamp)
        if code != OK:
            return code


@compiled
def _wake(world):
    world.now = world.deadline
    world.latest = max(world.latest, world.now)
    return world.result


@compiled
def _start(world, assets):
    """Starts the clock at the first row of any side, which is not yet applied, or at the given `start_ts`."""
    first = NEVER
    for number in range(world.num_assets):
        first = min(first, stream_at(assets[number].rows).next_ts)
        first = min(first, stream_at(exchange_at(assets[number].port).rows).next_ts)
    is_whole = world.local_horizon == NEVER and world.exch_horizon == NEVER
    if first == NEVER:
        return END_OF_DATA if is_whole else STARVED
    if not world.is_live and first > min(world.local_horizon, world.exch_horizon):
        return STARVED
    if world.start_ts == 0:
        world.start_ts = first
    world.is_started = 1
    world.now = world.start_ts
    # Rows from before a later start are applied in the first wait and do not set the clock back.
    world.latest = max(world.latest, world.start_ts)
    world.deadline = later(world.now, world.timeout)
    return OK


@compiled
def _send_requests(world, assets):
    """Sends the strategy's new requests, each with its latency."""
    scratch = np.zeros(1, ORDER)
    for number in range(world.num_assets):
        asset = assets[number]
        requests = queue_at(asset.requests)
        exchange = exchange_at(asset.port)
        while requests.count > 0:
            pop(requests, scratch)
            order = scratch[0]
            sent_ts = order.local_timestamp
            way_ns = entry_ns(latency_at(exchange.latency), sent_ts, order.request_no)
            if way_ns < 0:
                order.req = REJECTED
                has_room = append(queue_at(asset.responses), scratch[0], sent_ts - way_ns)
            else:
                has_room = append(queue_at(exchange.arriving), scratch[0], sent_ts + way_ns)
            if not has_room:
                world.lost += 1


@compiled
def _next_event(world, assets):
    """(kind, asset number, time) of the next event within the horizons."""
    kind = _NOTHING
    asset_no = 0
    earliest = NEVER
    for number in range(world.num_assets):
        asset = assets[number]
        exchange = exchange_at(asset.port)
        timestamp = stream_at(asset.rows).next_ts
        if timestamp < earliest and timestamp <= world.local_horizon:
            kind, asset_no, earliest = _LOCAL_ROW, number, timestamp
        timestamp = first_time(queue_at(asset.responses))
        if timestamp < earliest and timestamp <= world.local_horizon:
            kind, asset_no, earliest = _LOCAL_ANSWER, number, timestamp
        timestamp = stream_at(exchange.rows).next_ts
        if timestamp < earliest and timestamp <= world.exch_horizon:
            kind, asset_no, earliest = _EXCH_ROW, number, timestamp
        timestamp = first_time(queue_at(exchange.arriving))
        if timestamp < earliest and timestamp <= world.exch_horizon:
            kind, asset_no, earliest = _EXCH_REQUEST, number, timestamp
    return kind, asset_no, earliest


@compiled
def _happen(world, asset, kind, timestamp):
    """Processes one event. It may end the wait at its own time; other events of that time are still processed."""
    if kind == _LOCAL_ROW:
        stream = stream_at(asset.rows)
        apply_row(asset, current_row(stream))
        step(stream)
        world.latest = max(world.latest, timestamp)
        if world.wants_feed:
            world.deadline = max(timestamp, world.latest)
            world.result = MARKET_FEED
        return OK
    if kind == _LOCAL_ANSWER:
        world.latest = max(world.latest, timestamp)
        is_wanted = world.wants_response == WAIT_ONE and asset.number == world.wanted_asset
        has_come = receive(world, asset, timestamp, world.wanted_order, is_wanted)
        if has_come or world.wants_response == WAIT_ANY:
            world.deadline = max(timestamp, world.latest)
            if world.wants_feed:
                world.result = ORDER_RESPONSE
        return OK
    exchange = exchange_at(asset.port)
    # On live data the bot may be past the time at which a response was due: it is then received next.
    exchange.floor = world.latest + 1 if world.is_live else 0
    if kind == _EXCH_ROW:
        stream = stream_at(exchange.rows)
        code = process_row(exchange, current_row(stream))
        if code == OK:
            step(stream)
        return code
    return process_requests(exchange, timestamp)


@compiled
def next_due(address):
    """When the host must call again without new data: the end of the wait, or the next known response."""
    world = world_at(address)
    assets = assets_of(world)
    due = world.deadline
    for number in range(world.num_assets):
        due = min(due, first_time(queue_at(assets[number].responses)))
    return due


@cache
def advance_address() -> int:
    """Address of `advance` as a C function, valid for the life of the process."""
    callback = compiled_callback(int64(intp), advance)
    _kept.append(callback)
    return int(callback.address)


_kept: list[object] = []
