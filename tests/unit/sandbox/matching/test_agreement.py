"""Both matchers against their plain references in random sessions."""

from __future__ import annotations

import pytest
from support.matcher_session import Session, WholeSession


@pytest.mark.parametrize("kind", [Session, WholeSession])
@pytest.mark.parametrize("seed", range(12))
def test_matcher_and_reference_agree(kind: type[Session], seed: int) -> None:
    session = kind(seed)
    for _ in range(400):
        session.act()
    assert session.fills > 20
