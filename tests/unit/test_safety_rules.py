"""The lists of rules that `tests.soak.safety_rules` removes one by one are about the code as it is."""

from __future__ import annotations

import pytest
from support.paths import ROOT
from support.safety_rules import LISTS, read_rules


@pytest.mark.parametrize("name", LISTS)
def test_each_rule_is_in_its_file_once(name: str) -> None:
    rules = read_rules(name)
    assert len(rules) >= 25
    for rule in rules:
        assert rule.removed_from((ROOT / rule.file).read_text()) != (ROOT / rule.file).read_text()
        assert all((ROOT / path).exists() for path in rule.tests)
