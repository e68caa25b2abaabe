"""A whole download: plans the files by querying the servers, then fetches them in parallel into a data folder.

One asyncio loop per call, on the calling thread. A file lock, which ends with its process, allows one process per
folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import shutil
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from arb.data.catalog.archived import ARCHIVE_FOLDER, ArchiveKind, archive_path
from arb.data.download.choice import ArchiveLeg, Archives, Choice, RemoteFile, choose, choose_funding
from arb.data.download.client import Client, GivenUpError, KeyRefusedError, MissingError, is_local
from arb.data.download.fetch import Advance, Order, Part, fetch
from arb.data.download.markets import funding_series
from arb.data.download.plan import FileState, Plan, size_text
from arb.data.download.whole import looks_whole
from arb.errors import ArbError, InputError
from arb.files import try_lock

Item = TypeVar("Item")
Value = TypeVar("Value")

#: Called with the total amount; returns a function that is called with each completed part.
Progress = Callable[[int], Advance]

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Services(NamedTuple):
    """How to reach the archives. `urls` by the names that `markets` uses; `key` is Tardis's, if any."""

    urls: Mapping[str, str]
    key: str | None
    key_name: str
    connections: int
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: random.Random | None = None

    def client(self) -> Client:
        """For one download."""
        # No proxy between two programs on one machine.
        uses_proxy = not any(is_local(url) for url in self.urls.values())
        return Client(self.connections, self.wait, self.chance, uses_proxy=uses_proxy)

    def url(self, file: RemoteFile) -> str:
        """The address of a file."""
        return f"{self.urls[file.service].rstrip('/')}/{file.path}"

    def key_for(self, file: RemoteFile) -> str | None:
        """The key if it applies to the file."""
        return self.key if file.source == "tardis" else None

    def refusal(self, file: RemoteFile, answer: str) -> InputError:
        """The error for a server that requires a key, or another one."""
        what = f"{file.leg.name} {file.day}: {file.source} refuses {file.path} ({answer})"
        if file.source != "tardis":
            return InputError(f"{what}; it may not serve the country that you ask from")
        if self.key is None:
            return InputError(
                f"{what}; set the environment variable {self.key_name or '([archive] tardis_key)'} to a key of Tardis"
            )
        return InputError(f"{what}; it does not accept the key in {self.key_name} for this file")


def make_plan(
    services: Services,
    archives: Archives,
    wanted: Sequence[tuple[ArchiveLeg, date]],
    source: str | None,
    directory: Path,
    progress: Progress | None = None,
) -> Plan:
    """Plans the files for each leg and day. Queries the servers for the sizes of all files that are not complete.

    For files that a server turns out to lack, another source is chosen. Raises InputError for a leg and day that no
    source has.
    """

    def chosen(lacking: Collection[RemoteFile]) -> list[Choice]:
        return choose(wanted, source, archives, lacking)

    return asyncio.run(_make_plan(services, chosen, directory, progress))


def make_funding_plan(
    services: Services,
    wanted: Sequence[tuple[ArchiveLeg, date]],
    kinds: Collection[ArchiveKind],
    directory: Path,
    progress: Progress | None = None,
) -> Plan:
    """The same for funding history: see `choose_funding`."""

    def chosen(lacking: Collection[RemoteFile]) -> list[Choice]:
        return choose_funding(wanted, kinds, funding_series(), lacking)

    return asyncio.run(_make_plan(services, chosen, directory, progress))


async def _make_plan(
    services: Services,
    chosen: Callable[[Collection[RemoteFile]], list[Choice]],
    directory: Path,
    progress: Progress | None,
) -> Plan:
    """chosen: called with the files that servers lack, until it returns none that was not asked for."""
    states: dict[RemoteFile, FileState] = {}
    lacking: set[RemoteFile] = set()
    async with services.client() as client:

        async def ask(file: RemoteFile) -> None:
            state = await _state(client, services, file, directory)
            if state is None:
                lacking.add(file)
            else:
                states[file] = state
            advance(1)

        while True:
            choices = chosen(lacking)
            unknown = [file for choice in choices for file in choice.files if file not in states]
            if not unknown:
                break
            advance = progress(len(unknown)) if progress else _ignore
            await _each(unknown, services.connections, ask)
    return Plan(tuple(choices), states, _free_bytes(directory))


