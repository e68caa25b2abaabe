"""Watches a session from outside its strategy: writes log, events, series and status, and makes the screen's view.

The host's thread, between two calls of the strategy.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.bot.recorder import Recorder, state_of
from arb.engine.live import LiveBot
from arb.risk.limits import Limits
from arb.runtime.event_file import NO_DATA
from arb.runtime.output import SessionOutput
from arb.runtime.risk_figures import RiskWatch
from arb.runtime.running_figures import AnswerTimes, ProfitWatch, StartCapital
from arb.runtime.series_file import SeriesFile
from arb.runtime.session import Session
from arb.runtime.session_orders import SessionOrders
from arb.runtime.status_file import Bounds, Figures, LegFigures, StatusFile
from arb.runtime.trading_lines import Data, TradingLines, shown_lines
from arb.runtime.view import (
    Edges,
    Feeds,
    SessionView,
    Touches,
    leg_lines,
    profit_of,
    working_orders,
)
from connectors.units import MILLISECOND, SECOND

#: Interval of the ticks: of samples of touches and edges.
WATCH_S = 0.125
#: Decisions that are written in one tick; many have a fill or two.
ROWS_MAX = 500
#: In how many ticks there is one of each, and in which of them: spread, so that no tick has them all.
_SERIES, _LINES, _SHOW, _STATUS = (2, 0), (4, 1), (4, 3), (8, 5)


class Facts(NamedTuple):
    """What a view shows of the configuration; see `SessionView`. created_ns: when the command's wait for the session
    began, on the machine's monotonic clock. duration_s: None until a signal arrives."""

    folder: Path
    command: str
    created_ns: int
    duration_s: float | None
    threshold_bps: float
    is_over_basis: bool
    bounds: Bounds = Bounds()
    #: See `RiskWatch`.
    has_pairs: bool = False
    max_leverage: float = 1.0


