"""What `arb doctor` makes of what it finds."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from arb.commands import checks
from arb.commands.checks import (
    Check,
    Level,
    compiled_check,
    disk_check,
    files_check,
    listing_checks,
    plain,
    worst,
)
from arb.commands.venue_checks import clock_check
from arb.config.venue_schema import Symbol
from connectors.model import Listing

MS = 1_000_000
SYMBOL = Symbol(tick_size="0.10", lot_size="0.001", min_notional=5.0)
LISTING = Listing("BTCUSDT", True, "0.1", "0.00100000", "0.001", "5")


def compare(**changes: Any) -> list[Check]:
    return listing_checks("binance_usdm:BTCUSDT", "usdm.toml", SYMBOL, LISTING._replace(**changes))


def test_equal_decimals_are_no_difference() -> None:
    (check,) = compare()
    assert (check.level, check.next_step) == (Level.OK, "")


@pytest.mark.parametrize(
    ("changes", "level", "text", "step"),
    [
        (
            {"tick_size": "0.01"},
            Level.FAIL,
            "tick_size is 0.1 in the file, 0.01 at the venue",
            'tick_size = "0.01"',
        ),
        ({"lot_size": "0.01000"}, Level.FAIL, "lot_size is 0.001 in the file, 0.01 at", 'lot_size = "0.01"'),
        (
            {"min_qty": "0.002"},
            Level.WARN,
            "min_qty is 0.001 in the file, 0.002 at the venue",
            "min_qty = 0.002",
        ),
        ({"min_notional": "100"}, Level.WARN, "min_notional is 5 in the file, 100 at", "min_notional = 100"),
        ({"is_trading": False}, Level.FAIL, "not trading now", "leave it out"),
    ],
)
def test_a_difference_is_named_with_what_to_write(changes: Any, level: Level, text: str, step: str) -> None:
    (check,) = compare(**changes)
    assert check.level == level
    assert text in check.text
    assert step in check.next_step
    if "is_trading" not in changes:
        assert check.next_step.endswith("in [symbols.BTCUSDT] of usdm.toml")


def test_all_differences_are_reported_and_silence_is_none() -> None:
    assert len(compare(tick_size="1", lot_size="1", min_qty="1", min_notional="1")) == 4
    assert [check.level for check in compare(min_qty="", min_notional="")] == [Level.OK]
    own = Symbol(tick_size="0.1", lot_size="0.001", min_qty=0.002, min_notional=5.0)
    (check,) = listing_checks("v:BTCUSDT", "f", own, LISTING)
    assert "min_qty is 0.002 in the file, 0.001 at the venue" in check.text


def test_a_listing_without_a_step_is_not_called_equal() -> None:
    (check,) = compare(tick_size="")
    assert (check.level, check.text) == (Level.WARN, "the venue's listing has no tick_size")
    assert check.next_step == "compare tick_size in usdm.toml with the venue's documentation"
    assert [c.level for c in compare(tick_size="", lot_size="")] == [Level.WARN, Level.WARN]


def test_what_is_not_listed_fails() -> None:
    (check,) = listing_checks("binance_usdm:BTCUSDT", "usdm.toml", SYMBOL, None)
    assert check.level == Level.FAIL
    assert "[symbols.BTCUSDT] out of usdm.toml" in check.next_step


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "level"),
    [
        (0, 5, "ok"),
        (240, 5, "ok"),
        (-300, 5, "warn"),
        (300, 100, "ok"),
        (1100, 5, "fail"),
        (-9000, 200, "fail"),
    ],
)
def test_a_clock_is_off_by_what_is_sure(offset_ms: int, error_ms: int, level: str) -> None:
    check = clock_check("c", offset_ms * MS, error_ms * MS)
    assert check.level.value == level
    assert ("behind" in check.text) is (offset_ms > 0)
    assert bool(check.next_step) is (level != "ok")


def test_a_folder_is_checked_before_it_exists(tmp_path: Path) -> None:
    assert disk_check(tmp_path / "a" / "b", 0.0).level in (Level.OK, Level.WARN)
    assert disk_check(tmp_path, 1e6).level == Level.FAIL
    (tmp_path / "file").touch()
    check = disk_check(tmp_path / "file" / "data", 0.0)
    assert (check.level, "cannot be written" in check.text) == (Level.FAIL, True)


@pytest.mark.parametrize(
    ("free_gb", "level"), [(9.9, "fail"), (10.0, "warn"), (14.9, "warn"), (15.0, "ok"), (400.0, "ok")]
)
def test_little_room_beyond_the_reserve_is_warned_of(
    free_gb: float, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = type(shutil.disk_usage(tmp_path))(10**12, 10**12 - int(free_gb * 1e9), int(free_gb * 1e9))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: room)

    check = disk_check(tmp_path, 10.0)

    assert check.level.value == level
    assert bool(check.next_step) is (level != "ok")


def test_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, 256))
    assert files_check(4, 8).level == Level.OK
    check = files_check(4, 100)
    assert (check.level, check.next_step) == (Level.FAIL, "ulimit -n 1024 in the shell that starts arb")
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY, 0))
    assert files_check(4, 1000).level == Level.OK


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "cache_folder", lambda: tmp_path / "new")
    assert compiled_check().level == Level.OK
    (tmp_path / "file").touch()
    monkeypatch.setattr(checks, "cache_folder", lambda: tmp_path / "file" / "cache")
    check = compiled_check()
    assert (check.level, "XDG_CACHE_HOME" in check.next_step) == (Level.WARN, True)


def test_the_worst_counts() -> None:
    found = [Check("a", level, "") for level in (Level.OK, Level.WARN, Level.FAIL)]
    assert [worst(found[:n]) for n in range(4)] == [Level.OK, Level.OK, Level.WARN, Level.FAIL]


def test_decimals_are_shown_without_needless_digits() -> None:
    assert [plain(text) for text in ("100.00", "0.00100", "1e-06", "100", "5.0")] == [
        "100",
        "0.001",
        "0.000001",
        "100",
        "5",
    ]
