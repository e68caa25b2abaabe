"""Writes `status.json` of a session from its view. The host's thread, between two calls of the strategy."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

import msgspec

from arb.files import write_atomically
from arb.results.status import (
    FORMAT,
    STATUS,
    EdgeStatus,
    LatencyStatus,
    LegStatus,
    RuleStatus,
    SpanStatus,
    Status,
)
from arb.runtime.process_use import Processor, disk, memory, open_files
from arb.runtime.risk_figures import RiskFigures
from arb.runtime.running_figures import Falls, LatencyLine
from arb.runtime.session_orders import OrdersState
from arb.runtime.view import LegLine, SessionView

#: In place of infinity, which JSON does not have: an account has nothing left.
_PCT_MAX = 1e6
#: In so many statuses memory, disk and open files are looked at once: they change slowly, and it takes 0.3 ms.
_USE_EVERY = 5


class LegFigures(NamedTuple):
    """Of one leg; see `LegStatus`. NaN where unknown."""

    lag_ms: float
    frames: int
    gaps: int
    exposure: float
    off: float


class Bounds(NamedTuple):
    """Limits that a session's alerts compare with; see `Status`. NaN: there is none."""

    max_edge_bps: float = math.nan
    max_drawdown_pct: float = math.nan


class Figures(NamedTuple):
    """What a status has beside the view; see `Status`. NaN where unknown."""

    heartbeat_ns: int
    legs: Sequence[LegFigures]
    latencies: Sequence[LatencyLine]
    events: Mapping[str, int]
    refusals: Mapping[str, int]
    capital: float
    falls: Falls
    risks: RiskFigures
    #: Why the strategy itself has stopped to trade; "" if it has not.
    halted: str
    orders: OrdersState


class _Use(TypedDict):
    """What the process uses of its machine; see `Status`."""

    memory_gb: float
    open_files: int | None
    disk_free_gb: float


class StatusFile:
    """One session's. A disk that refuses it costs this file, not the session: one line, and it is tried again."""

    def __init__(self, folder: Path, command: str, bounds: Bounds, warn: Callable[[str], None]) -> None:
        """warn: receives the line."""
        self._bounds = bounds
        self._path = folder / STATUS
        self._command = command
        self._warn = warn
        self._began_ns = time.time_ns()
        self._is_failing = False
        self._processor = Processor()
        self._writes = 0
        self._use = self._use_now()

    def write(self, view: SessionView, figures: Figures) -> None:
        """Replaces the file."""
        try:
            write_atomically(self._path, msgspec.json.encode(self._status(view, figures)))
        except OSError as error:
            if not self._is_failing:
                self._warn(f"{self._path.name}: cannot be written: {error.strerror}; others see an older one")
            self._is_failing = True
            return
        self._is_failing = False

    def _use_now(self) -> _Use:
        return {
            "memory_gb": memory().value,
            "open_files": open_files(),
            "disk_free_gb": disk(self._path.parent).value,
        }

    def _status(self, view: SessionView, figures: Figures) -> Status:
        # The encoder writes NaN as null.
        orders, totals = figures.orders, view.totals
        self._writes += 1
        if self._writes % _USE_EVERY == 0:
            self._use = self._use_now()
        return Status(
            format=FORMAT,
            command=self._command,
            pid=os.getpid(),
            began_ns=self._began_ns,
            time_ns=time.time_ns(),
            elapsed_s=view.elapsed_s,
            remaining_s=view.remaining_s,
            heartbeat_ns=figures.heartbeat_ns,
            legs=[_leg_status(leg, more) for leg, more in zip(view.legs, figures.legs, strict=True)],
            edges=[EdgeStatus(*edge) for edge in view.edges],
            threshold_bps=view.threshold_bps,
            is_over_basis=view.is_over_basis,
            working=view.working,
            latencies=[LatencyStatus(*line) for line in figures.latencies],
            decisions=[SpanStatus(*line) for line in orders.decisions],
            sends=[SpanStatus(*line) for line in orders.sends],
            fills=view.fills,
            attempts=totals.attempts,
            hedged=totals.hedged,
            missed=totals.missed,
            reversed=totals.reversed,
            opportunities=totals.seen,
            opportunities_taken=totals.taken,
            events=dict(figures.events),
            refusals=dict(figures.refusals),
            capital_quote=figures.capital,
            fee_quote=view.fees,
            pnl_quote=view.pnl,
            drawdown_quote=figures.falls.drawdown,
            day_loss_quote=figures.falls.of_day,
            max_edge_bps=self._bounds.max_edge_bps,
            max_drawdown_pct=self._bounds.max_drawdown_pct,
            unhedged_s=figures.risks.unhedged_s,
            attempts_affordable=figures.risks.attempts_affordable,
            leverage_pct=min(figures.risks.leverage_pct, _PCT_MAX),
            margin_pct=min(orders.margin_pct, _PCT_MAX),
            reported=list(orders.reported),
            halted=orders.halted or figures.halted,
            doubts=orders.doubts,
            rules=[RuleStatus(name, text) for name, text in orders.rules.items()],
            processor_pct=self._processor.percent(),
            **self._use,
            environment=orders.environment,
            accounts=list(orders.accounts),
        )


def _leg_status(leg: LegLine, more: LegFigures) -> LegStatus:
    return LegStatus(
        name=leg.name,
        feed=leg.status,
        bid=leg.bid,
        ask=leg.ask,
        age_s=leg.age_s,
        lag_ms=more.lag_ms,
        messages_per_s=leg.messages_per_s,
        frames=more.frames,
        gaps=more.gaps,
        position=leg.position,
        exposure_quote=more.exposure,
        off=more.off,
    )
