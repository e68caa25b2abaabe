"""A server of archives, and downloads from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archive_server import ArchiveServer
from support.archives import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ArchiveServer() as server:
        yield Place(server, tmp_path / "data")
