"""The error tree of `arb` and the exit codes of its commands, each named once. Imports nothing."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of commands. Scripts rely on the numbers: they never change meaning."""

    DONE = 0
    OUR_FAULT = 1
    USER_INPUT = 2
    HALTED_BY_RISK = 3
    DIFFERENCES = 4
    INTERRUPTED = 130


class ArbError(Exception):
    """Base of all errors that `arb` raises on purpose. The message is one line, meant for the user."""

    exit_code: ClassVar[ExitCode] = ExitCode.OUR_FAULT


class InputError(ArbError):
    """What the user gave cannot be used. The message names it and, where there is one, the next step."""

    exit_code = ExitCode.USER_INPUT


class ConfigError(InputError):
    """A configuration file, key or override is wrong. The message names file, key and allowed range."""


class InvariantError(ArbError):
    """A promise of our own code is broken; nothing that the user gave explains it."""


class StrategyError(ArbError):
    """The strategy raised, or did not return; the message names it and what it raised."""
