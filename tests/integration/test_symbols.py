"""`arb init --symbols` and `arb symbols add`: from listings on this machine, from recordings, and for the sandbox."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from difflib import SequenceMatcher
from pathlib import Path
from typing import IO

import pytest
import tomli
from support.command_line import arb
from support.live_sandbox import LiveSandbox

from arb.commands import symbols as symbols_module
from arb.commands.serve import seeded_sandbox
from arb.commands.symbols import template_venues
from arb.config import load, load_venues
from arb.files import staged
from arb.runtime.sandbox_venues import at_sandbox
from arb.sandbox.serve.urls import VenueUrls

NAMES = ("SOLUSDT", "XRPUSDT")
SPOTS = ("binance_spot", "bybit_spot")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[dict[str, VenueUrls]]:
    """The addresses of four venues that list SOLUSDT, and XRPUSDT at the spot venues only."""
    arb("init", tmp_path / "served", "--symbols", ",".join(NAMES), "--simulated")
    known = load_venues(tmp_path / "served")
    pairs = [(venue, name) for venue in known for name in NAMES if name == "SOLUSDT" or venue in SPOTS]
    with LiveSandbox(seeded_sandbox(known, pairs, 7)) as sandbox:
        yield sandbox.urls


@pytest.fixture
def _listing_venues(urls: dict[str, VenueUrls], monkeypatch: pytest.MonkeyPatch) -> None:
    """`arb init` asks the sandbox."""
    monkeypatch.setattr(
        symbols_module, "template_venues", lambda names: at_sandbox(template_venues(names), urls)
    )


def user_config(urls: dict[str, VenueUrls]) -> Path:
    """A configuration of `arb init` whose venues are at these addresses."""
    arb("init", "my")
    for path in Path("my").glob("*.toml"):
        text = path.read_text()
        name = tomli.loads(text).get("name")
        if name:
            lines = [
                f'rest_api_url = "{urls[name].rest if name in urls else NOBODY}"'
                if line.startswith("rest_api_url")
                else line
                for line in text.splitlines()
            ]
            path.write_text("\n".join(lines) + "\n")
    return Path("my/arbitrage.toml")


def tables(folder: Path, name: str) -> dict[str, dict[str, object]]:
    """The table of a symbol in each venue's file."""
    trees = [tomli.loads(path.read_text()) for path in folder.glob("*.toml")]
    return {
        tree["name"]: tree["symbols"][name]
        for tree in trees
        if name in tree.get("symbols", {}) and "name" in tree
    }


@pytest.mark.usefixtures("_listing_venues")
def test_init_takes_steps_and_minima_from_the_listings() -> None:
    done = arb("init", "my", "--symbols", "SOLUSDT,XRPUSDT")

    assert "binance_usdm:XRPUSDT: the venue does not list it" in done.stderr
    assert "bybit_spot:SOLUSDT: tick 0.01, lot 0.001, minima 0.001 SOL, 5 USDT" in done.stdout
    assert tables(Path("my"), "SOLUSDT").keys() == {*SPOTS, "binance_usdm", "bybit_linear"}
    assert tables(Path("my"), "XRPUSDT") == {
        venue: {"tick_size": "0.00001", "lot_size": "1", "min_qty": 1, "min_notional": 5} for venue in SPOTS
    }
    assert "# From the venue's listing, 2" in Path("my/binance.toml").read_text()
    config = load("my/arbitrage.toml")
    assert [leg.name for leg in config.legs] == [f"{venue}:{name}" for name in NAMES for venue in SPOTS]
    # Worth about 1,000 and 10,000 at the sandbox's prices.
    limits = config.symbols["XRPUSDT"]
    assert 1_400 <= (limits.max_position_size or 0) <= 1_800
    assert 14_000 <= (limits.position_limit or 0) <= 18_000
    assert not config.capital


@pytest.mark.usefixtures("_listing_venues")
def test_a_symbol_that_no_venue_lists_leaves_nothing() -> None:
    done = arb("init", "my", "--symbols", "SOLUSDT,FOOUSDT", code=2)
    assert done.stderr.startswith("error: FOOUSDT: not listed at binance_spot, ")
    assert done.stderr.count("\n") == 1
    assert not Path("my").exists()


def test_without_a_network_the_other_sources_are_named() -> None:
    main = user_config({})
    before = {path: path.read_bytes() for path in Path("my").iterdir()}
    done = arb("symbols", "add", "SOLUSDT", "--config", main, code=2)
    assert done.stderr.startswith("error: no listings of binance_spot: ")
    assert "name recordings with --recordings FOLDER, or give --simulated" in done.stderr
    assert done.stderr.count("\n") == 1
    assert before == {path: path.read_bytes() for path in Path("my").iterdir()}


