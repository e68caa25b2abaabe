"""Tick and lot on live data: compared with the venue's listing at the start, and with every frame."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox, demo_config, demo_files, free_ports

from arb.commands import serve
from arb.commands.dryrun_live import run_live
from arb.commands.serve import seeded_sandbox
from arb.commands.verify import verify
from arb.config import Config
from arb.config.load import VenueConfig
from arb.errors import ExitCode, InputError
from arb.runtime import host
from arb.runtime.listings import compare_grids
from arb.runtime.sandbox_venues import at_sandbox
from arb.sandbox.serve.binance import exchange_info
from arb.sandbox.serve.connection import Connection
from arb.sandbox.serve.urls import VenueUrls, ports_from, venue_urls

pytestmark = pytest.mark.slow

TICK = 'bybit_spot.symbols.BTCUSDT.tick_size="{}"'
LOT = 'bybit_spot.symbols.BTCUSDT.lot_size="{}"'


def log_of(run: Path, event: str) -> list[str]:
    lines = [line.split(" ", 2) for line in (run / "log.txt").read_text().splitlines()]
    return [text for _, kind, text in lines if kind == event]


def compared(config: Config, urls: dict[str, VenueUrls], timeout_s: float = 5.0) -> list[str]:
    async def ask() -> list[str]:
        venues = at_sandbox(dict(config.venues), urls)
        asked = [(venue, ["BTCUSDT"]) for venue in venues.values()]
        return await compare_grids(asked, timeout_s)

    return asyncio.run(ask())


def test_a_tick_or_lot_that_the_venue_does_not_list_is_refused(tmp_path: Path) -> None:
    with LiveSandbox() as sandbox:
        assert compared(demo_config(tmp_path), sandbox.urls) == []
        for setting, write in (
            (TICK.format("1.0"), 'tick_size is 1, the venue lists 0.1; write tick_size = "0.1" in '),
            # Coarser or finer: of a listing it is an error either way.
            (TICK.format("0.01"), 'tick_size is 0.01, the venue lists 0.1; write tick_size = "0.1" in '),
            (LOT.format("1.0"), 'lot_size is 1, the venue lists 0.000001; write lot_size = "0.000001" in '),
        ):
            with pytest.raises(InputError) as caught:
                compared(demo_config(tmp_path, setting), sandbox.urls)
            text = f"bybit_spot:BTCUSDT: {write}[symbols.BTCUSDT] of {tmp_path}/demo/bybit.toml"
            assert str(caught.value) == text


def test_a_session_begins_only_with_the_venues_tick(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with LiveSandbox() as sandbox, pytest.raises(InputError, match=r"the venue lists 0\.1; write tick_size"):
        run_live(demo_config(tmp_path, TICK.format("0.5")), run, duration_s=3.0, sandbox=sandbox.urls)
    assert not run.exists()


def test_a_venue_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    nobody = venue_urls(ports_from(free_ports()))
    notes = compared(demo_config(tmp_path), nobody)
    assert [note.partition(":")[0] for note in notes] == ["binance_spot", "bybit_spot"]
    assert all("tick and lot were not compared with the venue's listing" in note for note in notes)


def test_a_listing_without_a_step_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def switched_off(*arguments: Any) -> Any:
        price, lot = listed(*arguments)
        return price | {"tickSize": "0"}, lot | {"stepSize": "soon"}

    listed = exchange_info._steps
    monkeypatch.setattr(exchange_info, "_steps", switched_off)
    with LiveSandbox() as sandbox:
        notes = compared(demo_config(tmp_path), sandbox.urls)
    assert notes == [
        "binance_spot:BTCUSDT: the venue's listing has no tick_size and no lot_size; the frames show whether tick and "
        "lot are right"
    ]


def test_a_recording_begins_only_with_the_venues_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(venues: dict[str, VenueConfig], pairs: Any, seed: int) -> Any:
        listed = demo_config(tmp_path)  # the files without the setting
        return seeded_sandbox(dict(listed.venues), pairs, seed)

    monkeypatch.setattr(serve, "seeded_sandbox", other)
    words = ["record", "-c", str(demo_files(tmp_path)), "--sandbox", "--duration", "3s", "--json"]
    words += ["--data", str(tmp_path / "data"), "--set", TICK.format("0.5")]
    done = arb(*words, code=ExitCode.USER_INPUT)
    assert 'the venue lists 0.1; write tick_size = "0.1" in [symbols.BTCUSDT]' in done.stderr
    assert not list(tmp_path.glob("data/*/*.gz"))
    # Where the listing is of no help, the frames show it; they are recorded all the same.
    monkeypatch.setattr(host, "compare_grids", nothing_listed)
    done = arb(*words, code=ExitCode.USER_INPUT)
    assert "warning: nobody answered" in done.stderr
    assert "bybit_spot:BTCUSDT is off the configured grid: " in done.stderr
    assert "no multiples of the configured tick_size 0.5" in done.stderr
    assert len(list(tmp_path.glob("data/*/*.gz"))) == 2


async def nothing_listed(*_: object, **__: object) -> list[str]:
    return ["nobody answered"]


@pytest.mark.parametrize("setting", [TICK.format("10"), LOT.format("1.0")])
def test_a_session_on_a_wrong_grid_shows_no_touch_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(host, "compare_grids", nothing_listed)
    run = tmp_path / "run"
    config = demo_config(tmp_path, setting, function="busy")
    with LiveSandbox() as sandbox, pytest.raises(InputError) as caught:
        run_live(config, run, duration_s=4.0, sandbox=sandbox.urls, has_report=False)
    assert "no data of bybit_spot:BTCUSDT (" in str(caught.value)
    assert "of the configured" in str(caught.value)
    assert "nobody answered" in log_of(run, "warning")
    assert log_of(run, "grid")[-1].startswith("bybit_spot:BTCUSDT ")
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert "of the configured" in manifest["inputs"][1]["off_grid"]
    assert manifest["inputs"][0]["off_grid"] == ""
    assert any("bybit_spot:BTCUSDT: off the configured grid" in note for note in manifest["notes"])
    assert verify(run).differences == []


def test_a_tick_that_changes_in_a_session_makes_the_leg_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue's prices get another decimal after some seconds; the other leg is traded on."""
    send, began = Connection.send, time.monotonic()

    def finer(self: Connection, frame: bytes) -> None:
        if time.monotonic() > began + wait_s and b'"topic":"orderbook' in frame:
            # As long as before: the frame's head tells its length.
            frame = re.sub(rb'\["(\d+)(\d)\.(\d)"', rb'["\1.\2\3"', frame)
        send(self, frame)

    monkeypatch.setattr(Connection, "send", finer)
    run, wait_s = tmp_path / "run", 1e9
    with LiveSandbox() as sandbox:
        config = demo_config(tmp_path, function="busy")
        began, wait_s = time.monotonic(), 5.0
        result = run_live(config, run, duration_s=8.0, sandbox=sandbox.urls, has_report=False)
    (reported, *_) = log_of(run, "grid")
    assert "bybit_spot:BTCUSDT " in reported
    assert "no multiples of the configured tick_size 0.1" in reported
    assert "bybit_spot:BTCUSDT: off grid" in log_of(run, "feed")
    manifest = json.loads((run / "manifest.json").read_bytes())
    lost_ts = manifest["inputs"][1]["book"]["lost_ts"]
    assert lost_ts > 0
    late = [t for t in result.trades if t.leg.startswith("bybit") and t.exch_ts > lost_ts + 1_000_000_000]
    assert late == []
    assert any(t.leg.startswith("binance") and t.exch_ts > lost_ts + 1_000_000_000 for t in result.trades)
    assert verify(run).differences == []
