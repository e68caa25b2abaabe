"""What a session accepts of an account: clock, listings, key rights, fee assets, settings."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.paths import ROOT

from arb.accounts.checks import (
    clock_check,
    failed_check,
    fee_checks,
    filter_checks,
    key_checks,
    mode_changes,
    settings_check,
)
from arb.accounts.examine import smallest_order
from arb.accounts.facts import (
    AccountError,
    ClockFact,
    FeeRates,
    ModeChange,
    Modes,
    Rights,
    SymbolModes,
)
from arb.accounts.start import account_needs
from arb.config import Config, load
from arb.config.live_keys import Account
from connectors.model import Listing
from connectors.units import MILLISECOND

LISTED = Listing("BTCUSDT", True, "0.01", "0.00001", "0.00001", "5.0")


@pytest.fixture(scope="module")
def config() -> Config:
    settings = [
        'strategy.legs=["binance_spot:SYMBOL","binance_usdm:SYMBOL"]',
        "capital.binance_spot={base=1.5, quote=1000.0}",
        "capital.binance_usdm={quote=2000.0}",
    ]
    return load(ROOT / "config" / "arbitrage.toml", settings)


@pytest.mark.parametrize(
    ("offset_ms", "trip_ms", "level"),
    [
        (0, 10, "ok"),
        (-249, 0, "ok"),
        (260, 0, "warning"),
        (260, 40, "ok"),
        (1001, 0, "refused"),
        (-1001, 0, "refused"),
        (1050, 200, "warning"),
        (1150, 200, "refused"),
    ],
)
def test_half_of_the_round_trip_is_not_held_against_a_clock(offset_ms: int, trip_ms: int, level: str) -> None:
    found = clock_check("binance_spot", ClockFact(offset_ms * MILLISECOND, trip_ms * MILLISECOND, 5))
    assert found.level == level
    assert bool(found.step) == (level != "ok")


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (LISTED, "BTCUSDT as in "),
        (LISTED._replace(is_trading=False), "the venue does not trade it now"),
        (LISTED._replace(min_qty="0.5"), "min_qty is 0.00001, the venue refuses orders below 0.5"),
        (LISTED._replace(min_notional="10"), "min_notional is 5, the venue refuses orders below 10"),
        (LISTED._replace(min_qty="", min_notional=""), "BTCUSDT as in "),
        (LISTED._replace(min_notional="1"), "BTCUSDT as in "),
    ],
)
def test_listings(config: Config, listing: Listing, expected: str) -> None:
    (found,) = filter_checks(config.venues["binance_spot"], ["BTCUSDT"], {"BTCUSDT": listing})
    assert found.line.startswith(expected)
    assert (found.level == "ok") == expected.startswith("BTCUSDT")


def test_unknown_listings_are_refused(config: Config) -> None:
    venue = config.venues["binance_spot"]
    (found,) = filter_checks(venue, ["BTCUSDT"], "no answer within 5 s")
    assert (found.level, found.line) == ("refused", "its filters are not known: no answer within 5 s")
    (found,) = filter_checks(venue, ["BTCUSDT"], {})
    assert (found.level, found.line) == ("refused", "the venue does not list it")


@pytest.mark.parametrize(
    ("environment", "level"),
    [("live", "refused"), ("testnet", "warning"), ("demo", "warning"), ("sandbox", "ok")],
)
def test_rights_that_cannot_be_asked(environment: str, level: str) -> None:
    (found,) = key_checks("binance", None, ["linear"], environment)  # type: ignore[arg-type]
    assert found.level == level
    assert bool(found.step) == (level == "refused")


def test_all_that_is_wrong_with_a_key_is_told() -> None:
    rights = Rights(frozenset({"spot"}), True, True, False, "2026-12-01T00:00:00Z")
    found = key_checks("bybit", rights, ["spot", "linear"], "testnet")
    assert [(one.level, one.line) for one in found] == [
        ("refused", "the key may withdraw and transfer"),
        ("refused", "the key may not trade perpetuals"),
        ("warning", "the key may be used from every address; it expires 2026-12-01T00:00:00Z"),
    ]


def rates(paid_in: str) -> dict[str, FeeRates]:
    return {"BTCUSDT": FeeRates((Decimal("0.001"), Decimal("0.0007")), (Decimal("0.001"),), paid_in)}


@pytest.mark.parametrize(
    ("paid_in", "wished", "is_sandbox", "refused"),
    [
        ("quote", None, False, ""),
        ("received", None, False, '[fees] asset is "quote", the account pays fees in "received"'),
        ("received", None, True, ""),
        ("BNB", None, True, '[fees] asset is "quote", the account pays fees in "BNB"'),
        ("quote", "quote", False, ""),
        (
            "quote",
            "BNB",
            False,
            'the account pays fees in "quote", [account.binance_spot] fee_asset is "BNB"',
        ),
    ],
)
def test_what_fees_are_paid_in(
    config: Config, paid_in: str, wished: str | None, is_sandbox: bool, refused: str
) -> None:
    (found,) = fee_checks(
        config.venues["binance_spot"], Account(fee_asset=wished), rates(paid_in), is_sandbox=is_sandbox
    )
    assert (found.level, found.line if refused else "") == ("refused" if refused else "ok", refused)


def test_symbols_that_are_cheaper_than_the_file_states_are_a_warning(config: Config) -> None:
    def found(btc: str, eth: str) -> list[tuple[str, str]]:
        own = {
            symbol: FeeRates((Decimal(maker),), (Decimal("0.001"),), "quote")
            for symbol, maker in (("BTCUSDT", btc), ("ETHUSDT", eth))
        }
        checks = fee_checks(config.venues["binance_spot"], Account(), own, is_sandbox=False)
        return [(one.level, one.name) for one in checks]

    assert found("0.001", "0.001") == [("ok", "binance_spot")]
    assert found("0.001", "0") == [("warning", "binance_spot:ETHUSDT")]
    assert found("0", "0.001") == [("warning", "binance_spot:BTCUSDT")]
    assert found("0.002", "0.001") == [("refused", "binance_spot:BTCUSDT")]
    assert found("0.0005", "0") == [
        ("refused", "binance_spot:BTCUSDT"),
        ("refused", "binance_spot:ETHUSDT"),
    ]


def modes(margin: str = "cross", leverage: str = "1", **account: bool) -> Modes:
    own = {"is_hedge": False, "is_multi_assets": False} | account
    return Modes(**own, symbols={"BTCUSDT": SymbolModes(margin, Decimal(leverage))})  # type: ignore[arg-type]


def test_only_what_differs_is_set_and_the_account_first() -> None:
    assert mode_changes(modes(), Account(), ["BTCUSDT"]) == []
    found = mode_changes(
        modes("portfolio", "10", is_hedge=True, is_multi_assets=True), Account(leverage=2.5), ["BTCUSDT"]
    )
    assert found == [
        ModeChange("one_way"),
        ModeChange("single_asset"),
        ModeChange("margin_mode", "BTCUSDT", "cross"),
        ModeChange("leverage", "BTCUSDT", "2.5"),
    ]


def test_a_margin_mode_of_the_account_is_set_once() -> None:
    symbols = {symbol: SymbolModes("isolated", Decimal(1)) for symbol in ("BTCUSDT", "ETHUSDT")}
    found = mode_changes(Modes(False, False, symbols, has_one_margin=True), Account(), list(symbols))
    assert found == [ModeChange("margin_mode", "", "cross")]
    found = mode_changes(Modes(False, False, symbols), Account(), list(symbols))
    assert [one.symbol for one in found] == ["BTCUSDT", "ETHUSDT"]


def test_a_setting_that_did_not_last_is_refused() -> None:
    found = settings_check("binance_usdm", Account(), modes(leverage="20"), modes(leverage="20"))
    assert (found.level, found.line) == ("refused", "leverage 1 of BTCUSDT did not last")


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("-2015", "look at [auth] of binance.toml"),
        ("10003", "look at [auth] of binance.toml"),
        ("10010", "add this machine's address"),
        ("10005", "give the key the rights"),
        ("-1021", "let NTP set the clock"),
        ("418", "wait ten minutes"),
        ("", "try again"),
    ],
)
def test_each_refusal_has_its_next_step(code: str, step: str) -> None:
    error = AccountError("binance", "https://api.example/api/v3/account", code, "the venue's words")
    found = failed_check("binance", "binance.toml", error)
    assert found.line == f"api.example/api/v3/account: {f'{code} ' if code else ''}the venue's words"
    assert found.step.startswith(step)


def test_what_the_legs_count_on(config: Config) -> None:
    assert account_needs(config.legs) == {
        "binance_spot": {"BTC": (Decimal("1.5"), Decimal("0.00001")), "USDT": (1000, 5)},
        "binance_usdm": {"USDT": (2000, 100)},
    }


def test_the_smallest_order_is_on_the_grid_and_worth_enough(config: Config) -> None:
    spot, perpetual = config.legs
    assert smallest_order(spot, 40_000.0) == ("BTCUSDT", "39800", "0.00013", True)
    found = smallest_order(perpetual, 40_000.0)
    assert Decimal(found.price) * Decimal(found.quantity) >= 100
    assert (found.price, found.quantity) == ("39800", "0.003")