def test_add_keeps_comments_and_what_is_traded(urls: dict[str, VenueUrls]) -> None:
    main = user_config({venue: urls[venue] for venue in SPOTS})
    before = {path.name: path.read_text().splitlines() for path in Path("my").iterdir()}

    done = arb("symbols", "add", "SOLUSDT", "--config", main)

    assert "warning: bybit_linear: left out, its listings are not available: " in done.stderr
    assert f"to trade them: --symbols SOLUSDT, or symbols in [strategy] of {main}" in done.stdout
    for path in Path("my").iterdir():
        lines = path.read_text().splitlines()
        parts = SequenceMatcher(None, before[path.name], lines, autojunk=False).get_opcodes()
        assert {kind for kind, *_ in parts} <= {"equal", "insert"}
        assert (before[path.name] != lines) == (path.name in {"arbitrage.toml", "binance.toml", "bybit.toml"})
    assert [leg.symbol for leg in load(main).legs] == ["BTCUSDT", "BTCUSDT"]
    config = load(main, symbols=["SOLUSDT"])
    assert [leg.lot_size for leg in config.legs] == [0.001, 0.001]
    # About 10,000 quote worth.
    assert [90 <= leg.base <= 110 for leg in config.legs] == [True, True]
    assert config.symbols["SOLUSDT"].max_position_size == pytest.approx(9.9, abs=0.5)


def test_a_symbol_of_a_venue_without_a_leg_is_added(urls: dict[str, VenueUrls]) -> None:
    main = user_config({"bybit_linear": urls["bybit_linear"]})
    address = f'binance_usdm.connection.rest_api_url="{urls["binance_usdm"].rest}"'
    words = ["--config", main, "--venues", "binance_usdm,bybit_linear", "--set", address]
    arb("symbols", "add", "SOLUSDT", *words)
    assert [leg.symbol for leg in load(main).legs] == ["BTCUSDT", "BTCUSDT"]
    legs = ["binance_usdm:SYMBOL", "bybit_linear:SYMBOL"]
    assert [leg.base for leg in load(main, legs=legs, symbols=["SOLUSDT"]).legs] == [0.0, 0.0]


def test_what_is_described_is_replaced_only_on_request(urls: dict[str, VenueUrls]) -> None:
    main = user_config(urls)
    file = Path("my/bybit.toml")
    file.write_text(file.read_text() + '\n[symbols.SOLUSDT] # mine\ntick_size = "9" # old\nlot_size = "9"\n')
    words = ["symbols", "add", "SOLUSDT", "--config", main]

    done = arb(*words, "--venues", "bybit_spot", code=2)
    assert f"bybit_spot:SOLUSDT: not changed, {file} describes it; --replace takes" in done.stderr
    done = arb(*words)
    assert f"bybit_spot:SOLUSDT: not changed, {file} describes it" in done.stdout
    assert 'tick_size = "9" # old' in file.read_text()
    arb(*words, "--replace", "--venues", "bybit_spot")
    assert "[symbols.SOLUSDT] # mine" in file.read_text()
    assert 'tick_size = "0.01" # old' in file.read_text()


def test_a_file_in_another_form_is_not_changed(urls: dict[str, VenueUrls]) -> None:
    main = user_config(urls)
    file = Path("my/binance.toml")
    head = file.read_text().partition("[symbols.BTCUSDT]")[0]
    file.write_text('symbols = { BTCUSDT = { tick_size = "0.01", lot_size = "1" } }\n' + head)
    before = {path: path.read_bytes() for path in Path("my").iterdir()}
    done = arb("symbols", "add", "SOLUSDT", "--config", main, code=2)
    assert "my/binance.toml: [symbols.SOLUSDT] is not a table of its own" in done.stderr
    assert 'write tick_size = "0.01", lot_size = "0.001"' in done.stderr
    assert before == {path: path.read_bytes() for path in Path("my").iterdir()}


def test_a_link_to_a_file_and_its_permissions_stay() -> None:
    arb("init", "my")
    main, link, shared = Path("my/arbitrage.toml"), Path("my/binance.toml"), Path("shared.toml")
    link.rename(shared)
    link.symlink_to(shared.resolve())
    main.chmod(0o640)
    arb("symbols", "add", "SOLUSDT", "--config", main, "--simulated")
    assert link.is_symlink()
    assert "[symbols.SOLUSDT]" in shared.read_text()
    assert main.stat().st_mode & 0o777 == 0o640


