"""A server of archives, and downloads from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from support.archive_downloads import LINEAR, USDM, Place
from support.archive_server import ArchiveServer

from arb.data.download.choice import RemoteFile

KEYED = date(2024, 1, 2)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ArchiveServer() as server:
        yield Place(server, tmp_path / "data")


@pytest.fixture
def touch(place: Place) -> RemoteFile:
    """One file with a checksum on the server."""
    return place.serve(USDM, KEYED, "binance", 400_000, "touch")[0]


@pytest.fixture
def book(place: Place) -> RemoteFile:
    """One file that must prove itself."""
    return place.serve(LINEAR, KEYED, "bybit", 400_000, "book")[0]
