"""Replays a session whose orders a gateway answered: over recorded rows and whole recorded answers, at full speed.

The answers are in their queues from the beginning, at the times at which the bot received them; at the port the
requests of every step are taken and listed. Nothing of a venue or of an exchange is involved.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from hftbacktest.types import LOCAL_EVENT

from arb.bot.codes import END_OF_DATA, OK
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.mailbox import Mailbox
from arb.execution.attempts import Attempts
from arb.runtime.live_files import REQUEST, RESPONSE
from arb.runtime.replay import Reader, drive
from arb.runtime.snapshot import STOP
from arb.runtime.strategy_task import StrategyTask
from connectors.model import Rows

_SERVE_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class RecordedAnswers:
    """Attached to the port of a world that is not live: lists requests, delivers recorded answers."""

    def __init__(self, world: LiveWorld, responses: np.ndarray[Any, Any]) -> None:
        """responses: of dtype RESPONSE, of each leg in order of receipt."""
        if responses.dtype != RESPONSE:
            raise ValueError("responses have other fields")
        self._mailbox = Mailbox(world)
        self._steps = 0
        self._requests: list[tuple[int, int, int, int, int, int, Any]] = []
        #: Whose log of decisions the caller sets.
        self.attempts = Attempts()
        #: What was raised while requests were taken.
        self.fault: BaseException | None = None
        self.last_ts = int(responses["received_ns"].max()) if len(responses) else 0
        for response in responses:
            self._mailbox.put(int(response["leg"]), response["row"], int(response["received_ns"]))
        self._serve = _SERVE_TYPE(self._on_requests)
        world.attach(ctypes.cast(self._serve, ctypes.c_void_p).value or 0)

    @property
    def requests(self) -> np.ndarray[Any, Any]:
        """The requests so far, of dtype REQUEST; `taken_ns`, `is_sent` and `bound` are 0, as a replay does not know
        them."""
        return np.array(self._requests, REQUEST)

    def take(self) -> None:
        """Takes the requests that wait, as those of a step; does nothing without any."""
        taken = self._mailbox.take()
        self._steps += bool(taken)
        self.attempts.read()
        for leg, row in taken:
            attempt = self.attempts.of(leg, int(row["order_id"]))
            self._requests.append((leg, self._steps, 0, 0, attempt, 0, row))

    def _on_requests(self, _world: int) -> int:
        """The C callback: native frames could not handle an exception."""
        try:
            self.take()
        except BaseException as error:
            self.fault = self.fault or error
            return END_OF_DATA
        return OK


def replay_live(
    bot: LiveBot,
    answers: RecordedAnswers,
    legs: Sequence[Iterable[Rows]],
    strategy: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    until_ts: int,
    halted: tuple[int, int] = (0, 0),
    unbooked: Sequence[float] = (),
) -> StrategyTask:
    """Runs a compiled strategy over the rows of every leg, stops it where the session stopped it, and applies the
    answers that arrived after that. Returns the finished task; see `arb.runtime.replay.replay`.

    bot: over the world of `answers`, with the session's start time. halted, unbooked: see `Snapshot`.
    """
    task = StrategyTask(bot, strategy, arguments)
    streams = bot.world.streams
    readers = [Reader(arrays, {LOCAL_EVENT: streams[leg]}) for leg, arrays in enumerate(legs)]
    halt_ts, how = halted
    if halt_ts:
        options: Any = {"is_flattening": how == 1, "is_stop": how == STOP, "unbooked": unbooked}
        drive(bot, task, readers, halt_ts, stop=lambda: task.halt(**options))
    if task.is_alive:
        drive(bot, task, readers, until_ts)
    if answers.fault is not None:
        raise answers.fault
    answers.take()
    bot.world.settle(max(until_ts, answers.last_ts))
    return task
