"""docs/bot-interface.md is what the code generates, and the code has every name of hftbacktest's."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba.core.registry import cpu_target

import arb.bot.methods
from arb.bot import numba_types as handle
from arb.bot import orders, reference

DOCUMENT = Path(__file__).parents[3] / "docs" / "bot-interface.md"

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

NAMES = [
    (group, name) for _, group, classes in reference.GROUPS for name in reference.members(group, classes)
]


def test_the_document_is_up_to_date() -> None:
    assert arb.bot.methods.__name__

    assert DOCUMENT.read_text() == "".join(f"{line}\n" for line in reference.document())


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_numba_knows_every_name_of_hftbacktest(group: str, name: str) -> None:
    if name in OPERATORS:
        pytest.skip("an operator, called in the parity test")
    context = cpu_target.typing_context
    context.refresh()

    assert context.resolve_getattr(TYPES[group], name) is not None


def test_the_parts_have_all_names_that_their_notes_speak_of() -> None:
    for _, group, classes in reference.GROUPS:
        known = reference.members(group, classes).keys()
        assert reference.RETURNS[group].keys() == known
        assert reference.NOTES[group].keys() <= known
