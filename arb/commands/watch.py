"""`arb watch`: what it needs from the command line and the environment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from arb.commands.watch_alerts import WatchSending, watch_sending
from arb.config import AlertsConfig
from arb.config.log_levels import levels_set, log_levels
from arb.config.secrets import read_secret
from arb.errors import InputError
from arb.interrupts import ending_signals, interrupt_handled
from arb.results.runs import UNREADABLE, find_runs
from arb.runtime.display import Display, DisplayHandler
from arb.runtime.signals import signals_call, signals_wake
from arb.watch.access import TOKEN_VARIABLE, Access
from arb.watch.server import watch
from arb.watch.sessions import Sessions

#: Open files: pages, and clients that ask for nothing.
_FILES = 8_192
#: Beside a session the watcher goes on while a page is open; it ends so long after the session and the last page.
LINGER_S = 10.0
#: The same while a message of alerts waits for its receiver, or is held.
MESSAGES_S = 900.0


def run_watch(
    folders: Sequence[Path],
    host: str,
    port: int,
    allowed: Sequence[str],
    *,
    started: Callable[[str], None],
    beside: int | None = None,
    config: AlertsConfig | None = None,
) -> None:
    """Watches the runs in `folders` until it is stopped. started: receives the page's address.

    beside: the process that started it, for whose session it is; it ends some seconds after that and the last page.
    config: its channels of alerts, over which the watcher sends. Raises InputError for a folder, an address or a token
    that cannot be used, and ConfigError for a channel.
    """
    levels, access = log_levels(), Access(host, _token(), allowed)
    if beside is None:
        for folder in folders:
            _refuse_unreadable(folder)
    else:
        give_way()
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard < 0 else min(hard, _FILES), hard))
    sessions = Sessions(folders)
    sending = None if config is None else watch_sending(config, waits=beside is not None)
    is_over = _end_of(beside, sending)
    name = f"[{host}]" if ":" in host else host

    def begin(own_port: int) -> None:
        started(f"http://{name}:{own_port}")

    def look() -> None:
        if sending is not None:
            sending.look(sessions, time.time_ns())

    with levels_set(levels), _messages():
        try:
            asyncio.run(
                _until_stopped(watch(sessions, access, host, port, started=begin, is_over=is_over, look=look))
            )
        finally:
            if sending is not None:
                sending.close()


def _end_of(beside: int | None, sending: WatchSending | None) -> Callable[[int], bool]:
    """Whether a watcher with so many open pages is to end: never, but beside a session."""
    if beside is None:
        return lambda pages: False
    lingering = Lingering(beside)
    return lambda pages: lingering(pages, has_messages=sending is not None and not sending.is_done)


def give_way() -> None:
    """Trading goes first: this process has no real-time policy, which it would have from its session, and is nice."""
    for change in (lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)), lambda: os.nice(10)):
        with contextlib.suppress(OSError, AttributeError):  # macOS has no policies
            change()


async def _until_stopped(watching: Coroutine[Any, Any, None]) -> None:
    """Runs it until it ends, or SIGTERM or SIGHUP arrives, which is its usual end as a service."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(watching)
    is_stopped = False

    def stop(_: signal.Signals) -> None:
        nonlocal is_stopped
        is_stopped = True
        interrupt_handled()
        loop.call_soon_threadsafe(task.cancel)

    with signals_call(stop, ending_signals()), signals_wake(loop):
        try:
            await task
        except asyncio.CancelledError:
            if not is_stopped:
                raise


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """Inside the context, log records are lines of standard error; a terminal that is not read holds up nothing."""
    with Display(lambda error: None) as display:
        handler = DisplayHandler(display)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)


class Lingering:
    """Whether a watcher beside a session has nobody left."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._since_s = time.monotonic()

    def __call__(self, pages: int, *, has_messages: bool = False) -> bool:
        now_s = time.monotonic()
        if pages or os.getppid() == self._parent:
            self._since_s = now_s
        return now_s - self._since_s > (MESSAGES_S if has_messages else LINGER_S)


def _token() -> str | None:
    return read_secret("arb watch", f"${{{TOKEN_VARIABLE}}}", is_needed=False) or None


def _refuse_unreadable(folder: Path) -> None:
    """Raises InputError if there is no such folder, or if it is itself a run that cannot be read. An empty one may
    get runs."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; arb watch FOLDER names the folder that has the runs")
    try:
        found = find_runs(folder)
    except InputError:
        return
    if len(found) == 1 and found[0].state == UNREADABLE:
        raise InputError(f"{found[0].folder}: {found[0].note}")
