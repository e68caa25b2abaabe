"""The channels of `[alerts]`: addresses are read from variables, and from nowhere else; `arb alert test`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.alert_receiver import Receiver
from support.command_line import arb

from arb.accounts.facts import Rights
from arb.alerts.message import ChannelAddress, Origin
from arb.commands.alert_channels import alert_channels
from arb.commands.alerts import alert_checks, expiries_of
from arb.commands.checks import Level
from arb.commands.guard_setup import guard_of
from arb.config import load, write_templates
from arb.errors import ConfigError, ExitCode
from arb.runtime.guard_plan import GuardAlerts
from connectors.units import SECOND

HOOK = "https://127.0.0.1:9/canary-of-the-hook"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    write_templates(tmp_path)
    return tmp_path / "arbitrage.toml"


def test_channels_have_the_addresses_of_their_variables_which_are_then_removed(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(main, ["alerts.webhook='${HOOK}'"])
    monkeypatch.setenv("HOOK", HOOK)
    (channel,) = alert_channels(config)
    assert (channel.kind, channel.name, channel.address) == ("webhook", "webhook", HOOK)
    assert "HOOK" not in os.environ
    file = main.with_name("hook")
    file.write_text(f"{HOOK}\n")
    file.chmod(0o600)
    assert alert_channels(config, {"HOOK_FILE": str(file)}) == (channel,)


@pytest.mark.parametrize(("rules", "has_lost"), [("['lost']", True), ("['halted']", False)])
def test_the_guard_is_given_what_it_sends_and_how_often(
    main: Path, tmp_path: Path, rules: str, has_lost: bool
) -> None:
    config = load(main, [f"alerts.states={rules}", "alerts.every_s=90.0"])
    setup: Any = SimpleNamespace(
        ids=SimpleNamespace(tag="s1", run=7),
        options=SimpleNamespace(environment="sandbox"),
        venues=["bybit_spot"],
        recv_window_ms=1000,
    )
    assert guard_of(config, setup, tmp_path, tmp_path / "run", None, ()) is None
    channels = (ChannelAddress("webhook", "webhook", HOOK),)
    guard = guard_of(config, setup, tmp_path, tmp_path / "run", None, channels)
    assert guard is not None
    origin = Origin("s1-7", "run", "sandbox", ("bybit_spot",))
    assert guard._plan.alerts == GuardAlerts(origin, channels, has_lost, every_s=90.0)


@pytest.mark.parametrize(
    ("setting", "environment", "words"),
    [
        (
            "webhook='${HOOK}'",
            {},
            "arbitrage.toml: [alerts] webhook needs the environment variable HOOK, which is not set",
        ),
        (
            "webhook='${HOOK}'",
            {"HOOK": "canary-of-the-hook"},
            "arbitrage.toml: [alerts] webhook: HOOK: its variable holds no https:// address",
        ),
        ("apprise=['${MAIL}']", {"MAIL": "mailto://canary-of-the-hook"}, 'pip install "hftarb[alerts]"'),
    ],
)
def test_what_cannot_be_used_is_one_line_without_the_address(
    main: Path, setting: str, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        alert_channels(load(main, [f"alerts.{setting}"]), environment)
    assert words in str(refused.value)
    assert "canary" not in str(refused.value)


def test_an_address_in_the_file_is_refused_and_not_shown(main: Path) -> None:
    for setting in (f"webhook='{HOOK}'", f"apprise=['{HOOK}']"):
        with pytest.raises(ConfigError) as refused:
            load(main, [f"alerts.{setting}"])
        assert "is (not shown); it must be" in str(refused.value)
        assert "canary" not in str(refused.value)


def test_the_command_tries_each_channel(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("alert", "test", "--config", str(main), "--set", "alerts.webhook='${HOOK}'")
    with Receiver() as receiver:
        monkeypatch.setenv("HOOK", receiver.address)
        done = arb(*words)
        assert done.output.startswith("webhook: accepted after ")
        assert receiver.texts == ["begin test"]
        receiver.status = 500
        monkeypatch.setenv("HOOK", receiver.address)
        refused = arb(*words, code=ExitCode.DIFFERENCES)
        assert refused.output == "webhook: not accepted: HTTP 500\n"


def test_doctor_tries_each_channel(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert alert_checks(load(main, [])) == []
    config = load(main, ["alerts.webhook='${HOOK}'"])
    monkeypatch.delenv("HOOK", raising=False)
    (unset,) = alert_checks(config)
    assert (unset.name, unset.level) == ("alerts", Level.FAIL)
    assert "HOOK, which is not set" in unset.text
    with Receiver() as receiver:
        for status, level, words in ((204, Level.OK, "accepted after"), (404, Level.FAIL, "HTTP 404")):
            receiver.status = status
            monkeypatch.setenv("HOOK", receiver.address)
            (found,) = alert_checks(config)
            assert (found.name, found.level, bool(found.next_step)) == (
                "alerts webhook", level, level is Level.FAIL,
            )  # fmt: skip
            assert words in found.text
        assert receiver.texts == ["begin test"]


def test_the_command_without_a_channel_or_an_address(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    for settings, words in (
        ((), "[alerts] has no channel: write webhook"),
        (("--set", "alerts.webhook='${HOOK}'"), "needs the environment variable HOOK, which is not set"),
    ):
        done = arb("alert", "test", "--config", main, *settings, code=ExitCode.USER_INPUT)
        assert words in done.output
        assert done.output.count("\n") == 1


def test_keys_expire_when_the_venue_says() -> None:
    def rights(expires: str) -> Rights:
        return Rights(frozenset(), False, False, True, expires)

    found = expiries_of(
        {
            "binance": rights(""),
            "bybit": rights("2026-05-01T12:00:00Z"),
            "other": None,
            "else": rights("soon"),
        }
    )
    assert found == {"bybit": round(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()) * SECOND}
