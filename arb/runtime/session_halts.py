"""The flags of `arb halt` that concern a session: read before each step by its gate, and now and then by its host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from arb.errors import ArbError, InputError
from arb.journal.halts import Halt, Halts, set_halt

_NONE: Mapping[str, str] = MappingProxyType({})
#: Of a flag without a reason.
_NO_REASON = "arb halt"


def halted_by(flags: Sequence[Halt], broken: ArbError | None) -> tuple[str, bool] | None:
    """Why a session is halted, and whether its positions are to be closed; None: it is not. broken: why its files
    cannot be written."""
    reasons = dict.fromkeys(one.reason for one in flags if one.reason)
    if broken is not None:  # its flag has no more to say
        reasons = dict.fromkeys([*(one for one in reasons if one not in str(broken)), str(broken)])
    elif not flags:
        return None
    return "; ".join(reasons), any(one.is_flattening for one in flags)


def why_halted(halted: tuple[str, bool] | None) -> str:
    """The reason of `halted_by` in words; "": nothing is halted."""
    return "" if halted is None else halted[0] or _NO_REASON


class SessionHalts:
    """The flags of one environment. The host's thread."""

    def __init__(self, state: Path, houses: Mapping[str, str]) -> None:
        """state: folder of the environment. houses: of the session's accounts, by venue."""
        self._state = state
        self._houses = dict(houses)
        self._halts = Halts(state, dict.fromkeys(houses.values()))

    def flags(self) -> tuple[Halt, ...]:
        """Those that are set."""
        return self._halts.read()

    def set(self, reason: str, now: int) -> InputError | None:
        """Sets the flag of all accounts. Returns why it cannot be written, if so."""
        try:
            set_halt(self._state, Halt("", now, False, reason))
        except InputError as error:
            return error
        return None

    def reasons(self) -> Mapping[str, str]:
        """Why nothing may be opened, by venue; "": anywhere."""
        flags = self.flags()
        if not flags:
            return _NONE
        found = {}
        for halt in flags:
            for venue in [venue for venue, house in self._houses.items() if house == halt.house] or [""]:
                found[venue] = halt.reason or _NO_REASON
        return found
