"""Rules over a whole session, whatever its strategy: each compares one reading with its limit. Pure.

A rule begins when its reading is beyond the limit and ends when it is not; both are reported once. What is read, and
what an answer does, is the host's (`arb.runtime.supervision`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

#: How the text of a rule begins that has ended.
OVER = "over: "


class Answer(IntEnum):
    """What follows while a rule holds, the mildest first."""

    OFF = 0
    WARN = 1
    """A line in the log."""
    REDUCE = 2
    """Nothing is opened."""
    HALT = 3
    """The session is halted, and so is every later one until a person clears the flag."""
    FLATTEN = 4
    """As HALT; positions are closed first."""


class Rule(NamedTuple):
    """A rule. unit: of reading and limit; "": the reading is a count, of which none is allowed. is_least: the limit is
    the least that is allowed, not the most."""

    name: str
    answer: Answer
    limit: float = 0.0
    unit: str = ""
    is_least: bool = False


class Reading(NamedTuple):
    """What a rule looks at. value: NaN if it is not known, then nothing changes. text: what it is about."""

    value: float
    text: str


class Change(NamedTuple):
    """A rule begins to hold, or ends."""

    rule: Rule
    has_begun: bool
    text: str


class Supervisor:
    """The rules of a session. One thread."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rule for rule in rules if rule.answer is not Answer.OFF)
        #: The rules that hold, by name, with what they are about.
        self.holding: dict[str, str] = {}

    def look(self, readings: Mapping[str, Reading]) -> list[Change]:
        """Takes the readings of a moment, by the name of the rule; one that is missing is not known."""
        changes = []
        for rule in self.rules:
            reading = readings.get(rule.name)
            if reading is None or reading.value != reading.value:
                continue
            is_over = reading.value < rule.limit if rule.is_least else reading.value > rule.limit
            if is_over == (rule.name in self.holding):
                continue
            limit = f", limit {rule.limit:g} {rule.unit}" if rule.unit else ""
            if is_over:
                self.holding[rule.name] = reading.text
                changes.append(Change(rule, True, f"{reading.text}{limit}"))
            else:
                changes.append(Change(rule, False, self.holding.pop(rule.name)))
        return changes

    @property
    def reason(self) -> str:
        """Why nothing may be opened; "": it may."""
        for rule in self.rules:
            if rule.name in self.holding and rule.answer >= Answer.REDUCE:
                return f"supervisor {rule.name}: {self.holding[rule.name]}"
        return ""
