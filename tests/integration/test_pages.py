"""The commands that README.md and the pages of docs/ show: each exists, and those in code blocks are run, in order.

A small simulated recording, a server of archives and a sandbox on this machine replace the reader's own data and the
venues; times are shortened. Everything else is typed as it is shown.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli
from click.testing import Result
from support.archive_days import archive_day, frames_of_day
from support.archive_server import ArchiveServer
from support.command_line import arb
from support.funding_history import EIGHT_HOURLY, marks_text, rates_text, serve_funding
from support.keyed_sandbox import KEYS, LIMITS, KeyedSandbox
from support.live_sandbox import LiveSandbox, free_ports
from support.paths import ROOT, strategy_file
from support.recording_files import command_environment
from support.shown_commands import all_commands, block_commands, blocks, needed, pages, unknown_words

from arb.commands import live
from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config.strict import toml_text
from arb.data.catalog.days import find_recordings
from arb.sandbox.serve.urls import VenueUrls

pytestmark = pytest.mark.slow

DAY = "2024-01-01"
#: Commands that are not run, and why.
NOT_RUN = {
    "make install": "makes the environment that this test runs in",
}
#: What the output of a command contains, by a pattern of the command; all that fit are looked for.
SHOWS = {
    r"^make demo": ("simulated", "written to runs/demo/backtest"),
    r"^arb data list runs/demo": ("binance_spot", "bybit_spot", DAY, "frames"),
    r"^arb init": ("my/arbitrage.toml", "my/binance.toml", "my/bybit.toml"),
    r"^arb init my --recordings FOLDER": (
        "tick 0.01, lot ",
        "legs: binance_spot:SYMBOL, binance_usdm:SYMBOL",
        "next: ",
    ),
    r"^arb backtest --config my/arbitrage.toml --start \S+$": ("Why nothing was traded", "net edge", "fees"),
    r"^arb symbols add": ("tick ", "lot ", "minima ", "to trade them: --symbols "),
    r"^arb (backtest|dry-run)": ("written to ", "all figures: ", "report: "),
    r"^arb dry-run --sandbox(?!.*--port)": (
        "market data of a sandbox, simulated",
        "a market for first sessions",
    ),
    r"^arb verify": ("proven",),
    r"^arb live --(testnet|demo|confirm)": ("the strategy received its first row", "-live"),
    r"^arb doctor --live": ("order test", "limits", "it was not placed"),
    r"^arb halt": ("halted; arb resume clears it",),
    r"^arb status": ("no session runs", "accounts: "),
    r"^arb doctor(?!.*--live)": ("binance_spot REST", "bybit_spot streams", "ok"),
    r"^arb record": ("duration: ", " frames, "),
    r"^arb data check": ("frames", "holes", "gaps", "crossed", "drift ppm", "p99 ms"),
    r"^arb data cache$": ("rows of ", " recordings, "),
    r"^arb data cache --clear": ("deleted: rows of ",),
    r"^arb download.*--kinds funding": ("2 files fetched into recordings/archive",),
    r"^arb download(?!.*--dry-run|.*--kinds funding)": ("6 files fetched into recordings/archive",),
    r"^arb download.*--dry-run": (
        "binance_spot:BTCUSDT",
        "tardis",
        "order book, touch, trades",
        "to fetch: ",
    ),
    r"^arb sandbox serve": ("binance_usdm ", "ws://127.0.0.1:", "http://127.0.0.1:"),
}
#: What accounts of the sandbox pay, and the limits that sessions at venues need, if the page says nothing about it.
OF_ACCOUNTS = (*LIMITS, "binance_spot.fees.asset='received'", "bybit_spot.fees.asset='received'")
#: On the default market of a sandbox, which trades at the default fees and threshold: prices have left each other twice
#: within 12 s, and within 6 s in the market of seed 12.
FIRST_SESSION = r"^arb dry-run --sandbox(?!.*(--port|--seed|--config))"
GRID = """
def gridtrading(hbt, recorder, skew):
    while hbt.elapse(1_000_000_000) == 0:
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if depth.best_bid > 0.0 and len(hbt.orders(0)) == 0:
            hbt.submit_buy_order(0, 1, depth.best_bid * (1.0 - skew), 0.001, 0, 0, False)
        recorder.record(hbt)
    return 0
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of three venues."""
    folder = tmp_path_factory.mktemp("recordings")
    venues = "binance_spot,binance_usdm,bybit_spot"
    arb("sandbox", "record", "--out", folder, "--duration", "1m", "--start", DAY, "--venues", venues,
        "--symbols", "BTCUSDT,ETHUSDT")  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def sandbox() -> Iterator[tuple[int, dict[str, VenueUrls]]]:
    """A served market with an account: its first port, and its addresses."""
    base = free_ports()
    built = sandbox_of(
        known_venues(ROOT / "config" / "arbitrage.toml"), recording=None, seed=7, speed=1.0,
        venues=("binance_spot", "bybit_spot"), symbols=("BTCUSDT",), keeps_times=False, faults=None,
        fault_log=None, port_base=base,
    )  # fmt: skip
    with LiveSandbox(built) as served:
        yield base, served.urls


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, VenueUrls]]:
    """The addresses of a sandbox with accounts of its own, in place of venues, testnets and demos."""
    with KeyedSandbox(tmp_path_factory.mktemp("accounts"), venues=("binance_spot", "bybit_spot")) as served:
        yield served.urls


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has a day of both default legs, and the funding history of a perpetual."""
    day, markets = date.fromisoformat(DAY), ("binance_spot", "bybit_spot")
    frames = frames_of_day(day, tmp_path_factory.mktemp("archives"), "BTCUSDT", markets, 0.3)
    with ArchiveServer() as server:
        for series, content in archive_day(frames, "BTCUSDT", day):
            path = series.path.format(symbol="BTCUSDT", day=day)
            server.put(f"/{path}", content, has_checksum=series.has_checksum)
        serve_funding(server, day, rates_text({day: EIGHT_HOURLY}), marks_text(day))
        yield server.url


