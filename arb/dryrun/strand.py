"""The strategy as an endless loop beside the event loop: a greenlet that runs until the strategy waits.

The bot's waiting functions call back when they have nothing more to go on with; the callback switches to the host,
and `resume` switches back once there is more. Everything happens on the host's thread: a strategy between two waits
holds the loop up, and only another process can end one that never calls the bot (its heartbeat then stands still).

A strategy is stopped by its waits' answer 1, never by an exception thrown into its native frames.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from arb.bot.error_lines import enter_strategy
from arb.bot.live import LiveBot

_PARK_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)

_GO_ON, _STOP = 0, 1


class Strand:
    """One run of a compiled strategy over a live bot. One thread, and the greenlet that made it is the host.

    Stop it before it is forgotten: a parked strategy holds on to itself and to its bot.
    """

    def __init__(self, bot: LiveBot, strategy: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._bot = bot
        self._strategy = strategy
        self._arguments = arguments
        #: What the strategy returned, and what it raised.
        self.value: Any = None
        self.error: BaseException | None = None
        #: How often the host went on with the strategy.
        self.switches = 0
        self._greenlet = greenlet(self._run)
        # A bound method would be a cycle: the callback keeps nothing alive.
        strand = weakref.ref(self)
        bot.world.set_host(_PARK_TYPE(lambda _world: _park(strand())))

    @property
    def is_alive(self) -> bool:
        """Whether the strategy has not returned yet; true before the first `resume`."""
        return not self._greenlet.dead

    def resume(self) -> bool:
        """Run the strategy until it waits for more than there is, or ends. False once it has ended.

        Raises KeyboardInterrupt where that arrived while the strategy was being switched; it has been stopped then.
        """
        if self._greenlet.dead:
            return False
        self.switches += 1
        self._greenlet.switch(_GO_ON)
        if isinstance(self.error, KeyboardInterrupt):
            raise self.error
        return not self._greenlet.dead

    def stop(self) -> bool:
        """End the strategy by the answer 1. False when it does not heed it: then it is parked for good."""
        self._bot.stop()
        if not self._greenlet.dead:
            self._greenlet.switch(_STOP if self.switches else _GO_ON)
            self.switches += 1
        return self._greenlet.dead

    def _run(self, _first: int) -> None:
        try:
            enter_strategy()
            self.value = self._strategy(*self._arguments)
        except BaseException as error:  # handed to the host, which lives in another greenlet
            self.error = error

    def park(self) -> int:
        """To the host and back; what the host sent. The strategy's greenlet."""
        current = getcurrent()
        host = current.parent
        if current is not self._greenlet or host is None:
            return _STOP
        return int(host.switch())


def _park(strand: Strand | None) -> int:
    """The C callback: an exception must not reach the native frames, which would not see it."""
    try:
        return _STOP if strand is None else strand.park()
    except BaseException as error:  # Ctrl+C, or the greenlet is being collected
        if strand is not None and isinstance(error, KeyboardInterrupt):
            strand.error = error
        return _STOP
