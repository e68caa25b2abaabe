"""The gate of a configuration, the day's trades of the journal, and the flags of `arb halt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.journals import begun, execution, intent, journal_at, reader_at
from support.live_world import config_of

from arb.commands.gate_setup import add_traded, gate_of, halts_of, losses_of
from arb.commands.run_setup import _host_orders
from arb.commands.strategy_facts import facts_of
from arb.journal.halts import Halt, clear_halt, halt_path, set_halt
from arb.journal.schema import Flagged
from arb.risk.exposure import DAY_NS
from arb.risk.gate import GateLimits
from arb.risk.losses import Holdings
from arb.runtime.account_risks import PROFIT
from arb.strategies.flatten import BANDS_MAX

VENUES = ("binance_spot", "bybit_spot", "bybit_linear", "binance_usdm")


def test_legs_and_limits_are_those_of_the_configuration() -> None:
    config = config_of(
        ("binance_spot", "bybit_linear"),
        "live.price_band_bps=20",
        "live.max_notional=100",
        "live.max_daily_notional=1000",
        "account.bybit_linear.leverage=3",
    )
    gate = gate_of(config, config.legs)
    assert gate.limits == GateLimits(20.0, 100.0, 1000.0)
    spot, perpetual = gate.legs
    assert (spot.venue, spot.wallet, spot.base, spot.quote, spot.is_spot) == (
        "binance_spot", "binance_spot", "BTC", "USDT", True,
    )  # fmt: skip
    assert (perpetual.leverage, perpetual.is_spot, perpetual.wallet) == (3.0, False, "bybit_linear")
    assert spot.group == perpetual.group
    for leg, own in zip(config.legs, gate.legs, strict=True):
        assert own.lots_min * leg.lot_size == pytest.approx(leg.min_qty)
        assert (own.notional_min, own.fee) == (leg.min_notional, leg.taker_fee)
    assert {venue for venue, budget in gate.budgets.items() if budget.used(0, 0)} == {
        leg.venue for leg in gate.legs
    }


def test_without_limits_in_the_file_only_the_band_counts() -> None:
    config = config_of(("binance_spot", "bybit_spot"))
    assert gate_of(config, config.legs).limits == GateLimits(50.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "band"), [((), 0.001), (("execution.slippage_tolerance=0.003",), 0.001)]
)
def test_what_reduces_stays_within_the_band(settings: tuple[str, ...], band: float) -> None:
    config = config_of(("binance_spot", "bybit_spot"), *settings)
    assert facts_of(config)["price_band"] == config.live.price_band_bps / 10_000.0
    nothing: Any = None
    host = _host_orders(config, config.legs, nothing, nothing)
    assert host.band == band
    assert host.band * BANDS_MAX <= config.live.price_band_bps / 10_000.0


def test_bybits_markets_share_a_wallet_and_a_ban() -> None:
    config = config_of(("bybit_spot", "bybit_linear"))
    gate = gate_of(config, config.legs)
    assert {leg.wallet for leg in gate.legs} == {"bybit_spot"}
    gate.budgets["bybit_spot"].ban(5)
    assert gate.budgets["bybit_linear"].banned_until_ns == 5


def test_flags_halt_their_venues_until_they_are_cleared(tmp_path: Path) -> None:
    read = halts_of(tmp_path, VENUES).reasons
    assert read() == {}
    set_halt(tmp_path, Halt("bybit", 1, False, "by hand"))
    assert read() == {"bybit_spot": "by hand", "bybit_linear": "by hand"}
    set_halt(tmp_path, Halt("", 1, False, ""))
    assert read()[""] == "arb halt"
    clear_halt(tmp_path, "")
    clear_halt(tmp_path, "bybit")
    assert read() == {}
    halt_path(tmp_path, "").write_text("{")
    assert "cannot be read" in read()[""]


def test_what_was_traded_today_counts(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1)])
    journal.note(execution(run, 0, 1, "x", 3))
    journal.write_notes()
    with reader_at(tmp_path) as reader:
        (trade,) = reader.executions()
    journal.close()
    config = config_of(("binance_spot", "bybit_spot"))
    for days, notional in ((0, float(trade.price * trade.qty)), (1, 0.0)):
        now_ns = trade.ts + days * DAY_NS
        gate = gate_of(config, config.legs)
        add_traded(gate, tmp_path / "sandbox", "sandbox", now_ns)
        assert gate.exposure.traded(now_ns) == pytest.approx(notional)
    assert float(trade.price * trade.qty) > 0.0


@pytest.mark.parametrize(("days", "expected"), [(0, -12.5), (1, 0.0)])
def test_the_profit_that_earlier_sessions_of_the_day_have_written_goes_on(
    tmp_path: Path, days: int, expected: float
) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    written_ns = 20_000 * DAY_NS + 5
    for text in ("-40.00000000", "-12.50000000"):
        journal.note(Flagged(run, written_ns, "", PROFIT, text))
    journal.note(Flagged(run, written_ns, "", "supervisor memory", "4 GB"))
    journal.write_notes()
    journal.close()
    config = config_of(("binance_spot", "bybit_spot"))
    gate, now_ns = gate_of(config, config.legs), written_ns + days * DAY_NS
    losses = losses_of(gate, config.legs, tmp_path / "sandbox", "sandbox", now_ns, has_pairs=True)
    losses.look([50_000.0, 50_000.0], now_ns)
    for leg in gate.legs:
        losses.reported(leg.wallet, Holdings({"USDT": 10.0}, {}))
    losses.look([50_000.0, 50_000.0], now_ns)
    assert losses.of_day == expected
