"""What begins and ends in a session, as its guard is given it, and as a person reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from connectors.text import one_line
from connectors.units import SECOND

#: Longest text of a state.
TEXT_MAX = 500

#: Between the folder of a session and its rule, in the keys of a watcher's file.
SEPARATOR = "|"
#: States that end a session: none is held because it has begun a moment ago before.
AT_ONCE = frozenset({"halted", "failed", "lost"})
#: What a person does next, by state. A state of a rule of `[supervisor]` is `supervisor NAME`.
NEXT_STEPS: Mapping[str, str] = {
    "halted": "find the cause in the session's log, compare arb positions with the venues, then arb resume",
    "failed": "read the end of the session's log, and compare arb positions with the venues before the next start",
    "lost": "look at arb status and at the venues; if it was halted, arb resume is needed before the next start",
    "doubt": "look for the order at the venue, which the session goes on asking",
    "unhedged": "compare the positions at both venues; arb halt hedges them and ends the session; a start "
    "hedges what one has left",
    "key": "make a new key at the venue, and start the next session with it",
    "supervisor disk": "make room on the disk of the state directory",
    "supervisor clock": "let NTP set the clock (timedatectl set-ntp true, or chrony)",
    "supervisor margin": "add margin at the venue, or reduce the position",
    "test": "nothing: arb alert test has sent it",
}
_SUPERVISOR_STEP = "look at arb status and the session's log; [supervisor] has the rule's limit and answer"


class ChannelAddress(msgspec.Struct, frozen=True):
    """A channel and its address, which is a secret. name: in messages about it."""

    kind: Literal["webhook", "apprise"]
    name: str
    address: str

    def __repr__(self) -> str:
        return f"ChannelAddress({self.name})"


class Transition(msgspec.Struct, frozen=True):
    """A state that begins or ends. number: counts up in a session; since_ns: when the state began.

    keeps: instead: of the states that earlier sessions have left, all but these are over.
    """

    number: int
    rule: str = ""
    text: str = ""
    since_ns: int = 0
    is_over: bool = False
    keeps: tuple[str, ...] | None = None


class Origin(msgspec.Struct, frozen=True):
    """Whose states they are. id: of the session, which begins the ids of its messages. scope: "": the states of all
    sessions of the environment are one; else the states of the session alone. environment: of what a watcher finds, the
    command."""

    id: str
    session: str
    environment: str
    venues: tuple[str, ...]
    scope: str = ""

    @property
    def place(self) -> str:
        """Whose alarms they are: the session's folder where the scope is one, else its name."""
        return self.scope or self.session


def scope_of(folder: Path) -> str:
    """The scope of the session in a folder, as a watcher has it."""
    return f"{folder.absolute()}{SEPARATOR}"


class Terms(msgspec.Struct, frozen=True):
    """How a state is reported. every_ns: a beginning is sent at most once in so long, None: as the store's. channels:
    who receives it; empty: all. level, next: of the message; "": as its state has them."""

    every_ns: int | None = None
    channels: tuple[str, ...] = ()
    level: str = ""
    next: str = ""


#: Of a guard's states.
USUAL = Terms()


def message_of(
    origin: Origin,
    message_id: str,
    rule: str,
    text: str,
    since_ns: int,
    now_ns: int,
    *,
    is_over: bool,
    terms: Terms = USUAL,
) -> dict[str, Any]:
    """A message in JSON types, as the webhook receives it."""
    return {
        "id": message_id,
        "event": "end" if is_over else "begin",
        "rule": rule,
        "level": terms.level or ("critical" if rule in AT_ONCE else "warning"),
        "text": one_line(text)[:TEXT_MAX],
        "since": iso_time(since_ns),
        "at": iso_time(now_ns),
        "session": origin.session,
        "environment": origin.environment,
        "venues": list(origin.venues),
        "next": "" if is_over else terms.next or next_step(rule),
    }


def with_count(begin: dict[str, Any], count: int) -> dict[str, Any]:
    """The message of a state that has begun so often since its last message."""
    if count < 2:
        return begin
    words = f" ({count} times since the last message)"
    return {**begin, "text": begin["text"][: TEXT_MAX - len(words)] + words}


def test_message(now_ns: int) -> dict[str, Any]:
    """What `arb alert test` sends."""
    origin = Origin("test", "", "", ())
    text = "a test of the channel"
    return message_of(origin, f"test-{now_ns}", "test", text, now_ns, now_ns, is_over=False)


def next_step(rule: str) -> str:
    """What a person does about a state."""
    return NEXT_STEPS.get(rule, _SUPERVISOR_STEP)


def title_of(message: Mapping[str, Any]) -> str:
    """A message's first line, for people."""
    where = f" ({message['environment']})" if message["environment"] else ""
    return f"arb{where}: {message['rule']}{' is over' if message['event'] == 'end' else ''}"


def body_of(message: Mapping[str, Any]) -> str:
    """A message's other lines, for people."""
    lines = [message["text"], f"since {message['since']}"]
    if message["event"] == "end":
        lines[-1] += f", over at {message['at']}"
    if message["session"]:
        words = message["session"], message["environment"], ", ".join(message["venues"])
        lines.append(f"session {', '.join(word for word in words if word)}")
    if message["next"]:
        lines.append(f"next: {message['next']}")
    return "\n".join([*lines, f"id {message['id']}"])


def iso_time(ts: int) -> str:
    """A time as `2026-05-01T12:00:00.000Z`."""
    return f"{datetime.fromtimestamp(ts / SECOND, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
