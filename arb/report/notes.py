"""What a run says of its data in the first line: that a recording was simulated, re-encoded, or is otherwise not real.

Whoever writes such a recording puts a file `<symbol>_<YYYYMMDD>.origin` of one line beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from arb.data.catalog import Recording
from arb.errors import InputError

_CHARACTERS_MAX = 300


def origin_notes(recordings: Iterable[Recording]) -> list[str]:
    """One line for each leg and text: `venue:SYMBOL: text`, in the order of the recordings.

    Only the first line of a file counts, up to 300 characters. Raises InputError for a file that cannot be read.
    """
    notes: dict[str, None] = {}
    for recording in recordings:
        text = _origin_of(recording)
        if text:
            notes[f"{recording.venue}:{recording.symbol}: {text}"] = None
    return list(notes)


def _origin_of(recording: Recording) -> str:
    path = recording.path.with_suffix(".origin")
    try:
        with path.open("rb") as file:
            line = file.readline(4 * _CHARACTERS_MAX).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    shown = "".join(character if character.isprintable() else " " for character in line)
    return " ".join(shown.split())[:_CHARACTERS_MAX]
