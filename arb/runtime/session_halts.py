"""The flags of `arb halt` that concern a session: read before each step by its gate, and now and then by its host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from arb.journal.halts import Halt, Halts

_NONE: Mapping[str, str] = MappingProxyType({})


class SessionHalts:
    """The flags of one environment. The host's thread."""

    def __init__(self, state: Path, houses: Mapping[str, str]) -> None:
        """state: folder of the environment. houses: of the session's accounts, by venue."""
        self._houses = dict(houses)
        self._halts = Halts(state, dict.fromkeys(houses.values()))

    def flags(self) -> tuple[Halt, ...]:
        """Those that are set."""
        return self._halts.read()

    def reasons(self) -> Mapping[str, str]:
        """Why nothing may be opened, by venue; "": anywhere."""
        flags = self.flags()
        if not flags:
            return _NONE
        found = {}
        for halt in flags:
            for venue in [venue for venue, house in self._houses.items() if house == halt.house] or [""]:
                found[venue] = halt.reason or "arb halt"
        return found
