"""Runs a sweep in a child process: a strategy may end the process it runs in, and the sweep goes on without that set.

The parent waits, forwards signals, and begins another child when one was lost. Which sets ran is in memory that both
share. Imports nothing that takes time or starts threads: the process is forked before such things are loaded.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from arb.errors import InputError
from arb.interrupts import ending_signals, interrupt_handled
from arb.lifeline import end_with_parent

#: A set and a period.
Place = tuple[int, int]

#: Sets that may end the process before the sweep is given up: the strategy is broken, not a set.
LOST_MAX = 10
#: Children at most: one set that is lost takes two more, as it may have run beside others.
_CHILDREN_MAX = 3 * LOST_MAX
_STARTED, _ENDED = 0, 1
_SLOTS = 256
_HEAD = struct.Struct("=B4097p")
_SLOT = struct.Struct("=qq")
_FREE = (-1, -1)


class Board:
    """What a child does, in memory that its parent reads after its end. Any thread of the child writes its own part."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + _SLOTS * _SLOT.size)
        self._free = deque(range(_SLOTS))
        self.clear()

    def clear(self) -> None:
        """As before a child; the folder stays."""
        self._write(_STARTED, self._read()[1])
        for slot in range(_SLOTS):
            self._mark(slot, _FREE)

    def set_folder(self, folder: Path) -> None:
        """Names the sweep's folder, which the next child continues."""
        self._write(_STARTED, os.fsencode(folder))

    @contextlib.contextmanager
    def running(self, place: Place) -> Iterator[None]:
        """Inside the context, a thread runs this set."""
        slot = self._free.popleft()
        self._mark(slot, place)
        try:
            yield
        finally:
            self._mark(slot, _FREE)
            self._free.append(slot)

    def end(self) -> None:
        """The child has its exit code: it is not lost."""
        self._write(_ENDED, self._read()[1])

    @property
    def is_ended(self) -> bool:
        return self._read()[0] == _ENDED

    @property
    def folder(self) -> Path | None:
        name = self._read()[1]
        return Path(os.fsdecode(name)) if name else None

    @property
    def places(self) -> list[Place]:
        """The sets that run, in order."""
        found = (_SLOT.unpack_from(self._memory, _HEAD.size + slot * _SLOT.size) for slot in range(_SLOTS))
        return sorted((place[0], place[1]) for place in found if place != _FREE)

    def _read(self) -> tuple[int, bytes]:
        state, name = _HEAD.unpack_from(self._memory)
        return state, name

    def _write(self, state: int, name: bytes) -> None:
        _HEAD.pack_into(self._memory, 0, state, name)

    def _mark(self, slot: int, place: Place) -> None:
        _SLOT.pack_into(self._memory, _HEAD.size + slot * _SLOT.size, *place)


class Child(NamedTuple):
    """This process, as a child. failed: sets that ended an earlier child, and how; suspects: those of which one did,
    and which run one after the other, so that it is found; is_later: an earlier child was lost."""

    board: Board
    failed: Mapping[Place, str] = {}
    suspects: frozenset[Place] = frozenset()
    is_later: bool = False


def in_child(say: Callable[[str], None]) -> Child:
    """Returns in a child process, once or, after a child was lost, again in a new one. The parent exits with the
    child's exit code, or raises InputError when it gives up.

    say: writes a line for the user. Main thread, while it is the only one.
    """
    board = Board()
    failed: dict[Place, str] = {}
    suspects: frozenset[Place] = frozenset()
    places: list[Place] = []
    for number in range(_CHILDREN_MAX):
        board.clear()
        status = _forked()
        if status is None:
            return Child(board, failed, suspects, number > 0)
        if board.is_ended:
            raise SystemExit(status if status >= 0 else 128 - status)
        how, places = _how(status), board.places
        if status == -signal.SIGKILL or not places:
            raise _given_up(board, f"the process was ended by {how}{_while(places)}", is_killed=bool(places))
        suspects = frozenset(places) if len(places) > 1 else frozenset()
        if len(places) == 1:
            failed[places[0]] = f"the strategy ended the process with {how}"
            say(f"set {_names(places)}: {failed[places[0]]}; it is marked as failed, the others go on")
        if len(failed) == LOST_MAX:
            break
    raise _given_up(board, f"the strategy ended the process in sets {_names(sorted(failed) or places)}")


def _forked() -> int | None:
    """None in the new child; in the parent, after its end, the child's exit code, negative of a signal."""
    forwarded = [
        number
        for number in (signal.SIGINT, *ending_signals(), signal.SIGTSTP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    before: set[int] = set(signal.pthread_sigmask(signal.SIG_BLOCK, forwarded))
    lifeline, held = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(held)
        # Of its own group: a signal of the terminal reaches it once, through the parent.
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        # A parent that was killed leaves no process that goes on writing.
        end_with_parent(lifeline)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    os.close(lifeline)
    try:
        return _outlived(process, forwarded, before)
    finally:
        os.close(held)


def _outlived(process: int, forwarded: list[signal.Signals], mask: set[int]) -> int:
    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGTSTP:
                os.kill(process, signal.SIGSTOP)
                os.kill(os.getpid(), signal.SIGSTOP)
                os.kill(process, signal.SIGCONT)
            else:
                os.kill(process, number)

    # The child has inherited the pipe of signals: what the parent receives is not for it.
    descriptor = signal.set_wakeup_fd(-1)
    handlers = {number: signal.signal(number, forward) for number in forwarded}
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        _, status = os.waitpid(process, 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor)
        interrupt_handled()
    return os.waitstatus_to_exitcode(status)


def _how(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name


def _while(places: list[Place]) -> str:
    return f" while it ran set{'s' if len(places) > 1 else ''} {_names(places)}" if places else ""


def _names(places: list[Place]) -> str:
    """The sets, with the period where it is not the only one: `3, 4`."""
    has_periods = any(period for _, period in places)
    return ", ".join(
        f"{number} (period {period})" if has_periods else str(number) for number, period in places
    )


def _given_up(board: Board, what: str, *, is_killed: bool = False) -> InputError:
    kept = f"; what is done is kept, the same command with --out {board.folder} continues it"
    memory = "; out of memory? fewer --threads need less" if is_killed else ""
    return InputError(f"{what}{memory}{kept if board.folder else ''}")
