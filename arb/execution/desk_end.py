"""The end of a session at one venue: whether it may end, and what the venue is asked then. Base class of the desk."""

from __future__ import annotations

from collections.abc import Mapping

from arb.execution.catch_up import Questions
from arb.execution.desk_queries import BEFORE_MS, DeskQueries
from arb.execution.doubt import Doubt
from connectors.orders.model import Act, OrderRequest


class DeskEnd(DeskQueries):
    """See the module."""

    #: Whether orders were in doubt when the questions of the end were asked: then they are asked again.
    _was_in_doubt = False

    @property
    def doubts(self) -> Mapping[str, Doubt]:
        """Requests in doubt, by the client id of their order."""
        return {one.doubt.client_id: one.doubt for one in self.inquiries if one.doubt is not None}

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open or pending: after `on_end`, the session may end."""
        return not self.orders.open

    @property
    def is_done(self) -> bool:
        """Whether, after `on_end`, also the facts of the end are known."""
        return self.is_settled and self._last_questions is not None and self._last_questions.is_done

    @property
    def is_agreed(self) -> bool:
        """Whether, at the end, orders, executions and positions are those of the venue."""
        return self.is_done and not self.positions.differs and not self.positions.is_in_doubt

    @property
    def differences(self) -> list[str]:
        """Positions that are not those of the session: symbol and lots."""
        return [
            f"{self.instruments[leg].symbol}: {self.positions.lots(leg)} lots are the session's"
            for leg in sorted(self.positions.differs)
        ]

    @property
    def end_answers(self) -> int:
        """Number of answers to the questions of the end."""
        return self._last_questions.answers if self._last_questions is not None else 0

    @property
    def missing_facts(self) -> list[str]:
        """What the questions of the end are about that have not been answered, each once."""
        questions = self._last_questions
        missing = self._end_questions() if questions is None else questions.missing
        return sorted({one.act.name.lower().replace("_", " ") for one in missing})

    @property
    def has_doubts_alone(self) -> bool:
        """Whether nothing is open or pending but requests in doubt, of which there are some."""
        return bool(self.orders.open) and self.orders.open.keys() <= self.doubts.keys()

    def _ask_at_end(self, now: int) -> None:
        """Queries the account once nothing is left to cancel: beside orders in doubt, since the session may end before
        these do, and again when they have ended."""
        is_first = self._last_questions is None and (self.is_settled or self.has_doubts_alone)
        if is_first or (self._was_in_doubt and self.is_settled):
            self._was_in_doubt = not self.is_settled
            self.facts.open_end.clear()
            self._last_questions = Questions(self._end_questions(), now, self._times.lookup_first_ns)
            self._ask_questions(now)

    def _end_questions(self) -> list[OrderRequest]:
        since_ms = self._session_ms - BEFORE_MS
        asks = [self._query(Act.EXECUTIONS, leg, since_ms=since_ms) for leg in self.instruments]
        asks += [self._query(Act.OPEN_ORDERS, leg) for leg in self.instruments]
        return asks + self._account_queries()
