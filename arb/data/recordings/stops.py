"""The reasons why a recording stops, as lines for the user."""

from __future__ import annotations

from pathlib import Path

from arb.errors import ArbError, InputError, InvariantError

#: The range of local times: 19 digits, within 64 bits.
_LOCAL_TS_MIN, _LOCAL_TS_MAX = 10**18, 2**63


class ClockError(Exception):
    """A local time outside the format's range."""


class NoReserveError(Exception):
    """The free disk space is below the reserve."""

    def __init__(self, free_gb: float, reserve_gb: float) -> None:
        super().__init__(
            f"{free_gb:.2f} GB of the disk are free, [record] reserve_gb is {reserve_gb:g}: recording stops; make "
            "room, or lower it, and start again"
        )


def check_time(local_ts_ns: int) -> None:
    """Raises ClockError outside of the format's range."""
    if not _LOCAL_TS_MIN <= local_ts_ns < _LOCAL_TS_MAX:
        raise ClockError(
            f"the local time {local_ts_ns} ns lies outside of 2001 to 2262: recording stops; set the clock and start "
            "again"
        )


def reason(error: Exception, directory: Path) -> ArbError:
    """The error for the user."""
    if isinstance(error, ClockError | NoReserveError):
        return InputError(f"{directory}: {error}")
    if isinstance(error, OSError):
        return InputError(
            f"{error.filename or directory}: {error.strerror or error}: recording stops, what is there is whole; "
            "make room or see to the disk, and start again"
        )
    if isinstance(error, ArbError):
        return error
    return InvariantError(f"{directory}: recording stops: {type(error).__name__}: {error}")
