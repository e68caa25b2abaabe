"""`arb alert list`: the rules in effect, their values in a session that goes on, and what a watcher has reported."""

from __future__ import annotations

import json
from pathlib import Path

from support.alert_world import AlertWorld
from support.command_line import arb

from arb.alerts.rules import SHIPPED
from arb.alerts.store import ALERTS_DB
from arb.commands.watch_alerts import FOLDER
from arb.config import write_templates


def test_the_rules_with_their_values_and_what_holds(tmp_path: Path) -> None:
    write_templates(tmp_path / "config")
    state = tmp_path / "state" / FOLDER
    state.mkdir(parents=True)
    world = AlertWorld(tmp_path)
    world.pass_s(disk_free_gb=1.5, memory_gb=0.5)
    world.happens("reversed", attempt=1, profit=-50.0)
    world.look()
    assert world.texts == ["begin disk"]
    world.close()
    (tmp_path / "alerts.db").rename(state / ALERTS_DB)
    words = (
        *("alert", "list", tmp_path / "runs", "--config", tmp_path / "config" / "arbitrage.toml"),
        *(
            "--set",
            f'live.state_directory="{tmp_path / "state"}"',
            "--set",
            "alerts.rules.memory.level='off'",
        ),
        *("--set", "alerts.rules.mine.when='memory_gb >= 3'"),
    )
    world.session.__init__(world.session.path)  # type: ignore[misc]
    listed = {line["name"]: line for line in map(json.loads, arb(*words, "--json").output.splitlines())}
    assert listed.keys() == SHIPPED.keys() - {"memory"} | {"mine"}
    assert (listed["disk"]["value"], listed["disk"]["session"]) == (1.5, "run-1")
    assert (listed["disk"]["holding"], listed["mine"]["holding"]) == (["run-1"], [])
    assert listed["disk"]["since"]
    assert listed["mine"]["value"] == 0.5
    assert listed["reversed"]["value"] == 1.0
    assert listed["attempt_loss"]["value"] == 0.5
    shown = arb(*words).output
    assert max(map(len, shown.splitlines())) <= 80
    assert "disk: run-1" in shown
    world.session.close()


def test_without_a_session_there_are_rules_without_values(tmp_path: Path) -> None:
    write_templates(tmp_path / "config")
    words = ("alert", "list", tmp_path / "none", "--config", tmp_path / "config" / "arbitrage.toml", "--json")
    state = f'live.state_directory="{tmp_path / "state"}"'
    lines = [json.loads(line) for line in arb(*words, "--set", state).output.splitlines()]
    assert {line["value"] for line in lines} == {None}
    refused = arb(*words, "--set", state, "--set", "alerts.rules.lag.when='lagg > 1'", code=2)
    assert "has no known metric: 'lagg'; did you mean" in refused.stderr
    assert "has no effect" in arb(*words, "--set", "strategy.symbol='ETHUSDT'", code=2).stderr
