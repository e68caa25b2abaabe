"""Shared by both venues' REST modules: responses and instrument data. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Response(NamedTuple):
    """A REST response. `body` is JSON, or plain text where the venue sends that."""

    status: int
    body: str
    headers: dict[str, str]


def decimals_of(step: str) -> int:
    """Number of decimals of a step, without trailing zeros."""
    return len(step.partition(".")[2].rstrip("0"))


def json_text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()
