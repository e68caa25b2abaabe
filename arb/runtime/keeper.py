"""Writes a session's state to its folder while it runs. The host's thread, between two calls of the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from arb.bot.recorder import Recorder, state_of
from arb.engine.live import LiveBot
from arb.journal.schema import Intent, Note
from arb.risk.limits import Limits
from arb.runtime.session import Session
from arb.runtime.session_orders import SessionOrders
from arb.runtime.session_store import Entry, SessionStore


class SessionKeeper:
    """Writes the data since the last call: call `keep` periodically, `note` often, and `close` when the folder is
    written.

    Until `close` no other process can finish the folder: see `arb.runtime.session_store`.
    """

    def __init__(
        self,
        folder: Path,
        head: dict[str, Any],
        *,
        bot: LiveBot,
        limits: Limits,
        recorder: Recorder,
        session: Session,
        orders: SessionOrders,
    ) -> None:
        """Raises InputError for files that cannot be written."""
        self._bot = bot
        self._limits = limits
        self._recorder = recorder
        self._session = session
        self._orders = orders
        self._answers = self._fills = self._charges = self._decisions = self._records = 0
        self._state = Recorder(len(bot.world.legs), rows=1)
        self._store = SessionStore(folder, head, orders.tables)

    def keep(self) -> None:
        """Adds a snapshot to the file; does nothing before the first row. Raises InputError."""
        world, recorder = self._bot.world, self._recorder
        if not world.start_ts or self._session.is_over:
            return
        answers, decisions, records = world.answers, recorder.decisions, recorder.records
        fills, charges = self._bot.fills, world.charges
        requests, responses = self._orders.take()
        entry = Entry(
            **msgspec.structs.asdict(self._session.snapshot(is_whole=False)),
            start_ts=world.start_ts,
            answers=answers[self._answers :].tobytes(),
            fills=fills[self._fills :].tobytes(),
            charges=charges[self._charges :].tobytes(),
            decisions=decisions[self._decisions :].tobytes(),
            records=records[self._records :].tobytes(),
            final=state_of(self._bot, len(world.legs), self._state).tobytes(),
            refusals=self._limits.refusals_of(world.legs),
            requests=requests,
            responses=responses,
        )
        self._answers, self._decisions, self._records = len(answers), len(decisions), len(records)
        self._fills, self._charges = len(fills), len(charges)
        self._store.write(entry, self._new_rows())

    def note(self) -> None:
        """Prepares what `keep` commits of the orders, so that there is little left to do then. Raises InputError."""
        self._store.add(self._new_rows())

    def rest(self) -> Sequence[Intent | Note]:
        """The rows of the journal's tables that `keep` has not written."""
        return [*self._store.rest, *self._new_rows()]

    def _new_rows(self) -> Sequence[Intent | Note]:
        return () if self._orders.tables is None else self._orders.tables.take()

    def close(self) -> None:
        """Closes the file and releases the session's folder. May be called repeatedly."""
        self._store.close()
