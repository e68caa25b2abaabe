"""`arb doctor` against sandboxes that are well, and that are not."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.command_line import arb
from support.figure_tables import documented
from support.simulated import LISTINGS, PRICES

from arb.cli.doctor import check_table
from arb.cli.options import load_config
from arb.commands.checks import Check, Level
from arb.commands.doctor import examine, examine_venues
from arb.commands.legs import known_venues
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.commands.serve import facts_of
from arb.config import VenueConfig
from arb.config.templates import write_templates
from arb.errors import ExitCode
from arb.runtime.feeds import LiveFeed
from arb.runtime.host import Host
from arb.runtime.sandbox_venues import at_sandbox
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket

pytestmark = pytest.mark.slow

NOBODY = "127.0.0.1:9"


def examined(
    name: str,
    symbols: Sequence[str] = ("BTCUSDT",),
    timeout_s: float = 5.0,
    connection: Any = None,
    **options: Any,
) -> list[Check]:
    """The checks of one venue of a sandbox whose listing, facts and faults the test chooses."""
    listing = options.pop("listing", LISTINGS[name])
    facts = options.pop("facts", facts_of([LISTINGS[name]], known_venues(Path("none")))[name, "BTCUSDT"])

    async def scene() -> list[Check]:
        market = SeededMarket([listing], PRICES)
        async with Sandbox(market, {(name, listing.symbol): facts}, **options) as sandbox:
            venue: VenueConfig = at_sandbox({name: known_venues(Path("none"))[name]}, sandbox.urls)[name]
            changed = dataclasses.replace(
                venue, connection=type(venue.connection)(**{**_fields(venue), **(connection or {})})
            )
            host = Host({name: changed})
            try:
                return await examine_venues(host, [Wanted(changed, tuple(symbols))], timeout_s)
            finally:
                await host.close_feeds()

    return asyncio.run(scene())


def _fields(venue: VenueConfig) -> dict[str, Any]:
    return {name: getattr(venue.connection, name) for name in venue.connection.__struct_fields__}


def failed(checks: Sequence[Check]) -> list[tuple[str, str]]:
    assert all(check.next_step for check in checks if check.level != Level.OK)
    return [(check.name, check.level.value) for check in checks if check.level != Level.OK]


def test_a_sandbox_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["doctor", "--sandbox", "--json", "--symbols", "BTCUSDT,ETHUSDT"]
    done = arb(*words, "--venues", ",".join(LISTINGS))
    reported = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reported) == 4 + 4 * 5
    assert {one["level"] for one in reported if one["name"] not in ("disk", "python")} == {"ok"}


def test_without_a_network_every_venue_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_templates(tmp_path)
    words = ["doctor", "-c", "arbitrage.toml", "--timeout", "1"]
    for name in ("binance_spot", "bybit_spot"):
        words += ["--set", f'{name}.connection.websocket_url="ws://{NOBODY}/ws"']
        words += ["--set", f'{name}.connection.rest_api_url="http://{NOBODY}"']
    done, console = arb(*words, "--json", code=ExitCode.DIFFERENCES), Console(width=200)
    assert done.stderr == ""
    reported = [json.loads(line) for line in done.stdout.splitlines()]
    assert reported[0].keys() == documented("arb doctor --json") - {"ok", "warn", "fail"}
    bad = [one for one in reported if one["level"] == "fail"]
    assert [one["name"] for one in bad] == ["binance_spot", "bybit_spot"]
    assert all(
        "cannot be reached" in one["text"] and "[connection] of binance.toml" in bad[0]["next_step"]
        for one in bad
    )
    checks = [Check(one["name"], Level(one["level"]), one["text"], one["next_step"]) for one in reported]
    with console.capture() as shown:
        console.print(check_table(checks))
    assert "next: look at network" in shown.get()


def test_a_wrong_clock_is_found() -> None:
    checks = examined(
        "bybit_linear", faults=[Fault(FaultKind.CLOCK, at_s=0.0, duration_s=100, offset_ms=10_000)]
    )
    assert ("bybit_linear clock", "fail") in failed(checks)
    assert "behind the venue's" in next(c.text for c in checks if c.name == "bybit_linear clock")


@pytest.mark.parametrize("name", ["binance_usdm", "bybit_spot"])
def test_a_listing_that_differs_is_named(name: str) -> None:
    listing = LISTINGS[name]._replace(tick_size="0.5")
    checks = examined(name, listing=listing, facts=Facts("0.5", "17"))
    bad = [check for check in checks if check.level != Level.OK]
    assert [(check.name, check.level.value) for check in bad] == [
        (f"{name}:BTCUSDT", "fail"),
        (f"{name}:BTCUSDT", "warn"),
        (f"{name}:BTCUSDT", "warn"),
    ]
    assert 'set tick_size = "0.5" in [symbols.BTCUSDT] of' in bad[0].next_step
    assert "min_notional = 17" in bad[2].next_step


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "REST fails"])
def test_a_leg_off_its_grid_is_reported_what_to_write(is_listed: bool) -> None:
    """The frames show a tick and a lot that the file does not have: no matter of network or DNS."""
    listing = LISTINGS["bybit_linear"]._replace(tick_size="0.05", lot_size="0.0005")
    connection = {} if is_listed else {"rest_api_url": f"http://{NOBODY}"}
    checks = examined("bybit_linear", listing=listing, connection=connection, timeout_s=20.0)
    [streams] = [check for check in checks if check.name == "bybit_linear streams"]
    assert streams.level == Level.FAIL
    assert "no book of BTCUSDT, which is off the configured grid: " in streams.text
    assert "tick_size 0.1, all are of 0.05" in streams.text
    assert "lot_size 0.001" in streams.text
    assert "measured: 0.0005" in streams.text
    where = known_venues(Path("none"))["bybit_linear"].file
    assert (
        streams.next_step == f'write tick_size = "0.05", lot_size = "0.0005" in [symbols.BTCUSDT] of {where}'
    )


@pytest.mark.parametrize("name", ["binance_usdm", "bybit_spot"])
def test_the_symbol_that_is_not_listed_is_named(name: str) -> None:
    checks = examined(name, ("BTCUSDT", "ETHUSDT"), timeout_s=1.0)
    assert failed(checks) == [(f"{name} streams", "fail"), (f"{name}:ETHUSDT", "fail")]
    # Bybit refuses the whole request that names it.
    assert "ETHUSDT" in next(c.text for c in checks if c.name == f"{name} streams")


def test_streams_alone_may_fail() -> None:
    connection = {"websocket_url": f"ws://{NOBODY}/ws"}
    checks = examined("binance_usdm", connection=connection, timeout_s=1.0)
    assert failed(checks) == [("binance_usdm streams", "fail")]
    assert "binance_usdm:BTCUSDT" in [check.name for check in checks]


def test_an_address_that_was_banned_is_reported_to_wait() -> None:
    ban = Fault(FaultKind.REST_418, at_s=0.0, duration_s=100, retry_after_s=70)
    checks = examined("binance_spot", faults=[ban], timeout_s=1.0)
    assert ("binance_spot REST", "fail") in failed(checks)
    step = next(check.next_step for check in checks if check.name == "binance_spot REST")
    assert "banned" in step


def test_another_servers_answers_are_no_venue() -> None:
    checks = examined("bybit_spot", connection={"rest_api_url": f"http://{NOBODY}"}, timeout_s=2.0)
    assert ("bybit_spot REST", "fail") in failed(checks)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_checks_of_the_venues_ends_them(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    handler, close = signal.getsignal(number), LiveFeed.close

    async def ask(venue: VenueConfig, symbols: Sequence[str], timeout_s: float) -> None:
        signal.raise_signal(number)
        try:
            await asyncio.sleep(timeout_s)
        finally:
            ended.append("request")

    async def closing(feed: LiveFeed) -> None:
        await close(feed)
        ended.append("feed")

    monkeypatch.setattr("arb.commands.doctor.ask_venue", ask)
    monkeypatch.setattr(LiveFeed, "close", closing)
    config = load_config(Path("none"), (), None, None, None, is_sandbox=True)
    wanted = [Wanted(known_venues(Path("none"))["bybit_spot"], ("BTCUSDT",))]

    with pytest.raises(KeyboardInterrupt):
        examine(config, wanted, 60.0, sandbox=SandboxChoice())

    assert sorted(ended) == ["feed", "request"]
    assert signal.getsignal(number) == handler


@pytest.mark.parametrize("words", [["--venues", "okx"], ["--timeout", "0"], ["--symbols", "NOSUCH"]])
def test_wrong_words_are_one_line(words: list[str]) -> None:
    done = arb("doctor", "--sandbox", *words, code=ExitCode.USER_INPUT)
    assert done.stderr.count("\n") == 1
