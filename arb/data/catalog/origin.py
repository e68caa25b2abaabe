"""The origin of a recording that no venue sent: a program that makes up or changes one writes it beside the file.

The file is `<symbol>_<YYYYMMDD>.origin`; its first line counts.
"""

from __future__ import annotations

from arb.data.catalog.days import Recording
from arb.errors import InputError

_CHARACTERS_MAX = 300


def origin_of(recording: Recording) -> str:
    """The origin in one line of up to 300 characters, "" for the data of a venue. Raises InputError."""
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
