"""Every assumption about a venue is a key of the accounts file, listed in docs/sandbox-orders.md."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from arb.sandbox.trading.undocumented import Undocumented

PAGE = Path(__file__).parents[4] / "docs" / "sandbox-orders.md"


def test_every_assumption_is_listed_on_the_page() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [one.name for one in fields(Undocumented)]
