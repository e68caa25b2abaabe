"""`arb verify` of runs as they were, and of runs that were changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import arb
from support.live_mutations import change, kinds
from support.live_sandbox import demo_files, demo_settings
from support.mutated_runs import SPOT_LINEAR, USDM_SPOT, a_backtest, a_dry_run, a_live_session, a_session
from support.mutated_runs import verified as verified_code
from support.paths import strategy_file
from support.run_mutations import mutations, reseal

from arb.commands.verify import Verdict, verify
from arb.errors import ExitCode, InputError

pytestmark = pytest.mark.slow

DAY = "2024-01-01"
#: Four orders of different quantities at one price, which one row fills together, and a record a second.
TIED = """
def tied(bot, recorder):
    bot.wait_next_feed(True, 10_000_000_000)
    n = 0
    end = bot.current_timestamp + 25_000_000_000
    while bot.current_timestamp < end and bot.elapse(250_000_000) == 0:
        depth = bot.depth(0)
        if n % 4 == 0 and depth.best_bid > 0 and depth.best_ask > 0:
            for k in range(4):
                qty = 0.1 if k == 0 else 0.2 if k == 1 else 0.3 if k == 2 else 0.7
                if n % 8 == 0:
                    bot.submit_buy_order(0, n * 10 + k, depth.best_bid, qty, 0, 0, False)
                else:
                    bot.submit_sell_order(0, n * 10 + k, depth.best_ask, qty, 0, 0, False)
        n += 1
        bot.clear_inactive_orders(-1)
        recorder.record(bot)
    return 0
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    arb("sandbox", "record", "--out", folder / "data", "--duration", "30s", "--config", demo_files(folder))
    return folder


def backtest(recorded: Path, out: Path, function: str, *words: str) -> Path:
    settings = [word for setting in demo_settings(recorded, "") for word in ("--set", setting)]
    arb(
        "backtest", "--start", DAY, "--data", recorded / "data", "--config", demo_files(recorded),
        "--out", out, "--no-report", "--strategy", function, *settings, *words,
    )  # fmt: skip
    return out


def test_fills_of_one_nanosecond_in_another_order_are_no_difference(recorded: Path, tmp_path: Path) -> None:
    texts = set()
    for number in range(3):
        run = backtest(recorded, tmp_path / f"run-{number}", f"{strategy_file('tied.py', TIED)}:tied")
        with np.load(run / "records.npz") as file:
            texts.add(file["0"].tobytes())
            assert file["0"]["num_trades"][-1] >= 8
        assert verify(run).differences == []
    assert len(texts) > 1, "nothing was added up in another order"


# Every file and key.


@pytest.fixture(scope="module")
def finished(recorded: Path) -> Path:
    """A backtest of the spread strategy, with its report."""
    settings = [word for setting in demo_settings(recorded, "") for word in ("--set", setting)]
    arb(
        "backtest", "--start", DAY, "--data", recorded / "data", "--config", demo_files(recorded),
        "--out", recorded / "finished", *settings, "--set", "strategy.min_spread_bps=0.1",
    )  # fmt: skip
    return recorded / "finished"


def verified(run: Path, *words: str) -> tuple[int, str]:
    done = arb("verify", run, *words, code=None)
    return done.exit_code, done.output


def set_max_drawdown(run: Path) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_bytes())
    assert manifest["config"]["risk"]["max_drawdown"] != 0.9
    manifest["config"]["risk"]["max_drawdown"] = 0.9
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def change_attempt(run: Path) -> None:
    path = run / "attempts.csv"
    lines = path.read_text().split("\n")
    assert len(lines) > 3
    lines[1] = lines[1].replace("open", "close") if "open" in lines[1] else "9" + lines[1]
    path.write_text("\n".join(lines))


def add_a_file(run: Path) -> None:
    (run / "audited.txt").write_text("profit 1,000,000")