async def _state(client: Client, services: Services, file: RemoteFile, directory: Path) -> FileState | None:
    """The local bytes of a file and its size; None if the server does not have it."""
    path = _path(directory, file)
    if looks_whole(path):
        size = path.stat().st_size
        return FileState(path, size, size, is_whole=True)
    url = services.url(file)
    try:
        size_there = await client.size(url, services.key_for(file))
    except MissingError:
        return None
    except GivenUpError as error:
        raise InputError(f"{error}; nothing was fetched, the same command tries again") from None
    except KeyRefusedError as error:
        # The venues' archives need no key. Their stores return this status also for missing files.
        if file.source != "tardis":
            return None
        raise services.refusal(file, str(error)) from None
    begun = Part(path).begun(url)
    have = begun[1] if begun and begun[0].length == size_there else 0
    return FileState(path, size_there, have, is_whole=False)


def carry_out(services: Services, plan: Plan, directory: Path, progress: Progress | None = None) -> int:
    """Fetches every file of `plan` that is not complete; returns their number.

    Raises InputError with the next step. Complete files and resumable parts stay; on a full disk only complete files.
    Ctrl+C leaves parts.
    """
    files = plan.missing
    if plan.bytes_to_come > plan.free_bytes:
        raise InputError(
            f"{directory}: {size_text(plan.bytes_to_come)} to come, but its disk has {size_text(plan.free_bytes)} left;"
            " choose fewer days, or another folder with --data"
        )
    if not files:
        return 0
    with _sole_user_of(directory / ARCHIVE_FOLDER):
        for state in plan.states.values():
            if state.is_whole:  # left by a process that ended right after renaming its file
                Part(state.path).discard()
        asyncio.run(_carry_out(services, plan, files, directory, progress))
    return len(files)


async def _carry_out(
    services: Services, plan: Plan, files: Sequence[RemoteFile], directory: Path, progress: Progress | None
) -> None:
    advance = progress(plan.bytes_to_come) if progress else _ignore
    stop = threading.Event()
    whole: list[RemoteFile] = []
    async with services.client() as client:

        async def bring(file: RemoteFile) -> None:
            await _bring(client, services, file, plan.states[file], advance, stop)
            whole.append(file)

        try:
            await _each(files, services.connections, bring)
        except OSError as error:
            raise _unwritable(directory, error, files, whole) from None
        except ArbError as error:
            left = f"; {len(whole)} of {len(files)} files are whole, and the same command goes on from there"
            raise type(error)(f"{error}{left if len(files) > 1 else ''}") from None
        finally:
            stop.set()


async def _bring(
    client: Client,
    services: Services,
    file: RemoteFile,
    state: FileState,
    advance: Advance,
    stop: threading.Event,
) -> None:
    if looks_whole(state.path):  # fetched by another download since the plan was made
        advance(state.to_come)
        return
    url = services.url(file)
    order = Order(url, state.path, state.size, services.key_for(file), file.has_checksum)
    try:
        await fetch(client, order, advance, stop)
    except MissingError as error:
        raise InputError(f"{file.leg.name} {file.day}: {url} is gone ({error}); run it again") from None
    except KeyRefusedError as error:
        raise services.refusal(file, str(error)) from None


def _unwritable(
    directory: Path, error: OSError, files: Sequence[RemoteFile], whole: Sequence[RemoteFile]
) -> InputError:
    """The error for a failed write; if the disk is full, parts are removed first."""
    reason = f"{directory}: cannot be written: {error.strerror or error}"
    if error.errno not in _DISK_FULL:
        return InputError(reason)
    for file in files:
        with contextlib.suppress(OSError):
            Part(_path(directory, file)).discard()
    return InputError(
        f"{reason}; {len(whole)} of {len(files)} files are whole, the parts of others are removed:"
        " make room and run it again"
    )


async def _each(
    items: Iterable[Item], parallel: int, work: Callable[[Item], Coroutine[Any, Any, None]]
) -> None:
    """`work` on all items, `parallel` at a time. The first error ends the others and is raised."""
    waiting = iter(items)

    async def go_on() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(go_on())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _ignore(count: int) -> None:
    """The default progress function: does nothing."""


def _path(directory: Path, file: RemoteFile) -> Path:
    return archive_path(directory, file.source, file.leg.venue, file.leg.symbol, file.name)


def _free_bytes(directory: Path) -> int:
    """The free bytes of the disk that holds, or will hold, `directory`."""
    there = next(
        folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.exists()
    )
    return shutil.disk_usage(there).free


@contextlib.contextmanager
def _sole_user_of(folder: Path) -> Iterator[None]:
    """Locks the folder against other downloads. Raises InputError if one is running."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("ab")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with file:
        try:
            is_ours = try_lock(file)
        except OSError as error:
            raise InputError(f"{folder}: cannot be locked: {error.strerror}") from None
        if not is_ours:
            raise InputError(f"{folder}: another arb download is at work here; run this one when it is done")
        yield
