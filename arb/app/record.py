"""`arb record`: a feed a venue into one recorder, until it is told to end. Edges are put together here.

Nothing in here knows how it is shown: `show` is called once a second with a `Progress`, on a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
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
from arb.app.display import Display, warnings_on
from arb.app.feeds import (
    BOT_STREAMS,
    LiveFeed,
    bot_streams,
    has_stream,
    instrument_at,
    open_feed,
    venue_transport,
)
from arb.app.legs import known_venues, load_adapter
from arb.app.record_tap import NoSink, Origins, RecorderTap
from arb.app.running_sandbox import with_sandbox
from arb.app.sandbox import unique
from arb.app.serve import SANDBOX_SEED, seeded_sandbox
from arb.app.signals import signals_call, signals_wake
from arb.config import Config, VenueConfig, load
from arb.config.templates import main_file
from arb.data.recorder.recorder import Recorder, RecorderState
from arb.errors import ArbError, InputError
from connectors.feed_state import InstrumentState
from connectors.lag import OffsetEstimator
from connectors.pipeline import warm_up
from connectors.sockets import new_event_loop
from connectors.types import Stream, Venue

#: Streams that a recording may hold beside those that a bot needs.
EXTRA_STREAMS = (Stream.AGG_TRADE, Stream.KLINE_1M, Stream.MARK_PRICE, Stream.TICKER)
_SHOW_S = 1.0


class Wanted(NamedTuple):
    """What is recorded of a venue."""

    venue: VenueConfig
    symbols: tuple[str, ...]
    streams: tuple[Stream, ...] = BOT_STREAMS


class Line(NamedTuple):
    """Where one instrument stands. `trouble`: why its venue was not heard last, or ""; `refused`: topics, and why."""

    venue: str
    state: InstrumentState
    trouble: str
    refused: Mapping[str, str] = MappingProxyType({})


class Progress(NamedTuple):
    """Where a recording stands."""

    time_ns: int
    elapsed_s: float
    lines: tuple[Line, ...]
    recorder: RecorderState


def refusal_text(progress: Progress) -> str:
    """What the venues refused, and what to do; "" for nothing."""
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
    """SIGTERM."""


_ENDINGS = {signal.SIGINT: Ending.INTERRUPTED, signal.SIGTERM: Ending.STOPPED}
Show = Callable[[Progress], None]


def config_of(path: Path, overrides: Sequence[str], data_dir: Path | None, *, is_sandbox: bool) -> Config:
    """The configuration; with the sandbox the one that `arb init` would write, where there is none."""
    settings = list(overrides)
    if data_dir is not None:
        settings.append(f"data.directory={json.dumps(str(data_dir))}")
    with main_file(path, is_sandbox=is_sandbox) as file:
        return load(file, settings)


def wanted_of(
    config: Config,
    config_path: Path,
    venues: Sequence[str] | None,
    symbols: Sequence[str] | None,
    streams: Sequence[str] | None,
) -> list[Wanted]:
    """What to record: the legs of the configuration, or all of `symbols` at all of `venues`.

    streams: the extra ones by name, None for those of `[record] streams`; a venue gives those that it has. Raises
    InputError and ConfigError for a venue, symbol or stream that there is not.
    """
    known = known_venues(config_path) | {leg.venue.name: leg.venue for leg in config.legs}
    pairs = [(leg.venue.name, leg.symbol) for leg in config.legs]
    if venues is not None or symbols is not None:
        at = unique(venues if venues is not None else [venue for venue, _ in pairs])
        what = unique(symbols if symbols is not None else [symbol for _, symbol in pairs])
        pairs = [(venue, symbol) for venue in at for symbol in what]
    for venue, symbol in pairs:
        _check_known(config, known, venue, symbol)
    names = unique([venue for venue, _ in pairs])
    adapters = {name: load_adapter(known[name]) for name in names}
    extra = extra_streams(config.record.streams if streams is None else streams, list(adapters.values()))
    return [
        Wanted(
            known[name],
            tuple(unique([symbol for venue, symbol in pairs if venue == name])),
            (
                *bot_streams(adapters[name]),
                *(stream for stream in extra if has_stream(adapters[name], stream)),
            ),
        )
        for name in names
    ]


def extra_streams(names: Sequence[str], adapters: Sequence[Venue]) -> list[Stream]:
    """The streams of these names. Raises InputError for one that is no extra stream, or that no venue has."""
    known = {stream.value: stream for stream in EXTRA_STREAMS}
    for name in names:
        if name not in known:
            raise InputError(f"--streams {name}: no such stream; there are {', '.join(known)}")
        if not any(has_stream(adapter, known[name]) for adapter in adapters):
            raise InputError(
                f"--streams {name}: none of the venues has it: {', '.join(a.name for a in adapters)}"
            )
    return [known[name] for name in unique(names)]


def record(
    config: Config,
    wanted: Sequence[Wanted],
    show: Show,
    *,
    duration_s: float | None = None,
    is_sandbox: bool = False,
) -> tuple[Ending, Progress]:
    """Records until the duration has passed, Ctrl+C or SIGTERM; how it ended, and where it stood then.

    The files are whole when it returns or raises. Raises InputError where recording had to stop: a full disk, a folder
    that is in use, a port of the sandbox that is taken.
    """
    for one in wanted:
        venue_transport(one.venue)
        warm_up(load_adapter(one.venue), instrument_at(one.venue, one.symbols[0]))
    directory = Path(config.data.directory)
    origins = Origins(directory, _origin_text() if is_sandbox else "")
    for one in wanted:
        for symbol in one.symbols:
            origins.begin(one.venue.name, symbol, time.time_ns())
    session = _Session(wanted, origins, show)
    with (
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
    return ending, session.progress(recorder)._replace(lines=session.last_lines)


class _Session:
    """One recording under way."""

    def __init__(self, wanted: Sequence[Wanted], origins: Origins, show: Show) -> None:
        self._wanted = wanted
        self._origins = origins
        self._show = show
        self._began_ns = time.monotonic_ns()
        self._feeds: list[LiveFeed] = []
        self._taps: list[RecorderTap] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_ended: asyncio.Event | None = None
        #: What ended the recording, where something did. Set once, by any thread.
        self.error: Exception | None = None
        #: That of the first signal.
        self._ending: Ending | None = None
        #: As they stood when the feeds were closed.
        self.last_lines: tuple[Line, ...] = ()

    def fail(self, error: ArbError) -> None:
        """Recording has failed, and the command ends with it. Any thread; the first error counts."""
        self._end(error)

    def _end(self, error: Exception) -> None:
        self.error = self.error or error
        self._wake()

    def _not_shown(self, error: BaseException) -> None:
        """A pipe that was closed ends the recording, as does an output that is full."""
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error = InputError(f"the progress cannot be written: {error.strerror}; what came is whole")
        self._end(error if isinstance(error, Exception) else BrokenPipeError(str(error)))

    def _on_signal(self, number: signal.Signals) -> None:
        self._ending = self._ending or _ENDINGS[number]
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and self._has_ended is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._has_ended.set)

    def progress(self, recorder: Recorder) -> Progress:
        """Where it stands now."""
        lines = tuple(
            Line(one.venue.name, state, tap.trouble, live.feed.refused(no))
            for one, live, tap in zip(self._wanted, self._feeds, self._taps, strict=False)
            for no, state in enumerate(live.feed.states())
        )
        elapsed_s = (time.monotonic_ns() - self._began_ns) / 1e9
        return Progress(time.time_ns(), elapsed_s, lines, recorder.state)

    async def run(self, recorder: Recorder, duration_s: float | None, *, is_sandbox: bool) -> Ending:
        """Until the end."""
        self._loop, self._has_ended = asyncio.get_running_loop(), asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            # A second Ctrl+C, behind this, ends the process.
            stack.enter_context(signals_call(self._on_signal))
            stack.enter_context(signals_wake(self._loop))
            display = stack.enter_context(Display(self._not_shown))
            stack.enter_context(warnings_on(display))
            venues: Mapping[str, VenueConfig] = {one.venue.name: one.venue for one in self._wanted}
            if is_sandbox:
                sandbox = await stack.enter_async_context(
                    seeded_sandbox(venues, [(w.venue.name, s) for w in self._wanted for s in w.symbols])
                )
                venues = with_sandbox(venues, sandbox.urls)
            stack.push_async_callback(self._close)
            self._open(recorder, venues)
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


def _check_known(config: Config, known: Mapping[str, VenueConfig], venue: str, symbol: str) -> None:
    if venue not in known:
        raise InputError(
            f"--venues {venue}: no file beside {config.file} describes it; known: {', '.join(sorted(known))}"
        )
    if symbol not in known[venue].symbols:
        raise InputError(
            f"--symbols {symbol}: {known[venue].file} does not describe it; add [symbols.{symbol}] there, with "
            f"tick_size and lot_size; known: {', '.join(known[venue].symbols) or 'none'}"
        )


def _origin_text() -> str:
    return (
        f"simulated, not a recording of any venue: arb {arb.__version__} record --sandbox, the seeded market "
        f"{SANDBOX_SEED}"
    )


def _versions() -> dict[str, str]:
    """Of the programs whose work is in a recording."""
    found = {"arb": arb.__version__, "python": platform.python_version()}
    for name in ("aiohttp", "picows", "uvloop", "websockets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