def change_the_page(run: Path) -> None:
    with (run / "report.html").open("a") as page:
        page.write("<b>PROFIT 1000000</b>")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a value of the configuration": (set_max_drawdown, "config.risk"),
    "an attempt": (change_attempt, "attempts.csv, line 2"),
    "a file more": (add_a_file, "audited.txt"),
    "the page": (change_the_page, "report.html"),
    "a chart removed": (lambda run: (run / "charts" / "equity.png").unlink(), "charts/equity.png"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_changes_no_fill_is_reported(name: str, finished: Path, tmp_path: Path) -> None:
    change, text = CHANGES[name]
    shutil.copytree(finished, tmp_path / "run")
    change(tmp_path / "run")

    code, output = verified(tmp_path / "run")

    assert code == ExitCode.DIFFERENCES
    assert text in output
    assert output.splitlines()[-1].startswith("differs: ")


def test_a_report_that_was_built_again_is_no_change(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    shutil.rmtree(run / "charts")
    (run / "report.html").unlink()
    arb("report", str(run))

    code, output = verified(run)

    assert (code, output.splitlines()[-1]) == (ExitCode.DONE, "proven")


# The code of a run.


@pytest.fixture
def imported(recorded: Path, tmp_path: Path) -> Path:
    """A run of a strategy that takes a number from a module beside it, which takes it from a package."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "__init__.py").write_text("")
    (tmp_path / "deep" / "numbers.py").write_text("STEP_NS = 500_000_000\n")
    (tmp_path / f"helper_{tmp_path.name}.py").write_text("from deep.numbers import STEP_NS\n")
    (tmp_path / "mine.py").write_text(
        f"from helper_{tmp_path.name} import STEP_NS\n\n\n"
        "def run(bot):\n    while bot.elapse(STEP_NS) == 0:\n        pass\n    return 0\n"
    )
    return backtest(recorded, tmp_path / "run", f"{tmp_path / 'mine.py'}:run")


def test_every_module_that_a_strategy_imports_is_hashed(imported: Path, tmp_path: Path) -> None:
    assert verified(imported, "--trust")[0] == ExitCode.DONE
    manifest = json.loads((imported / "manifest.json").read_bytes())
    assert sorted(manifest["strategy"]["modules"]) == [
        "deep/__init__.py", "deep/numbers.py", f"helper_{tmp_path.name}.py", "mine.py"
    ]  # fmt: skip

    (tmp_path / "deep" / "numbers.py").write_text("STEP_NS = 500_000_001\n")
    code, output = verified(imported, "--trust")

    assert code == ExitCode.USER_INPUT
    assert "deep/numbers.py: it has changed since the run" in output
    assert output.count("\n") == 1


def test_a_module_that_comes_in_front_of_another_is_found_before_it_runs(
    imported: Path, tmp_path: Path
) -> None:
    (tmp_path / "deep.py").write_text("raise SystemExit('executed')")
    (tmp_path / "deep" / "__init__.py").unlink()

    code, output = verified(imported, "--trust")

    assert code == ExitCode.USER_INPUT
    assert "executed" not in output


def test_code_outside_of_the_working_directory_needs_a_word(imported: Path, tmp_path: Path) -> None:
    code, output = verified(imported)

    assert code == ExitCode.USER_INPUT
    assert "code outside of the working directory" in output
    assert "--trust" in output
    assert output.count("\n") == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert verified(imported)[0] == ExitCode.DONE


def test_another_version_of_arb_proves_nothing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arb.commands.verify.our_code", lambda: "0" * 64)

    found = verify(finished)

    assert found.verdict == Verdict.NOT_PROVEN
    assert found.causes == ["the code of arb has changed since the run"]
    assert verified(finished)[0] == ExitCode.DIFFERENCES


def test_nothing_is_executed_for_a_manifest_that_was_changed(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def executed(config: Any) -> Any:
        raise AssertionError(config)

    monkeypatch.setattr("arb.commands.verify.setup_of", executed)
    set_max_drawdown(imported)

    found = verify(imported)

    assert found.verdict == Verdict.DIFFERS
    assert found.replays == []


def test_a_strategy_that_is_gone_is_one_line(imported: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").unlink()

    with pytest.raises(InputError, match="no such file"):
        verify(imported)


# Changes of some kinds; `python -m tests.soak.mutations` makes one of every file and key, and, by
# `--runs live live-2 --count 0 --resealed 110`, of every kind in sessions of all markets.


@pytest.mark.parametrize("make", [a_backtest, a_dry_run, a_session])
def test_whatever_is_changed_in_a_folder_is_reported(make: Callable[..., Path], tmp_path: Path) -> None:
    run, other = make(tmp_path), make(tmp_path, "idle")
    assert verified_code(run) == ExitCode.DONE
    chance = np.random.default_rng(3)
    chosen = mutations(run, other, chance, 2000)
    chosen = [chosen[n] for n in chance.choice(len(chosen), 12, replace=False)]

    missed = []
    for one in chosen:
        shutil.copytree(run, tmp_path / "changed")
        one.apply(tmp_path / "changed")
        if verified_code(tmp_path / "changed") not in (ExitCode.DIFFERENCES, ExitCode.USER_INPUT):
            missed.append(one[:2])
        shutil.rmtree(tmp_path / "changed")

    assert missed == []


@pytest.mark.parametrize("venues", [SPOT_LINEAR, USDM_SPOT])
def test_whatever_is_changed_in_a_live_session_is_reported_if_hashes_fit(
    venues: tuple[str, ...], tmp_path: Path
) -> None:
    run, chance = a_live_session(tmp_path, venues=venues), np.random.default_rng(4)
    assert verified_code(run) == ExitCode.DONE

    missed, chosen = [], kinds()
    for kind in (chosen[no] for no in chance.choice(len(chosen), 8, replace=False)):
        shutil.copytree(run, tmp_path / "changed")
        where = change(tmp_path / "changed", kind, chance)
        reseal(tmp_path / "changed")
        if where and verified_code(tmp_path / "changed") not in (ExitCode.DIFFERENCES, ExitCode.USER_INPUT):
            missed.append((kind, where))
        shutil.rmtree(tmp_path / "changed")

    assert missed == []
