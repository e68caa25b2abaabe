"""Conversions of small recordings, and what they must leave behind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from arb.data.catalog.days import Recording
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.npy import is_whole
from arb.data.rows.row_files import Conversion
from connectors.model import Rows
from support.books import PlainBook
from support.venues import VENUES


def feed_of(recordings: Iterable[Recording], latency_ns: int = 0) -> Feed:
    listed = list(recordings)
    return Feed(VENUES[listed[0].venue], listed, latency_ns)


def run(folder: Path, *feeds: Feed, **options: int) -> Conversion:
    return convert(feeds, RowCache(folder), **options)


def rows_in(conversion: Conversion) -> list[Rows]:
    """All that an engine reads, a list an array a feed."""
    return [np.concatenate(conversion.rows(n)) for n in range(len(conversion.files))]


def book_of(rows: Rows) -> PlainBook:
    book = PlainBook()
    book.apply(rows[(rows["ev"] & np.uint64(1 << 30)) != 0])
    return book


def check_tidy(folder: Path) -> None:
    """Only whole files, all of them under their final names."""
    for path in folder.iterdir():
        assert path.suffix in (".json", ".npy")
        assert not path.name.startswith(".")
        assert path.suffix != ".npy" or is_whole(path)
