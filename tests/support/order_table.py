"""One order through `OrderStates`, in short words, for tests of its states.

Effects are written as `ACCEPTED #1`, `EXECUTED +4 left 6`, `MODIFIED #2 101 x 8 left 8`, `ENDED FILLED #1 +6`,
`REJECTED #2`, `owed`, `look up`, `noted EVENT`, `broken`. Requests of the bot are numbered from 1.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.ids import SessionIds
from arb.execution.order_records import Broken, LookUp, Noted, Owed, Phase
from arb.execution.order_state import OrderState
from arb.execution.order_states import OrderStates
from connectors.orders.model import (
    Act,
    EndCause,
    Execution,
    Force,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)
from support.fake_protocol import instrument

_ENDS = {FILLED: "FILLED", CANCELED: "CANCELED", EXPIRED: "EXPIRED"}
_MS = 1_000
_IDS = SessionIds("tests1", 1, 0)


class OneOrder:
    """An order to buy 10 lots at 100 ticks. `said` has the effects of the last input."""

    def __init__(
        self,
        force: str = "GTC",
        venue: str = "bybit_linear",
        *,
        lots: int = 10,
        states: type[OrderStates] = OrderStates,
    ) -> None:
        self.states = states(venue, {0: instrument(is_spot="spot" in venue)}, _IDS)
        self.at = 0
        self._no = 0
        self._requests: dict[int, OrderRequest] = {}
        is_market = force == "MARKET"
        row = self._row(
            Act.PLACE, 100, lots, force=Force.GTC if is_market else Force[force], is_market=is_market
        )
        self.state: OrderState
        self._requests[1] = self.states.request_of(0, row, None)
        self.state = self.states.place(self._requests[1], row, 0)
        self.said: list[str] = []

    @property
    def phase(self) -> Phase:
        return self.state.phase

    def id(self, no: int = 1) -> str:
        """The client id that request `no` created."""
        return _IDS.client_id(0, no)

    def cancel(self) -> OneOrder:
        row = self._row(Act.CANCEL, 0, 0)
        self._requests[row.request_no] = self.states.request_of(0, row, self.state)
        self.states.cancel(self.state, row.request_no, 0)
        return self

    def amend(self, tick: int, lots: int) -> OneOrder:
        row = self._row(Act.AMEND, tick, lots)
        request = self._requests[row.request_no] = self.states.request_of(0, row, self.state)
        self.states.amend(self.state, request, 0)
        return self

    def _row(
        self, act: Act, tick: int, lots: int, *, force: Force = Force.GTC, is_market: bool = False
    ) -> RequestRow:
        self._no += 1
        return RequestRow(1, self._no, act, 1, force, is_market, tick, lots, 0)

    def update(self, status: str, cum: int = 0, **fields: Any) -> OneOrder:
        """asked: whether it is the answer to a look-up that was sent just before."""
        asked = self.state.changes if fields.pop("asked", False) else -1
        return self._say(self.states.update(self.an_update(status, cum, **fields), self.at, asked))

    def an_update(
        self, status: str, cum: int = 0, *, of: int = 1, total: int = 10, tick: int = 100, ms: int = _MS,
        cause: EndCause = EndCause.NONE,
    ) -> OrderUpdate:  # fmt: skip
        state = OrderStatus[status]
        return OrderUpdate("BTCUSDT", self.id(of), f"v{of}", state, cum, total, tick, cause, ms)

    def execute(self, name: str, lots: int, **fields: Any) -> OneOrder:
        return self._say(self.states.execution(self.an_execution(name, lots, **fields), self.at))

    def an_execution(
        self, name: str, lots: int, *, of: int = 1, tick: int = 100, side: int = 1, fee: str = "0.1",
        has_client: bool = True, other: str = "",
    ) -> Execution:  # fmt: skip
        client = self.id(of) if has_client else ""
        return Execution(
            "BTCUSDT",
            client,
            f"v{of}",
            name,
            side,
            tick,
            lots,
            False,
            Decimal(fee),
            "USDT",
            _MS,
            other_fees=other,
        )

    def answer(
        self, verdict: str, *, no: int = 0, code: int = 0, updates: Any = (), executions: Any = ()
    ) -> OneOrder:
        """The answer to a request, by default to the last one."""
        asked = self._requests[no or self._no]
        answer = VenueAnswer(
            "w", Verdict[verdict], code, updates=tuple(updates), executions=tuple(executions)
        )
        return self._say(self.states.answer(self.state, asked, answer, self.at))

    def never(self) -> OneOrder:
        """The pending request is proven not to have been done."""
        return self._say(self.states.refuse(self.state, self.at, "never arrived"))

    def _say(self, effects: list[Any]) -> OneOrder:
        self.said = [_words(effect) for effect in effects]
        return self


def _words(effect: Any) -> str:
    if isinstance(effect, BotAnswer):
        words = [effect.kind.name]
        if effect.kind is AnswerKind.ENDED:
            words.append(_ENDS[effect.status])
        if effect.request_no:
            words.append(f"#{effect.request_no}")
        if effect.kind is AnswerKind.MODIFIED:
            words.append(f"{effect.tick} x {effect.total_lots} left {effect.leaves_lots}")
        if effect.fill_lots:
            words.append(f"+{effect.fill_lots}")
        if effect.kind is AnswerKind.EXECUTED:
            words.append(f"left {effect.leaves_lots}")
        return " ".join(words)
    if isinstance(effect, Noted):
        return f"noted {effect.event}"
    return {Owed: "owed", LookUp: "look up", Broken: "broken"}[type(effect)]
