"""Watches a session from outside its strategy: writes what it does to log and status, and makes the screen's view.

The host's thread, between two calls of the strategy.
"""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from arb.bot.recorder import Recorder, state_of
from arb.engine.live import LiveBot
from arb.runtime.session import Session
from arb.runtime.status_file import StatusFile
from arb.runtime.trading_lines import TradingLines
from arb.runtime.view import Edges, Feeds, SessionView, leg_lines, profit_of, working_orders
from connectors.units import SECOND


class Facts(NamedTuple):
    """What a view shows of the configuration; see `SessionView`. duration_s: None until a signal arrives."""

    folder: Path
    command: str
    duration_s: float | None
    threshold_bps: float
    is_over_basis: bool


class SessionWatch:
    """One session: call `sample` often, the others now and then, and `log_trading` when it has ended."""

    def __init__(
        self, bot: LiveBot, recorder: Recorder, session: Session, feeds: Feeds, facts: Facts
    ) -> None:
        """feeds: may be filled later."""
        self._bot = bot
        self._recorder = recorder
        self._session = session
        self._feeds = feeds
        self._facts = facts
        self._decisions = self._fills = self._charges = 0
        self._lines = TradingLines(bot.world.legs)
        self._edges = Edges(bot.world.legs)
        self._status = StatusFile(facts.folder, facts.command, partial(session.write, "warning"))
        #: When the feeds were started, on the machine's monotonic clock.
        self.began_ns = time.monotonic_ns()

    def sample(self) -> None:
        """Samples the edges."""
        self._edges.sample(self._feeds)

    def log_trading(self) -> None:
        """Writes the attempts, fills and outcomes since the last call, with their own times."""
        decisions = self._recorder.decisions[self._decisions :]
        self._decisions += len(decisions)
        fills = self._bot.fills[self._fills :]
        self._fills += len(fills)
        charges = self._bot.charges[self._charges :]
        self._charges += len(charges)
        for line in self._lines.follow(decisions, fills, charges):
            self._session.write(line.event, line.text, line.ts)
        if not self._facts.is_over_basis:
            self._edges.note(dict(enumerate(self._lines.totals.best_bps)))

    def publish(self) -> None:
        """Writes the current state for other processes."""
        self._status.write(self.view())

    def view(self) -> SessionView:
        """The current state."""
        bot, facts = self._bot, self._facts
        legs = bot.world.legs
        state = state_of(bot, len(legs))
        elapsed_s = (time.monotonic_ns() - self.began_ns) / SECOND
        return SessionView(
            name=facts.folder.name,
            elapsed_s=elapsed_s,
            remaining_s=math.nan if facts.duration_s is None else max(0.0, facts.duration_s - elapsed_s),
            legs=leg_lines(bot, state, self._feeds),
            edges=self._edges.lines(),
            threshold_bps=facts.threshold_bps,
            is_over_basis=facts.is_over_basis,
            working=working_orders(bot),
            fills=int(state["num_trades"].sum()),
            totals=self._lines.totals,
            fees=float(state["fee"].sum()),
            pnl=profit_of(state, legs),
            events=list(self._session.events),
        )
