"""The channels of `[alerts]` with their addresses, and their trial: `arb alert test` and `arb doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

from arb.accounts.facts import Rights
from arb.alerts.channels import channel_of, check_address
from arb.alerts.message import ChannelAddress, test_message
from arb.commands.checks import Check, Level
from arb.config import Config
from arb.config.secrets import Variable, forget, read_secret
from arb.errors import ConfigError, InputError
from connectors.units import SECOND


def alert_channels(
    config: Config, environment: Mapping[str, str] | None = None
) -> tuple[ChannelAddress, ...]:
    """The configured channels. The variables are then removed from the process's environment.

    environment: replaces that of the process, and is left as it is. Raises ConfigError, one line without an address,
    for a variable that is not set and for what cannot be used.
    """
    alerts = config.alerts
    named: list[tuple[Literal["webhook", "apprise"], str]] = [("apprise", one) for one in alerts.apprise]
    if alerts.webhook is not None:
        named.insert(0, ("webhook", alerts.webhook))
    found = []
    for kind, reference in named:
        where = f"{config.file}: [alerts] {kind}"
        variable = Variable(reference).name
        name = kind if kind == "webhook" else f"{kind} {variable}"
        address = ChannelAddress(kind, name, read_secret(where, reference, environment))
        try:
            check_address(address)
        except InputError as error:
            raise ConfigError(f"{where}: {variable}: {error}") from None
        found.append(address)
    if environment is None:
        forget(reference for _, reference in named)
    return tuple(found)


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
