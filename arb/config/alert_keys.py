"""The keys `[alerts]`: messages about states of live sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from arb.config.key import SecretName, Table, key

AlertRule = Literal["halted", "failed", "lost", "doubt", "unhedged", "key", "supervisor"]
ALERT_RULES: tuple[AlertRule, ...] = ("halted", "failed", "lost", "doubt", "unhedged", "key", "supervisor")


class Alerts(Table, frozen=True, kw_only=True):
    """Messages about states of a session, sent by its guard; none without a channel."""

    webhook: (
        Annotated[
            SecretName,
            key(
                "Variable that holds an address to which messages are posted as JSON.",
                example='"${ARB_WEBHOOK}"',
            ),
        ]
        | None
    ) = None
    apprise: Annotated[
        tuple[SecretName, ...],
        key(
            "Variables that hold addresses of Apprise: Telegram, e-mail and others.",
            form='a list of names of environment variables, "${NAME}"; addresses are never written in a file',
            secret=True,
            max_length=16,
        ),
    ] = ()
    rules: Annotated[
        tuple[AlertRule, ...],
        key(
            "The states that are reported; supervisor: every rule of [supervisor] that is not off.",
            form="a list of " + ", ".join(f'"{rule}"' for rule in ALERT_RULES),
            max_length=len(ALERT_RULES),
        ),
    ] = ALERT_RULES
    doubt_s: Annotated[
        float, key("The outcome of a request is not known for longer.", "s", gt=0, le=3600)
    ] = 10.0
    unhedged_s: Annotated[float, key("The legs of a pair do not balance for longer.", "s", gt=0, le=3600)] = (
        3.0
    )
    key_days: Annotated[
        float, key("A key of an account expires sooner, where the venue says when.", "days", gt=0, le=90)
    ] = 7.0

    every_s: Annotated[
        float,
        key(
            "A state's beginning is sent at most once in so long; one that follows sooner is sent then, with its end "
            "if it is over.",
            "s",
            ge=0,
            le=600,
        ),
    ] = 60.0

    @property
    def has_channel(self) -> bool:
        """Whether anything is sent."""
        return self.webhook is not None or bool(self.apprise)
