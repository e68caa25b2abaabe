"""Writes a session's state to its journal while it runs. The host's thread, between two calls of the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arb.bot.recorder import Recorder, state_of
from arb.errors import InputError
from arb.leg import Leg
from arb.risk.limits import Limits
from arb.runtime.fill_reader import FillReader
from arb.runtime.journal import Entry, Journal
from arb.runtime.session import Session
from arb.simulation.bot import DryRunBot


class SessionKeeper:
    """Writes the data since the last call: call `keep` periodically, and `close` when the folder is written.

    Until `close` no other process can finish the folder: see `arb.runtime.journal`.
    """

    def __init__(
        self,
        path: Path,
        head: dict[str, Any],
        *,
        bot: DryRunBot,
        legs: Sequence[Leg],
        limits: Limits,
        recorder: Recorder,
        session: Session,
    ) -> None:
        """Raises InputError for a file that cannot be written."""
        self._bot = bot
        self._legs = legs
        self._limits = limits
        self._recorder = recorder
        self._session = session
        self._fills = FillReader(bot, len(legs))
        self._answers = self._decisions = self._records = 0
        try:
            self._journal = Journal(path, head)
        except OSError as error:
            raise _cannot_be_written(path, error) from None

    def keep(self) -> None:
        """Appends a snapshot to the journal; does nothing before the first row. Raises InputError."""
        start_ts = self._bot.world.start_ts
        if not start_ts or self._session.is_over:
            return
        answers, decisions = self._bot.world.answers, self._recorder.decisions
        records = self._recorder.records
        now = self._session.snapshot(is_whole=False)
        entry = Entry(
            start_ts=start_ts,
            end_ts=now.end_ts,
            legs=now.legs,
            marks=now.marks.tobytes(),
            answers=answers[self._answers :].tobytes(),
            fills=self._fills.take().tobytes(),
            decisions=decisions[self._decisions :].tobytes(),
            records=records[self._records :].tobytes(),
            final=state_of(self._bot, len(self._legs)).tobytes(),
            late=now.late,
            late_since=now.late_since,
            events=now.events,
            refusals=self._limits.refusals_of(self._legs),
            losses=now.losses.tobytes(),
            wrong_stamps=now.wrong_stamps,
        )
        self._answers, self._decisions, self._records = len(answers), len(decisions), len(records)
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
