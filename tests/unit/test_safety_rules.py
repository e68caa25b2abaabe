"""The list of safety rules that `tests.soak.safety_rules` removes one by one is about the code as it is."""

from __future__ import annotations

from support.paths import ROOT
from support.safety_rules import read_rules


def test_each_rule_is_in_its_file_once() -> None:
    rules = read_rules()
    assert len(rules) >= 30
    for rule in rules:
        assert rule.removed_from((ROOT / rule.file).read_text()) != (ROOT / rule.file).read_text()
        assert all((ROOT / path).exists() for path in rule.tests)
