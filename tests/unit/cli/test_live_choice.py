"""Where a live session trades is one explicit word, and what is missing for it is one line."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from support.command_line import arb
from support.guard.markers import marked

from arb.commands import live
from arb.config import write_templates
from arb.errors import ExitCode

KEYS = ("BINANCE_API_KEY", "BINANCE_SECRET_KEY", "BYBIT_API_KEY", "BYBIT_SECRET_KEY")
LIMITS = ("--set", "live.max_notional=100.0", "--set", "live.max_daily_notional=1000.0")


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, in a working directory of its own, and no keys."""
    write_templates(tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    # It is for good, and of the whole process.
    monkeypatch.setattr(live, "no_core_files", lambda: None)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config" / "arbitrage.toml"


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were to be resolved, none of which has an address."""
    names: list[str] = []

    def refuse(host: str, *_: Any, **__: Any) -> Any:
        names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return names


def refused(*words: object) -> str:
    done = arb("live", *words, code=ExitCode.USER_INPUT)
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1
    return done.output.removeprefix("error: ").rstrip()


def test_real_money_needs_the_word(main: Path) -> None:
    said = "arb live trades with real money: give --confirm for that, or --sandbox, --testnet or --demo to try it"
    assert refused() == said
    assert refused("--config", main) == said


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--testnet", "--confirm"), "--testnet and --confirm"),
        (("--testnet", "--demo"), "--testnet and --demo"),
        (("--sandbox", "--confirm"), "--sandbox and --confirm"),
    ],
)
def test_a_session_trades_in_one_place(words: tuple[str, ...], names: str) -> None:
    assert refused(*words) == f"{names} exclude each other: a session trades in one place"


def test_a_position_is_taken_over_or_closed() -> None:
    assert refused("--testnet", "--adopt", "--close-first").startswith(
        "--adopt and --close-first exclude each other"
    )


@pytest.mark.parametrize("place", ["--confirm", "--testnet", "--demo"])
def test_no_session_at_a_venue_is_without_limits(main: Path, place: str) -> None:
    assert refused(place, "--config", main) == (
        f"{main}: [live] max_notional is missing, the largest value of one order: without it no session trades at a "
        "venue; write it, or --set live.max_notional=..."
    )
    assert f"{main}: [live] max_daily_notional is missing" in refused(place, "--config", main, *LIMITS[:2])


def test_no_session_at_a_venue_is_without_capital(main: Path) -> None:
    """Without it a run begins with 10,000 quote a venue, which nobody has decided."""
    text = main.read_text()
    main.write_text(re.sub(r"^\[capital\..*?(?=^\[symbols)", "", text, flags=re.M | re.S))
    assert refused("--testnet", "--config", main, *LIMITS) == (
        f"{main}: [capital] is missing, which says how much of each account may be used: without it no session trades "
        "at a venue; write [capital.binance_spot] with base and quote, and so for the other venues"
    )


@pytest.mark.parametrize("place", ["--confirm", "--testnet", "--demo"])
def test_no_session_at_a_venue_is_without_keys(main: Path, place: str) -> None:
    assert refused(place, "--config", main, *LIMITS) == (
        f"{main.parent / 'binance.toml'}: [auth] api_key needs the environment variable BINANCE_API_KEY, which is not "
        "set"
    )


@pytest.mark.parametrize("place", ["--confirm", "--testnet", "--demo"])
def test_hosts_without_an_address_end_it_before_anything_is_written(
    main: Path, looked_up: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, marked("KeyOrSecret"))
    said = refused(place, "--config", main, *LIMITS)
    assert "cannot be resolved: Name or service not known; look at the network" in said
    assert len(looked_up) == 1
    assert said.startswith(
        f"bybit_spot: {looked_up[0]} " if "bybit" in looked_up[0] else f"binance_spot: {looked_up[0]} "
    )
    assert not (main.parent.parent / "runs").exists()
