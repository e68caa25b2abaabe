"""The port of a live world: the strategy's requests leave through it, and responses arrive, whoever answers them.

A dry-run attaches the simulated exchange (`arb.simulation.timeline`), live trading a gateway. Every asset has a queue
of requests and one of responses; the world has one function of the answering side, `serve`. The world's clock
(`arb.engine.timeline`) calls it

* right after the strategy waits again, if it has made requests: those of all assets are in their queues, to be taken;
* when the answering side's next event, at (`next_ts`, `next_asset`), precedes the bot's, at (`until_ts`,
  `until_asset`). At equal times the lower asset number is first, and of one asset the bot's event.

`serve` processes its own events before `until`, in this order, until one of them delivers a response. It then sets its
next event and returns OK, or a code of the bot, which ends the strategy's wait. `next_ts` is NEVER when it is called: a
side without events on the world's clock, such as a gateway, leaves it and delivers responses when it receives them,
between two waits. `arb.engine.account.deliver` appends a response to its queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from arb.bot.memory import record_view
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Value of `next_ts`: the answering side has new data and does not know its next event.
UNKNOWN = -1

PORT = np.dtype(
    [
        #: Address of a C function `int64 serve(int64 world)`.
        ("serve", "i8"),
        #: Address of what the answering side needs.
        ("side", "i8"),
        #: The answering side's next event: NEVER without one, or UNKNOWN.
        ("next_ts", "i8"),
        ("next_asset", "i8"),
        #: The bot's next event, or the end of its wait.
        ("until_ts", "i8"),
        ("until_asset", "i8"),
        #: The answering side has all its data up to this time; NEVER if it needs none.
        ("horizon", "i8"),
    ]
)


class Late(NamedTuple):
    """Rows of a message that arrived behind the watermark of their leg. message: its number in the read."""

    message: int
    rows: int
    watermark: int


class MessageSteps(Protocol):
    """Of an answering side that follows the messages of a read in compiled code, while the strategy is entered once."""

    #: Most messages of one read.
    messages_max: int

    def begin(self, leg_no: int, rows: Rows, ends: NDArray[np.int64]) -> int:
        """Sets the messages that the strategy's next entry processes; returns the time of the first one with rows.

        ends: the end of each message's rows. Both must stay as they are until the strategy waits again. There is at
        least one row.
        """

    def finish(self) -> int:
        """Returns how many messages were processed, after the strategy has been entered.

        If it has ended, the message at which it did counts, and the answering side receives it.
        """

    @property
    def late(self) -> list[Late]:
        """Of the messages that were processed."""


class AnsweringSide(Protocol):
    """The host's part of what is attached to the port of a session on live data. The event loop's thread."""

    #: Called with (leg, number of rows, watermark) for rows that were too late for it; the session sets it.
    on_late: Callable[[int, int, int], object]
    #: None: messages are passed one by one.
    steps: MessageSteps | None

    @property
    def settled_ts(self) -> int:
        """The venue time up to which all rows can have taken effect on responses."""

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Receives rows of a leg in the order of receipt, after the bot."""

    def on_time(self, now_ns: int) -> None:
        """Advances to `now_ns`."""


#: The port at `address`.
port_at = record_view(PORT)


@compiled
def precedes(timestamp, asset_no, other_ts, other_asset_no):
    """Whether an event of the answering side is processed before one of the bot's."""
    return timestamp < other_ts or (timestamp == other_ts and asset_no < other_asset_no)
