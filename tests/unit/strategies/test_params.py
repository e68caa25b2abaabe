"""The codes that finished runs hold."""

from __future__ import annotations

from arb.strategies.spread.decisions import Decision, Missed, Outcome, Purpose


def test_the_codes_of_finished_runs_stay_what_they_are() -> None:
    # Run folders and their reports hold the numbers: a new one goes behind, none is moved.
    assert [d.name for d in Decision] == [
        "ATTEMPT", "OPEN", "CHASE", "REVERSE", "EXPIRED", "REFUSED", "HEDGED", "MISSED", "REVERSED", "HALTED",
        "IMBALANCE", "OPPORTUNITY", "OPPORTUNITY_END", "RISK_HALTED", "FLATTEN", "HEDGE", "UNCOUNTED",
        "RESIDUAL",
    ]  # fmt: skip
    assert [d.value for d in Decision] == list(range(1, 19))
    assert [p.value for p in Purpose] == list(range(1, 7))
    assert [m.value for m in Missed] == list(range(14))
    assert (Outcome.ENDED, Outcome.HALTED) == (0, 3)
