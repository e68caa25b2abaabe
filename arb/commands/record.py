"""`arb record`: one feed per venue into one recorder, until the duration has passed or a signal arrives.

Must not know how progress is shown: `show` is called once a second with a `Progress`, and `wait` with what it waits for
before the recording begins, both on a thread of their own.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import arb
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.config import Config
from arb.config.adapters import instrument_at, load_adapter
from arb.data.recordings.recorder import Recorder, RecorderState
from arb.errors import InputError
from arb.runtime.display import Display, warnings_on, write_error
from arb.runtime.feeds import venue_transport
from arb.runtime.host import Ending, Host
from arb.runtime.listings import LISTINGS_S
from arb.runtime.record_status import RecordedLeg, RecordStatus
from arb.runtime.record_tap import NoSink, Origins, RecorderTap
from arb.sandbox.serve.urls import SIMULATED
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.pipeline import warm_up
from connectors.feed.status import InstrumentState
from connectors.units import SECOND

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
    off_grid = [
        f"{line.venue}:{line.state.symbol} is off the configured grid: {line.off_grid}"
        for line in progress.lines
        if line.off_grid
    ]
    return f"{'; '.join(off_grid)}; its frames were recorded as they are" if off_grid else ""


def refusal_text(progress: Progress) -> str:
    """A message with what the venues refused, and what to do; "" if nothing."""
    refused = [
        f"{line.venue} refuses {line.state.symbol} ({', '.join(map(': '.join, line.refused.items()))})"
        for line in progress.lines
        if line.refused
    ]
    if not refused:
        return ""
    return (
        f"{'; '.join(refused)}; everything else was recorded. Leave it out, or correct its name: arb doctor compares "
        "with the venue's list"
    )


Show = Callable[[Progress], None]


def record(
    config: Config,
    wanted: Sequence[Wanted],
    show: Show,
    *,
    wait: Callable[[str], None] = lambda text: None,
    duration_s: float | None = None,
    sandbox: SandboxChoice | None = None,
    runs: Path | None = None,
) -> tuple[Ending, Progress]:
    """Records until the duration has passed or Ctrl+C, SIGTERM or SIGHUP. Returns how it ended and its last state.

    runs: where a status is published for `arb watch`; None: nowhere.

    The files are complete when it returns or raises; signals that arrive while they are finished have no effect. Raises
    InputError if recording had to stop: a full disk, a folder in use, a sandbox port in use; KeyboardInterrupt for a
    signal before the feeds were opened.
    """
    for one in wanted:
        venue_transport(one.venue)
        warm_up(load_adapter(one.venue), instrument_at(one.venue, one.symbols[0]))
    directory = Path(config.data.directory)
    origins = Origins(directory, _origin_text(sandbox, wanted[0].venue.name) if sandbox else "")
    for one in wanted:
        for symbol in one.symbols:
            origins.check(one.venue.name, symbol, time.time_ns())
    venues = {one.venue.name: one.venue for one in wanted}
    pairs = [(one.venue.name, symbol) for one in wanted for symbol in one.symbols]
    host = Host(venues, sandbox.market_of(venues, pairs) if sandbox else None)
    with (
        host,
        Recorder(
            directory,
            segment_s=config.record.segment_s,
            reserve_gb=config.record.reserve_gb,
            fsync_s=config.record.fsync_s,
            versions=_versions(),
            on_error=host.end,
        ) as recorder,
        Display(lambda error: host.end(_not_shown(error))) as display,
        warnings_on(display),
    ):
        status = None
        if runs is not None:
            status = RecordStatus(
                runs, directory, lambda text: display.line(partial(write_error, f"warning: {text}"))
            )
        recording = _Recording(host, wanted, recorder, origins, status)
        display.line(
            lambda: wait(
                f"comparing tick and lot with the listings of {', '.join(venues)}; {LISTINGS_S:g} s at most"
            )
        )
        with _published(status, host):
            lines = host.run(lambda: recording.run(display, show, duration_s))
    if host.error is not None:
        raise host.error
    return host.ending, recording.progress()._replace(lines=lines or ())


class _Recording:
    """The feeds of a recording, one per venue, with their taps."""

    def __init__(
        self,
        host: Host,
        wanted: Sequence[Wanted],
        recorder: Recorder,
        origins: Origins,
        status: RecordStatus | None,
    ) -> None:
        """status: published for `arb watch`."""
        self._host = host
        self._status = status
        self._wanted = wanted
        self._recorder = recorder
        self._taps = [RecorderTap(recorder, one.venue.name, one.symbols, origins, host.end) for one in wanted]

    async def run(self, display: Display, show: Show, duration_s: float | None) -> tuple[Line, ...]:
        """Records until the session ends; returns the state of the feeds right before they are closed."""
        host = self._host
        for note in await host.compare_grids({one.venue.name: one.symbols for one in self._wanted}):
            display.line(partial(write_error, f"warning: {note}"))
        if host.is_interrupted:
            return ()
        offset = OffsetEstimator()
        for one, tap in zip(self._wanted, self._taps, strict=True):
            host.open_feed(one.venue.name, one.symbols, NoSink(), streams=one.streams, tap=tap, offset=offset)
        host.start_feeds()

        def update() -> None:
            self._publish()
            display.view(lambda: partial(show, self.progress()))

        host.every(_SHOW_S, update)
        await host.wait(duration_s)
        update()
        return self.progress().lines

    def _publish(self) -> None:
        if self._status is not None:
            legs = [
                RecordedLeg(one.venue.name, state, live.feed.touch(no))
                for one, live in zip(self._wanted, self._host.feeds, strict=False)
                for no, state in enumerate(live.feed.states())
            ]
            self._status.write(legs, (time.monotonic_ns() - self._host.began_ns) / SECOND)

    def progress(self) -> Progress:
        """The current state."""
        lines = tuple(
            Line(
                one.venue.name, state, tap.trouble, live.feed.refused(no), tap.off_grid.get(state.symbol, "")
            )
            for one, live, tap in zip(self._wanted, self._host.feeds, self._taps, strict=False)
            for no, state in enumerate(live.feed.states())
        )
        elapsed_s = (time.monotonic_ns() - self._host.began_ns) / SECOND
        return Progress(time.time_ns(), elapsed_s, lines, self._recorder.state)


@contextlib.contextmanager
def _published(status: RecordStatus | None, host: Host) -> Iterator[None]:
    """Inside the context a recording goes on; its end is published."""
    error: BaseException | None = None
    try:
        yield
    except Exception as raised:
        error = raised
        raise
    finally:
        if status is not None:
            error = error or host.error
            status.close("" if error is None else str(error) or type(error).__name__)


def _not_shown(error: BaseException) -> Exception:
    """The recording's error when its progress cannot be written: a closed pipe, or a full device."""
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return InputError(f"the progress cannot be written: {error.strerror}; the recording is complete")
    return error if isinstance(error, Exception) else BrokenPipeError(str(error))


def _origin_text(sandbox: SandboxChoice, venue: str) -> str:
    command = f"arb {arb.__version__} record {sandbox.options}"
    source = sandbox.source_of(venue)
    if source == SIMULATED:
        return f"{SIMULATED}, not a recording of any venue: {command}"
    return f"recorded of a sandbox, not of the venue{f'; it replays {source}' if source else ''}: {command}"


def _versions() -> dict[str, str]:
    """Versions of the programs that affect a recording."""
    found = {"arb": arb.__version__, "python": platform.python_version()}
    for name in ("aiohttp", "picows", "uvloop", "websockets"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
