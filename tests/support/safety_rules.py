"""Reads lists of rules and of how each is removed: `tests/safety_rules.toml`, of `arb live`, and others like it."""

from __future__ import annotations

import tomllib
from typing import NamedTuple

from support.paths import ROOT


class Rule(NamedTuple):
    """A rule. text: a sentence; old occurs once in the file; tests: files and folders that run without it."""

    part: str
    text: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def removed_from(self, source: str) -> str:
        """The file without the rule. Raises ValueError if the rule is not in it once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file}: {source.count(self.old)} times: {self.old!r} ({self.text})")
        return source.replace(self.old, self.new)


#: The lists, in the folder of the tests.
LISTS = ("safety_rules", "thinning_rules")


def read_rules(name: str = LISTS[0]) -> list[Rule]:
    """All rules of a list, in the file's order."""
    found = tomllib.loads((ROOT / "tests" / f"{name}.toml").read_text())
    return [Rule(tests=tuple(one.pop("tests", found["parts"][one["part"]])), **one) for one in found["rule"]]
