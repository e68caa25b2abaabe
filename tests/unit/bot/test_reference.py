"""docs/bot-interface.md and the compiled interface have every name of hftbacktest's, with its parameters."""

from __future__ import annotations

import re

import pytest
from numba.core.registry import cpu_target
from support.bot_interface import GROUPS, members
from support.paths import ROOT

import arb.bot.methods  # noqa: F401
from arb.bot import numba_types as handle
from arb.bot import orders
from arb.bot.codes import LIMIT_EXCEEDED

TYPES = {
    "bot": handle.bot_type,
    "depth": handle.depth_type,
    "orders": handle.orders_type,
    "values": orders.values_type,
    "order": handle.order_type,
    "state": handle.state_values_type,
}

#: Reached by `len(orders)`, which is typed as a function of its own.
OPERATORS = {"__len__"}

NAMES = [(group, name) for _, group, classes in GROUPS for name in members(group, classes)]


def test_the_document_lists_every_name_with_its_parameters() -> None:
    text = (ROOT / "docs" / "bot-interface.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])

    assert list(sections) == [title for title, _, _ in GROUPS]
    for title, group, classes in GROUPS:
        listed = re.findall(r"^\| `([^`]+)` \| [^|]+ \|", sections[title], re.MULTILINE)
        assert listed == [name + parameters for name, parameters in members(group, classes).items()]
    assert f"ours: {LIMIT_EXCEEDED} refused by a limit" in text


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_numba_knows_every_name_of_hftbacktest(group: str, name: str) -> None:
    if name in OPERATORS:
        pytest.skip("an operator, called in the parity test")
    context = cpu_target.typing_context
    context.refresh()

    assert context.resolve_getattr(TYPES[group], name) is not None
