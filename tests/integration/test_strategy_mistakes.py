"""Mistakes in a strategy of one's own: a line that names them, a whole folder and exit code 1, in every world."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.failing_strategies import (
    CLOSING,
    HELPERS,
    MISTAKES,
    RAISED,
    RECURSION,
    Reported,
    line_of,
    mistake_words,
    run_commands,
    run_words,
)
from support.recording_files import write_pair

pytestmark = pytest.mark.slow

#: The strategy's clock at its mistake: the first row, a second, and the answer to its order.
CLOCK = "2024-08-08T"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings and the strategy."""
    made = tmp_path_factory.mktemp("mistakes")
    write_pair(made / "data", count=300)
    (made / "own.py").write_text(MISTAKES)
    (made / "helpers.py").write_text(HELPERS)
    return made


@pytest.fixture(scope="module")
def reported(folder: Path) -> Callable[[str], dict[int, Reported]]:
    """How the runs of every mistake in a world ended; each world's are run once."""
    worlds: dict[str, dict[int, Reported]] = {}

    def of(world: str) -> dict[int, Reported]:
        if world not in worlds:
            ended = run_commands(folder, [mistake_words(world, kind) for kind in RAISED])
            worlds[world] = dict(zip(RAISED, ended, strict=True))
        return worlds[world]

    return of


def manifest_of(folder: Path, world: str, kind: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / f"{world}-{kind}" / "manifest.json").read_bytes())
    return found


@pytest.mark.parametrize("world", ["backtest", "dry-run"])
def test_a_mistake_is_one_line_with_file_line_and_time_and_leaves_a_whole_folder(
    world: str, folder: Path, reported: Callable[[str], dict[int, Reported]]
) -> None:
    for kind, ended in reported(world).items():
        raised, _ = RAISED[kind]
        assert ended.exit_code == 1, ended
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert f"error: the strategy raised {raised}" in ended.stderr
        assert f"own.py line {line_of(kind)} in run" in ended.stderr, (kind, ended.stderr)
        assert f", at {CLOCK}" in ended.stderr
        assert f"; the run until then is in runs/{world}-{kind}" in ended.stderr
        manifest = manifest_of(folder, world, kind)
        assert manifest["outcome"] == "failed"
        assert manifest["error"] in ended.stderr
        run = folder / "runs" / f"{world}-{kind}"
        summary = json.loads((run / "summary.json").read_bytes())
        assert summary["outcome"] == "failed"
        assert summary["legs"][0]["fills"] == 1
        assert len((run / "trades.csv").read_text().splitlines()) == 2
    helper = reported(world)[1].stderr
    assert f"helpers.py line 7 in pick, called from own.py line {line_of(1)} in run" in helper


def test_a_strategy_that_closes_the_bot_keeps_its_last_state(folder: Path) -> None:
    (folder / "closing.py").write_text(CLOSING)
    worlds = ("backtest", "dry-run")
    # The wait behind the close answers 1, so that the strategy returns 3.
    ended = run_commands(folder, [run_words(world, "closing", "closing.py") for world in worlds])
    assert [one.exit_code for one in ended] == [3, 3], ended
    for world in worlds:
        leg = json.loads((folder / "runs" / f"{world}-closing" / "summary.json").read_bytes())["legs"][0]
        assert (leg["fills"], leg["position_base"]) == (1, 0.01)


def test_recursion_without_an_end_is_an_error_like_others(folder: Path) -> None:
    (folder / "deep.py").write_text(RECURSION)
    # Twice in one world: a recursive function that comes from a cache of compiled code.
    words = [
        run_words(world, f"deep-{n}", "deep.py")
        for n, world in enumerate(("backtest", "backtest", "dry-run"))
    ]
    for ended in [*run_commands(folder, words[:1]), *run_commands(folder, words[1:])]:
        assert ended.exit_code == 1
        assert (
            "raised RecursionError: it calls itself too often; deep.py line 7 in count_down" in ended.stderr
        )
        assert "called from deep.py line 12 in run, at 2024-08-08T" in ended.stderr


def test_both_worlds_report_a_mistake_alike(
    folder: Path, reported: Callable[[str], dict[int, Reported]]
) -> None:
    for world in ("backtest", "dry-run"):
        reported(world)
    for kind in RAISED:
        assert manifest_of(folder, "backtest", kind)["error"] == manifest_of(folder, "dry-run", kind)["error"]


def test_a_run_that_failed_is_proven_from_anywhere(folder: Path, tmp_path: Path) -> None:
    """The files of its error are named from the strategy's own folder, not from where the command is given."""
    (folder / "shared").mkdir(exist_ok=True)
    (folder / "shared" / "deep.py").write_text(MISTAKES)
    (folder / "shared" / "helpers.py").write_text(HELPERS)
    strategy, kind = str(folder / "shared" / "deep.py"), "strategy.params.kind=1"
    words = run_words("backtest", "elsewhere", strategy, "--set", kind)
    [failed] = run_commands(folder, [words])
    assert "; helpers.py line 7 in pick, called from deep.py line " in failed.stderr

    run, data = str(folder / "runs" / "backtest-elsewhere"), str(folder / "data")
    for place in (tmp_path, folder, folder / "shared"):
        [verified] = run_commands(place, [["verify", "--trust", run, "--data", data]])
        assert verified.exit_code == 0, verified.stdout


def test_a_run_that_failed_is_verified(folder: Path, reported: Callable[[str], dict[int, Reported]]) -> None:
    reported("backtest")
    changed = folder / "runs" / "backtest-10"
    verified = run_commands(folder, [["verify", f"runs/backtest-{kind}"] for kind in (0, 20, 10)])
    assert [ended.exit_code for ended in verified] == [0, 0, 0], verified
    manifest = json.loads((changed / "manifest.json").read_bytes())
    (changed / "manifest.json").write_text(json.dumps({**manifest, "error": None}))
    assert run_commands(folder, [["verify", str(changed)]])[0].exit_code == 4
