"""Writes a session's state to its journal while it runs. The host's thread, between two calls of the strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from arb.bot.recorder import Recorder, state_of
from arb.engine.live import LiveBot
from arb.errors import InputError
from arb.risk.limits import Limits
from arb.runtime.journal import Entry, Journal
from arb.runtime.session import Session
from arb.runtime.session_orders import SessionOrders


class SessionKeeper:
    """Writes the data since the last call: call `keep` periodically, and `close` when the folder is written.

    Until `close` no other process can finish the folder: see `arb.runtime.journal`.
    """

    def __init__(
        self,
        path: Path,
        head: dict[str, Any],
        *,
        bot: LiveBot,
        limits: Limits,
        recorder: Recorder,
        session: Session,
        orders: SessionOrders,
    ) -> None:
        """Raises InputError for a file that cannot be written."""
        self._bot = bot
        self._limits = limits
        self._recorder = recorder
        self._session = session
        self._orders = orders
        self._answers = self._fills = self._charges = self._decisions = self._records = 0
        try:
            self._journal = Journal(path, head)
        except OSError as error:
            raise _cannot_be_written(path, error) from None

    def keep(self) -> None:
        """Appends a snapshot to the journal; does nothing before the first row. Raises InputError."""
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
            final=state_of(self._bot, len(world.legs)).tobytes(),
            refusals=self._limits.refusals_of(world.legs),
            requests=requests,
            responses=responses,
        )
        self._answers, self._decisions, self._records = len(answers), len(decisions), len(records)
        self._fills, self._charges = len(fills), len(charges)
        try:
            self._journal.write(entry)
        except OSError as error:
            raise _cannot_be_written(self._journal.path, error) from None

    def close(self) -> None:
        """Closes the journal and releases the session's folder. May be called repeatedly."""
        self._journal.close()


def _cannot_be_written(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot be written: {error.strerror}; make room, or name another folder with --out"
    )
