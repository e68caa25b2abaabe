"""Recorders for the tests of `arb.data.recordings`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live_recorder import Open, opener


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens recorders in the test's folder, or another, and closes them."""
    with opener(tmp_path) as open_recorder:
        yield open_recorder
