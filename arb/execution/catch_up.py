"""Questions about a venue's account that must all be answered: at the start, after the stream was away, at the end.

A question that fails is asked again; a list that arrives in pages is asked for until its last one.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.orders.model import OrderRequest


class Questions:
    """A set of questions, each open, or asked under a wire id."""

    def __init__(self, questions: Iterable[OrderRequest], now: int, retry_ns: int) -> None:
        self._open: list[tuple[int, OrderRequest]] = [(now, one) for one in questions]
        self._asked: dict[str, OrderRequest] = {}
        #: Client ids in the lists of open orders.
        self.listed: set[str] = set()
        #: Number of answers, pages counted one by one.
        self.answers = 0
        self._retry_ns = retry_ns

    @property
    def is_done(self) -> bool:
        """Whether all have been answered."""
        return not self._open and not self._asked

    @property
    def missing(self) -> list[OrderRequest]:
        """Those that have not been answered."""
        return [*(one for _, one in self._open), *self._asked.values()]

    @property
    def next_ns(self) -> int | None:
        """When the next one is to be asked."""
        return min(due for due, _ in self._open) if self._open else None

    def add(self, question: OrderRequest, now: int) -> None:
        """A further question."""
        self._open.append((now, question))

    def due(self, now: int) -> list[OrderRequest]:
        """Those to be asked now; `asked` follows for each."""
        found = [one for due, one in self._open if due <= now]
        self._open = [(due, one) for due, one in self._open if due > now]
        return found

    def asked(self, question: OrderRequest, wire_id: str) -> None:
        self._asked[wire_id] = question

    def has_asked(self, wire_id: str) -> bool:
        """Whether one of these was asked under this wire id, and is not answered."""
        return wire_id in self._asked

    def failed(self, wire_id: str, now: int) -> None:
        """There was no usable answer: asked again later."""
        question = self._asked.pop(wire_id, None)
        if question is not None:
            self._open.append((now + self._retry_ns, question))

    def answered(self, wire_id: str, cursor: str, now: int) -> OrderRequest | None:
        """The question that was answered; None if it is not one of these. cursor: of the next page, which is asked
        for."""
        question = self._asked.pop(wire_id, None)
        self.answers += question is not None
        if question is not None and cursor:
            self._open.append((now, question._replace(cursor=cursor)))
        return question

    def has_more(self, question: OrderRequest) -> bool:
        """Whether further pages of a list are missing."""
        of = (question.act, question.leg)
        return any((one.act, one.leg) == of for _, one in self._open) or any(
            (one.act, one.leg) == of for one in self._asked.values()
        )
