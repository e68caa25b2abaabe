"""Keeps what a guard or a watcher finds, and sends its messages: on threads of its own, beside their loop.

One thread writes the file, one for each channel sends: a receiver that is away, or slow, delays neither the guard's
work nor another channel. A message is sent until the receiver has accepted it, in the order of their making. One guard
sends at a time: that of the latest session, once the one before has let go.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from arb.alerts.channels import Channel, channel_of
from arb.alerts.message import ChannelAddress, Origin, Transition
from arb.alerts.store import ALERTS_DB, WAITING_MAX, AlertStore
from arb.errors import InputError
from arb.journal.locks import HeldLock
from connectors.units import SECOND

#: Held by the guard that sends.
ALERTS_LOCK = "alerts.lock"
#: A receiver that did not accept a message is tried again after this, then after twice as long, up to the second.
_AGAIN_S, _AGAIN_MAX_S = 0.5, 60.0
#: Interval of looks at the lock, and at a later guard.
_LOOK_S = 0.2
#: How long a message that is being sent may take at the end.
_END_S = 10.0


class AlertSender:
    """One guard's. Made, and called, in one thread."""

    def __init__(
        self,
        state: Path,
        origin: Origin,
        addresses: Sequence[ChannelAddress],
        *,
        kept: Callable[[int], None],
        warn: Callable[[str], None],
        every_s: float = 0.0,
    ) -> None:
        """state: folder of the environment. kept: receives the number of what was taken; warn: a line about what does
        not work; both on another thread. every_s: see `AlertStore`."""
        self._state = state
        self._origin = origin
        self._kept, self._warn = kept, warn
        self._every_ns = round(every_s * SECOND)
        self._work: queue.SimpleQueue[Callable[[AlertStore], None]] = queue.SimpleQueue()
        #: Something may be there to send; the end.
        self._news = threading.Condition()
        self._is_over = threading.Event()
        #: Works that were put into the queue, and done; each has one writer.
        self._given = self._done = 0
        self._is_waiting = True
        self._least = 0
        self._senders: list[threading.Thread] = []
        self._addresses = tuple(addresses)
        self._keeper = threading.Thread(target=self._keep, name="alerts", daemon=True)
        self._keeper.start()

    def take(self, transition: Transition) -> None:
        """What the session says. Does not wait."""
        self.give(lambda store: self._take(store, transition))

    def begin(self, rule: str, text: str) -> None:
        """What the guard itself has found. Does not wait."""
        now = time.time_ns()
        self.give(lambda store: store.begin(self._origin, rule, text, now))

    def end(self, rule: str) -> None:
        """What the guard itself had found is over. Does not wait."""
        now = time.time_ns()
        self.give(lambda store: store.end(self._origin, rule, now))

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send, or a later guard sends it."""
        return not self._keeper.is_alive() or (self._given == self._done and not self._is_waiting)

    @property
    def room(self) -> int:
        """How much more may be given now so that a channel that accepts messages need not drop any."""
        return WAITING_MAX // 2 - self._least - (self._given - self._done)

    def close(self) -> None:
        """Ends what does not wait for a receiver; the rest ends with the process."""
        self._is_over.set()
        with self._news:
            self._news.notify_all()

    def give(self, work: Callable[[AlertStore], None]) -> None:
        """Work for the thread that writes the file. Does not wait."""
        self._given += 1
        self._work.put(work)

    # -- the thread that writes the file

    def _keep(self) -> None:
        names = [one.name for one in self._addresses]
        store = AlertStore(self._state / ALERTS_DB, names, self._warn, self._every_ns)
        name = f"{self._origin.id} {time.time_ns()}"
        lock: HeldLock | None = None
        try:
            store.name_sender(name)
            while not self._is_over.is_set():
                lock = lock or self._lock(store)
                is_done = self._work_once(store)
                store.release(time.time_ns())
                # Before the count: `is_done` of this object reads the count first.
                self._is_waiting, self._least = bool(store.waiting()), store.least_waiting()
                self._done += is_done
                if store.sender() != name:
                    self.close()
        except Exception as error:  # a thread's root
            self._warn(f"alerts: they are not sent any more: {type(error).__name__}: {error}")
            self.close()
        for one in self._senders:
            one.join(_END_S)
        if lock is not None:
            lock.close()

    def _work_once(self, store: AlertStore) -> bool:
        try:
            work = self._work.get(timeout=_LOOK_S)
        except queue.Empty:
            return False
        work(store)
        with self._news:
            self._news.notify_all()
        return True

    def _take(self, store: AlertStore, transition: Transition) -> None:
        store.take(self._origin, transition, time.time_ns())
        self._kept(transition.number)

    def _lock(self, store: AlertStore) -> HeldLock | None:
        """Starts sending; None while another guard sends."""
        try:
            lock = HeldLock(self._state / ALERTS_LOCK, "the sending of alerts", self._origin.id)
        except InputError:
            return None
        for address in self._addresses:
            own = threading.Thread(
                target=self._send, args=(store, address), name=f"alerts {address.name}", daemon=True
            )
            self._senders.append(own)
            own.start()
        return lock

    # -- a thread for each channel

    def _send(self, store: AlertStore, address: ChannelAddress) -> None:
        try:
            self._send_all(store, address)
        except Exception as error:  # a thread's root
            self._warn(f"alerts: {address.name}: nothing is sent any more: {type(error).__name__}")

    def _send_all(self, store: AlertStore, address: ChannelAddress) -> None:
        channel: Channel | None = None
        pause_s, before = _AGAIN_S, ""
        try:  # at once: to load a library takes time that orders need when the session dies
            channel = channel_of(address)
        except InputError as error:
            before = str(error)
            self._warn(f"alerts: {address.name}: {before}")
        while not self._is_over.is_set():
            found = store.next(address.name)
            if found is None:
                with self._news:
                    self._news.wait(_LOOK_S)
                continue
            try:
                channel = channel or channel_of(address)
                why = channel.send(found.message)
            except InputError as error:
                why = str(error)
            if not why:
                store.accepted(address.name, found.no)
                if before:
                    self._warn(f"alerts: {address.name}: accepted again")
                pause_s, before = _AGAIN_S, ""
                continue
            if why != before:
                self._warn(f"alerts: {address.name}: {why}; trying again")
            before = why
            self._is_over.wait(pause_s)
            pause_s = min(2.0 * pause_s, _AGAIN_MAX_S)
