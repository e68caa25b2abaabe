"""How programs begin faults, and what they say of errors. Not a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def begin(kind: str, **keys: Any) -> None:
    """Begins a fault now; returns when it has begun."""
    sys.stdout.write(json.dumps({"begin": {"kind": kind, **keys}}) + "\n")
    sys.stdout.flush()
    if sys.stdin.readline() != "begun\n":
        raise RuntimeError(f"{kind} did not begin")


def move_mark(venue: str, share: float) -> None:
    """Moves the mark price of a perpetual to a share of itself."""
    sys.stdout.write(json.dumps({"mark": {"venue": venue, "share": share}}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def error_of(call: Callable[[], Any]) -> str:
    """The class of the error that a call raises, "none" without one."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "none"
