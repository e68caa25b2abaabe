"""What a session reads of its accounts for the supervisor: losses, margin, distance to liquidation, clocks, limits.

Everything is in the desks already, who query balances, positions and clocks every `supervisor.account_s`. The host's
thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal

from arb.execution.facts import DeskFacts
from arb.execution.gate_feed import GateFeed
from arb.execution.venue_desk import VenueDesk
from arb.risk.losses import Holdings, Losses
from arb.risk.supervisor import Reading
from connectors.orders.limits import LimitKind
from connectors.units import MILLISECOND, MINUTE, SECOND

#: Of the journal's flags with the day's profit.
PROFIT = "profit of the day"
#: It is written when it has changed by this share of the capital, at most once a second, and otherwise each minute.
_WRITTEN_SHARE = 0.0005
#: Prices are medians of so many looks, two seconds: a book that is swept for a moment is no loss.
_MIDS = 9
#: Shorter limits are left out.
_WINDOW_NS = 10 * SECOND
_UNKNOWN = Reading(math.nan, "")


class LossReadings:
    """Feeds the losses of a session from its desks."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        #: By venue, the time of the report that was taken last.
        self._taken_ns: dict[str, int] = {}
        #: By wallet and id, transfers that nobody has confirmed: when they were seen, and what they are.
        self._transfers: dict[tuple[object, str], tuple[int, str]] = {}
        self._counts: dict[str, int] = {}
        self._mids: dict[int, deque[float]] = {}
        self._written, self._written_ns = math.nan, 0

    def read(
        self,
        desks: Mapping[str, VenueDesk],
        feed: GateFeed,
        now: int,
        confirmed_ns: int,
        noted: Callable[[str, str], None],
    ) -> dict[str, Reading]:
        """Losses and transfers by rule. confirmed_ns: when a person last confirmed transfers. noted: receives the day's
        profit for the journal, so that a restart goes on with it."""
        losses = self.losses
        losses.look(self._medians(feed.mids()), now)
        is_news = False
        for venue, desk in desks.items():
            facts = desk.facts
            if len(facts.transfers) != self._counts.get(venue, 0):
                self._counts[venue] = len(facts.transfers)
                self._transferred(venue, facts, feed, now)
            if facts.balances_ns != self._taken_ns.get(venue, 0):
                self._taken_ns[venue], is_news = facts.balances_ns, True
                wallet = _wallet_of(venue, feed)
                losses.reported(wallet, _holdings(facts))
        if is_news:
            losses.look((), now)
        self._write(now, noted)
        return {
            "drawdown": self._reading(losses.drawdown, "has lost {} of its highest profit"),
            "daily_loss": self._reading(-losses.of_day, "has lost {} since 0:00 UTC"),
            "attempt_loss": self._reading(losses.attempt, "has lost {} in an attempt"),
            "transfers": self._open_transfers(confirmed_ns),
        }

    def _medians(self, mids: Sequence[float]) -> list[float]:
        """The median of each leg's last mids; NaN before the first."""
        found = []
        for no, mid in enumerate(mids):
            kept = self._mids.setdefault(no, deque(maxlen=_MIDS))
            if mid == mid:
                kept.append(mid)
            found.append(sorted(kept)[len(kept) // 2] if kept else math.nan)
        return found

    def _transferred(self, venue: str, facts: DeskFacts, feed: GateFeed, now: int) -> None:
        """Deposits and withdrawals are no profit. Venues of one wallet report the same ones."""
        wallet = _wallet_of(venue, feed)
        for transfer_id, one in facts.transfers.items():
            key = wallet, transfer_id
            if key not in self._transfers:
                self._transfers[key] = now, f"{one.amount:+f} {one.asset} at {venue}"
                self.losses.transferred(wallet, one.asset, float(one.amount))

    def _open_transfers(self, confirmed_ns: int) -> Reading:
        texts = [text for ts, text in self._transfers.values() if ts > confirmed_ns]
        more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
        return Reading(len(texts), f"{', '.join(texts[:3])}{more}; arb capital --confirm ends it")

    def _reading(self, amount: float, what: str) -> Reading:
        percent = self.losses.percent(amount)
        if not percent > 0.0:
            return Reading(percent, "")
        return Reading(percent, f"the session {what.format(f'{amount:.2f}')}, {percent:.2f} % of its capital")

    def _write(self, now: int, noted: Callable[[str, str], None]) -> None:
        profit, since_ns = self.losses.of_day, now - self._written_ns
        if profit != profit or profit == self._written or since_ns < SECOND:
            return
        is_small = abs(profit - self._written) < _WRITTEN_SHARE * self.losses.capital
        if not (is_small and since_ns < MINUTE):
            self._written, self._written_ns = profit, now
            noted(PROFIT, f"{profit:.8f}")


def margin(desks: Mapping[str, VenueDesk]) -> Reading:
    """The maintenance margin of an account relative to its margin balance: the worst account."""
    return _worst(
        Reading(
            100.0 * ratio, f"{venue} needs {100.0 * ratio:.1f} % of {what} so as not to liquidate positions"
        )
        for venue, desk in desks.items()
        for ratio, what in _ratios(desk.facts)
    )


def _ratios(facts: DeskFacts) -> Iterable[tuple[float, str]]:
    if facts.views:
        yield 0.0, "its margin"
    if facts.margin_ratio is not None:
        yield float(facts.margin_ratio), "the account's margin"
        return
    needs: dict[str, float] = {}
    for symbol, risk in facts.risks.items():
        if risk.isolated > 0:
            yield float(risk.maintenance / risk.isolated), f"the margin of {symbol}"
        else:
            needs[risk.asset] = needs.get(risk.asset, 0.0) + float(risk.maintenance)
    for asset, has in facts.margins.items():
        need = needs.get(asset, 0.0)
        if has > 0 or need > 0.0:
            yield need / float(has) if has > 0 else math.inf, f"the account's {asset}"


def liquidation(desks: Mapping[str, VenueDesk]) -> Reading:
    """How far, in percent, a price is from that at which its venue closes a position: the nearest one."""
    nearest = Reading(math.inf, "")
    for venue, desk in desks.items():
        for symbol, risk in desk.facts.risks.items():
            if risk.liquidation > 0 and risk.mark > 0:
                percent = 100.0 * float(abs(risk.mark - risk.liquidation) / risk.mark)
                if percent < nearest.value:
                    text = f"{venue}:{symbol} is liquidated {percent:.1f} % away, at {risk.liquidation:f}"
                    nearest = Reading(percent, text)
    return nearest


def clock(desks: Mapping[str, VenueDesk]) -> Reading:
    """By how much a venue's clock surely differs from the session's, in ms: the half of the round trip is not sure."""
    found = []
    for venue, desk in desks.items():
        offset_ms, half_ms = desk.facts.clock_offset_ms, desk.facts.round_trip_ns / MILLISECOND / 2.0
        if offset_ms is not None:
            sure_ms = max(0.0, abs(offset_ms + half_ms) - half_ms)
            found.append(Reading(sure_ms, f"the clock of {venue} differs by {sure_ms:.0f} ms"))
    return _worst(found)


def round_trip(desks: Mapping[str, VenueDesk], now: int) -> Reading:
    """How long a venue took to say its time, or has taken so far, in ms: the slowest one."""
    found = []
    for venue, desk in desks.items():
        facts = desk.facts
        so_far = now - facts.clock_asked_ns if facts.clock_asked_ns else 0
        if ms := max(facts.round_trip_ns, so_far) / MILLISECOND:
            found.append(Reading(ms, f"{venue} took {ms:.0f} ms to answer"))
    return _worst(found)


def headroom(feed: GateFeed, now: int) -> Reading:
    """How much of a venue's limits on orders and requests is used, in percent: the fullest one. A limit of a few
    seconds is used up and free again before anybody has read it."""
    return _worst(
        Reading(
            100.0 * used / most,
            f"{used} of {most} {kind.name.lower()} in {window_ns / SECOND:g} s are used at {venue}",
        )
        for venue, budget in feed.gate.budgets.items()
        for kind in LimitKind
        for window_ns, used, most in budget.used(kind, now)
        if most and window_ns >= _WINDOW_NS
    )


def _holdings(facts: DeskFacts) -> Holdings:
    unrealized = _floats(facts.unrealized)
    for risk in facts.risks.values():
        if risk.isolated:
            unrealized[risk.asset] = unrealized.get(risk.asset, 0.0) + float(risk.unrealized)
    return Holdings(_floats(facts.reported), unrealized)


def _wallet_of(venue: str, feed: GateFeed) -> Hashable:
    return next(leg.wallet for leg in feed.gate.legs if leg.venue == venue)


def _worst(readings: Iterable[Reading]) -> Reading:
    return max(readings, key=lambda one: one.value, default=_UNKNOWN)


def _floats(amounts: Mapping[str, Decimal]) -> dict[str, float]:
    return {asset: float(amount) for asset, amount in amounts.items()}
