"""Mistakes in a strategy of one's own: a line that names them, a whole folder and exit code 1, in every world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.failing_strategies import (
    CLOSING,
    HELPERS,
    MISTAKES,
    RAISED,
    RECURSION,
    Reported,
    line_of,
    run_commands,
    run_words,
)
from support.recording_files import write_pair

from arb.cli import cli

pytestmark = pytest.mark.slow

#: The strategy's clock at its mistake: the first row, a second, and the answer to its order.
CLOCK = "2024-08-08T"
WORLDS = ("backtest", "dry-run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings and strategies."""
    made = tmp_path_factory.mktemp("mistakes")
    write_pair(made / "data", count=300)
    for name, text in (("own", MISTAKES), ("helpers", HELPERS), ("closing", CLOSING), ("deep", RECURSION)):
        (made / f"{name}.py").write_text(text)
    return made


@pytest.fixture(scope="module")
def reported(folder: Path) -> dict[str, Reported]:
    """How all runs ended, in one process: of every mistake, and of the other strategies, in both worlds.

    "elsewhere" names its strategy from another folder.
    """
    runs = {
        f"{world}-{kind}": run_words(world, kind, "own.py", "--set", f"strategy.params.kind={kind}")
        for world in WORLDS
        for kind in RAISED
    }
    runs |= {f"{world}-closing": run_words(world, "closing", "closing.py") for world in WORLDS}
    runs["backtest-deep"] = run_words("backtest", "deep", "deep.py")
    kind_1 = ("--set", "strategy.params.kind=1")
    runs["backtest-elsewhere"] = run_words("backtest", "elsewhere", str(folder / "own.py"), *kind_1)
    return dict(zip(runs, run_commands(folder, list(runs.values())), strict=True))


@pytest.fixture(scope="module")
def afterwards(folder: Path, reported: dict[str, Reported]) -> dict[str, Reported]:
    """How commands of another process ended: `arb verify` of runs, and runs whose code is in the cache."""
    commands = {f"verify {kind}": ["verify", f"runs/backtest-{kind}"] for kind in (0, 20, 10)}
    commands |= {f"{world}-again": run_words(world, "again", "deep.py") for world in WORLDS}
    run, data = str(folder / "runs" / "backtest-elsewhere"), str(folder / "data")
    for place in (folder.parent, folder, folder / "data"):
        commands[f"verify in {place.name}"] = ["cd", str(place), "verify", "--trust", run, "--data", data]
    return dict(zip(commands, run_commands(folder, list(commands.values())), strict=True))


def manifest_of(folder: Path, world: str, kind: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / f"{world}-{kind}" / "manifest.json").read_bytes())
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_a_mistake_is_one_line_with_file_line_and_time_and_leaves_a_whole_folder(
    world: str, folder: Path, reported: dict[str, Reported]
) -> None:
    for kind, (raised, _) in RAISED.items():
        ended = reported[f"{world}-{kind}"]
        assert ended.exit_code == 1, ended
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert f"error: the strategy raised {raised}" in ended.stderr
        assert f"own.py line {line_of(kind)} in run" in ended.stderr, (kind, ended.stderr)
        assert f", at {CLOCK}" in ended.stderr
        assert f"; the run until then is in runs/{world}-{kind}" in ended.stderr
        manifest = manifest_of(folder, world, kind)
        assert manifest["outcome"] == "failed"
        assert manifest["error"] in ended.stderr
        assert manifest["error"] == manifest_of(folder, WORLDS[0], kind)["error"], "the same in both worlds"
        run = folder / "runs" / f"{world}-{kind}"
        summary = json.loads((run / "summary.json").read_bytes())
        assert summary["outcome"] == "failed"
        assert summary["legs"][0]["fills"] == 1
        assert len((run / "trades.csv").read_text().splitlines()) == 2
    helper = reported[f"{world}-1"].stderr
    assert f"helpers.py line 7 in pick, called from own.py line {line_of(1)} in run" in helper


@pytest.mark.parametrize("world", WORLDS)
def test_a_strategy_that_closes_the_bot_keeps_its_last_state(
    world: str, folder: Path, reported: dict[str, Reported]
) -> None:
    # The wait behind the close answers 1, so that the strategy returns 3.
    assert reported[f"{world}-closing"].exit_code == 3
    leg = json.loads((folder / "runs" / f"{world}-closing" / "summary.json").read_bytes())["legs"][0]
    assert (leg["fills"], leg["position_base"]) == (1, 0.01)


def test_recursion_without_an_end_is_an_error_like_others(
    reported: dict[str, Reported], afterwards: dict[str, Reported]
) -> None:
    # Twice in one world: a recursive function that is loaded from the cache of compiled code.
    for ended in (reported["backtest-deep"], afterwards["backtest-again"], afterwards["dry-run-again"]):
        assert ended.exit_code == 1
        assert (
            "raised RecursionError: it calls itself too often; deep.py line 7 in count_down" in ended.stderr
        )
        assert "called from deep.py line 12 in run, at 2024-08-08T" in ended.stderr


def test_a_run_that_failed_is_proven_from_anywhere(
    reported: dict[str, Reported], afterwards: dict[str, Reported]
) -> None:
    """The files of its error are named from the strategy's own folder, not from where the command is given."""
    assert "; helpers.py line 7 in pick, called from own.py line " in reported["backtest-elsewhere"].stderr
    verified = {name: ended for name, ended in afterwards.items() if name.startswith("verify ")}
    assert len(verified) == 6
    assert {ended.exit_code for ended in verified.values()} == {0}, verified


def test_another_error_in_the_manifest_of_a_run_that_failed_is_reported(
    folder: Path, afterwards: dict[str, Reported]
) -> None:
    run = folder / "runs" / "backtest-10"
    manifest = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**manifest, "error": None}))
    assert CliRunner().invoke(cli, ["verify", str(run)]).exit_code == 4
