"""One order of ours as its venue has it, from answers, updates and executions in any order, repeated or incomplete.

What it knows only grows: executions by id, the largest cumulative quantity that the venue said, a final status. So an
input that is late or arrives twice changes nothing, and the bot gets the end only when the executions add up to it.
Prices and quantities of an open order are not of this kind: they change by our own amendments, and otherwise only by a
look-up. A request whose outcome is not known stays pending; `arb.execution.doubt` decides when to ask.

Binance spot has no amendment of the price: a new order replaces the old one. One order of the bot is then a chain of
orders of the venue (`Link`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hftbacktest.order import CANCELED, EXPIRED, NEW, PARTIALLY_FILLED

from arb.execution.answers import AnswerKind, BotAnswer
from arb.execution.order_records import (
    CAUSE_WORDS,
    ENDS,
    Broken,
    Effect,
    Link,
    LookUp,
    Noted,
    Owed,
    Pending,
    Phase,
    contradiction,
    is_same,
)
from connectors.orders.model import (
    Act,
    EndCause,
    Execution,
    Force,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)
from connectors.units import MILLISECOND

_NO_FEE = Decimal(0)
_OURS = frozenset({EndCause.NONE, EndCause.BY_USER, EndCause.UNKNOWN})
_BY_CHANGE = frozenset({EndCause.WOULD_TAKE, EndCause.BY_VENUE})


@dataclass(slots=True, eq=False)
class OrderState:
    """An order. `OrderStates` alone changes it; the methods return what follows, in order."""

    leg: int
    symbol: str
    order_id: int
    request_no: int
    side: int
    force: Force
    is_market: bool
    links: list[Link]
    #: All ids that it was ever given.
    client_ids: list[str]
    pending: Pending | None
    #: Of the strategy; all of its client ids have it.
    attempt: int = 0
    #: Whether its placement is stamped with the venue's time.
    has_venue_time: bool = False
    phase: Phase = Phase.SENT
    made_ns: int = 0
    #: hftbacktest's code of its end; 0: it has not ended.
    end: int = 0
    final_ns: int = 0
    executions: dict[str, Execution] = field(default_factory=dict)
    last: Execution | None = None
    #: Venue time of the last change of price or quantity; number of changes and of requests for one.
    changed_ms: int = 0
    changes: int = 0
    #: The venue's price or quantity differed from ours while a request was pending; what a look-up then said.
    is_doubtful: bool = False
    seen: OrderUpdate | None = None

    # -- what is known

    @property
    def present(self) -> Link:
        """The venue's order that the bot's order is now."""
        return self.links[-1]

    @property
    def rests(self) -> bool:
        """Whether its placement is answered by an acceptance, and not by its end."""
        return not self.is_market and self.force in (Force.GTC, Force.GTX)

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.phase >= Phase.FINAL

    @property
    def executed_lots(self) -> int:
        """Sum of the known executions."""
        links = self.links
        return links[0].executed if len(links) == 1 else sum(link.executed for link in links)

    @property
    def total_lots(self) -> int:
        """What was executed before the present order of the chain, and its quantity."""
        links = self.links
        before = sum(max(link.said, link.executed) for link in links[:-1]) if len(links) > 1 else 0
        return before + links[-1].total

    @property
    def is_owed(self) -> bool:
        """Whether executions are missing."""
        links = self.links
        return links[-1].said > links[-1].executed or (
            len(links) > 1 and any(link.said > link.executed for link in links)
        )

    @property
    def open_links(self) -> list[Link]:
        """Replaced orders whose end is not known yet."""
        return [link for link in self.links[:-1] if link.end is None] if len(self.links) > 1 else []

    @property
    def asked_ids(self) -> list[str]:
        """The ids under which look-ups find what is not known: of its present order, of the one that may have
        replaced it, and of replaced ones whose end is not known."""
        ids = [self.present.client_id, *(link.client_id for link in self.open_links)]
        if self.pending is not None and self.pending.client_id:
            ids.append(self.pending.client_id)
        return ids

    # -- inputs

    def execute(self, link: Link, x: Execution, at: int) -> list[Effect]:
        """An execution of one of its venue orders."""
        known = self.executions.get(x.execution_id)
        if known is not None:
            return (
                [] if is_same(known, x) else [Broken(f"two executions {x.execution_id} of {link.client_id}")]
            )
        if self.phase is Phase.NEVER or x.side != self.side or x.lots <= 0:
            return [Broken(f"execution {x.execution_id} of {link.client_id}, which {self._has_none(x)}")]
        pending = self.pending
        effects = self._proven(link, x.venue_ms, at) if pending is not None and pending.link is link else []
        executed = link.executed + x.lots
        if executed > link.total and not self._raise_total(link, executed, x.venue_ms, at, effects):
            return [*effects, Broken(f"{link.client_id} executed {executed} of {link.total} lots")]
        pending = self.pending
        is_new = pending is not None and pending.act is Act.PLACE and self.rests
        before = self._row(AnswerKind.ACCEPTED, at, NEW, x.venue_ms) if is_new else None
        self.executions[x.execution_id] = self.last = x
        link.executed = executed
        if link.end is None:
            link.said = max(link.said, executed)
        if x.other_fees:
            effects.append(Noted("fee not counted", f"{link.client_id} {x.execution_id}: {x.other_fees}"))
        if link.end is not None and link.executed > link.said:
            effects.append(Noted("late execution", f"{link.client_id} {x.execution_id}"))
        if self.phase >= Phase.FINAL:
            return [*effects, self._row(AnswerKind.EXECUTED, at, self.end, x.venue_ms, x=x)]
        outcome = self._outcome()
        if outcome is OrderStatus.FILLED and self._is_complete():
            return effects + self._ended(outcome, at, x)
        if before is not None:
            effects += self._accepted(before)
        effects.append(self._row(AnswerKind.EXECUTED, at, PARTIALLY_FILLED, x.venue_ms, x=x))
        self.phase = max(self.phase, Phase.OPEN)
        return effects + self._settled(at)

    def update(self, link: Link, u: OrderUpdate, at: int, asked: int = -1) -> list[Effect]:
        """What the venue says about one of its venue orders. asked: `changes` when a look-up was sent; -1: no
        look-up."""
        if self.phase is Phase.NEVER:
            is_contrary = u.status.is_open or u.executed_lots > 0
            return [Broken(f"{link.client_id} was given up, but exists")] if is_contrary else []
        if u.venue_order_id:
            link.venue_id = link.venue_id or u.venue_order_id
        wrong = contradiction(link, u, self.pending)
        if wrong:
            return [Broken(f"{link.client_id}: {wrong}")]
        if self.phase is Phase.FINAL:
            return []
        pending = self.pending
        if pending is not None and link is pending.link and u.status is OrderStatus.REJECTED:
            return []  # the replacing order was refused; the answer says what happened to the old one
        effects = self._proven(link, u.venue_ms, at) if pending is not None and pending.link is link else []
        link.said = max(link.said, u.executed_lots)
        if link is self.links[-1]:
            effects += self._compared(link, u, at, asked)
        if u.status > OrderStatus.PARTIAL and link.end is None:
            if u.executed_lots < 0:
                return [*effects, LookUp(link.client_id)]
            link.end, link.cause, link.end_ms = u.status, u.cause, u.venue_ms
            if u.status is OrderStatus.FILLED:
                link.total = u.executed_lots
        is_new = pending is not None and pending.act is Act.PLACE
        if is_new and self.rests and (u.status.is_open or link.executed):
            effects += self._accepted(self._row(AnswerKind.ACCEPTED, at, NEW, u.venue_ms))
        self.phase = max(self.phase, Phase.OPEN)
        return effects + self._settled(at)

    def answer(self, a: VenueAnswer, at: int) -> list[Effect]:
        """The venue's verdict about the pending request; updates and executions of the answer are applied already,
        but those of an accepted amendment, which `amended` precedes."""
        pending = self.pending
        if pending is None:
            return []
        if a.verdict is Verdict.REFUSED:
            return self.refuse(at, a.text, is_gone=bool(a.updates))
        if a.verdict is Verdict.NOT_OPEN and pending.act is not Act.PLACE:
            pending.link = None  # a replacement is attempted only after the cancellation succeeded
        if self.phase is Phase.FINAL:
            return self.refuse(at, a.text)
        pending.is_answered = a.verdict is not Verdict.UNKNOWN
        if a.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN):
            return self._settled(at)
        if a.verdict is Verdict.EXISTS:
            self.phase = max(self.phase, Phase.OPEN)
        return [*self._settled(at), *(LookUp(one) for one in self.asked_ids if not self.is_over)]

    def amended(self, u: OrderUpdate | None, at: int) -> list[Effect]:
        """The pending amendment was accepted; u: what the answer says about the amended order."""
        pending = self.pending
        if pending is None or pending.act is not Act.AMEND or self.is_over:
            return []
        if pending.link is not None:
            return self._proven(pending.link, u.venue_ms if u is not None else 0, at)
        tick = u.tick if u is not None and u.tick >= 0 else pending.tick
        total = u.total_lots if u is not None and u.total_lots >= 0 else pending.total
        return self._modified(tick, total, u.venue_ms if u is not None else 0, at)

    def refuse(self, at: int, reason: str, *, is_gone: bool = False) -> list[Effect]:
        """The pending request was refused, not sent, or proven not to have been done. is_gone: an amendment ended the
        order all the same."""
        pending = self.pending
        if pending is None:
            return []
        if pending.act is Act.PLACE:
            if self.phase is not Phase.SENT:
                return [Broken(f"{self.present.client_id} was refused, but exists")]
            self.pending, self.phase, self.end, self.final_ns = None, Phase.NEVER, EXPIRED, at
            return [self._row(AnswerKind.REJECTED, at, EXPIRED, 0, no=pending.request_no, cause=reason)]
        pending.link = None
        if is_gone and self.present.end is not None and pending.act is Act.AMEND:
            self.present.end, self.present.cause = OrderStatus.EXPIRED, EndCause.BY_VENUE
        effects = self._settled(at)
        if self.pending is None:
            return effects
        if self.phase is Phase.OWED:
            pending.is_answered = True  # its end is reported before
            return effects
        self.pending = None
        self.changes += 1
        if self.seen is not None and not self.is_over:
            # Done and then cut, or only cut: it is what the venue says.
            self.present.tick, self.present.total = (
                self.seen.tick,
                max(self.seen.total_lots, self.present.executed),
            )
            self.changed_ms, self.seen, reason = self.seen.venue_ms, None, ""
        return [*effects, *self._refused(pending, at, reason), *self._doubtful()]

    def prune(self, at: int) -> list[Effect]:
        """The venue knows the order no more, which rests never: it has ended with the executions that are known."""
        self.present.end, self.present.cause = OrderStatus.EXPIRED, EndCause.UNKNOWN
        self.present.said = self.present.executed
        return self._settled(at)

    # -- consequences

    def _proven(self, link: Link, venue_ms: int, at: int) -> list[Effect]:
        """A replacing order exists: the amendment was done."""
        pending = self.pending
        if pending is None or link is not pending.link:
            return []
        self.links.append(link)
        pending.link = None
        effects = self._modified(link.tick, link.total, venue_ms, at)
        return effects + [LookUp(old.client_id) for old in self.open_links]

    def _modified(self, tick: int, total: int, venue_ms: int, at: int) -> list[Effect]:
        pending, link = self.pending, self.present
        no = pending.request_no if pending is not None and pending.act is Act.AMEND else 0
        if pending is not None and pending.act is Act.AMEND:
            if pending.client_id and link.client_id != pending.client_id:
                link.client_id = pending.client_id
            self.pending = None
        link.tick, link.total = tick, max(total, link.executed)
        self.changed_ms = max(self.changed_ms, venue_ms)
        self.changes += 1
        self.seen = None
        return [self._row(AnswerKind.MODIFIED, at, self._open_status, venue_ms, no=no), *self._doubtful()]

    def _compared(self, link: Link, u: OrderUpdate, at: int, asked: int) -> list[Effect]:
        """Compares price and quantity with ours."""
        pending = self.pending
        is_fresh = asked == self.changes
        tick = link.tick if u.tick < 0 or self.is_market else u.tick
        total = link.total if u.total_lots < 0 else u.total_lots
        if pending is not None and pending.act is Act.AMEND and pending.link is None:
            if (tick, total) == (pending.tick, pending.total):
                if is_fresh or u.venue_ms > self.changed_ms:
                    return self._modified(tick, total, u.venue_ms, at)
                return [LookUp(one) for one in self.asked_ids]
        if u.status > OrderStatus.PARTIAL or (tick, total) == (link.tick, link.total) or not self.rests:
            self.changed_ms = (
                max(self.changed_ms, u.venue_ms) if self.phase is Phase.SENT else self.changed_ms
            )
            return []
        if u.venue_ms < self.changed_ms:
            return []
        if pending is not None and (pending.act is Act.AMEND or not is_fresh):
            self.is_doubtful = True
            if is_fresh:
                self.seen = u._replace(tick=tick, total_lots=total)
            return []
        if is_fresh:
            link.tick, link.total = tick, max(total, link.executed)
            self.changed_ms = u.venue_ms
            self.changes += 1
            return [self._row(AnswerKind.MODIFIED, at, self._open_status, u.venue_ms)]
        return [LookUp(link.client_id)]

    def _raise_total(self, link: Link, executed: int, venue_ms: int, at: int, effects: list[Effect]) -> bool:
        """More was executed than the quantity: only an amendment in flight can have raised it."""
        pending = self.pending
        if pending is None or pending.act is not Act.AMEND or pending.link is not None:
            return False
        if link is not self.present or executed > pending.total:
            return False
        effects += self._modified(pending.tick, pending.total, venue_ms, at)
        return True

    def _outcome(self) -> OrderStatus | None:
        """How the order ended, if that is certain."""
        pending, link = self.pending, self.links[-1]
        is_amending = pending is not None and pending.act is Act.AMEND
        is_replacing = is_amending and pending is not None and pending.link is not None
        if link.end is not None:
            return None if is_replacing and link.end is OrderStatus.CANCELED else link.end
        if link.executed == link.total and (is_replacing or not is_amending):
            return OrderStatus.FILLED
        return None

    def _is_complete(self) -> bool:
        """Whether all executions of the ended order are known."""
        present = self.links[-1]
        is_ended = present.end is not None
        is_whole = present.executed >= present.said if is_ended else present.executed == present.total
        return is_whole and (len(self.links) == 1 or all(link.is_complete for link in self.links[:-1]))

    def _settled(self, at: int) -> list[Effect]:
        """Ends the order if its end and all of its executions are known; asks for what is missing."""
        if self.phase >= Phase.FINAL:
            return []
        outcome = self._outcome()
        if outcome is not None and self._is_complete():
            return self._ended(outcome, at)
        if outcome is not None:
            self.phase = Phase.OWED
        return [Owed(self.present.client_id)] if self.is_owed or self.open_links else []

    def _ended(self, outcome: OrderStatus, at: int, x: Execution | None = None) -> list[Effect]:
        pending, link = self.pending, self.present
        no, status = 0, ENDS[outcome]
        if pending is not None:
            if pending.act is Act.PLACE or (
                pending.act is Act.CANCEL and outcome is OrderStatus.CANCELED and link.cause in _OURS
            ):
                no = pending.request_no
                self.pending = None
            elif pending.act is Act.AMEND and outcome is not OrderStatus.FILLED and link.cause in _BY_CHANGE:
                no, status = pending.request_no, EXPIRED
                self.pending = None
        if status == CANCELED and not self.rests and (pending is None or pending.act is not Act.CANCEL):
            status = EXPIRED
        self.phase, self.end, self.final_ns = Phase.FINAL, status, at
        last_ms = self.last.venue_ms if self.last is not None else 0
        ended = self._row(
            AnswerKind.ENDED, at, status, max(link.end_ms, last_ms), no=no, x=x, cause=CAUSE_WORDS[link.cause]
        )
        pending = self.pending
        if pending is None or not pending.is_answered:
            return [ended]
        self.pending = None
        return [ended, *self._refused(pending, at, "")]

    def _accepted(self, row: BotAnswer) -> list[Effect]:
        """Answers the placement of a resting order, if that is pending."""
        pending = self.pending
        if pending is None or pending.act is not Act.PLACE:
            return []
        self.pending = None
        self.changes += 1
        return [row._replace(request_no=pending.request_no)]

    def _refused(self, pending: Pending, at: int, reason: str) -> list[Effect]:
        """An amendment that was refused leaves an open order as it is at the venue, not as the bot asked."""
        if pending.request_no == 0:
            return []
        if pending.act is Act.AMEND and not self.is_over:
            row = self._row(
                AnswerKind.MODIFIED, at, self._open_status, 0, no=pending.request_no, cause=reason
            )
        else:
            row = self._row(
                AnswerKind.REJECTED, at, self.end or self._open_status, 0, no=pending.request_no, cause=reason
            )
        return [row]

    def _doubtful(self) -> list[Effect]:
        if not self.is_doubtful or self.is_over:
            return []
        self.is_doubtful = False
        return [LookUp(self.present.client_id)]

    @property
    def _open_status(self) -> int:
        return PARTIALLY_FILLED if self.executed_lots else NEW

    def _has_none(self, x: Execution) -> str:
        return (
            "was given up"
            if self.phase is Phase.NEVER
            else f"cannot have one of {x.lots} lots, side {x.side}"
        )

    def _row(
        self,
        kind: AnswerKind,
        at: int,
        status: int,
        venue_ms: int,
        *,
        no: int = 0,
        x: Execution | None = None,
        cause: str = "",
    ) -> BotAnswer:
        total, last, present = self.total_lots, self.last, self.links[-1]
        exec_tick, exec_lots, is_maker = (last.tick, last.lots, last.is_maker) if last else (0, 0, False)
        lots, fee, asset, x_id = (x.lots, x.fee, x.fee_asset, x.execution_id) if x else (0, _NO_FEE, "", "")
        return BotAnswer(
            self.leg, self.order_id, no, kind, status, present.tick, total, max(total - self.executed_lots, 0),
            exec_tick, exec_lots, is_maker, lots, fee, asset, x_id, venue_ms * MILLISECOND, at, cause,
        )  # fmt: skip