def test_files_are_changed_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path: Path) -> AbstractContextManager[IO[bytes]]:
        if path.name == "arbitrage.toml":
            raise OSError(errno.ENOSPC, "No space left on device")
        return staged(path)

    arb("init", "my")
    before = {path: path.read_bytes() for path in Path("my").iterdir()}
    monkeypatch.setattr(symbols_module, "staged", failing, raising=False)
    done = arb("symbols", "add", "SOLUSDT", "--config", "my/arbitrage.toml", "--simulated", code=2)
    assert done.stderr == "error: my/arbitrage.toml: cannot be written: No space left on device\n"
    assert before == {path: path.read_bytes() for path in Path("my").iterdir()}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["init", "new", "--simulated"], "--simulated: only for symbols; give --symbols as well"),
        (["init", "new", "--venues", "bybit_spot"], "--venues: only for symbols"),
        (
            ["init", "new", "--symbols", "solusdt", "--simulated"],
            "'solusdt' is no symbol; write it as the venues",
        ),
        (
            ["init", "new", "--recordings", "here", "--simulated"],
            "--recordings and --simulated exclude each other",
        ),
        (["init", "new", "--recordings", "nowhere"], "nowhere: no such folder"),
        (
            ["init", "new", "--symbols", "AUSDT", "--simulated", "--venues", "x"],
            "--venues x: no file describes it",
        ),
        (
            ["symbols", "add", "AUSDT", "-c", "no/arbitrage.toml"],
            "no/arbitrage.toml: no such file; `arb init no`",
        ),
    ],
)
def test_wrong_words_are_one_line(words: list[str], text: str, tmp_path: Path) -> None:
    done = arb(*words, code=2)
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_folder_is_checked_before_a_venue_is_asked() -> None:
    arb("init", "my")
    done = arb("init", "my", "--symbols", "SOLUSDT", code=2)
    assert "exists already; arb init does not overwrite" in done.stderr


@pytest.mark.slow
def test_recordings_of_one_venue_are_a_leg_for_a_strategy_of_ones_own() -> None:
    words = ["--duration", "6s", "--venues", "bybit_spot", "--symbols", "ETHUSDT"]
    arb("sandbox", "record", "--out", "recorded", *words)
    done = arb("init", "my", "--recordings", "recorded")
    assert done.stderr == (
        "warning: one venue alone: the built-in strategy takes pairs of legs; give --strategy\n"
    )
    assert [leg.name for leg in load("my/arbitrage.toml").legs] == ["bybit_spot:ETHUSDT"]


@pytest.mark.slow
def test_recordings_of_venues_that_were_not_chosen_are_not_mentioned() -> None:
    words = ["--duration", "6s", "--venues", "binance_spot,bybit_spot", "--symbols", "ETHUSDT"]
    arb("sandbox", "record", "--out", "recorded", *words)
    arb("init", "my")
    done = arb(
        *("symbols", "add", "ETHUSDT", "--config", "my/arbitrage.toml", "--replace"),
        *("--recordings", "recorded", "--venues", "bybit_spot"),
    )
    assert "left out" not in done.stderr
    assert "bybit_spot:ETHUSDT" in done.stdout


@pytest.mark.slow
def test_simulated_symbols_are_recorded_and_a_recording_of_ones_own_is_traded() -> None:
    arb("init", "first", "--symbols", "SOLUSDT,FOOUSDT", "--simulated")
    at = ["--venues", "binance_spot,binance_usdm", "--symbols", "SOLUSDT,FOOUSDT"]
    words = ["--config", "first/arbitrage.toml", "--out", "recorded", "--duration", "2m"]
    arb("sandbox", "record", *words, *at, "--dislocations", "wide")

    done = arb("init", "my", "--recordings", "recorded")
    assert "legs: binance_spot:SYMBOL, binance_usdm:SYMBOL; symbols: FOOUSDT, SOLUSDT" in done.stdout
    following = [line.removeprefix("next: arb ") for line in done.stdout.splitlines() if "next: " in line]
    assert following == [
        "data check recorded --config my/arbitrage.toml",
        "backtest --config my/arbitrage.toml --start 2024-01-01",
    ]
    assert tables(Path("my"), "SOLUSDT") == {
        "binance_spot": {"tick_size": "0.01", "lot_size": "0.001", "min_notional": 5},
        "binance_usdm": {"tick_size": "0.01", "lot_size": "0.001", "min_notional": 100},
    }
    assert "not from the venue's listing" in Path("my/binance.toml").read_text()
    arb(*following[0].split())
    arb(*following[1].split(), "--no-report", "--out", "run")
    trades = Path("run/trades.csv").read_text()
    assert all(trades.count(f",binance_spot:{name},") >= 2 for name in ("SOLUSDT", "FOOUSDT"))


@pytest.mark.slow
def test_the_sandbox_trades_symbols_of_ones_own() -> None:
    arb("init", "--symbols", "SOLUSDT,FOOUSDT", "--simulated")
    # In the market of this seed the prices of both have left each other after five seconds.
    arb("dry-run", "--sandbox", "--seed", "33", "--duration", "7s", "--no-report", "--out", "run")
    legs = json.loads(Path("run/summary.json").read_text())["legs"]
    assert sum(leg["fills"] for leg in legs) >= 4
