"""The channels of `[alerts]` with their addresses, which are read from the environment. Loads no compiled code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from arb.alerts.channels import check_address
from arb.alerts.message import ChannelAddress
from arb.config import AlertsConfig, Config
from arb.config.secrets import Variable, forget, plain_environment, read_secret
from arb.errors import ConfigError, InputError

#: As Telegram gives them.
_TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{10,100}", re.ASCII)


def alert_channels(
    config: Config | AlertsConfig, environment: Mapping[str, str] | None = None
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


def bot_token(config: AlertsConfig, environment: Mapping[str, str] | None = None) -> str | None:
    """The token of the bot that answers questions, as `alert_channels` reads addresses; None without one.

    Raises ConfigError also for a bot without a chat, and chats without a bot.
    """
    reference, where = config.alerts.telegram_bot, f"{config.file}: [alerts] telegram_bot"
    if (reference is None) != (not config.alerts.telegram_chats):
        raise ConfigError(f"{where} and telegram_chats belong together: the bot answers these chats alone")
    if reference is None:
        return None
    token = read_secret(where, reference, environment)
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{where}: {Variable(reference).name}: its variable holds no token of a bot")
    if environment is None:
        forget([reference])
    return token


def channel_variables(config: Config | AlertsConfig) -> dict[str, str]:
    """An environment for another process, with the variables of the channels and with no other secret."""
    own = [*config.alerts.apprise]
    if config.alerts.webhook is not None:
        own.append(config.alerts.webhook)
    if config.alerts.telegram_bot is not None:
        own.append(config.alerts.telegram_bot)
    return plain_environment(own)


def channels_by_name(channels: Sequence[ChannelAddress]) -> dict[str, str]:
    """The names of channels in the rules of alerts, each with the channel's own: of Apprise that of the variable."""
    return {one.name.rpartition(" ")[2]: one.name for one in channels}
