"""`arb record` with words, folders or symbols that it refuses: one line, exit code 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox
from support.recorded_runs import is_whole, lines_of
from support.recording_files import command_environment, run_command

from arb.cli.options import load_config
from arb.commands.legs import known_venues
from arb.commands.record import record
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.config.templates import write_templates
from arb.data.recordings.recorder import Recorder
from arb.errors import ExitCode, InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return command_environment(tmp_path_factory.mktemp("cache"))


def test_a_folder_that_is_in_use_is_one_line(tmp_path: Path) -> None:
    config = load_config(Path("none"), (), None, None, tmp_path, is_sandbox=True)
    wanted = [Wanted(known_venues(Path("none"))["bybit_spot"], ("BTCUSDT",))]
    with Recorder(tmp_path, reserve_gb=0), pytest.raises(InputError, match="--data"):
        record(config, wanted, lambda progress: None, duration_s=1.0, sandbox=SandboxChoice())


def test_without_the_live_packages_it_says_what_to_install(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code = "import sys; sys.modules['picows'] = None; from arb.cli import main; main()"
    words = ["record", "--sandbox", "--duration", "1s", "--data", "data"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.USER_INPUT
    assert "pip install picows" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--duration", "5"], "'5' is no time; write it as 90s, 15m, 1h or 2d"),
        (["--duration", "0s"], "'0s' is no time"),
        (["--venues", "okx_spot"], "--venues okx_spot: no file beside"),
        (["--symbols", "NOSUCH"], "--symbols NOSUCH: "),
        (["--streams", "depth5"], "--streams depth5: no such stream"),
    ],
)
def test_wrong_words_are_one_line(tmp_path: Path, words: list[str], text: str) -> None:
    done = arb("record", "--sandbox", "--data", tmp_path / "data", *words, code=ExitCode.USER_INPUT)
    assert done.stderr.count("\n") == 1
    assert text in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_symbol_that_the_venue_refuses_keeps_no_other_away(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_templates(tmp_path / "my")
    with LiveSandbox() as sandbox:  # it has BTCUSDT alone
        file = tmp_path / "my" / "bybit.toml"
        text = re.sub(
            r"(?m)^websocket_url = .*$",
            f'websocket_url = "{sandbox.urls["bybit_spot"].websocket}"',
            file.read_text(),
        )
        file.write_text(
            re.sub(r"(?m)^rest_api_url = .*$", f'rest_api_url = "{sandbox.urls["bybit_spot"].rest}"', text)
        )
        words = [
            "record",
            "--config",
            "my/arbitrage.toml",
            "--venues",
            "bybit_spot",
            "--symbols",
            "ETHUSDT,BTCUSDT",
        ]
        done = run_command([*words, "--data", "data", "--duration", "4s", "--json"], environment, tmp_path)
    assert done.code == ExitCode.USER_INPUT, done
    assert done.err.count("\n") == 1
    assert "bybit_spot refuses ETHUSDT (orderbook.50.ETHUSDT: Invalid symbol" in done.err
    assert "Leave it out, or correct its name: arb doctor" in done.err
    last = json.loads(done.out.splitlines()[-1])
    states = {one["symbol"]: (one["state"], sorted(one["refused"])) for one in last["instruments"]}
    topics = ["orderbook.1.ETHUSDT", "orderbook.50.ETHUSDT", "publicTrade.ETHUSDT"]
    assert states == {"BTCUSDT": ("synced", []), "ETHUSDT": ("syncing", topics)}
    assert len(lines_of(tmp_path / "data", "bybit_spot")) > 100
    assert is_whole(tmp_path / "data")
    events = next((tmp_path / "data" / "bybit_spot").glob("ethusdt_*.events.jsonl")).read_text()
    assert sum('"refused"' in line for line in events.splitlines()) == len(topics)
