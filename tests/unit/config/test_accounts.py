"""The accounts file: what it may hold, and one line for everything else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from arb.config.accounts import load_accounts
from arb.errors import ConfigError
from arb.sandbox.accounts.keys import BINANCE_PERMISSIONS, KeyKind
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.trading.setup import open_accounts

FILE = """
[accounts.main]
trade_group = 1
[accounts.main.keys.bot]
venue = "binance"
kind = "ed25519"
id = "abcdefgh1234"
public_key = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
[accounts.main.keys.reader]
venue = "bybit"
id = "abcdefgh1234"
secret = "for tests"
permissions = ["Order"]
ips = ["127.0.0.1"]
[accounts.main.binance_spot]
balances = { BTC = "10", USDT = "500000" }
fees = { maker = "0.0005", taker = "0.001", asset = "quote" }
bnb_discount = true
[accounts.main.binance_usdm]
balances = { USDT = "1000.5" }
position_mode = "hedge"
leverage = 5
positions = [ { symbol = "BTCUSDT", side = "SHORT", quantity = "-0.5", entry = "42000" } ]
[accounts.other.bybit]
balances = { USDT = "7" }
[delays.binance_spot]
arrival_ms = [1.0, 2.5]
[undocumented.binance_usdm]
session_logon = false
default_stp = "NONE"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    return path


def test_a_file_becomes_accounts_keys_delays_and_assumptions(tmp_path: Path) -> None:
    setup = load_accounts(written(tmp_path, FILE), "whole")
    assert [one.id for one in setup.accounts] == ["main", "other"]
    ed25519, reader = setup.keys
    assert (ed25519.kind, ed25519.account, len(ed25519.public_key)) == (KeyKind.ED25519, "main", 32)
    assert ed25519.permissions == BINANCE_PERMISSIONS
    assert (reader.secret, reader.permissions, reader.ips) == (b"for tests", {"Order"}, ("127.0.0.1",))
    assert setup.matching == "whole"
    assert setup.delays["binance_spot"].arrival_ns == (1_000_000, 2_500_000)
    assumed = setup.assumptions("binance_usdm")
    assert (assumed.session_logon, assumed.default_stp, assumed.fee_places) == (False, "NONE", 8)
    opened = open_accounts(setup)
    main = opened["binance"]["main"]
    assert main.wallet("binance_spot").total("USDT") == 500_000
    assert main.wallet("binance_usdm").total("USDT") == Decimal("1000.5")
    assert main.fee_rules["binance_spot"].maker == Decimal("0.0005")
    assert (main.modes.is_hedge, main.modes.leverage("BTCUSDT"), main.modes.is_bnb_discount) == (
        True,
        5,
        True,
    )
    assert main.positions.get("BTCUSDT", PositionSide.SHORT).entry == 42_000
    assert opened["bybit"]["main"].wallet("bybit_linear").total("USDT") == 0
    assert opened["bybit"]["other"].wallet("bybit_spot").total("USDT") == 7
    assert len({one.no for accounts in opened.values() for one in accounts.values()}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[accounts\] is missing|accounts is missing"),
        ("[accounts]", "there is no account; begin with"),
        ("[accounts.a]\nbalance = 1", r"balance is unknown|unknown key balance|balance"),
        ("[accounts.a.binance_spot]\nbalances = { USDT = 5 }", "USDT is 5; it must be"),
        ('[accounts.a.binance_spot]\nbalances = { USDT = "-5" }', 'USDT is "-5"; it must be a decimal'),
        (
            '[accounts.a.keys.k]\nvenue = "binance"\nid = "abcdefgh"',
            "secret is missing; a key of kind hmac needs it",
        ),
        (
            '[accounts.a.keys.k]\nvenue = "binance"\nid = "abcdefgh"\nkind = "ed25519"\npublic_key = "x"',
            "public_key must be an Ed25519 public key",
        ),
        (
            '[accounts.a.keys.k]\nvenue = "bybit"\nid = "abcdefgh"\nkind = "ed25519"\npublic_key = "x"',
            "kind is ed25519; the sandbox has HMAC keys for Bybit",
        ),
        (
            '[accounts.a.keys.k]\nvenue = "binance"\nid = "abcdefgh"\nsecret = "s"\npermissions = ["all"]',
            "permissions has all; binance has",
        ),
        (
            '[accounts.a.keys.k]\nvenue = "binance"\nid = "abcdefgh"\nsecret = "s"\n'
            '[accounts.b.keys.k]\nvenue = "binance"\nid = "abcdefgh"\nsecret = "t"',
            "id is abcdefgh, which another key of binance has",
        ),
        (
            '[accounts.a.binance_usdm]\npositions = [{symbol="BTCUSDT", side="LONG", quantity="1", entry="2"}]',
            "has side LONG, which there is not in position_mode one_way",
        ),
        (
            '[accounts.a.binance_usdm]\nfees = { maker = "0", taker = "0", asset = "quote" }',
            "asset has no effect on perpetuals",
        ),
        (
            "[accounts.a]\n[delays.kraken]",
            r"\[delays\] kraken is not a name that fits here; it must be .*bybit_linear",
        ),
        ("[accounts.a]\n[delays.bybit_spot]\nanswer_ms = [5.0, 1.0]", "the shorter time is first"),
        ("[accounts.a]\n[undocumented.bybit_spot]\nfee_round = 1", "fee_round"),
        ('[accounts.a]\n[undocumented.bybit_spot]\nfee_rounding = "up"', 'fee_rounding is "up"; it must be'),
        (f"a = {'9' * 5000}", "not TOML"),
        ("[accounts.a", "not TOML: line 1, column 12"),
    ],
)
def test_mistakes_are_refused_in_one_line_that_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_accounts(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--accounts names a file"):
        load_accounts(tmp_path / "none.toml")
