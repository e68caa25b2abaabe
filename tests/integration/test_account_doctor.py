"""`arb doctor --live`, and refusals of `arb live`, with keys from the environment on a sandbox in a testnet's place."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.account_sandbox import (
    KEYS,
    PERPETUAL,
    SPOT,
    AccountSandbox,
    clients_at,
    signers,
    when_priced,
)
from support.command_line import arb
from support.guard.markers import marked
from support.keyed_sandbox import PEM

from arb.config import write_templates
from arb.errors import ExitCode
from arb.journal import reserve
from arb.journal.halts import Halt, set_halt

pytestmark = pytest.mark.slow

ALL = (*SPOT, *PERPETUAL)
HELD = [{"symbol": "BTCUSDT", "quantity": "-0.05", "entry": "42000"}]


#: A position that is too large for the configured leverage.
LARGE = "binance_usdm: leverage 1 of BTCUSDT cannot be set ("


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    set_keys(monkeypatch)


#: The variables of the keys.
VARIABLES = {
    f"{house.upper()}_{name}": key[part]
    for house, key in KEYS.items()
    for name, part in (("API_KEY", "id"), ("SECRET_KEY", "secret"))
}


def set_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the variables, which a command removes once it has read them."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def words(folder: Path, sandbox: AccountSandbox, *settings: str) -> list[str]:
    """Options with which the sandbox is the testnet."""
    if not (folder / "config").exists():
        write_templates(folder / "config")
    own = [
        f"strategy.legs={json.dumps([f'{venue}:SYMBOL' for venue in ALL])}",
        f"strategy.pairs={json.dumps([[f'{venue}:SYMBOL' for venue in pair] for pair in (SPOT, PERPETUAL)])}",
        *(f'{venue}.fees.asset="received"' for venue in SPOT),
        *(f"capital.{one}={{{'base=1.0, ' if one in SPOT else ''}quote=5000.0}}" for one in ALL),
        *("live.max_notional=1000.0", "live.max_daily_notional=10000.0"),
        *settings,
    ]
    for venue in ALL:
        urls = sandbox.urls[venue]
        table = f"{{websocket_url='{urls.websocket}', rest_api_url='{urls.rest}', trade_url='{urls.trade}'"
        own.append(f"{venue}.testnet={table}, user_url='{urls.user}'}}")
    given = [word for one in own for word in ("--set", one)]
    return ["--testnet", "--config", str(folder / "config" / "arbitrage.toml"), *given]


def examined(folder: Path, sandbox: AccountSandbox, *settings: str, code: ExitCode) -> dict[str, Any]:
    """The checks by name."""
    given = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    with sandbox:
        for _ in range(10):
            os.environ.update(given)  # a command removes them
            done = arb("doctor", "--live", "--json", *words(folder, sandbox, *settings), code=None)
            if "-1008 Server is currently overloaded" not in done.output:
                break  # else the sandbox, on a busy machine, has no book yet
    assert done.exit_code == code, done.output
    assert sandbox.orders == []
    assert not any(key["id"] in done.output or key["secret"] in done.output for key in KEYS.values())
    return {line["name"]: line for line in map(json.loads, done.output.splitlines())}


def test_an_account_that_is_well(tmp_path: Path) -> None:
    found = examined(tmp_path, AccountSandbox(tmp_path, bybit={"positions": HELD}), code=ExitCode.DONE)
    assert {line["level"] for line in found.values()} == {"ok"}
    for venue in ALL:
        for topic in ("clock", "filters", "fees", "limits", "orders"):
            assert f"{venue} {topic}" in found
    assert found["binance_usdm settings"]["text"] == "as configured"
    assert (
        found["binance_spot limits"]["text"]
        == "50 orders in 10 seconds (0 used), 160,000 orders in 1 day (0 used)"
    )
    assert found["bybit_linear positions"]["text"] == "1 position: -0.05 BTCUSDT from 42000"
    assert (
        found["bybit_spot:BTCUSDT order test"]["text"] == "the venue has no request that only checks an order"
    )
    assert found["bybit payments"]["text"] == "in the last 24 hours: no funding, no transfer"
    assert found["binance_spot:BTCUSDT order test"]["text"].endswith(" would be taken; it was not placed")


def test_everything_that_is_wrong_is_found_at_once_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = AccountSandbox(
        tmp_path,
        keys={"binance": {"permissions": ["read", "spot", "futures", "withdraw"], "ips": []}},
        binance_usdm={"position_mode": "hedge", "leverage": 20, "balances": {"USDT": "1"}},
        bybit={"linear_fees": {"maker": "0", "taker": "0.0001"}},
    )
    with sandbox:
        options = words(tmp_path, sandbox, "bybit_spot.symbols.BTCUSDT.min_notional=1.0")
        for _ in range(2):
            set_keys(monkeypatch)
            done = arb("doctor", "--live", "--json", *options, code=ExitCode.DIFFERENCES)
            lines = [json.loads(line) for line in done.output.splitlines()]
            failed = {line["name"]: line for line in lines if line["level"] == "fail"}
            assert failed.keys() == {
                "binance key", "bybit_spot:BTCUSDT filters", "bybit_linear:BTCUSDT fees", "binance_usdm balances",
                "binance_usdm:BTCUSDT order test",
            }  # fmt: skip
            assert failed["binance key"]["next_step"].startswith("take this right from it")
            (settings,) = (line for line in lines if line["name"] == "binance_usdm settings")
            assert settings["text"] == "arb live would set one-way mode, leverage 1 of BTCUSDT"
    assert sandbox.orders == []


def test_a_wrong_secret_fails_every_question_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYBIT_SECRET_KEY", marked("AnotherSecret"))
    found = examined(tmp_path, AccountSandbox(tmp_path), code=ExitCode.DIFFERENCES)
    failed = {name for name, line in found.items() if line["level"] == "fail"}
    assert {"bybit key", "bybit_spot fees", "bybit balances", "bybit_spot orders"} <= failed
    assert all(name.startswith("bybit") for name in failed)
    assert str(tmp_path / "config" / "bybit.toml") in found["bybit key"]["next_step"]


def test_a_halt_and_missing_limits_are_found(tmp_path: Path) -> None:
    state = tmp_path / "state"
    set_halt(state / "testnet", Halt("", 1_700_000_000 * 10**9, False, "a test"))
    with AccountSandbox(tmp_path) as sandbox:
        options = words(tmp_path, sandbox, f'live.state_directory="{state}"')
        place = options.index("live.max_notional=1000.0")
        del options[place - 1 : place + 1]
        done = arb("doctor", "--live", "--json", *options, code=ExitCode.DIFFERENCES)
    failed = [line for line in map(json.loads, done.output.splitlines()) if line["level"] == "fail"]
    assert [line["name"] for line in failed] == ["configuration", "halt"]
    assert "[live] max_notional is missing" in failed[0]["text"]
    assert "halted since 2023-11-14 22:13:20 UTC (a test): look at the accounts, then" in failed[1]["text"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--live", "--testnet", "--demo"], "--testnet and --demo exclude each other"),
        (["--testnet"], "--testnet: only of accounts; give --live as well"),
        (["--live", "--sandbox", "--symbols", "BTCUSDT"], "--symbols: not with --live"),
    ],
)
def test_options_that_do_not_fit(options: list[str], expected: str) -> None:
    assert expected in arb("doctor", *options, code=ExitCode.USER_INPUT).output


def test_missing_keys_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        for command in (["doctor", "--live"], ["live"]):
            set_keys(monkeypatch)
            monkeypatch.delenv("BINANCE_API_KEY")
            done = arb(*command, *words(tmp_path, sandbox), code=ExitCode.USER_INPUT)
            assert "BINANCE_API_KEY" in done.output
    assert sandbox.orders == []


HEDGED = {"position_mode": "hedge", "positions": [{**HELD[0], "side": "SHORT"}]}


@pytest.mark.parametrize(
    ("account", "settings", "expected"),
    [
        (
            {"keys": {"binance": {"permissions": ["read", "spot", "futures", "withdraw"]}}},
            (),
            "binance: the key may withdraw: take this right from it",
        ),
        (
            {"keys": {"bybit": {"permissions": ["SpotTrade"]}}},
            (),
            "bybit: the key may not trade perpetuals: give it this right",
        ),
        (
            {"bybit": {"balances": {"USDT": "1"}}},
            (),
            "bybit: 0 BTC are free, [capital] counts on 1, and the least order needs ",
        ),
        (
            {"binance_spot": {"fees": {"maker": "0", "taker": "0"}}},
            (),
            "binance_spot:BTCUSDT: maker is 0.001, the account pays 0 and taker ",
        ),
        ({"binance_usdm": HEDGED}, (), "binance_usdm: one-way mode cannot be set (-4068 "),
        ({"bybit": HEDGED}, (), "bybit_linear: one-way mode cannot be set ("),
        ({"binance_usdm": {"leverage": 20, "positions": [{**HELD[0], "quantity": "1"}]}}, (), LARGE),
        (
            {},
            ('bybit_spot.symbols.BTCUSDT.tick_size="1.0"',),
            "bybit_spot:BTCUSDT: tick_size is 1, the venue lists 0.1; write ",
        ),
        (
            {},
            ("bybit_linear.symbols.BTCUSDT.min_notional=1.0",),
            "bybit_linear:BTCUSDT: min_notional is 1, the venue refuses orders below 5: write ",
        ),
        (
            {},
            ('strategy.symbol="ETHUSDT"',),
            "binance_spot:ETHUSDT: the venue does not list it: choose another leg",
        ),
        (
            {},
            ("account.bybit_linear.leverage=101",),
            "bybit_linear: leverage 101 of BTCUSDT cannot be set (",
        ),
        (
            {},
            ('account.binance_spot.fee_asset="BNB"',),
            'binance_spot:BTCUSDT: the account pays fees in "received", ',
        ),
    ],
)
def test_arb_live_ends_before_an_order_with_the_refusal(
    tmp_path: Path, account: dict[str, Any], settings: tuple[str, ...], expected: str
) -> None:
    with AccountSandbox(tmp_path, **account) as sandbox:
        refuse_live(tmp_path, sandbox, expected, *settings)


def test_arb_live_ends_before_an_order_when_the_margin_mode_cannot_be_set(tmp_path: Path) -> None:
    async def rest(urls: Any) -> None:
        """An order of somebody, who is left alone."""
        (client,) = clients_at(urls, ["binance_usdm"], signers()).values()
        order = {
            "side": "BUY",
            "type": "LIMIT",
            "quantity": "0.01",
            "price": "40000.00",
            "timeInForce": "GTC",
        }
        place = partial(client._client.ask, "fapiPrivatePostOrder", lambda _: None, symbol="BTCUSDT", **order)
        try:
            await when_priced(place)
        finally:
            await client.close()

    with AccountSandbox(tmp_path, binance_usdm={"margin_mode": "isolated"}) as sandbox:
        asyncio.run(rest(sandbox.urls))
        options = words(tmp_path, sandbox, f'live.state_directory="{tmp_path / "state"}"')
        done = arb("live", *options, "--out", tmp_path / "run", code=ExitCode.USER_INPUT)
    expected = "error: binance_usdm: cross margin of BTCUSDT cannot be set (-4047 "
    assert done.output.splitlines()[-1].startswith(expected)
    assert [line["change"] for line in sandbox.orders] == ["NEW"]


def test_arb_live_ends_before_an_order_when_the_clock_is_two_seconds_off(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        sandbox.begin(kind="clock", venue="bybit_spot", duration_s=60.0, offset_ms=-2000)
        refuse_live(tmp_path, sandbox, "bybit_spot: this machine's clock is ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BINANCE_SECRET_KEY", marked("AnotherSecret")),
        ("BYBIT_API_KEY", marked("AnotherKey")),
        ("BYBIT_SECRET_KEY", marked("AnotherSecret")),
    ],
)
def test_arb_live_ends_before_an_order_when_the_key_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with AccountSandbox(tmp_path) as sandbox:
        expected = f"{variable.partition('_')[0].lower()}: 127.0.0.1:"
        assert "look at [auth] of " in refuse_live(tmp_path, sandbox, expected)


def test_arb_live_ends_before_an_order_when_the_key_is_of_another_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYBIT_SECRET_KEY", PEM)
    with AccountSandbox(tmp_path) as sandbox:
        line = refuse_live(tmp_path, sandbox, str(tmp_path / "config" / "bybit.toml"))
    assert "[auth] secret_key" in line


@pytest.mark.parametrize(
    ("venue", "why"), [("bybit_linear", "does not list it"), ("binance_usdm", "does not trade it now")]
)
def test_arb_live_ends_before_an_order_when_a_symbol_is_delisted(
    tmp_path: Path, venue: str, why: str
) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        sandbox.begin(kind="delisted", venue=venue, symbol="BTCUSDT", notice_s=0.001, duration_s=0.0)
        refuse_live(tmp_path, sandbox, f"{venue}:BTCUSDT: the venue {why}: choose another leg")


def test_arb_live_ends_before_an_order_when_the_kill_flag_is_set(tmp_path: Path) -> None:
    set_halt(tmp_path / "state" / "testnet", Halt("", 1_700_000_000 * 10**9, False, "a test"))
    with AccountSandbox(tmp_path) as sandbox:
        line = refuse_live(tmp_path, sandbox, "")
    assert "halted since 2023-11-14 22:13:20 UTC (a test): look at the accounts, then arb resume" in line


def test_arb_live_ends_before_an_order_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reserve, "_fill", full)
    with AccountSandbox(tmp_path) as sandbox:
        line = refuse_live(tmp_path, sandbox, str(tmp_path / "state" / "testnet" / "journal.reserve"))
    assert "No space left on device; the journal needs 16 MB in reserve" in line


def refuse_live(folder: Path, sandbox: AccountSandbox, expected: str, *settings: str) -> str:
    """The one line with which `arb live` ends; nothing has come of it."""
    state = f'live.state_directory="{folder / "state"}"'
    options = words(folder, sandbox, state, *settings)
    done = arb("live", *options, "--out", folder / "run", code=ExitCode.USER_INPUT)
    line = done.output.splitlines()[-1]
    assert line.startswith(f"error: {expected}")
    assert "Traceback" not in done.output
    assert not any(key["id"] in done.output or key["secret"] in done.output for key in KEYS.values())
    assert sandbox.orders == []
    assert not (folder / "run").exists()
    return line
