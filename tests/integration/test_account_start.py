"""The start of a session on a sandbox's account, over sockets: what it reports, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
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
    config_of,
    signers,
    start_at,
    when_priced,
)

from arb.accounts import start
from arb.accounts.facts import Balance, ClockFact
from arb.config.live_keys import Account
from arb.errors import ExitCode, InputError

pytestmark = pytest.mark.slow

ALL = (*SPOT, *PERPETUAL)


def refusal(folder: Path, sandbox: AccountSandbox, *settings: str, **options: Any) -> str:
    """The one line with which the start ends; no order has come."""
    venues = options.pop("venues", ALL)
    with sandbox, pytest.raises(InputError) as raised:
        asyncio.run(start_at(sandbox.urls, config_of(folder, venues, *settings), **options))
    assert raised.value.exit_code == ExitCode.USER_INPUT
    line = str(raised.value)
    assert "\n" not in line
    assert not any(key["secret"] in line or key["id"] in line for key in KEYS.values())
    assert sandbox.orders == []
    return line


def test_an_account_that_is_as_configured_is_reported_step_by_step(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        started = asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL), tmp_path))
    assert list(started.checks) == ["clock", "key", "filters", "settings", "fees", "balances"]
    assert all(check.level == "ok" for checks in started.checks.values() for check in checks)
    assert [check.name for check in started.checks["clock"]] == list(ALL)
    assert started.text("settings") == (
        "binance_usdm: one-way mode, cross margin, leverage 1; bybit_linear: one-way mode, cross margin, leverage 1"
    )
    assert "bybit_linear: maker 0.0002, taker 0.00055, paid in quote" in started.text("fees")
    assert started.text("balances") == (
        "binance_spot: 5 BTC, 20000 USDT free; bybit: 5 BTC, 20000 USDT free; binance_usdm: 20000 USDT free"
    )
    facts = started.facts
    assert facts is not None
    assert facts.account_ids.keys() == {"binance", "bybit"}
    assert facts.balances["binance_usdm"]["USDT"] == Balance(20000, 20000)
    assert sandbox.orders == []


def test_several_symbols_of_a_venue_are_asked_together(tmp_path: Path) -> None:
    symbols = ("BTCUSDT", "ETHUSDT")
    legs = f"strategy.legs={json.dumps([f'{venue}:{symbol}' for venue in ALL for symbol in symbols])}"
    config = config_of(tmp_path, ALL, legs)
    sandbox = AccountSandbox(
        tmp_path,
        symbols=symbols,
        binance_usdm={"leverage": 20},
        bybit={"leverage": 10, "margin_mode": "ISOLATED_MARGIN"},
    )
    with sandbox:
        started = asyncio.run(start_at(sandbox.urls, config))
    assert started.text("settings") == (
        "binance_usdm: one-way mode, cross margin, leverage 1 (set now: leverage 1 of BTCUSDT, leverage 1 of ETHUSDT); "
        "bybit_linear: one-way mode, cross margin, leverage 1 (set now: cross margin, leverage 1 of BTCUSDT, "
        "leverage 1 of ETHUSDT)"
    )
    facts = started.facts
    assert facts is not None
    assert all(set(facts.fees[venue]) == set(symbols) for venue in ALL)


def test_settings_are_made_where_they_differ(tmp_path: Path) -> None:
    sandbox = AccountSandbox(
        tmp_path,
        binance_usdm={"position_mode": "hedge", "margin_mode": "isolated", "leverage": 20},
        bybit={"position_mode": "hedge", "margin_mode": "ISOLATED_MARGIN", "leverage": 10},
    )
    wishes = {"bybit_linear": Account(leverage=3)}
    with sandbox:
        started = asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL), wishes=wishes))
        again = asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL), wishes=wishes))
    assert started.text("settings") == (
        "binance_usdm: one-way mode, cross margin, leverage 1 (set now: one-way mode, cross margin of BTCUSDT, "
        "leverage 1 of BTCUSDT); bybit_linear: one-way mode, cross margin, leverage 3 (set now: one-way mode, cross "
        "margin, leverage 3 of BTCUSDT)"
    )
    assert "set now" not in again.text("settings")


def test_multi_assets_mode_is_switched_off(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path, binance_usdm={"multi_assets": True}) as sandbox:
        started = asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL)))
    assert (
        "binance_usdm: one-way mode, cross margin, leverage 1 (set now: single-asset mode)"
        in started.text("settings")
    )


HELD = [{"symbol": "BTCUSDT", "quantity": "0.05", "entry": "42000"}]
HEDGED = [{**HELD[0], "side": "LONG"}]


@pytest.mark.parametrize(
    ("account", "venue"),
    [
        ({"binance_usdm": {"position_mode": "hedge", "positions": HEDGED}}, "binance_usdm"),
        ({"bybit": {"position_mode": "hedge", "positions": HEDGED}}, "bybit_linear"),
    ],
)
def test_a_mode_that_a_position_holds_ends_the_start(
    tmp_path: Path, account: dict[str, Any], venue: str
) -> None:
    line = refusal(tmp_path, AccountSandbox(tmp_path, **account))
    assert line.startswith(f"{venue}: one-way mode cannot be set (")
    assert line.endswith("): close what is open there, or set it by hand")


RESTING = {
    "binance": (
        "fapiPrivatePostOrder",
        {"side": "BUY", "type": "LIMIT", "quantity": "0.01", "timeInForce": "GTC"},
    ),
    "bybit": (
        "privatePostV5OrderCreate",
        {"category": "linear", "side": "Buy", "orderType": "Limit", "qty": "0.01"},
    ),
}


@pytest.mark.parametrize(
    ("account", "venue"),
    [
        ({"binance_usdm": {"margin_mode": "isolated"}}, "binance_usdm"),
        ({"bybit": {"margin_mode": "ISOLATED_MARGIN"}}, "bybit_linear"),
    ],
)
def test_a_mode_that_an_order_holds_ends_the_start(
    tmp_path: Path, account: dict[str, Any], venue: str
) -> None:
    async def rest(urls: Any) -> None:
        (client,) = clients_at(urls, [venue], signers()).values()
        try:
            name, order = RESTING[client.house]
            place = partial(
                client._client.ask, name, lambda _: None, symbol="BTCUSDT", price="40000.00", **order
            )
            await when_priced(place)
            (found,) = await client.open_orders(venue)
            assert (found.symbol, found.is_buy, found.price, found.quantity) == (
                "BTCUSDT", True, 40000, Decimal("0.01"),
            )  # fmt: skip
        finally:
            await client.close()

    with AccountSandbox(tmp_path, **account) as sandbox:
        asyncio.run(rest(sandbox.urls))
        with pytest.raises(InputError) as raised:
            asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL)))
    of = " of BTCUSDT" if venue == "binance_usdm" else ""
    assert str(raised.value).startswith(f"{venue}: cross margin{of} cannot be set (")
    assert [line["change"] for line in sandbox.orders] == ["NEW"], "it is left as it was"


def test_a_leverage_that_a_position_is_too_large_for_ends_the_start(tmp_path: Path) -> None:
    held = {"leverage": 20, "positions": [{**HELD[0], "quantity": "1"}]}
    line = refusal(tmp_path, AccountSandbox(tmp_path, binance_usdm=held))
    assert line.startswith("binance_usdm: leverage 1 of BTCUSDT cannot be set (")


@pytest.mark.parametrize(
    ("own", "start"),
    [
        (signers(binance=("unknown0000000key", "secret")), "binance: 127.0.0.1"),
        (signers(binance=(KEYS["binance"]["id"], "other")), "binance: 127.0.0.1"),
        (signers(bybit=("unknown0000000key", "secret")), "bybit: 127.0.0.1"),
        (signers(bybit=(KEYS["bybit"]["id"], "other")), "bybit: 127.0.0.1"),
    ],
)
def test_a_wrong_key_or_secret_is_refused(tmp_path: Path, own: Any, start: str) -> None:
    line = refusal(tmp_path, AccountSandbox(tmp_path), own=own)
    assert line.startswith(start)
    assert "look at [auth] of " in line


def test_a_key_for_another_address_is_refused(tmp_path: Path) -> None:
    keys = {house: {"ips": ["10.0.0.1"]} for house in KEYS}
    line = refusal(tmp_path, AccountSandbox(tmp_path, keys=keys))
    assert "binance: " in line
    assert "add this machine's address to the key's" in line


@pytest.mark.parametrize(
    ("house", "permissions", "expected"),
    [
        (
            "binance",
            ["read", "spot"],
            "binance: the key may not trade perpetuals: give it this right at binance",
        ),
        (
            "binance",
            ["read", "futures"],
            "binance: the key may not trade spot: give it this right at binance",
        ),
        ("bybit", ["Order", "Position"], "bybit: the key may not trade spot: give it this right at bybit"),
        (
            "bybit",
            ["SpotTrade", "Order"],
            "bybit: the key may not trade perpetuals: give it this right at bybit",
        ),
    ],
)
def test_a_key_that_may_not_trade_is_named(
    tmp_path: Path, house: str, permissions: list[str], expected: str
) -> None:
    line = refusal(tmp_path, AccountSandbox(tmp_path, keys={house: {"permissions": permissions}}))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("house", "right", "expected"),
    [
        ("binance", "withdraw", "binance: the key may withdraw: take this right from it at binance"),
        ("binance", "transfer", "binance: the key may transfer: take this right from it at binance"),
        ("bybit", "Withdraw", "bybit: the key may withdraw: take this right from it at bybit"),
        ("bybit", "AccountTransfer", "bybit: the key may transfer: take this right from it at bybit"),
    ],
)
def test_a_key_that_may_move_money_is_refused(tmp_path: Path, house: str, right: str, expected: str) -> None:
    usual = ["read", "spot", "futures"] if house == "binance" else ["Order", "Position", "SpotTrade"]
    line = refusal(tmp_path, AccountSandbox(tmp_path, keys={house: {"permissions": [*usual, right]}}))
    assert line.startswith(expected)


#: What spot venues take fees in.
RECEIVED = [f'{venue}.fees.asset="received"' for venue in SPOT]


def test_fees_of_spot_are_in_what_is_received_outside_of_a_sandbox(tmp_path: Path) -> None:
    line = refusal(tmp_path, AccountSandbox(tmp_path), environment="testnet")
    assert line.startswith(
        'binance_spot:BTCUSDT: [fees] asset is "quote", the account pays fees in "received": write asset = "received" '
        "in [fees] of "
    )


def test_a_key_without_addresses_is_warned_of(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path, keys={"bybit": {"ips": []}}) as sandbox:
        config = config_of(tmp_path, ALL, *RECEIVED)
        asked = start_at(sandbox.urls, config, environment="testnet")
        started = asyncio.run(asked)
    (warning,) = (check for check in started.checks["key"] if check.level == "warning")
    assert warning.name == "bybit"
    assert "may be used from every address" in warning.line


def test_what_a_testnet_does_not_serve_is_a_warning_there_alone(tmp_path: Path) -> None:
    unserved = ("rights", "fees")
    with AccountSandbox(tmp_path) as sandbox:
        asked = start_at(sandbox.urls, config_of(tmp_path, ALL), environment="demo", unserved=unserved)
        started = asyncio.run(asked)
    warnings = [one for checks in started.checks.values() for one in checks if one.level == "warning"]
    assert [one.name for one in warnings] == ["binance", "bybit", *ALL]
    assert {one.line for one in warnings} == {"the question: 404 Not Found: it cannot be asked here"}
    facts = started.facts
    assert facts is not None
    assert (facts.rights, facts.fees) == ({}, {})
    line = refusal(tmp_path, AccountSandbox(tmp_path), environment="live", unserved=unserved)
    assert line.startswith("binance: the question: 404 Not Found: try again")


def test_a_testnet_may_refuse_the_question_about_the_key_in_any_way_but_no_other(tmp_path: Path) -> None:
    config = config_of(tmp_path, PERPETUAL)
    with AccountSandbox(tmp_path) as sandbox:
        asked = start_at(sandbox.urls, config, environment="testnet", unserved=["rights"], code="403")
        started = asyncio.run(asked)
    assert [one.level for one in started.checks["key"]] == ["warning", "warning"]
    line = refusal(
        tmp_path,
        AccountSandbox(tmp_path),
        environment="testnet",
        unserved=["fees"],
        code="403",
        venues=PERPETUAL,
    )
    assert line.startswith("binance_usdm: the question: 403 Not Found: wait ten minutes")


def test_too_little_for_an_order_is_refused(tmp_path: Path) -> None:
    line = refusal(tmp_path, AccountSandbox(tmp_path, binance_usdm={"balances": {"USDT": "1.5"}}))
    assert line == (
        "binance_usdm: 1.5 USDT are free, [capital] counts on 5000, and the least order needs 100: transfer USDT, or "
        "choose other legs"
    )


def test_less_than_the_capital_is_a_warning(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path, binance_spot={"balances": {"USDT": "20000", "BTC": "0.5"}}) as sandbox:
        started = asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL)))
    (warning,) = (check for check in started.checks["balances"] if check.level == "warning")
    assert warning.text == (
        "binance_spot: 0.5 BTC are free, [capital] counts on 1: a session uses what is free"
    )


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (
            {"binance_spot": {"fees": {"maker": "0.0005", "taker": "0.00075"}}},
            "binance_spot:BTCUSDT: maker is 0.001, the account pays 0.0005 and taker is 0.001, the account pays "
            "0.00075: write maker = 0.0005, taker = 0.00075 in [fees] of ",
        ),
        (
            {"bybit": {"linear_fees": {"maker": "0.0002", "taker": "0.0006"}}},
            "bybit_linear:BTCUSDT: taker is 0.00055, the account pays 0.0006: write taker = 0.0006 in [fees] of ",
        ),
        (
            {"binance_usdm": {"fee_burn": True}},
            'binance_usdm:BTCUSDT: [fees] asset is "quote", the account pays fees in "BNB": write asset = "BNB", with '
            "the price of BNB in [fees] of ",
        ),
    ],
)
def test_other_fees_are_refused(tmp_path: Path, account: dict[str, Any], expected: str) -> None:
    assert refusal(tmp_path, AccountSandbox(tmp_path, **account)).startswith(expected)


def test_minima_below_the_venue_are_refused(tmp_path: Path) -> None:
    line = refusal(
        tmp_path, AccountSandbox(tmp_path), "binance_usdm.symbols.BTCUSDT.min_notional=1.0", venues=PERPETUAL
    )
    assert line.startswith("binance_usdm:BTCUSDT: min_notional is 1, the venue refuses orders below ")


def test_a_symbol_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    settings = ('strategy.symbol="ETHUSDT"',)
    line = refusal(tmp_path, AccountSandbox(tmp_path), *settings, venues=PERPETUAL)
    assert line.startswith("binance_usdm:ETHUSDT: the venue does not list it: choose another leg")


def test_a_clock_that_is_two_seconds_off_is_refused(tmp_path: Path) -> None:
    sandbox = AccountSandbox(tmp_path)
    with sandbox:
        sandbox.begin(kind="clock", venue="bybit_spot", duration_s=60.0, offset_ms=2000)
        with pytest.raises(InputError) as raised:
            asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL)))
    assert re.match(r"bybit_spot: this machine's clock is (1,99\d|2,00\d)\.", str(raised.value))
    assert "more than 1 s is refused: let NTP set the clock" in str(raised.value)
    assert sandbox.orders == []


def test_a_venue_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        config = config_of(tmp_path, SPOT)
        urls = dict(sandbox.urls)
    with pytest.raises(InputError) as raised:
        asyncio.run(start_at(urls, config))
    lines = str(raised.value).split("; ")
    assert [line.partition(":")[0] for line in lines] == ["binance_spot", "bybit_spot"]
    assert all("Cannot connect" in line and line.endswith("arb doctor looks for the cause") for line in lines)


def test_a_venue_that_is_lost_after_the_clock_was_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_: object) -> ClockFact:
        return ClockFact(0, 1000, 5)

    monkeypatch.setattr(start, "sample_clock", read)
    with AccountSandbox(tmp_path) as sandbox:
        config = config_of(tmp_path, SPOT)
        urls = dict(sandbox.urls)
    with pytest.raises(
        InputError, match=r"^binance: privateGetAccount: Cannot connect .*; bybit: .*the cause$"
    ):
        asyncio.run(start_at(urls, config))
