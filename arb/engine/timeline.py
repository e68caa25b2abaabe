"""The clock of a live world: the strategy's waits, and the events that end them, in hftbacktest's order.

The bot's events are rows and responses; the answering side's are its own (`arb.engine.port`). The earliest event is
processed first; at equal times the lower asset number, and of one asset a row for the bot, a response, then the
answering side's events.

The host sets up to when the bot's data is complete. In a replay both sides have the same horizon, and the order is the
engine's. On live data the answering side lags behind the bot, or answers from outside: a response that is late is the
next event, and the actual times are recorded (`LiveWorld.answers`), so that a replay with them gives the same results.

A wait processes events while data is available, then prepares the next of the messages that the host has passed
together, if any is left (`World.more`), or calls the host, the C function at `World.park`, until there is more. The
strategy runs on a greenlet of its own, so this call returns. After a stop every wait returns 1; a strategy that keeps
waiting is then parked forever, so that it cannot block the host's loop.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import int64, intp

from arb.bot.codes import END_OF_DATA, MARKET_FEED, OK, ORDER_RESPONSE
from arb.bot.memory import call_int64
from arb.engine.account import RESPONSE, WANTED_RESPONSE, receive
from arb.engine.book_rows import apply_row
from arb.engine.order_table import first_time, queue_at
from arb.engine.port import UNKNOWN, port_at, precedes
from arb.engine.row_stream import current_row, look, step, stream_at
from arb.engine.world import NEVER, STARVED, WAIT_ANY, WAIT_NONE, WAIT_ONE, assets_of, world_at
from connectors.jit.compilation import compiled, compiled_callback

#: Waits that a stopped strategy may still make before it is parked forever.
STOPS_MAX = 10_000

_NO_ORDER = np.uint64(0)

_ROW, _RESPONSE, _NOTHING = range(3)


@compiled
def later(now, duration):
    """`now` + `duration`, at most NEVER; hftbacktest's clock would overflow."""
    return NEVER if duration > 0 and now > NEVER - duration else now + duration


@compiled
def wait_feed(address, with_responses, timeout):
    """Waits for the next row, with `with_responses` also for the next response."""
    world = world_at(address)
    wants = WAIT_ANY if with_responses else WAIT_NONE
    return _begin(address, world, timeout, 1, wants, 0, _NO_ORDER)


@compiled
def wait_time(address, duration):
    """Waits until the clock has advanced by `duration`."""
    return _begin(address, world_at(address), duration, 0, WAIT_NONE, 0, _NO_ORDER)


@compiled
def wait_response(address, asset_no, order_id, timeout):
    """Waits for a response to this order; returns 1 in a world that has not started."""
    world = world_at(address)
    if not world.is_started and not world.is_stopping:
        return END_OF_DATA
    return _begin(address, world, timeout, 0, WAIT_ONE, np.int64(asset_no), order_id)


@compiled
def _begin(address, world, timeout, wants_feed, wants_response, asset_no, order_id):
    if world.is_stopping:
        return _stopped(address, world)
    world.result = 0
    world.wants_feed = wants_feed
    world.wants_response = wants_response
    world.wanted_asset = asset_no
    world.wanted_order = order_id
    world.timeout = timeout
    world.deadline = later(world.now, timeout)
    while True:
        code = call_int64(world.advance, address)
        if code != STARVED:
            return code
        if world.more != 0 and call_int64(world.more, address) != 0:
            continue
        # Without a host no more data can arrive; a world that was closed meanwhile cannot continue.
        if world.park == 0 or call_int64(world.park, address) != 0 or world.owners_count == 0:
            world.is_stopping = 1
            return _stopped(address, world)


@compiled
def _stopped(address, world):
    world.stops += 1
    while world.stops > STOPS_MAX and world.park != 0:
        call_int64(world.park, address)
    return END_OF_DATA


@compiled
def advance(address):
    """Processes events until the strategy's wait is over; returns its code. STARVED if a horizon is reached first."""
    world = world_at(address)
    assets = assets_of(world)
    port = port_at(world.port)
    if not world.is_started:
        code = _start(address, world, assets, port)
        if code != OK:
            return code
    for number in range(world.num_assets):
        look(stream_at(assets[number].rows))
        if queue_at(assets[number].requests).count > 0:
            port.next_ts = UNKNOWN
    while True:
        kind, number, timestamp = _next_event(world, assets)
        until_ts, until_asset = timestamp, number
        if timestamp > world.deadline:
            until_ts, until_asset = world.deadline, world.num_assets
        if precedes(port.next_ts, port.next_asset, until_ts, until_asset):
            code = _serve(address, port, until_ts, until_asset)
            if code != OK:
                return code
        elif kind == _NOTHING and port.next_ts == NEVER:
            return _exhausted(world, port)
        elif timestamp > world.deadline:
            return _wake(world)
        else:
            _process(world, assets[number], kind, timestamp)


@compiled
def _serve(address, port, until_ts, until_asset):
    port.until_ts = until_ts
    port.until_asset = until_asset
    port.next_ts = NEVER
    return call_int64(port.serve, address)


@compiled
def _exhausted(world, port):
    """The code if no event is left within the horizons."""
    if world.horizon == NEVER and port.horizon == NEVER:
        return END_OF_DATA
    return STARVED if world.deadline > world.horizon else _wake(world)


@compiled
def _wake(world):
    world.now = world.deadline
    world.latest = max(world.latest, world.now)
    return world.result


@compiled
def _start(address, world, assets, port):
    """Starts the clock at the first event of any side, which is not yet processed, or at the given `start_ts`."""
    if port.next_ts == UNKNOWN:
        code = _serve(address, port, UNKNOWN, 0)
        if code != OK:
            return code
    first = port.next_ts
    for number in range(world.num_assets):
        first = min(first, look(stream_at(assets[number].rows)))
    if first == NEVER:
        return END_OF_DATA if world.horizon == NEVER and port.horizon == NEVER else STARVED
    if not world.is_live and first > min(world.horizon, port.horizon):
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
def _next_event(world, assets):
    """(kind, asset number, time) of the bot's next event within its horizon."""
    kind = _NOTHING
    asset_no = 0
    earliest = NEVER
    for number in range(world.num_assets):
        asset = assets[number]
        timestamp = stream_at(asset.rows).next_ts
        if timestamp < earliest and timestamp <= world.horizon:
            kind, asset_no, earliest = _ROW, number, timestamp
        timestamp = first_time(queue_at(asset.responses))
        if timestamp < earliest and timestamp <= world.horizon:
            kind, asset_no, earliest = _RESPONSE, number, timestamp
    return kind, asset_no, earliest


@compiled
def _process(world, asset, kind, timestamp):
    """Processes one event. It may end the wait at its own time; other events of that time are still processed."""
    world.latest = max(world.latest, timestamp)
    if kind == _ROW:
        stream = stream_at(asset.rows)
        apply_row(asset, current_row(stream))
        step(stream)
        if world.wants_feed:
            world.deadline = world.latest
            world.result = MARKET_FEED
        return
    is_wanted = world.wants_response == WAIT_ONE and asset.number == world.wanted_asset
    received = receive(world, asset, timestamp, world.wanted_order, is_wanted)
    if received == WANTED_RESPONSE or (received == RESPONSE and world.wants_response == WAIT_ANY):
        world.deadline = world.latest
        if world.wants_feed:
            world.result = ORDER_RESPONSE


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
def advance_callback() -> Any:
    """`advance` as a C function, kept for the life of the process."""
    return compiled_callback(int64(intp), advance)
