"""The trial of the channels of `[alerts]`: `arb alert test` and `arb doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from arb.accounts.facts import Rights
from arb.alerts.channels import channel_of
from arb.alerts.message import test_message
from arb.commands.alert_channels import alert_channels
from arb.commands.checks import Check, Level
from arb.config import Config
from arb.errors import ConfigError, InputError
from connectors.units import SECOND


def send_tests(config: Config) -> Iterator[tuple[str, str, float]]:
    """Sends a message over each channel: its name, "" or why it failed, and the seconds that it took.

    Raises ConfigError as `alert_channels`, and without a channel.
    """
    channels = alert_channels(config)
    if not channels:
        raise ConfigError(
            f'{config.file}: [alerts] has no channel: write webhook = "${{NAME}}" or apprise = ["${{NAME}}"], with '
            "the address in that environment variable"
        )
    for address in channels:
        begun = time.monotonic()
        try:
            why = channel_of(address).send(test_message(time.time_ns()))
        except InputError as error:
            why = str(error)
        yield address.name, why, time.monotonic() - begun


def alert_checks(config: Config) -> list[Check]:
    """Sends a message over each channel, for `arb doctor`; nothing is found without one."""
    if not config.alerts.has_channel:
        return []
    step = "correct the address in its variable; arb alert test tries it again"
    try:
        return [
            Check(f"alerts {name}", Level.FAIL, f"not accepted: {why}", step)
            if why
            else Check(f"alerts {name}", Level.OK, f"a test message was accepted after {seconds:.2f} s")
            for name, why, seconds in send_tests(config)
        ]
    except ConfigError as error:
        return [Check("alerts", Level.FAIL, str(error), "set the variable; arb alert test tries it again")]


def expiries_of(rights: Mapping[str, Rights | None]) -> dict[str, int]:
    """When keys of accounts expire, in ns, by house, of those whose venue says a time."""
    found = {}
    for house, own in rights.items():
        if own is not None and own.expires:
            try:
                moment = datetime.fromisoformat(own.expires)
            except ValueError:  # it is in the start's line all the same
                continue
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            found[house] = round(moment.timestamp()) * SECOND
    return found
