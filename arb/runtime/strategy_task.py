"""Runs the strategy in a greenlet beside the event loop: it runs until it waits.

The bot's waiting functions call back when no more data is available; the callback switches to the host, and `resume`
switches back once there is more. Everything runs on the host's thread: a strategy blocks the loop between two waits,
and one that never calls the bot (its heartbeat stops) is ended by the watchdog, with the process.

A strategy is stopped when its wait returns 1, never by an exception thrown into its native frames. One that never waits
can be held: its next call of any bot function switches to the host and never returns.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from greenlet import getcurrent, greenlet

from arb.bot.error_lines import enter_strategy
from arb.engine.live import LiveBot

_PARK_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
_HOLD_TYPE = ctypes.CFUNCTYPE(None)

_GO_ON, _STOP = 0, 1


class StrategyTask:
    """One run of a compiled strategy over a live bot. One thread; the greenlet that created it is the host.

    Stop it before dropping it: a parked strategy keeps itself and its bot alive.
    """

    def __init__(self, bot: LiveBot, strategy: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._bot = bot
        self._strategy = strategy
        self._arguments = arguments
        #: The strategy's return value and exception.
        self.value: Any = None
        self.error: BaseException | None = None
        #: How often the host resumed the strategy.
        self.switches = 0
        #: Whether it was held at a call of the bot: it is never resumed, and the host may use the bot again.
        self.is_held = False
        #: Whether the strategy runs, not the host. Written by the host's thread only.
        self.is_inside = False
        #: The C function that holds it; written under `_changing`.
        self._holding: Any = None
        self._changing = threading.Lock()
        self._greenlet = greenlet(self._run)
        # A weak reference: a bound method would create a cycle.
        task = weakref.ref(self)
        bot.world.set_host(_PARK_TYPE(lambda _world: _park(task())))

    @property
    def is_alive(self) -> bool:
        """Whether the strategy has not returned yet; true before the first `resume`."""
        return not self._greenlet.dead

    def resume(self) -> bool:
        """Runs the strategy until it waits for more data, or ends. False once it has ended.

        Raises KeyboardInterrupt if that arrived while switching to the strategy; the strategy has been stopped then.
        """
        if self._greenlet.dead or self.is_held:
            return False
        self._switch(_GO_ON)
        if isinstance(self.error, KeyboardInterrupt):
            raise self.error
        return not self._greenlet.dead and not self.is_held

    def stop(self) -> bool:
        """Stops the strategy by returning 1 from its wait. False if it waits again instead of ending: it stays parked.

        Also True for a strategy that is or gets held.
        """
        self._bot.stop()
        if not self._greenlet.dead and not self.is_held:
            self._switch(_STOP if self.switches else _GO_ON)
        return self._greenlet.dead or self.is_held

    def halt(
        self, *, is_flattening: bool = False, is_stop: bool = False, unbooked: Sequence[float] = ()
    ) -> bool:
        """Stops the strategy for a halt (`LiveBot.halt`). False while its positions are being closed or balanced."""
        self._bot.halt(is_flattening=is_flattening, is_stop=is_stop, unbooked=unbooked)
        if not self._greenlet.dead and not self.is_held:
            self._switch(_STOP if self.switches else _GO_ON)
        return self._greenlet.dead or self.is_held

    def hold(self) -> bool:
        """Holds the strategy at its next call of any bot function. From any thread; False when it does not run.

        When it is held, `resume` or `stop` return on the host's thread.
        """
        with self._changing:
            if self._holding is None:
                parent = self._greenlet.parent
                if parent is None:
                    return False
                # Not a Python function: Ctrl+C must be raised in the host, and not be lost on the way.
                self._holding = _HOLD_TYPE(parent.switch)
            # After `_holding` is set: if the strategy ends now, `_switch` sees it and releases the bot.
            if not self.is_inside:
                self._holding = None
                return False
            # Never collected: that would throw an exception into its native frames.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._greenlet))
            self._bot.hold(ctypes.cast(self._holding, ctypes.c_void_p).value or 0)
        return True

    def release(self) -> None:
        """Restores the bot's functions that `hold` replaced. The host's thread; may be called repeatedly."""
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
        except BaseException as error:  # passed to the host, which runs in another greenlet
            self.error = error

    def park(self) -> int:
        """Switches to the host; returns the value it resumes with. Runs in the strategy's greenlet."""
        current = getcurrent()
        host = current.parent
        if current is not self._greenlet or host is None:
            return _STOP
        return int(host.switch())


def _park(task: StrategyTask | None) -> int:
    """The C callback. Catches every exception: native frames could not handle one."""
    try:
        return _STOP if task is None else task.park()
    except BaseException as error:  # Ctrl+C, or the greenlet is being collected
        if task is not None and isinstance(error, KeyboardInterrupt):
            task.error = error
        return _STOP
