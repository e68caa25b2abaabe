"""The strategy as an endless loop beside the event loop: a greenlet that runs until the strategy waits.

The bot's waiting functions call back when they have nothing more to go on with; the callback switches to the host,
and `resume` switches back once there is more. Everything happens on the host's thread: a strategy between two waits
holds the loop up, and only another process can end one that never calls the bot (its heartbeat then stands still).

A strategy is stopped by its waits' answer 1, never by an exception thrown into its native frames. One that never waits
can be held: its next call of the bot, whichever it is, comes back to the host and never returns.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from arb.bot.error_lines import enter_strategy
from arb.engine.live import LiveBot

_PARK_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
_HOLD_TYPE = ctypes.CFUNCTYPE(None)

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
        #: Whether it was held at a call of the bot: it is never gone on with, and the bot is the host's again.
        self.is_held = False
        #: Whether it runs, and the host does not. Written by the host's thread only.
        self.is_inside = False
        #: The C function that it is held in; written under `_changing`.
        self._holding: Any = None
        self._changing = threading.Lock()
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
        if self._greenlet.dead or self.is_held:
            return False
        self._switch(_GO_ON)
        if isinstance(self.error, KeyboardInterrupt):
            raise self.error
        return not self._greenlet.dead and not self.is_held

    def stop(self) -> bool:
        """End the strategy by the answer 1. False when it does not heed it: then it is parked for good.

        True for one that was held, too, before or meanwhile.
        """
        self._bot.stop()
        if not self._greenlet.dead and not self.is_held:
            self._switch(_STOP if self.switches else _GO_ON)
        return self._greenlet.dead or self.is_held

    def hold(self) -> bool:
        """Hold the strategy at its next call of the bot, whichever it is. From any thread; False when it does not run.

        When it is held, `resume` or `stop` come back on the host's thread.
        """
        with self._changing:
            if self._holding is None:
                parent = self._greenlet.parent
                if parent is None:
                    return False
                # No function of Python's own: Ctrl+C must be raised in the host, and not be lost on the way.
                self._holding = _HOLD_TYPE(parent.switch)
            # After `_holding` was set: what ends here sees it, and releases the bot.
            if not self.is_inside:
                self._holding = None
                return False
            # Never collected: that would throw an exception into its native frames.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._greenlet))
            self._bot.hold(ctypes.cast(self._holding, ctypes.c_void_p).value or 0)
        return True

    def release(self) -> None:
        """Give the bot its functions back, where `hold` took them. The host's thread; any number of times."""
        with self._changing:
            if self._holding is not None and not self.is_held:
                self._bot.release()
                self.is_held = not self._greenlet.dead

    def _switch(self, word: int) -> None:
        self.switches += 1
        self.is_inside = True
        try:
            self._greenlet.switch(word)
        finally:
            self.is_inside = False
            if self._holding is not None:
                self.release()

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