def write_own_recordings(recordings: Path, folder: Path) -> None:
    """The recordings of Binance, of symbols that no template knows."""
    names = {"BTCUSDT": "SOLUSDT", "ETHUSDT": "XRPUSDT"}
    for path in recordings.glob("binance_*/*usdt_*.gz"):
        text, name = gzip.decompress(path.read_bytes()).decode(), path.name
        for known, new in names.items():
            text = text.replace(known, new).replace(known.lower(), new.lower())
            name = name.replace(known.lower(), new.lower())
        own = folder / path.parent.name / name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(gzip.compress(text.encode(), 1))


class Reader:
    """A folder in which a page's commands are typed one after the other."""

    def __init__(
        self, page: Path, base: int, urls: dict[str, VenueUrls], archives: str, accounts: dict[str, VenueUrls]
    ) -> None:
        self._base = base
        self._accounts = accounts
        self._settings = settings_of(page) or OF_ACCOUNTS
        self._venues = [
            word
            for name, one in urls.items()
            for word in (
                "--set", f'{name}.connection.websocket_url="{one.websocket}"',
                "--set", f'{name}.connection.rest_api_url="{one.rest}"',
            )
        ]  # fmt: skip
        names = ("binance", "bybit_trades", "bybit_books", "tardis")
        self._archives = [word for name in names for word in ("--set", f'archive.{name}_url="{archives}"')]
        (quotes, *_) = [*(text for text in blocks(page, "python") if "# my_quotes.py" in text), ""]
        self._own = {
            "my_grid.py": strategy_file("my_grid.py", GRID),
            "my_quotes.py": strategy_file("my_quotes.py", quotes),
        }

    def words(self, command: str) -> list[str]:
        """What is typed: the command with what is the reader's own replaced."""
        day, is_first = DAY, re.search(FIRST_SESSION, command) is not None
        if "RUN" in command:
            day = str(find_recordings(self._session() / "recording")[0].day)
        typed: list[str] = []
        for word in needed(command)[1:]:
            if word == "...":
                typed += ["--start", DAY]
                continue
            if typed[-1:] == ["--duration"] and typed[0] != "sandbox":
                word = "12s" if is_first else "2s"
            if typed[-1:] == ["--speed"]:
                word = "1000"
            word = re.sub(r"\d{4}-\d\d-\d\d$", day, word)
            word = re.sub(r"^DIR$", "recordings", word)
            word = re.sub(r"^FOLDER$", "own", word)
            word = re.sub(r"RUN|^runs/\d{8}T\S+", lambda _: str(self._session()), word)
            word = re.sub(r"^runs/first$", lambda _: str(max(Path("runs").iterdir())), word)
            word = word.replace("8900", str(self._base))
            if "--live-data" in command:  # the served market has the legs of the default
                word = word.replace("my/", "config/")
            for name, path in self._own.items():
                word = word.replace(name, str(path))
            typed.append(word)
        if typed[0] == "live" and "--duration" not in typed:
            typed += ["--duration", "2s"]
        if typed[0] == "dry-run" and "--duration" not in typed and "--start" not in typed:
            typed += ["--seed", "12", "--duration", "6s"] if is_first else ["--duration", "2s"]
        return typed + self._more(typed)

    def _more(self, typed: list[str]) -> list[str]:
        if typed[:2] == ["sandbox", "serve"]:
            return ["--duration", "1s", "--port-base", "0"]
        if (typed[0] == "init" and "--symbols" in typed) or (
            typed[0] == "symbols" and "--recordings" not in typed
        ):
            return ["--simulated"]
        if typed[0] == "download" or "--download" in typed:
            return self._archives
        if "--live" in typed or (typed[0] == "live" and "--sandbox" not in typed):
            return self._at_accounts(typed)
        if "--live-data" in typed or (typed[0] in ("doctor", "record") and "--sandbox" not in typed):
            return self._venues
        return []

    def _at_accounts(self, typed: list[str]) -> list[str]:
        """The sandbox's addresses in place of the environment's, and what the page says to write into the files."""
        table = next((one for one in ("testnet", "demo") if f"--{one}" in typed), "connection")
        own = [
            f"{venue}.{table}.{key}={json.dumps(url)}"
            for venue, urls in self._accounts.items()
            for key, url in (
                ("websocket_url", urls.websocket), ("rest_api_url", urls.rest), ("trade_url", urls.trade),
                ("user_url", urls.user),
            )
        ]  # fmt: skip
        if table == "connection":
            own.append("binance_spot.connection.websocket_fallback_urls=[]")
        return [word for one in (*own, *self._settings) for word in ("--set", one)]

    def _session(self) -> Path:
        """The folder of the last session, one with fills if there is any."""
        found = [path.parent for path in Path("runs").glob("*/recording")]
        return max(found, key=lambda run: (fills_of(run) > 0, run.name))


