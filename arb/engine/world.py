"""Records of a live bot that compiled code shares: the world and its assets.

Every function of the bot's table receives the world's address. One thread uses it at a time: the strategy's while it
runs, the host's while the strategy waits. `functions` implements the function table, `account` the bot's side of an
asset, `timeline` the clock, `port` the connection to whoever answers requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import state_values_dtype
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import OWNED
from connectors.jit.compilation import compiled

#: A time that is never reached; also the clock of a world that has not started.
NEVER: int = np.iinfo(np.int64).max

#: `advance` returns it when it cannot continue without more data from the host; not one of the bot's codes.
STARVED = -1

#: Which order response ends a wait.
WAIT_NONE = 0
WAIT_ONE = 1
WAIT_ANY = 2

#: What fees are taken from: the quote; what the venue pays out, so that a spot purchase costs base; another asset.
FEE_IN_QUOTE, FEE_AS_RECEIVED, FEE_IN_OTHER = range(3)

WORLD = np.dtype(
    [
        ("num_assets", "i8"),
        #: Address of the assets' records, and of the list of records that own blocks.
        ("assets", "i8"),
        ("owners", "i8"),
        ("owners_count", "i8"),
        #: Calls of any slot so far: it stops increasing while a strategy computes without calling the bot.
        ("heartbeat", "i8"),
        #: The bot's clock; NEVER before the first wait. `latest`: largest time that the local side has reached.
        ("now", "i8"),
        ("latest", "i8"),
        ("is_started", "i8"),
        #: Start time of the clock; 0: the first row's.
        ("start_ts", "i8"),
        #: Timeout of the wait in progress.
        ("timeout", "i8"),
        #: All rows and responses for the bot up to this time are there; NEVER when no more will follow.
        ("horizon", "i8"),
        #: Address of the port.
        ("port", "i8"),
        #: 1 on live data: responses may be known only after the bot has passed their time.
        ("is_live", "i8"),
        #: What the strategy waits for.
        ("deadline", "i8"),
        ("result", "i8"),
        ("wants_feed", "i8"),
        ("wants_response", "i8"),
        ("wanted_asset", "i8"),
        ("wanted_order", "u8"),
        #: Address of a C function `int64 f(int64 world)`: advances the world, returns a code or STARVED.
        ("advance", "i8"),
        #: Address of a C function `int64 f(int64 world)`: switches to the host; returns 0 for more data, 1 to stop.
        ("park", "i8"),
        ("is_stopping", "i8"),
        #: Number of waits that returned 1 since the stop.
        ("stops", "i8"),
        #: Address of the log of responses (`arb.bot.log`), 0 for none.
        ("answers", "i8"),
        #: Addresses of the logs of fills (`arb.bot.fills.FILL`) and of charges (`arb.bot.account.CHARGE`).
        ("fills", "i8"),
        ("charges", "i8"),
        #: Messages that the host has passed together (`arb.simulation.read`): address of a C function `int64 f(int64
        #: world)` that prepares the next step of them, 0 when there is none left; and of what it needs. 0: none.
        ("more", "i8"),
        ("read", "i8"),
        #: Requests and responses that were lost because a queue was full: the results are then invalid.
        ("lost", "i8"),
    ]
)

ASSET = np.dtype(
    [
        ("number", "i8"),
        ("tick_size", "f8"),
        ("contract_size", "f8"),
        ("maker_fee", "f8"),
        ("taker_fee", "f8"),
        #: Addresses: the local book, the local orders, hftbacktest's state values.
        ("book", "i8"),
        ("orders", "i8"),
        ("state", "i8"),
        #: One of the codes FEE_IN_QUOTE, FEE_AS_RECEIVED, FEE_IN_OTHER; address of the account's record.
        ("is_spot", "i8"),
        ("fee_asset", "i8"),
        ("account", "i8"),
        #: Addresses of queues: requests in the order they are made, responses in the order they arrive.
        ("requests", "i8"),
        ("responses", "i8"),
        #: Address of the trades, which are stored if `keeps_trades`.
        ("trades", "i8"),
        ("keeps_trades", "i8"),
        #: Address of the stream of rows that the bot sees.
        ("rows", "i8"),
        ("requests_made", "i8"),
        ("has_feed_latency", "i8"),
        ("feed_exch_ts", "i8"),
        ("feed_local_ts", "i8"),
        ("has_order_latency", "i8"),
        ("order_request_ts", "i8"),
        ("order_exch_ts", "i8"),
        ("order_response_ts", "i8"),
    ]
)

TRADES = np.dtype([*OWNED, ("count", "i8"), ("dropped", "i8")])
#: Maximum number of an asset's trades that are stored until the strategy clears them.
TRADES_MAX = 1 << 20

#: A response as the strategy received it. Times of request (for a maker fill, of its order), processing and receipt.
ANSWER = np.dtype(
    [
        ("asset_no", "i8"),
        ("order_id", "u8"),
        #: Number of the request among the asset's, from 1; 0 for a fill without a request.
        ("request_no", "i8"),
        ("request_ts", "i8"),
        ("exch_ts", "i8"),
        ("response_ts", "i8"),
    ],
    align=True,
)

_ASSET_BYTES = ASSET.itemsize


#: The world at `address`.
world_at = record_view(WORLD)


#: The asset at `address`.
asset_at = record_view(ASSET)
#: hftbacktest's state values at `address`.
state_at = record_view(state_values_dtype)
#: The answer at `address`.
answer_at = record_view(ANSWER)


@compiled
def assets_of(world):
    """The records of all assets."""
    return carray(as_pointer(world.assets), world.num_assets, ASSET)


#: The trades at `address`.
trades_at = record_view(TRADES)


def set_fields(record: np.ndarray[Any, Any], **fields: Any) -> None:
    """Sets fields of an array's only record."""
    for name, value in fields.items():
        record[name] = value
