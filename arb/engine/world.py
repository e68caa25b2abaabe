"""What a live bot is made of, as records that compiled code shares: the world and its assets.

The world's address is what every function of the bot's table is given. One thread touches it at a time: the
strategy's while it runs, the host's while the strategy waits. `live` fills the table over it, `local` is the bot's
side of an asset; who answers its requests (`arb.simulation`, a gateway) hangs its own record on `Asset.port` and its
function on `World.advance`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import state_values_dtype
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import OWNED
from connectors.jit.compilation import compiled

#: A time that never comes, and the clock of a world that has not begun.
NEVER: int = np.iinfo(np.int64).max

#: `advance` answers it when it cannot go on before the host gives it more; not one of the bot's codes.
STARVED = -1

#: Which order response ends a wait.
WAIT_NONE = 0
WAIT_ONE = 1
WAIT_ANY = 2

WORLD = np.dtype(
    [
        ("num_assets", "i8"),
        #: Address of the assets' records, and of the list of records that own blocks.
        ("assets", "i8"),
        ("owners", "i8"),
        ("owners_count", "i8"),
        #: Calls of the bot so far, any slot: a strategy that computes for ever stops it.
        ("heartbeat", "i8"),
        #: The bot's clock; NEVER before the first wait. `latest`: largest time that the local side has seen.
        ("now", "i8"),
        ("latest", "i8"),
        ("is_started", "i8"),
        #: When the clock began, or is to begin; 0 is at the first row.
        ("start_ts", "i8"),
        #: A wait that begins the world, and how long it then lasts.
        ("wants_start", "i8"),
        ("timeout", "i8"),
        #: All rows of a side up to its horizon have been given; NEVER when there will be no more.
        ("local_horizon", "i8"),
        ("exch_horizon", "i8"),
        #: 1 where the exchange side lags behind the local one, as it does on live data: answers then come late.
        ("is_live", "i8"),
        #: What the strategy waits for.
        ("deadline", "i8"),
        ("result", "i8"),
        ("wants_feed", "i8"),
        ("wants_response", "i8"),
        ("wanted_asset", "i8"),
        ("wanted_order", "u8"),
        #: Address of a C function `int64 f(int64 world)`: moves the world on, a code or STARVED.
        ("advance", "i8"),
        #: Address of a C function `int64 f(int64 world)`: back to the host; 0 once there is more, 1 to stop.
        ("park", "i8"),
        #: Address of a C function `int64 f(int64)`: the time now; 0 where the clock is that of the rows.
        ("clock", "i8"),
        ("is_stopping", "i8"),
        #: Waits answered with 1 since.
        ("stops", "i8"),
        #: Address of the log of answers (`arb.bot.log`), 0 for none.
        ("answers", "i8"),
        #: Requests that were lost because a queue was full.
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
        #: Addresses of queues: requests as they are made, answers by the time at which they arrive.
        ("requests", "i8"),
        ("responses", "i8"),
        #: Address of the trades, which are kept where `keeps_trades`.
        ("trades", "i8"),
        ("keeps_trades", "i8"),
        #: Address of the stream of rows that the bot sees, and of the answering side's record.
        ("rows", "i8"),
        ("port", "i8"),
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
#: Trades of one asset that are kept until the strategy clears them.
TRADES_MAX = 1 << 20

#: An answer as the strategy got it: when it was asked for (a maker fill: when the order was), processed and heard.
ANSWER = np.dtype(
    [
        ("asset_no", "i8"),
        ("order_id", "u8"),
        #: Number of the request among the asset's, from 1; 0 for a fill that nobody asked for.
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
def assets_of(world):  # type: ignore[no-untyped-def]
    """The records of its assets."""
    return carray(as_pointer(world.assets), world.num_assets, ASSET)


#: The trades at `address`.
trades_at = record_view(TRADES)


def set_fields(record: np.ndarray[Any, Any], **fields: Any) -> None:
    """Write fields of an array's only record."""
    for name, value in fields.items():
        record[name] = value
