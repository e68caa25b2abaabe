"""`events.jsonl` of a live session: what happened, one JSON object a line, oldest first, for other processes.

A file that has reached FILE_BYTES_MAX is followed by `events.2.jsonl`, and so on. A reader follows them while they are
written: a last line without its end is read later.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from arb.errors import InputError

#: Size at which a file is followed by the next.
FILE_BYTES_MAX = 64 << 20
#: Read at once.
_BLOCK = 1 << 20


class LoggedEvent(msgspec.Struct, frozen=True):
    """One event. number: 1 for the first of a session, then one more each. time_ns: of this machine. event: its kind in
    one word. text: the log's line. data: what the text says, by name; only numbers and texts."""

    number: int
    time_ns: int
    event: str
    text: str
    data: dict[str, float | int | str | None] = {}


_DECODER = msgspec.json.Decoder(LoggedEvent)


class Position(NamedTuple):
    """Where a reader is: the number of the file, and the bytes of it that were read."""

    file_no: int = 1
    offset: int = 0


START = Position()


def event_file(file_no: int) -> str:
    """Name of a file of events."""
    return "events.jsonl" if file_no == 1 else f"events.{file_no}.jsonl"


def encode_event(event: LoggedEvent) -> bytes:
    """The line of an event, with its end."""
    return msgspec.json.encode(event) + b"\n"


def read_events(folder: Path, position: Position = START) -> tuple[list[LoggedEvent], Position]:
    """Whole lines from a position on, about a megabyte at most, and the position behind them.

    No files are no events. Raises InputError for a file or a line that cannot be read.
    """
    path = folder / event_file(position.file_no)
    try:
        with path.open("rb") as file:
            file.seek(position.offset)
            block = file.read(_BLOCK)
    except FileNotFoundError:
        return [], position
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    whole = block[: block.rfind(b"\n") + 1]
    if not whole:
        following = Position(position.file_no + 1)
        if not block and (folder / event_file(following.file_no)).exists():
            return read_events(folder, following)
        return [], position
    try:
        events = [_DECODER.decode(line) for line in whole.splitlines()]
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{path}: a line after byte {position.offset} is no event: {error}") from None
    return events, Position(position.file_no, position.offset + len(whole))
