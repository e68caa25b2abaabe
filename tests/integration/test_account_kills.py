"""Sessions that are killed on one sandbox, one with its journal cut back: the next start takes over what is left.

`python -m tests.soak.account_kills` is the long form.
"""

from __future__ import annotations

import pytest
from soak.account_kills import kill_all

pytestmark = pytest.mark.slow


def test_what_a_kill_leaves_is_taken_over_by_the_next_start() -> None:
    assert kill_all(2, 1, seed=26)
