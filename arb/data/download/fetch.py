"""Fetches one file from an archive: resumed, verified, and renamed last. Runs on the event loop.

The order of steps ensures that a kill at any moment leaves a resumable part or the complete file: note on the source,
bytes, verification, flush to disk, rename.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import aiohttp
import msgspec
from aiohttp import hdrs

from arb.data.download.client import (
    Client,
    MissingError,
    TransientError,
    range_start,
    refuse_status,
    total_length,
)
from arb.data.download.whole import (
    HEAD_BYTES,
    MAGIC_BYTES,
    DamagedError,
    checksum_of,
    prove,
    refuse_other_content,
)
from arb.errors import InputError
from arb.files import sync_folder, write_all, write_atomically


class PartNote(msgspec.Struct, frozen=True):
    """The source of a part's bytes. `validator`: the ETag or date that identifies the server's version of the file."""

    url: str
    length: int | None
    validator: str | None


class Part:
    """The incomplete download of the file at `path`: `<name>.part`, and `<name>.part.json` with its source.

    Owned by the process that holds the folder's lock. It is written without Python's buffer, so that counted bytes
    survive a kill and the next process can resume.
    """

    def __init__(self, path: Path) -> None:
        self.final = path
        self.path = path.with_name(f"{path.name}.part")
        self._note_path = path.with_name(f"{path.name}.part.json")

    def begun(self, url: str) -> tuple[PartNote, int] | None:
        """The note on the bytes received from `url` so far, and their number; None if there is nothing to resume."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=PartNote)
            size = self.path.stat().st_size
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        is_ours = note.url == url and note.length is not None and 0 < size <= note.length
        return (note, size) if is_ours else None

    def begin(self, note: PartNote) -> IO[bytes]:
        """Starts from the beginning. Raises OSError."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._note_path, msgspec.json.encode(note))
        return self.path.open("wb", buffering=0)

    def resume(self) -> IO[bytes]:
        """Opens the part to append. Raises OSError."""
        return self.path.open("ab", buffering=0)

    def size(self) -> int:
        """The number of bytes received."""
        return self.path.stat().st_size if self.path.exists() else 0

    def head(self, count: int) -> bytes:
        """The first bytes of the part."""
        with self.path.open("rb") as file:
            return file.read(count)

    def discard(self) -> None:
        """Removes the part."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Syncs the file and renames it to its final name. Raises OSError."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.final)
        self._note_path.unlink(missing_ok=True)
        sync_folder(self.final.parent)


_CHUNK_BYTES = 1 << 18
#: An attempt that adds this many bytes counts as progress.
_PROGRESS_BYTES = 1 << 20
#: Maximum size of a file whose length the server did not state.
_UNKNOWN_BYTES_MAX = 16 * 10**9


class Order(NamedTuple):
    """A file to fetch, and its target. `size`: the size in the plan, which must not be exceeded."""

    url: str
    path: Path
    size: int | None
    key: str | None
    has_checksum: bool


#: Called with the number of bytes received; negative when some are discarded.
Advance = Callable[[int], None]


async def fetch(client: Client, order: Order, advance: Advance, stop: threading.Event) -> None:
    """Fetches one file; a damaged one is fetched once more from its beginning.

    Raises InputError if it stays damaged or cannot be fetched, MissingError and KeyRefusedError by the server's
    status, and OSError if it cannot be written. `stop` ends a verification that runs in another thread.
    """
    part = Part(order.path)
    begun = part.begun(order.url)
    if begun is None or order.size not in (None, begun[0].length):
        part.discard()
    try:
        await _fetch_once(client, order, part, advance, stop)
    except DamagedError:
        advance(-part.size())
        part.discard()
        try:
            await _fetch_once(client, order, part, advance, stop)
        except DamagedError as error:
            part.discard()
            raise InputError(
                f"{order.url}: {error}; the same twice, so it is not kept: try again later, or choose other days"
            ) from None


async def _fetch_once(
    client: Client, order: Order, part: Part, advance: Advance, stop: threading.Event
) -> None:
    sha256 = await _checksum(client, order) if order.has_checksum else None
    await _receive(client, order, part, advance)
    await asyncio.to_thread(prove, part.path, order.path.name, sha256, stop)
    await asyncio.to_thread(part.publish)


async def _checksum(client: Client, order: Order) -> str | None:
    """The checksum of the sidecar; None without a sidecar: then the file's own CRC is used."""
    try:
        text = await client.text(f"{order.url}.CHECKSUM")
    except MissingError:
        return None
    return checksum_of(text, order.url.rpartition("/")[2])  # it may be stored under another name


async def _receive(client: Client, order: Order, part: Part, advance: Advance) -> None:
    """Receives all bytes of the file into its part, in as many requests as needed."""
    patience = client.patience()
    # The largest size so far: bytes received again after being discarded are not progress.
    most = part.size()
    while True:
        try:
            await _receive_once(client, order, part, advance)
            return
        except TransientError as fault:
            if part.size() >= most + _PROGRESS_BYTES:
                most = part.size()
                patience.renew()
            await patience.wait_after(fault, order.url)


async def _receive_once(client: Client, order: Order, part: Part, advance: Advance) -> None:
    begun = part.begun(order.url)
    headers = {}
    if begun is not None:
        note, at = begun
        if at == note.length:
            return
        headers["Range"] = f"bytes={at}-"
        if note.validator is not None:
            headers["If-Range"] = note.validator
    async with client.request("GET", order.url, order.key, headers) as response:
        if response.status == 416:
            advance(-part.size())
            part.discard()
            raise TransientError("the file on the server is not the one that was begun")
        refuse_status(response)
        length = total_length(response)
        _refuse_growth(order, length)
        if begun is not None and _goes_on(response, *begun):
            file = part.resume()
        else:
            advance(-part.size())
            if response.status == 206:
                part.discard()
                raise TransientError("the server sent another range than was asked for")
            file = part.begin(PartNote(order.url, length, _validator(response)))
        with file:
            await _copy(response, order, part, file.fileno(), advance)
    if length is not None and part.size() != length:
        raise TransientError(f"{part.size():,} bytes arrived of {length:,}")


async def _copy(
    response: aiohttp.ClientResponse, order: Order, part: Part, handle: int, advance: Advance
) -> None:
    size = part.size()
    size_max = order.size if order.size is not None else _UNKNOWN_BYTES_MAX
    is_looked_at = size >= MAGIC_BYTES
    async for piece in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(piece)
        if size > size_max:
            raise _too_long(order, size)
        write_all(handle, piece)
        advance(len(piece))
        if not is_looked_at and size >= MAGIC_BYTES:
            refuse_other_content(order.path.name, part.head(HEAD_BYTES))
            is_looked_at = True


def _goes_on(response: aiohttp.ClientResponse, note: PartNote, at: int) -> bool:
    """Whether a response continues the part: the requested range, of a file of unchanged length."""
    return response.status == 206 and range_start(response) == at and total_length(response) == note.length


def _validator(response: aiohttp.ClientResponse) -> str | None:
    """The value for `If-Range`: a strong ETag, or the date of the last change."""
    etag = response.headers.get(hdrs.ETAG, "")
    if etag.startswith('"'):
        return etag
    return response.headers.get(hdrs.LAST_MODIFIED)


def _refuse_growth(order: Order, length: int | None) -> None:
    if order.size is not None and length is not None and length > order.size:
        raise _too_long(order, length)


def _too_long(order: Order, length: int) -> InputError:
    known = "unknown" if order.size is None else f"{order.size:,} bytes"
    return InputError(f"{order.url}: {length:,} bytes or more, but {known} when it was asked; run it again")