class SessionWatch:
    """One session: call `tick` every WATCH_S, and `log_trading` when it has ended."""

    def __init__(
        self,
        bot: LiveBot,
        recorder: Recorder,
        session: Session,
        feeds: Feeds,
        facts: Facts,
        *,
        limits: Limits,
        orders: SessionOrders,
        output: SessionOutput,
    ) -> None:
        """feeds: may be filled later."""
        self._bot = bot
        self._recorder = recorder
        self._session = session
        self._feeds = feeds
        self._facts = facts
        self._decisions = self._fills = self._charges = 0
        self._lines = TradingLines(bot.world.legs)
        self._touches = Touches(bot.world)
        self._edges = Edges(bot.world.legs)
        edges = [line[:2] for line in self._edges.lines()]
        names = [leg.name for leg in bot.world.legs]
        self._series = SeriesFile(facts.folder, names, edges, partial(session.write, "warning"))
        self._status = StatusFile(
            facts.folder, facts.command, facts.bounds, partial(session.write, "warning")
        )
        self._limits = limits
        self._orders = orders
        self._output = output
        self._ticks = 0
        #: That of the last status, NaN before.
        self._pnl = math.nan
        self._has_received = False
        self._answers = AnswerTimes(bot.world.legs)
        self._capital = StartCapital(bot.world.legs)
        self._profit = ProfitWatch()
        self._risks = RiskWatch(bot.world.legs, has_pairs=facts.has_pairs, max_leverage=facts.max_leverage)
        #: For `state_of`.
        self._state = Recorder(len(bot.world.legs), rows=1)
        #: When the feeds were started, on the machine's monotonic clock.
        self.began_ns = time.monotonic_ns()

    def tick(self) -> None:
        """Does what is due."""
        self._ticks += 1
        self._sample()
        if self._is_due(_SERIES):
            self._series.write(time.time_ns())
        if self._is_due(_LINES):
            self._log_some()
            self._output.events.write()
        if self._is_due(_SHOW):
            self.show()
        if self._is_due(_STATUS):
            self.publish()

    def _sample(self) -> None:
        bids, asks = self._touches.prices()
        self._edges.sample(bids, asks)
        self._series.sample([*bids, *asks, *self._edges.now_bps, self._pnl])

    def _is_due(self, one: tuple[int, int]) -> bool:
        every, first = one
        return self._ticks % every == first

    def show(self) -> None:
        """Updates the screen. Logs once when the strategy received its first row."""
        if self._session.first_row_ns and not self._has_received:
            self._has_received = True
            after_s = (self._session.first_row_ns - self._facts.created_ns) / SECOND
            self._session.write("start", f"the strategy received its first row after {after_s:.2f} s")
        self._output.show(self.view)

    def log_trading(self) -> None:
        """Writes the attempts, fills and outcomes since the last call, with their own times."""
        while self._log_some():
            pass

    def _log_some(self) -> bool:
        """As `log_trading`, of ROWS_MAX decisions; whether there are more."""
        decisions = self._recorder.decisions[self._decisions :]
        fills, charges = self._bot.fills[self._fills :], self._bot.charges[self._charges :]
        news = self._orders.news()
        if not (len(decisions) or len(fills) or len(charges) or news.quantities or news.rejected):
            return False
        if is_more := len(decisions) > ROWS_MAX:
            # All of a time together; the fills of orders until then, and their fees: an outcome follows its fills.
            last_ts = decisions["timestamp"][ROWS_MAX - 1]
            decisions = decisions[: max(ROWS_MAX, np.searchsorted(decisions["timestamp"], last_ts, "right"))]
            fills = _until(fills, fills["request_ts"] > last_ts)
            charges = _until(charges, charges["fill_no"] >= self._fills + len(fills))
        self._decisions += len(decisions)
        self._fills += len(fills)
        self._charges += len(charges)
        lines = self._lines.follow(decisions, fills, charges, news)
        for line in lines:
            time_ns = line.ts - self._session.offset_ns
            self._output.events.add(time_ns, line.event, line.text, line.data)
        for line in shown_lines(lines):
            time_ns = self._session.show(line.event, line.text, line.ts)
            self._output.line(line.event, line.text, time_ns)
        if not self._facts.is_over_basis:
            self._edges.note(dict(enumerate(self._lines.totals.best_bps)))
        return is_more

    def close(self, end: str = "", data: Data = NO_DATA) -> None:
        """Writes what is left for other processes, with a last event if there is a text; before the files are hashed.
        May be called repeatedly. Any thread, once the host's is in no other call."""
        if end:
            self._output.events.add(time.time_ns(), "end", end, data)
        self._series.write(time.time_ns())
        self._series.close()
        self._output.events.close()

    def publish(self) -> None:
        """Writes the current state for other processes."""
        bot = self._bot
        state = state_of(bot, len(bot.world.legs), self._state)
        view = self._view(state)
        self._pnl = view.pnl
        offs = self._orders.unbooked() or [0.0] * len(bot.world.legs)
        sizes = [leg.contract_size for leg in bot.world.legs]
        figures = Figures(
            heartbeat_ns=self._session.heartbeat_ns,
            legs=[
                LegFigures(
                    math.nan if counts.lag_ns is None else counts.lag_ns / MILLISECOND,
                    counts.frames,
                    counts.gaps,
                    float(s["position"]) * float(s["price"]) * size if s["position"] else 0.0,
                    off,
                )
                for counts, s, size, off in zip(self._session.feed_counts, state, sizes, offs, strict=True)
            ],
            latencies=self._answers.follow(bot.world.answers),
            events=self._session.event_counts,
            refusals=_by_rule(self._limits.refusals_of(bot.world.legs)),
            capital=self._capital.follow(self._recorder.records, state["price"]),
            falls=self._profit.follow(view.pnl, time.time_ns()),
            risks=self._risks.follow(state, time.time_ns()),
            halted=view.totals.halted,
            orders=self._orders.state(),
        )
        self._status.write(view, figures)

    def view(self) -> SessionView:
        """The current state."""
        return self._view(state_of(self._bot, len(self._bot.world.legs), self._state))

    def _view(self, state: Any) -> SessionView:
        bot, facts = self._bot, self._facts
        legs = bot.world.legs
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


def _by_rule(refusals: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Refused orders of all legs by rule; only rules that refused one."""
    found: Counter[str] = Counter()
    for counts in refusals.values():
        found.update(counts)
    return dict(+found)


def _until(rows: Any, is_later: Any) -> Any:
    """The rows before the first that is later."""
    return rows[: is_later.argmax()] if is_later.any() else rows
