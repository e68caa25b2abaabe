"""The keys `[alerts]`: messages about states of sessions, which guards send, and about the rules of watchers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from arb.alerts.rules import Level
from arb.config.key import RuleName, SecretName, Table, key

AlertState = Literal["halted", "failed", "lost", "doubt", "unhedged", "key", "supervisor"]
ALERT_STATES: tuple[AlertState, ...] = ("halted", "failed", "lost", "doubt", "unhedged", "key", "supervisor")


class AlertRuleKeys(Table, frozen=True, kw_only=True):
    """A rule of `arb watch`: one that is shipped, of which it changes what it names, or one of the user's own."""

    when: (
        Annotated[
            str,
            key(
                "The condition; absent: that of the shipped rule.",
                form='"METRIC OP NUMBER" with >, >=, < or <=',
                example='"lag_p99_ms > 1000"',
                min_length=1,
                max_length=100,
            ),
        ]
        | None
    ) = None
    for_s: (
        Annotated[
            float,
            key(
                "The condition must hold for so long; absent: 0, or the shipped rule's.",
                "s",
                example="10.0",
                ge=0,
                le=86_400,
            ),
        ]
        | None
    ) = None
    level: (
        Annotated[
            Level,
            key(
                "How urgent it is, as the message says; off: nothing is sent; absent: the shipped rule's, or warning.",
                example='"critical"',
            ),
        ]
        | None
    ) = None
    every_s: (
        Annotated[
            float,
            key("As `alerts.every_s`, for this rule; absent: that.", "s", example="600.0", ge=0, le=86_400),
        ]
        | None
    ) = None
    to: (
        Annotated[
            tuple[Annotated[str, key(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z")], ...],
            key(
                "The channels that receive it; absent: all.",
                form='a list of "webhook" and names of the variables of Apprise, such as ["ARB_TELEGRAM"]',
                example='["webhook"]',
                min_length=1,
                max_length=17,
            ),
        ]
        | None
    ) = None


class Alerts(Table, frozen=True, kw_only=True):
    """Messages about states of sessions: sent by the guard of one, and by `arb watch`; none without a channel."""

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
    telegram_bot: (
        Annotated[
            SecretName,
            key(
                "Variable that holds the token of a bot of Telegram, which answers questions to arb watch.",
                example='"${ARB_TELEGRAM_BOT}"',
            ),
        ]
        | None
    ) = None
    telegram_chats: Annotated[
        tuple[int, ...],
        key(
            "The ids of chats whose questions it answers: /status /profit /daily /trades /runs.",
            form="a list of whole numbers",
            max_length=16,
        ),
    ] = ()
    states: Annotated[
        tuple[AlertState, ...],
        key(
            "The states that a guard reports; supervisor: every rule of [supervisor] that is not off.",
            form="a list of " + ", ".join(f'"{state}"' for state in ALERT_STATES),
            max_length=len(ALERT_STATES),
        ),
    ] = ALERT_STATES
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
    rules: dict[RuleName, AlertRuleKeys] = field(default_factory=dict)

    @property
    def has_channel(self) -> bool:
        """Whether anything is sent."""
        return self.webhook is not None or bool(self.apprise)
