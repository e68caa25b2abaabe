"""The strategy's waits in a live world: advances while data is available, then calls the host until there is more.

The strategy runs on a greenlet of its own, so the call of the host, the C function at `World.park`, returns. After a
stop every wait returns 1; a strategy that keeps waiting is then parked forever, so that it cannot block the host's
loop.
"""

from __future__ import annotations

import numpy as np

from arb.bot.codes import END_OF_DATA
from arb.bot.memory import call_int64
from arb.engine.world import NEVER, STARVED, WAIT_ANY, WAIT_NONE, WAIT_ONE, world_at
from connectors.jit.compilation import compiled

#: Waits that a stopped strategy may still make before it is parked forever.
STOPS_MAX = 10_000

_NO_ORDER = np.uint64(0)


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
