"""Brings what passes between a gateway and its venues into the journal: the requests of a step first, then the rest.

A session without a journal has `NoOrderJournal` in its place. The host's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from arb.errors import ArbError, InputError
from arb.execution.answers import AnswerKind, BotAnswer, FundingAnswer, RequestRow
from arb.execution.gateway import ReadyRequest, TakenRequest
from arb.execution.order_state import OrderState
from arb.execution.venue_desk import VenueDesk
from arb.journal.journal import Journal, JournalError
from arb.journal.schema import (
    Answered,
    Ended,
    ExecutionRow,
    Flagged,
    Intent,
    LegRow,
    Paid,
    Reconciled,
    Refused,
    Sent,
)
from arb.runtime.order_tables import STATUS_WORDS, signed_id
from connectors.orders.model import Act, Execution, Force, WireRequest
from connectors.trade.interfaces import Sent as SentWire
from connectors.units import MILLISECOND

_ACTS = {act: act.name.lower() for act in Act}
_KINDS = {kind: kind.name.lower() for kind in AnswerKind}
_FORCES = {force: force.name.lower() for force in Force}
_CHANGES = frozenset({Act.PLACE, Act.CANCEL, Act.AMEND})


class KeptRun(NamedTuple):
    """The run of a session in its journal, which it alone writes. legs: once the accounts are known."""

    journal: Journal
    run: int
    legs: Callable[[], Sequence[LegRow]]


class NoOrderJournal:
    """A session whose orders are in its own folder alone."""

    #: Why something is not in the journal: then the session ends.
    fault: ArbError | None = None
    #: Why its reserve was freed: from then on it has room for what ends the session only.
    shortage: ArbError | None = None

    @property
    def accounts(self) -> Sequence[str]:
        """Their names, once they are known."""
        return ()

    def open(self) -> None:
        """See `OrderJournal`."""

    def commit(self, ready: Sequence[ReadyRequest]) -> bool:
        """See `OrderJournal`."""
        return True

    def refused(self, taken: TakenRequest) -> None:
        """See `OrderJournal`."""

    def sent(self, venue: str, request: WireRequest, sent: SentWire, now: int) -> None:
        """See `OrderJournal`."""

    def answered(
        self, answer: BotAnswer | FundingAnswer, execution: Execution | None, state: OrderState | None
    ) -> None:
        """See `OrderJournal`."""

    def happened(self, venue: str, event: str, text: str, now: int) -> None:
        """See `OrderJournal`."""

    def flagged(self, event: str, text: str, now: int) -> None:
        """See `OrderJournal`."""

    def agreed(self, venue: str, now: int) -> None:
        """See `OrderJournal`."""

    def write(self) -> None:
        """See `OrderJournal`."""

    def end(self, outcome: str, now: int) -> None:
        """See `OrderJournal`."""


class OrderJournal(NoOrderJournal):
    """See the module."""

    def __init__(
        self,
        kept: KeptRun,
        order_of: Callable[[int, int], OrderState | None],
        desks: Mapping[str, VenueDesk] = MappingProxyType({}),
    ) -> None:
        """order_of: the latest order of a leg with an id of the bot. desks: by venue. `end` closes the journal."""
        self._journal, self._run, self._legs = kept
        self._order_of = order_of
        self._desks = desks
        #: Names by venue; rows of the legs.
        self._accounts: dict[str, str] = {}
        self._rows: Sequence[LegRow] = ()

    @property
    def accounts(self) -> Sequence[str]:
        return sorted(set(self._accounts.values()))

    def open(self) -> None:
        """The accounts are known, and nothing is sent yet. Raises InputError."""
        legs = self._legs()
        self._journal.add_legs(self._run, legs)
        self._accounts, self._rows = {leg.venue: leg.account for leg in legs}, legs

    def commit(self, ready: Sequence[ReadyRequest]) -> bool:
        """Commits the requests of a step. False: nothing of the step may be sent."""
        intents = []
        for taken, row, wire in ready:
            intents.append(self._intent(taken, row, wire))
        try:
            self._journal.commit_step(intents)
        except JournalError as error:
            self._failed(error)
            return False
        return True

    def refused(self, taken: TakenRequest) -> None:
        """The gate did not let a request pass."""
        number = int(taken.row["request_no"])
        self._journal.note(Refused(self._run, taken.taken_ns, taken.leg, number, taken.refused))

    def _intent(self, taken: TakenRequest, row: RequestRow, wire: WireRequest) -> Intent:
        order_id, number, act, side, force, is_market, tick, lots, _, _, attempt, _ = row
        state = None if act is Act.PLACE else self._order_of(taken.leg, order_id)
        placed, attempt = (number, attempt) if state is None else (state.request_no, state.attempt)
        # The class's own constructor is a function of Python, and this runs before the orders' bytes leave.
        return tuple.__new__(
            Intent,
            (
                self._run, taken.leg, number, taken.taken_ns, taken.step, _ACTS[act], placed, signed_id(order_id), side,
                _FORCES[force], is_market, False, tick, lots, attempt,
            ),
        )  # fmt: skip

    def sent(self, venue: str, request: WireRequest, sent: SentWire, now: int) -> None:
        """What became of a request; also of queries."""
        is_change = request.act in _CHANGES
        self._journal.note(
            Sent(
                self._run, now, venue, request.leg, request.request_no, _ACTS[request.act],
                "" if is_change and request.request_no else request.wire_id, sent.where, sent.is_sent,
            )
        )  # fmt: skip

    def answered(
        self, answer: BotAnswer | FundingAnswer, execution: Execution | None, state: OrderState | None
    ) -> None:
        """An answer for the bot; execution: that it reports; state: of its order."""
        if isinstance(answer, FundingAnswer):
            row = self._rows[answer.leg]
            self._paid(
                row.account, "funding", answer.exch_ns // MILLISECOND, row.symbol, answer.amount, row.quote,
                answer.received_ns,
            )  # fmt: skip
            return
        run, leg, at = self._run, answer.leg, answer.received_ns
        placed = state.request_no if state is not None else answer.request_no
        self._journal.note(
            Answered(
                run, at, leg, answer.request_no, placed, _KINDS[answer.kind], STATUS_WORDS[answer.status], answer.tick,
                answer.total_lots, answer.leaves_lots, answer.cause,
            )
        )  # fmt: skip
        if execution is not None:
            x = execution
            self._journal.note(
                ExecutionRow(
                    run, leg, placed, x.execution_id, at, x.venue_ms, x.side, x.tick, x.lots, x.is_maker, str(x.fee),
                    x.fee_asset, 0 if state is None else state.attempt,
                )
            )  # fmt: skip
        if state is not None and state.is_over:
            self._journal.note(
                Ended(run, leg, placed, at, STATUS_WORDS[state.end], state.executed_lots, answer.cause)
            )

    def happened(self, venue: str, event: str, text: str, now: int) -> None:
        """An event of a venue's desk: doubts, streams that are away, transfers."""
        if event == "transfer" and venue in self._desks:
            # Venues of one account report the same ones, and rows that are there are ignored.
            for one in self._desks[venue].facts.transfers.values():
                self._paid(
                    self._accounts[venue], "transfer", one.venue_ms, "", one.amount, one.asset, now,
                    one.transfer_id,
                )  # fmt: skip
        self._journal.note(Flagged(self._run, now, self._accounts.get(venue, ""), event, text))

    def flagged(self, event: str, text: str, now: int) -> None:
        """Something about the whole session."""
        self._journal.note(Flagged(self._run, now, "", event, text))

    def agreed(self, venue: str, now: int) -> None:
        """Every order has ended, and executions and positions are those of the venue."""
        self._journal.note(
            Reconciled(self._run, now, self._accounts[venue], True, "every order and position")
        )

    def _paid(
        self, account: str, kind: str, venue_ms: int, symbol: str, amount: Decimal, asset: str, now: int,
        payment_id: str = "",
    ) -> None:  # fmt: skip
        own = payment_id or f"{symbol}-{asset}-{venue_ms}"
        self._journal.note(Paid(self._run, now, account, kind, own, venue_ms, symbol, f"{amount:f}", asset))

    def write(self) -> None:
        """Commits what was noted; if that fails, the next call tries again."""
        try:
            self._journal.write_notes()
        except JournalError as error:
            if self._failed(error):
                self.write()

    def end(self, outcome: str, now: int) -> None:
        """Ends the run, and closes the journal."""
        self.write()
        try:
            try:
                self._journal.end_run(self._run, outcome, now)
            finally:
                self._journal.close()
        except JournalError as error:
            self.fault = self.fault or error

    def _failed(self, error: JournalError) -> bool:
        """Something could not be written. Whether there is room for it now, the last that the session has."""
        if error.is_full and self._journal.make_room():
            self.shortage = InputError(f"{error}, then arb resume")
            return True
        self.fault = self.fault or error
        return False
