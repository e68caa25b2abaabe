"""`arb record`: one feed per venue into one recorder, until the duration has passed or a signal arrives.

Must not know how progress is shown: `show` is called once a second with a `Progress`, on its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import arb
from arb.commands.feeds import LiveFeed, instrument_at, open_feed, venue_transport
from arb.commands.legs import load_adapter
from arb.commands.listings import refuse_unlisted_grids
from arb.commands.running_sandbox import with_sandbox
from arb.commands.selection import Wanted
from arb.commands.serve import SANDBOX_SEED, seeded_sandbox
from arb.config import Config, VenueConfig
from arb.data.recordings.recorder import Recorder, RecorderState
from arb.errors import ArbError, InputError
from arb.interrupts import interrupt_handled
from arb.runtime.display import Display, warnings_on, write_error
from arb.runtime.record_tap import NoSink, Origins, RecorderTap
from arb.runtime.signals import signals_call, signals_wake
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.pipeline import warm_up
from connectors.feed.status import InstrumentState
from connectors.net.sockets import new_event_loop

_SHOW_S = 1.0


class Line(NamedTuple):
    """State of one instrument.

    `trouble`: why its venue was last unreachable, or ""; `refused`: refused topics and the reasons; `off_grid`: why its
    values are not on the configured tick and lot, or "".
    """

    venue: str
    state: InstrumentState
    trouble: str
    refused: Mapping[str, str] = MappingProxyType({})
    off_grid: str = ""


class Progress(NamedTuple):
    """State of a recording."""

    time_ns: int
    elapsed_s: float
    lines: tuple[Line, ...]
    recorder: RecorderState


def off_grid_text(progress: Progress) -> str:
    """A message with the instruments whose values are off the configured grid, and what to write; "" if none."""
    told = [
        f"{line.venue}:{line.state.symbol} is off the configured grid: {line.off_grid}"
        for line in progress.lines
        if line.off_grid
    ]
    return f"{'; '.join(told)}; its frames were recorded as they are" if told else ""


def refusal_text(progress: Progress) -> str:
    """A message with what the venues refused, and what to do; "" if nothing."""
    told = [
        f"{line.venue} refuses {line.state.symbol} ({', '.join(map(': '.join, line.refused.items()))})"
        for line in progress.lines
        if line.refused
    ]
    if not told:
        return ""
    return (
        f"{'; '.join(told)}; everything else was recorded. Leave it out, or correct its name: arb doctor compares with "
        "the venue's list"
    )


class Ending(Enum):
    """Why a recording has ended."""

    DURATION = "duration"
    INTERRUPTED = "interrupted"
    """Ctrl+C."""
    STOPPED = "stopped"
    """SIGTERM, or SIGHUP."""


#: Other signals stop it.
_ENDINGS = {signal.SIGINT: Ending.INTERRUPTED}
Show = Callable[[Progress], None]


def record(
    config: Config,
    wanted: Sequence[Wanted],
    show: Show,
    *,
    duration_s: float | None = None,
    is_sandbox: bool = False,
) -> tuple[Ending, Progress]:
    """Records until the duration has passed or Ctrl+C, SIGTERM or SIGHUP. Returns how it ended and its last state.

    The files are complete when it returns or raises; signals that arrive while they are finished have no effect. Raises
    InputError if recording had to stop: a full disk, a folder in use, a sandbox port in use; KeyboardInterrupt for a
    signal before the feeds were opened.
    """
    for one in wanted:
        venue_transport(one.venue)
        warm_up(load_adapter(one.venue), instrument_at(one.venue, one.symbols[0]))
    directory = Path(config.data.directory)
    origins = Origins(directory, _origin_text() if is_sandbox else "")
    for one in wanted:
        for symbol in one.symbols:
            origins.check(one.venue.name, symbol, time.time_ns())
    session = _Session(wanted, origins, show)
    with (
        signals_call(session.on_signal),
        Recorder(
            directory,
            segment_s=config.record.segment_s,
            reserve_gb=config.record.reserve_gb,
            fsync_s=config.record.fsync_s,
            versions=_versions(),
            on_error=session.fail,
        ) as recorder,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        ending = runner.run(session.run(recorder, duration_s, is_sandbox=is_sandbox))
    if session.error is not None:
        raise session.error
    if not session.has_begun:
        raise KeyboardInterrupt
    return ending, session.progress(recorder)._replace(lines=session.last_lines)


class _Session:
    """One recording in progress."""

    def __init__(self, wanted: Sequence[Wanted], origins: Origins, show: Show) -> None:
        self._wanted = wanted
        self._origins = origins
        self._show = show
        self._began_ns = time.monotonic_ns()
        self._feeds: list[LiveFeed] = []
        self._taps: list[RecorderTap] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_ended: asyncio.Event | None = None
        #: The error that ended the recording, if any. Set once, by any thread.
        self.error: Exception | None = None
        #: The ending of the first signal.
        self._ending: Ending | None = None
        #: Whether the feeds were opened.
        self.has_begun = False
        #: State of the feeds when they were closed.
        self.last_lines: tuple[Line, ...] = ()

    def fail(self, error: ArbError) -> None:
        """Ends the recording and the command with this error. Any thread; the first error counts."""
        self._end(error)

    def _end(self, error: Exception) -> None:
        self.error = self.error or error
        self._wake()

    def _not_shown(self, error: BaseException) -> None:
        """Ends the recording when its progress cannot be written: a closed pipe, or a full device."""
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error = InputError(f"the progress cannot be written: {error.strerror}; what came is whole")
        self._end(error if isinstance(error, Exception) else BrokenPipeError(str(error)))

    def on_signal(self, number: signal.Signals) -> None:
        """Ends the recording; the first signal determines the ending. See `signals_call`."""
        interrupt_handled()
        self._ending = self._ending or _ENDINGS.get(number, Ending.STOPPED)
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and self._has_ended is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._has_ended.set)

    def progress(self, recorder: Recorder) -> Progress:
        """The current state."""
        lines = tuple(
            Line(
                one.venue.name, state, tap.trouble, live.feed.refused(no), tap.off_grid.get(state.symbol, "")
            )
            for one, live, tap in zip(self._wanted, self._feeds, self._taps, strict=False)
            for no, state in enumerate(live.feed.states())
        )
        elapsed_s = (time.monotonic_ns() - self._began_ns) / 1e9
        return Progress(time.time_ns(), elapsed_s, lines, recorder.state)

    async def run(self, recorder: Recorder, duration_s: float | None, *, is_sandbox: bool) -> Ending:
        """Runs the recording to its end."""
        self._loop, self._has_ended = asyncio.get_running_loop(), asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(signals_wake(self._loop))
            display = stack.enter_context(Display(self._not_shown))
            stack.enter_context(warnings_on(display))
            venues: Mapping[str, VenueConfig] = {one.venue.name: one.venue for one in self._wanted}
            if is_sandbox:
                sandbox = await stack.enter_async_context(
                    seeded_sandbox(venues, [(w.venue.name, s) for w in self._wanted for s in w.symbols])
                )
                venues = with_sandbox(venues, sandbox.urls)
            if self._ending is None:
                asked = [(venues[one.venue.name], one.symbols) for one in self._wanted]
                for note in await refuse_unlisted_grids(asked, self._has_ended):
                    display.line(partial(write_error, f"warning: {note}"))
            if self._ending is not None:
                return self._ending
            stack.push_async_callback(self._close)
            self._open(recorder, venues)
            self.has_begun = True
            ends_ns = None if duration_s is None else self._began_ns + round(duration_s * 1e9)
            while not self._has_ended.is_set():
                left_s = _SHOW_S if ends_ns is None else (ends_ns - time.monotonic_ns()) / 1e9
                if left_s <= 0:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._has_ended.wait(), min(left_s, _SHOW_S))
                display.view(lambda: partial(self._show, self.progress(recorder)))
            self.last_lines = self.progress(recorder).lines
        return self._ending or Ending.DURATION

    def _open(self, recorder: Recorder, venues: Mapping[str, VenueConfig]) -> None:
        offset = OffsetEstimator()
        self._began_ns = time.monotonic_ns()
        for one in self._wanted:
            tap = RecorderTap(recorder, one.venue.name, one.symbols, self._origins, self.fail)
            live = open_feed(
                venues[one.venue.name], one.symbols, NoSink(), streams=one.streams, tap=tap, offset=offset
            )
            self._taps.append(tap)
            self._feeds.append(live)
        for live in self._feeds:
            live.feed.start()

    async def _close(self) -> None:
        for live in self._feeds:
            await live.close()


def _origin_text() -> str:
    return (
        f"simulated, not a recording of any venue: arb {arb.__version__} record --sandbox, the seeded market "
        f"{SANDBOX_SEED}"
    )


def _versions() -> dict[str, str]:
    """Versions of the programs that affect a recording."""
    found = {"arb": arb.__version__, "python": platform.python_version()}
    for name in ("aiohttp", "picows", "uvloop", "websockets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
