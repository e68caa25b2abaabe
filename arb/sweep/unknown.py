"""A figure that cannot be computed, with the reason: it takes the place of the number."""

from __future__ import annotations

from typing import NamedTuple


class Unknown(NamedTuple):
    """reason: one sentence part for the reader, such as "one set: nothing was chosen"."""

    reason: str