def settings_of(page: Path) -> list[str]:
    """What the page's blocks `# my/FILE` say to write into the configuration, as `--set` takes it."""
    found = []
    for text in blocks(page, "toml"):
        if (name := re.match(r"# my/(\w+)\.toml\n", text)) is not None:
            file = Path("my", f"{name[1]}.toml")
            prefix = () if name[1] == "arbitrage" else (tomli.loads(file.read_text())["name"],)
            found += [
                f"{'.'.join((*prefix, *path))}={toml_text(value)}"
                for path, value in _leaves(tomli.loads(text))
            ]
    return found


def _leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def demo_commands() -> list[str]:
    """The commands of the Makefile's target, in its order."""
    text = (ROOT / "Makefile").read_text()
    folder = re.search(r"^DEMO := (.*)$", text, re.MULTILINE)
    recipe = re.search(r"^demo: .*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert folder is not None
    assert recipe is not None
    lines = recipe.group(1).replace("$(DEMO)", folder.group(1)).replace("$(BIN)/", "").splitlines()
    return [line.strip() for line in lines if line.startswith("\tarb ")]


def shown_lines(page: str, start: str) -> list[str]:
    """The lines of the block of output that begins like this."""
    (found,) = (text for text in blocks(ROOT / "docs" / page) if text.startswith(start))
    return found.splitlines()


def flat(text: str) -> str:
    """On one line, with N for dates and counts."""
    return re.sub(r"\d{4}-\d\d-\d\d|\d[\d,]{2,}", "N", " ".join(text.split()))


@pytest.fixture
def folder(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with `arb init`'s configuration and recordings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    shutil.copytree(ROOT / "config", "config")
    Path("recordings").symlink_to(recordings)
    return tmp_path


@pytest.mark.parametrize(
    ("number", "key", "wrong"),
    [(0, "min_spread_bps = 10.0", "min_spred_bps = 10.0"), (1, "max_drawdown = 0.05", "max_drawdown = 7.0")],
)
def test_errors_of_a_configuration_are_those_shown(folder: Path, number: int, key: str, wrong: str) -> None:
    main = folder / "config" / "arbitrage.toml"
    assert main.read_text().count(f"\n{key}\n") == 1
    main.write_text(main.read_text().replace(f"\n{key}\n", f"\n{wrong}\n"))
    line = arb("backtest", "--start", DAY, code=2).stderr
    assert line == f"error: {shown_lines('configuration.md', 'config/arbitrage.toml: ')[number]}\n"


def test_keys_without_effect_are_noted_as_shown(folder: Path) -> None:
    day = ("--start", DAY, "--no-report", "--set")
    arb(
        "backtest",
        *day,
        "strategy.exit_spread_bps=1.0",
        "--set",
        "strategy.max_holding_s=60.0",
        "--out",
        "one",
    )
    own = strategy_file("my_grid.py", GRID)
    more = ("--strategy", f"{own}:gridtrading", "--set", "strategy.params.skew=0.1", "--out", "two")
    arb("backtest", *day, "risk.max_drawdown=0.5", *more)
    notes = [
        note for run in ("one", "two") for note in json.loads(Path(run, "manifest.json").read_text())["notes"]
    ]
    noted = [note.replace(f"{own}:gridtrading", "my_grid.py:run") for note in notes]
    assert set(shown_lines("configuration.md", "no effect: ")) <= set(noted)


def test_a_wrong_tick_is_refused_as_shown(folder: Path) -> None:
    words = ("--start", DAY, "--legs", "binance_spot:BTCUSDT,binance_usdm:BTCUSDT")
    line = arb("backtest", *words, "--set", 'binance_usdm.symbols.BTCUSDT.tick_size="0.5"', code=2).stderr
    shown = flat(" ".join(shown_lines("data.md", "error: recordings/"))).removesuffix(" ...")
    assert flat(line).startswith(shown)


def fills_of(run: Path) -> int:
    return len((run / "trades.csv").read_text().splitlines()) - 1


def refuse_a_quiet_demo(run: Path) -> None:
    """Fails unless the demo trades, and, as in a market that was not made for the strategy, misses orders."""
    summary = json.loads((run / "summary.json").read_text())
    decisions = summary["decisions"]
    assert summary["outcome"] == "ended"
    assert 24 <= decisions["attempt"] <= 250
    assert decisions["hedged"] > decisions["attempt"] / 2
    assert decisions["expired"] > 0
    assert decisions.get("reversed", 0) + decisions.get("missed", 0) > 0
    assert fills_of(run) >= 40


WITH_COMMANDS = [page for page in pages() if block_commands(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(
    page: Path,
    recordings: Path,
    sandbox: tuple[int, dict[str, VenueUrls]],
    archives: str,
    accounts: dict[str, VenueUrls],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    # It is for good, and of the whole process.
    monkeypatch.setattr(live, "no_core_files", lambda: None)
    monkeypatch.delenv("TARDIS_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    Path("examples").symlink_to(ROOT / "examples")
    shutil.copytree(ROOT / "config", "config")
    shutil.copytree(ROOT / "config", "my")
    if page.stem != "download":
        shutil.copytree(recordings, "recordings")
        write_own_recordings(recordings, Path("own"))
    for text in blocks(page, "toml"):
        if "[faults." in text:
            Path("rehearsal.toml").write_text(text)
        if "[accounts." in text:
            Path("accounts.toml").write_text(text)
    reader = Reader(page, *sandbox, archives, accounts)
    if page.stem == "journal":
        arb_with_keys(monkeypatch, *reader.words("arb live --testnet --config my/arbitrage.toml"))
    for command in block_commands(page):
        if command in NOT_RUN:
            continue
        if command.startswith("arb init my"):
            shutil.rmtree("my", ignore_errors=True)
        command, _, file = command.partition(" > ")
        typed = demo_commands() if command == "make demo" else [command]
        shown = "".join(arb_with_keys(monkeypatch, *reader.words(one)).output for one in typed)
        if file:
            Path(file).write_text(shown)
        for pattern, texts in SHOWS.items():
            if re.search(pattern, command):
                missing = [text for text in texts if text not in " ".join(shown.split())]
                assert not missing, f"{command}:\n{shown}"
        if command == "make demo":
            refuse_a_quiet_demo(Path("runs/demo/backtest"))
        if re.search(FIRST_SESSION, command):
            assert fills_of(max(Path("runs").glob("*-dry-run"))) >= 2


def arb_with_keys(monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """`arb` with keys in the environment, which a session removes from it."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return arb(*words)


def test_the_demo_s_files_report_what_is_simulated_and_assumed() -> None:
    folder = ROOT / "examples" / "demo"
    assert "simulates" in (folder / "arbitrage.toml").read_text()
    for name in ("binance.toml", "bybit.toml"):
        text = (folder / name).read_text()
        assert "simulated" in text
        assert "Assumed" in text


def test_what_is_looked_for_is_shown() -> None:
    shown = [command for page in WITH_COMMANDS for command in block_commands(page)]
    assert set(NOT_RUN) <= set(shown)
    assert [pattern for pattern in SHOWS if not any(re.search(pattern, one) for one in shown)] == []


EVERY_PAGE = [*pages(), ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*/*.md"))]


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.stem)
def test_the_commands_and_options_of_a_page_exist(page: Path) -> None:
    assert [(command, words) for command in all_commands(page) if (words := unknown_words(command))] == []
