"""Which heading a note of a run has, and where the page shows it: decided here alone, from the note's text.

A note is a line of the manifest. Most are written by the code that found the cause; the texts of `.origin` files and of
`[data] note` are anybody's, and describe where the data are from.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Place(Enum):
    """Where a note is shown."""

    SOURCE = "source"
    """At the top: which data the run is about."""
    RUN = "run"
    """Below that: what limits the results."""
    CONFIGURATION = "configuration"
    """The same, about the configuration."""
    QUALITY = "quality"
    """With the figures of data quality."""


class NoteKind(NamedTuple):
    """The heading of a note, and its place."""

    heading: str
    place: Place


#: Kinds by the text of their notes; the first that is found.
_KINDS: tuple[tuple[str, NoteKind], ...] = (
    (r"^[^;]*; local times are those of its recorder", NoteKind("Archive data", Place.SOURCE)),
    (r"^[^;]*; stamped by a latency model", NoteKind("Archive data, modelled times", Place.SOURCE)),
    (
        r"^[^ ]+: simulated\b|^market data of a sandbox, (simulated|.*\(simulated,)|^a market for first sessions",
        NoteKind("Simulated data", Place.SOURCE),
    ),
    (r"^no \[capital\]: ", NoteKind("Capital", Place.RUN)),
    (r"^funding of ", NoteKind("Funding", Place.RUN)),
    (r" refused for lack of funds: ", NoteKind("Orders refused", Place.RUN)),
    (r": not flat after the halt: ", NoteKind("Position left", Place.RUN)),
    (r" did not fit in memory: |^no state over time: ", NoteKind("Incomplete", Place.RUN)),
    (r"^run in the engine arb: ", NoteKind("Engine", Place.RUN)),
    (r": \d+ funding times? passed with a position, ", NoteKind("Funding", Place.RUN)),
    (r" in the same nanosecond as others ", NoteKind("Random order", Place.RUN)),
    (
        r"^no effect: |^legs of different assets: |^no capital: ",
        NoteKind("Configuration", Place.CONFIGURATION),
    ),
    (r" are not in the \.gz yet and not in this run: ", NoteKind("Data left out", Place.QUALITY)),
    (
        r" stamped later than received |; left out of the clock offset, | ahead of receipt; not believed$",
        NoteKind("Wrong times", Place.QUALITY),
    ),
    (
        r": its book is (unknown|lost|emptied) |: its book is empty until |: best bid and offer alone, ",
        NoteKind("Book incomplete", Place.QUALITY),
    ),
    (
        r": it looks finer than the venue's |: off the configured grid, ",
        NoteKind("Tick and lot", Place.QUALITY),
    ),
    (r"^\d+ rows arrived later than ", NoteKind("Late data", Place.QUALITY)),
)
_OTHER = NoteKind("Data not as recorded", Place.SOURCE)


def kind_of(note: str) -> NoteKind:
    """The kind of a note; one that no part of arb writes is about the source of the data."""
    return next((kind for pattern, kind in _KINDS if re.search(pattern, note)), _OTHER)
