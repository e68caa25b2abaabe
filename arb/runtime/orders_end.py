"""How long the end of a session waits for its venues, and what is said of what they left open. Pure.

The session's open orders are cancelled before; this waits for their ends and for the facts of the end. Bounds:
`_END_NS` in all; after Ctrl+C or SIGTERM `_SIGNAL_NS` since then; `_UNANSWERED` times the time limit of an answer
without any answer, once no order is open; the operator's second Ctrl+C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from connectors.units import MILLISECOND, SECOND

#: How long doubts may last after the strategy has ended.
_END_NS = 60 * SECOND
#: From a signal until nothing is waited for any more: a second and a half before the process has to be gone, since the
#: rest of the end takes up to 0.9 on a busy machine.
_SIGNAL_NS = 3_500 * MILLISECOND
#: A query is asked again when it was not answered in time: at least once.
_UNANSWERED = 3
#: Most ids of orders in a message.
_IDS_MAX = 5


class OrdersEnd:
    """The wait of one session. `now_ns` is monotonic."""

    def __init__(
        self,
        desks: Mapping[str, VenueDesk],
        answer_ns: int,
        ctrl_c_count: int,
        now_ns: int,
        signalled_ns: int | None,
    ) -> None:
        """answer_ns: the time limit of an answer. signalled_ns: when a signal ended the session, so the next Ctrl+C is
        the second one; None: none did, and one alone, which may have been meant for the strategy, is not enough."""
        self._desks = desks
        self._unanswered_ns = _UNANSWERED * answer_ns
        self._is_stopped = signalled_ns is not None
        self._until_ns = now_ns + _END_NS if signalled_ns is None else signalled_ns + _SIGNAL_NS
        self._enough = ctrl_c_count + (1 if self._is_stopped else 2)
        self._answers = -1
        self._answered_ns = now_ns
        #: Whether the operator ended the wait.
        self.is_cut = False

    def is_over(self, ctrl_c_count: int, now_ns: int) -> bool:
        """Whether the wait ends now."""
        if all(desk.is_done for desk in self._desks.values()):
            return True
        self.is_cut = ctrl_c_count >= self._enough
        answers = sum(desk.end_answers for desk in self._desks.values())
        if answers != self._answers or not all(desk.is_settled for desk in self._desks.values()):
            self._answers, self._answered_ns = answers, now_ns
        is_silent = now_ns - self._answered_ns >= self._unanswered_ns
        return self.is_cut or is_silent or now_ns >= self._until_ns

    def missing_facts(self) -> list[str]:
        """A line for each venue whose facts of the end are not known."""
        return [
            f"{venue}: not known at the end: {', '.join(missing)}"
            for venue, desk in self._desks.items()
            if (missing := desk.missing_facts)
        ]

    @property
    def is_left_in_doubt(self) -> bool:
        """Whether a signal has ended the session, and what may be open is in doubt: the next start resolves that."""
        left = [desk for desk in self._desks.values() if not desk.is_settled]
        return self._is_stopped and bool(left) and all(desk.has_doubts_alone for desk in left)

    def left_open(self) -> str:
        """What may be open at the venues; "": nothing."""
        left = [
            f"{venue} {state.present.client_id}"
            for venue, desk in self._desks.items()
            for state in desk.orders.open.values()
        ]
        if not left:
            return ""
        ids = ", ".join(left[:_IDS_MAX]) + (
            f" and {len(left) - _IDS_MAX} more" if len(left) > _IDS_MAX else ""
        )
        of_them = "it" if len(left) == 1 else "them"
        why = f"no venue said what became of {of_them}"
        if self._is_stopped:
            why = f"stopped before a venue said what became of {of_them}"
        if self.is_cut:
            why = "Ctrl+C ended the wait"
        follows = "; the next start asks the venue before it sends anything" * self.is_left_in_doubt
        return f"{order_count(len(left))} may be open ({why}): look at {ids}{follows}"


def unbooked_of(desks: Mapping[str, VenueDesk], legs: Sequence[Leg]) -> list[float]:
    """By leg, what venues hold beyond the positions of the session's executions, in base; empty: nothing."""
    lots = [desks[leg.venue].positions.difference(no) for no, leg in enumerate(legs)]
    return [own * leg.lot_size for own, leg in zip(lots, legs, strict=True)] if any(lots) else []


def hung_text(desks: Mapping[str, VenueDesk], has_guard: bool) -> str:
    """What happens to the orders of a strategy that never returned: nobody cancels them but a guard, since it blocks
    the thread that could. Any thread."""
    # One step each: the other thread may go on at any moment.
    count = sum(len(desk.orders.open) for desk in desks.values())
    if not count:
        return "none of its orders is open"
    who = "its guard" if has_guard else "nothing"
    return f"{order_count(count, 'open')} may stay at the venues, where {who} cancels them: look there"


def order_count(count: int, kind: str = "") -> str:
    """A number of orders. kind: a word before the noun.

    >>> order_count(1, "open"), order_count(2)
    ('1 open order', '2 orders')
    """
    return f"{count} {f'{kind} ' if kind else ''}order{'' if count == 1 else 's'}"
