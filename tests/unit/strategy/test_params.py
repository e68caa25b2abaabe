"""The strategy's own defaults, and the codes that finished runs hold."""

from __future__ import annotations

from pathlib import Path

from arb.commands.strategy_facts import facts_of
from arb.config import load, write_templates
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Missed, Outcome, Purpose


def test_the_defaults_are_those_of_the_configuration(tmp_path: Path) -> None:
    write_templates(tmp_path)
    facts = facts_of(load(tmp_path / "arbitrage.toml"))
    of_the_run = {name for name, value in spread.PARAMS.items() if not isinstance(value, tuple)}
    of_the_run.remove("record_interval_ns")
    assert {name: spread.PARAMS[name] for name in of_the_run} == {name: facts[name] for name in of_the_run}
    assert spread.PARAMS["record_interval_ns"] == 1_000_000_000
    limits = {name: spread.PARAMS[name][0] for name in ("max_position_size", "position_limit")}
    assert limits == {name: facts[f"{name}_0"] for name in limits}


def test_the_codes_of_finished_runs_stay_what_they_are() -> None:
    # Run folders and their reports hold the numbers: a new one goes behind, none is moved.
    assert [d.name for d in Decision] == [
        "ATTEMPT", "OPEN", "CHASE", "REVERSE", "EXPIRED", "REFUSED", "HEDGED", "MISSED", "REVERSED", "HALTED",
        "IMBALANCE", "OPPORTUNITY", "OPPORTUNITY_END", "RISK_HALTED", "FLATTEN",
    ]  # fmt: skip
    assert [d.value for d in Decision] == list(range(1, 16))
    assert [p.value for p in Purpose] == list(range(1, 6))
    assert [m.value for m in Missed] == list(range(14))
    assert (Outcome.ENDED, Outcome.HALTED) == (0, 3)
