"""Every refusal is one line that names the file or option, the key and what is allowed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.config import load
from arb.errors import ConfigError

Refusal = Callable[..., str]
Edit = Callable[[str, str, str], None]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "strategy.min_spred_bps=5",
            "--set strategy.min_spred_bps: [strategy] min_spred_bps is not a known key;"
            " did you mean min_spread_bps?",
        ),
        (
            "risk.max_drawdown=7",
            "--set risk.max_drawdown: [risk] max_drawdown is 7; it must be a number above 0, at most 1",
        ),
        (
            "strategy.symbol=ETHUSDT",
            "--set strategy.symbol: not a TOML value; text needs its own quotes:"
            " --set 'strategy.symbol=\"ETHUSDT\"'",
        ),
        ("strategy.symbol=", '--set strategy.symbol: not a TOML value (12.5, true, "text", [1, 2])'),
        ("strategy.symbol=1\n[risk]", '--set strategy.symbol: not a TOML value (12.5, true, "text", [1, 2])'),
        (
            "strategy.symbol=1\nother=2",
            '--set strategy.symbol: not a TOML value (12.5, true, "text", [1, 2])',
        ),
        (
            "strategy=5",
            "--set strategy: must be section.key=TOML_VALUE, such as strategy.min_spread_bps=12.5",
        ),
        ("nonsense", "--set nonsense: must be section.key=TOML_VALUE, such as strategy.min_spread_bps=12.5"),
        ("a\nb", "--set a b: must be section.key=TOML_VALUE, such as strategy.min_spread_bps=12.5"),
        (
            "strategy.symbol.tick=5",
            "--set strategy.symbol.tick: strategy.symbol is not a table and holds no keys",
        ),
        (
            "bybit_linear.fees.taker=0",
            "--set bybit_linear.fees.taker: no leg is at bybit_linear;"
            " the legs are at binance_spot and bybit_spot",
        ),
        (
            "strategy.foo.bar=1",
            "--set strategy.foo.bar: [strategy.foo] is not a known section; known here: symbol, legs,"
            " symbols, pairs, function, allow_different_assets, params, mode, min_spread_bps, max_edge_bps,"
            " max_position_size, inventory_skew_bps, rebalance_threshold, rebalance_cost_bps, exit_spread_bps,"
            " max_holding_s, basis_halflife_s",
        ),
        (
            "capital.binance_spo.quote=1",
            "--set capital.binance_spo.quote: [capital.binance_spo] names a venue which no file beside this"
            " one describes; did you mean binance_spot?;"
            " known: binance_spot, binance_usdm, bybit_spot, bybit_linear",
        ),
    ],
)
def test_a_wrong_override_names_itself(folder: Path, override: str, line: str, refusal: Refusal) -> None:
    assert refusal(folder, (override,)) == line


def test_an_override_does_not_rename_a_venue(folder: Path, refusal: Refusal) -> None:
    line = refusal(folder, ('binance_spot.name="bybit_spot"',))

    assert line == "--set binance_spot.name: a venue is known by its name, which only its file can change"


def test_an_override_of_neither_section_nor_venue_lists_both(folder: Path, refusal: Refusal) -> None:
    line = refusal(folder, ("binance_spto.fees.taker=1",))

    assert "neither a section nor a venue; did you mean binance_spot?" in line
    assert "strategy, risk" in line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "min_spread_bps =",
            "min_spred_bps =",
            "[strategy] min_spred_bps is not a known key; did you mean min_spread_bps?",
        ),
        ("[strategy]", "[stratgy]", "[stratgy] is not a known section; did you mean [strategy]?"),
        (
            "[strategy]",
            "[strategy]\nmax_drawdown = 1",
            "[strategy] max_drawdown is not a known key; it belongs in [risk]",
        ),
        (
            "[execution]",
            "[execution]\nfoo = 1",
            "[execution] foo is not a known key; known here: stale_after_ms, slippage_tolerance, order_timeout_ms,"
            " unhedged_max_ms, max_chases, chase_interval_ms, attempt_interval_ms, touch_share",
        ),
        (
            "max_drawdown = 0.05",
            'max_drawdown = "5 %"',
            '[risk] max_drawdown is "5 %"; it must be a number above 0, at most 1',
        ),
        (
            "max_drawdown = 0.05",
            "max_drawdown = true",
            "[risk] max_drawdown is true; it must be a number above 0, at most 1",
        ),
        (
            "max_drawdown = 0.05",
            "max_drawdown = 2024-08-08",
            "[risk] max_drawdown is a date or time; it must be a number above 0, at most 1",
        ),
        (
            "order_timeout_ms = 5000",
            "order_timeout_ms = 5000.5",
            "[execution] order_timeout_ms is 5000.5; it must be a whole number from 1 to 600_000",
        ),
        (
            "# offset_ms = 0.0",
            "offset_ms = inf",
            "[clock] offset_ms is inf; it must be a number from -86_400_000 to 86_400_000",
        ),
        (
            "[strategy.params]",
            "[strategy.params]\nskew = nan",
            "[strategy.params] skew is nan; it must be a number (integers of 64 bits), true or false, or a list"
            " of such, or of lists of one length",
        ),
        (
            "[strategy.params]",
            '[strategy.params]\n"a b" = 1',
            '[strategy.params] "a b" is not a name that fits here; it must be a name as in Python',
        ),
        (
            "[capital.binance_spot]\nbase = 1.0\nquote = 60000.0",
            "[capital.binance_spot]\nbase = 1.0",
            "[capital.binance_spot] quote is missing; it must be a number from 0 to 1e15",
        ),
        (
            "[capital.bybit_spot]\nbase = 1.0\nquote = 60000.0",
            "",
            "[capital.bybit_spot] is missing; it says what bybit_spot starts with (base, quote)",
        ),
        (
            '"bybit_spot:SYMBOL"]',
            '"binance_spot:SYMBOL"]',
            "[strategy] legs names binance_spot:BTCUSDT twice",
        ),
        (
            '"bybit_spot:SYMBOL"]',
            '"bybit_spot:btcusdt"]',
            '[strategy] legs is ["binance_spot:SYMBOL", "bybit_spot:btcusdt"];'
            ' it must be a list of 1 to 64 different texts "venue:SYMBOL"',
        ),
        (
            '"bybit_spot:SYMBOL"]',
            '"bybt_spot:SYMBOL"]',
            "[strategy] legs names the venue bybt_spot, which no file beside this one describes;"
            " did you mean bybit_spot?; known: binance_spot, binance_usdm, bybit_spot, bybit_linear",
        ),
    ],
)
def test_a_wrong_main_file_is_named_with_key_and_range(
    folder: Path, old: str, new: str, line: str, refusal: Refusal, edit: Edit
) -> None:
    edit("arbitrage.toml", old, new)

    assert refusal(folder) == f"{folder / 'arbitrage.toml'}: {line}"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'tick_size = "0.01"',
            "tick_size = 0.01",
            '[symbols.BTCUSDT] tick_size is 0.01; it must be a positive decimal in quotes such as "0.01"',
        ),
        (
            'tick_size = "0.01"',
            'tick_size = "0.00"',
            '[symbols.BTCUSDT] tick_size is "0.00"; it must be a positive decimal in quotes such as "0.01"',
        ),
        (
            'tick_size = "0.01"',
            'tick_size = "1e-2"',
            '[symbols.BTCUSDT] tick_size is "1e-2"; it must be a positive decimal in quotes such as "0.01"',
        ),
        (
            'tick_size = "0.01"',
            'tick_size = "0.01\\n"',
            '[symbols.BTCUSDT] tick_size is "0.01\\n";'
            ' it must be a positive decimal in quotes such as "0.01"',
        ),
        ("taker = 0.001", "taker = 10", "[fees] taker is 10; it must be a number from -0.05 to 0.05"),
        ('kind = "spot"', 'kind = "future"', 'kind is "future"; it must be one of "linear", "spot"'),
        (
            'model = "risk_adverse"',
            'model = "fifo"',
            '[queue] model is "fifo"; it must be one of "log_prob", "log_prob2", "power_prob", "power_prob2",'
            ' "power_prob3", "risk_adverse"',
        ),
        (
            "wss://stream",
            "ws://stream",
            '[connection] websocket_url is "ws://stream.binance.com:9443/ws"; it must be a wss:// address'
            " (ws:// only on this machine)",
        ),
        (
            "https://api",
            "http://localhost.api",
            '[connection] rest_api_url is "http://localhost.api.binance.com"; it must be an https:// address'
            " (http:// only on this machine)",
        ),
        (
            '"connectors.binance:BinanceSpot"',
            '"connectors.binance"',
            'adapter is "connectors.binance"; it must be "module:Class"',
        ),
        ("[fees]", "[fee]", "[fee] is not a known section; did you mean [fees]?"),
        (
            "[symbols.BTCUSDT]",
            "[symbols.btcusdt]",
            "[symbols] btcusdt is not a name that fits here;"
            ' it must be a symbol in capitals such as "BTCUSDT"',
        ),
    ],
)
def test_a_wrong_venue_file_is_named_with_key_and_range(
    folder: Path, old: str, new: str, line: str, refusal: Refusal, edit: Edit
) -> None:
    edit("binance.toml", old, new)

    assert refusal(folder) == f"{folder / 'binance.toml'}: {line}"


def test_a_symbol_that_neither_file_nor_template_has_says_how_to_add_it(
    folder: Path, refusal: Refusal
) -> None:
    assert refusal(folder, ('strategy.symbol="SOLUSDT"',)) == (
        f"{folder / 'binance.toml'}: [symbols.SOLUSDT] is missing, which leg binance_spot:SOLUSDT needs;"
        ' known: BTCUSDT, ETHUSDT; to add it, write that section with tick_size = "0.01", lot_size = "0.001",'
        " as the venue gives them"
    )


def test_a_missing_key_of_a_venue_of_ones_own_is_named(folder: Path, refusal: Refusal, edit: Edit) -> None:
    edit("binance.toml", "connectors.binance:BinanceSpot", "mine:Venue")
    edit("binance.toml", "taker = 0.001", "")

    line = refusal(folder)

    assert line == (
        f"{folder / 'binance.toml'}: [fees] taker is missing; it must be a number from -0.05 to 0.05"
    )


def test_a_missing_section_says_what_it_holds(folder: Path, refusal: Refusal, edit: Edit) -> None:
    edit("binance.toml", "connectors.binance:BinanceSpot", "mine:Venue")
    text = (folder / "binance.toml").read_text()
    (folder / "binance.toml").write_text(re.sub(r"\[fees\][^\[]*", "", text))

    assert (
        refusal(folder)
        == f"{folder / 'binance.toml'}: [fees] is missing; it holds maker, taker, asset, price"
    )


def test_a_missing_main_file_says_how_to_get_one(tmp_path: Path, refusal: Refusal) -> None:
    line = refusal(tmp_path / "nowhere")

    assert line == (
        f"{tmp_path / 'nowhere' / 'arbitrage.toml'}: no such file;"
        f" `arb init {tmp_path / 'nowhere'}` writes a configuration to start from"
    )


def test_a_folder_in_place_of_the_main_file_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(folder))}: cannot be read: "):
        load(folder)


def test_a_syntax_error_names_file_and_line(folder: Path, refusal: Refusal, edit: Edit) -> None:
    edit("arbitrage.toml", "[strategy]\n", "[strategy]\nsymbol == 5\n")
    lines = (folder / "arbitrage.toml").read_text().splitlines()

    line = refusal(folder)

    assert line.startswith(f"{folder / 'arbitrage.toml'}: not TOML: ")
    assert f"line {lines.index('symbol == 5') + 1}" in line


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"x = " + b"[" * 100_000, b"x = " + b"9" * 5000, b'x = "', b"a = 1\na = 2\n"]
)
def test_no_content_escapes_as_another_error(folder: Path, content: bytes, refusal: Refusal) -> None:
    (folder / "arbitrage.toml").write_bytes(content)

    assert refusal(folder).startswith(f"{folder / 'arbitrage.toml'}: not TOML: ")


def test_a_broken_file_of_an_unused_venue_stops_nothing(folder: Path, edit: Edit) -> None:
    edit("bybit_linear.toml", "[fees]", "[fees")
    edit("binance_usdm.toml", "[fees]", "[free]")

    assert len(load(folder / "arbitrage.toml").legs) == 2


def test_a_broken_file_of_a_used_venue_is_shown_where_its_name_is_missed(
    folder: Path, refusal: Refusal, edit: Edit
) -> None:
    edit("bybit.toml", "[fees]", "[fees")

    line = refusal(folder)

    assert "names the venue bybit_spot, which no file beside this one describes" in line
    assert f"{folder / 'bybit.toml'}: not TOML: " in line


def test_two_files_of_one_venue_are_both_named(folder: Path, refusal: Refusal) -> None:
    shutil.copy(folder / "bybit.toml", folder / "copy.toml")

    line = refusal(folder)

    files = f"{folder / 'bybit.toml'} and {folder / 'copy.toml'}"
    assert line == f"{files} both describe the venue bybit_spot; a venue has one file"


def test_other_main_files_beside_it_are_no_venues(folder: Path) -> None:
    shutil.copy(folder / "arbitrage.toml", folder / "another.toml")

    assert load(folder / "another.toml").as_dict() == load(folder / "arbitrage.toml").as_dict()


def test_base_inventory_at_a_perpetual_venue_is_refused(folder: Path, refusal: Refusal) -> None:
    line = refusal(folder, ("capital.binance_usdm.base=1",), ["binance_usdm:BTCUSDT", "bybit_spot:BTCUSDT"])

    assert line == (
        "--set capital.binance_usdm.base: [capital.binance_usdm] base is 1.0;"
        " a perpetual venue holds margin in quote only"
    )


@pytest.mark.parametrize(
    "legs", [[], ["binance_spot:BTCUSDT", "x"], [f"binance_spot:A{number}" for number in range(65)]]
)
def test_legs_of_the_command_line_are_named_as_such(folder: Path, legs: list[str], refusal: Refusal) -> None:
    line = refusal(folder, (), legs)

    assert line.startswith("--legs: [strategy] legs is [")
    assert line.endswith('it must be a list of 1 to 64 different texts "venue:SYMBOL"')


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", '"1"', "[nan]", "[[1, inf]]", '["1"]', "[[[1]]]", "9223372036854775808"]
)
def test_params_take_neither_unbounded_numbers_nor_text(folder: Path, value: str, refusal: Refusal) -> None:
    line = refusal(folder, (f"strategy.params.skew={value}",))

    assert line == (
        f"--set strategy.params.skew: [strategy.params] skew is {value};"
        " it must be a number (integers of 64 bits), true or false, or a list of such, or of lists of one length"
    )
