"""What a desk asks its venue: rounds of look-ups, what happened while nothing was seen, the account."""

from __future__ import annotations

from arb.execution.answers import BotAnswer, FundingAnswer
from arb.execution.catch_up import Questions
from arb.execution.desk_wires import FUNDINGS_MAX, Asked, DeskWires, Stage
from arb.execution.doubt import Doubt, DoubtCause, Inquiry, Judgement
from arb.execution.order_records import Broken, Effect, LookUp, Noted, Owed, Phase
from arb.execution.order_state import OrderState
from arb.execution.position_watch import TIMES
from connectors.orders.model import (
    AccountView,
    Act,
    Decoded,
    Execution,
    ExecutionKind,
    Funding,
    Notice,
    OrderRequest,
    OrderUpdate,
    Setting,
    Transfer,
    VenueAnswer,
)
from connectors.units import MILLISECOND, SECOND

#: How long before the last event executions are queried from, ms.
BEFORE_MS = 5_000
#: After an execution that is not the session's, positions are compared so often, and so long apart.
_HURRIED, _HURRIED_NS = TIMES + 1, SECOND // 4
#: For so long a venue is asked about a transfer.
_TRANSFERS_MS = 12 * 3600 * 1000
#: Orders of unknown executions that are looked up in a round.
ORPHANS_ASKED = 5


class DeskQueries(DeskWires):
    """Questions of a desk, their answers, and what follows for its orders. See `VenueDesk`."""

    def _doubt(self, state: OrderState, cause: DoubtCause, now: int) -> None:
        """The outcome of the pending request is unknown. Of an order that has ended it does not matter."""
        is_place = state.pending is not None and state.pending.act is Act.PLACE
        if state.is_over or (state.phase is Phase.OWED and not is_place):
            self._apply(state, self.orders.refuse(state, now, cause.value), now)
            return
        if state.phase is Phase.OWED:
            return
        doubt = self.inquiries.doubt(state, cause, now)
        if doubt is not None:
            self._note("in doubt", f"{doubt.client_id} {doubt.act.name.lower()}: {cause.value}")
            for inquiry in self.inquiries.due_of(state, now):
                self._inquire(inquiry, now)

    def _ask(self, request: OrderRequest, state: OrderState | None, now: int) -> str:
        """Encodes a query: on the trade socket if the venue has it there, else by REST."""
        wire = f"{request.act.name.lower().replace('_', '')}-{self._number()}"
        # While the venue limits requests, the queue of REST requests holds them back.
        is_free = bool(self._trade_lines) and now >= self._stopped_until
        is_short = request.act in (Act.LOOK_UP, Act.TIME) and is_free
        encode = self._protocol.encode if is_short else self._protocol.encode_rest
        self._encode(request, wire, state, now, encode)
        return wire

    def _ask_time(self, now: int) -> None:
        """Asks for the venue's clock, after a refusal that may be for the request's time."""
        self._ask(self._query(Act.TIME, min(self.instruments)), None, now)

    def _query(
        self, act: Act, leg: int, *, since_ms: int = 0, client: str = "", venue_id: str = ""
    ) -> OrderRequest:
        symbol = self.instruments[leg].symbol
        return OrderRequest(act, leg, symbol, 0, client, venue_order_id=venue_id, since_ms=since_ms)

    def _inquire(self, inquiry: Inquiry, now: int) -> None:
        """One round of questions about an order."""
        state, leg, doubt = inquiry.order, inquiry.order.leg, inquiry.doubt
        if doubt is not None:
            self._ask(self._query(Act.TIME, leg), None, now)
            since_ms = doubt.since_ms
            self._ask(self._query(Act.EXECUTIONS, leg, since_ms=since_ms), state, now)
            unknown = list(self._unknown_orders(state, doubt))
            begin = ORPHANS_ASKED * inquiry.round % max(len(unknown), 1)
            for venue_id in (unknown[begin:] + unknown[:begin])[:ORPHANS_ASKED]:
                self._ask(self._query(Act.LOOK_UP, leg, venue_id=venue_id), state, now)
        if doubt is not None or inquiry.wants_state or state.open_links:
            # A venue may answer attempts in turn from two lists, of which only one can say that there is no such order.
            is_first = self.inquiries.begin_round(inquiry, self._clock_ms)
            attempts = (inquiry.round - 1, inquiry.round) if is_first else (inquiry.round - 1,)
            for client in state.asked_ids:
                look_up = self._query(Act.LOOK_UP, leg, client=client)
                for attempt in attempts:
                    self._ask(look_up._replace(attempt=attempt), state, now)
        since_ms = state.made_ns // MILLISECOND - 1_000
        for link in state.links:
            if link.said > link.executed:
                executions = self._query(Act.EXECUTIONS, leg, since_ms=since_ms, venue_id=link.venue_id)
                self._ask(executions, state, now)

    def _unknown_orders(self, state: OrderState, doubt: Doubt) -> dict[str, list[Execution]]:
        """Executions of venue orders that nobody knows, any of which may be of a request in doubt."""
        unknown = self.orders.orphans(state.symbol, state.side, doubt.since_ms)
        return doubt.unknown_orders(state, unknown, self.inquiries.expired_ms(doubt))

    def _catch_up(self, now: int) -> None:
        """Begins to query what happened while nothing was seen. During a catch-up: another one follows."""
        if self._stage is Stage.CATCHING_UP:
            self._is_behind = True
            return
        self.facts.catch_ups += 1
        self._stage = Stage.CATCHING_UP
        self._is_behind = False
        since_ms = self._last_event_ms - BEFORE_MS
        # Without the venue's time, the others are refused for as long as our clock is wrong.
        asks = [self._query(Act.TIME, min(self.instruments))]
        for leg in self.instruments:
            asks.append(self._query(Act.OPEN_ORDERS, leg))
            asks.append(self._query(Act.EXECUTIONS, leg, since_ms=since_ms))
        if not self._has_account:
            asks += self._account_queries()
        self._questions = Questions(asks, now, self._times.lookup_first_ns)
        self._ask_questions(now)

    def _caught_up(self, now: int) -> None:
        """All questions of a catch-up are answered."""
        self._has_account = True
        if self._is_behind:
            self._stage = Stage.AWAY
            self._catch_up(now)
            return
        self._stage = Stage.UP
        if self._times.reconcile_ns:
            self._compare_ns = self._orders_ns = now
        self._note("up", f"{self.venue}: orders and executions are known")

    def _give_up_streams(self) -> None:
        """They do not report what happens: others are to take their place."""
        self._note("silent", f"{self.venue}: the stream of the account does not report executions")
        self._out.retire += sorted(self._user_lines)
        self._user_lines.clear()
        self._look_for_streams()

    def _look_for_streams(self) -> None:
        """Without a stream of the account nothing is seen; the next one begins with a catch-up."""
        if not self._user_lines and self._stage is not Stage.AWAY:
            self._stage = Stage.AWAY
            self._questions = None
            self._stream.clear()
            self.facts.clock_asked_ns = 0  # it is away, not slow
            self._note("away", f"{self.venue}: no stream of the account")

    def _account_queries(self) -> list[OrderRequest]:
        first = min(self.instruments)
        asks = [self._query(Act.BALANCES, first)]
        if not self.instruments[first].is_spot:
            asks += [self._query(Act.POSITION, first), self._query(Act.MODE, first)]
        return asks + [self._query(Act.COMMISSION, leg) for leg in self.instruments]

    def _compare(self, now: int) -> None:
        """Begins to compare positions, and if they are due open orders, with the venue's."""
        first = min(self.instruments)
        asks = []
        is_whole = self._orders_ns <= now or not self._times.account_ns
        # In between, positions are used for margin alone: an answer may be older or newer than the executions.
        is_doubted = self.positions.is_in_doubt or bool(self.positions.differs)
        self._compares_positions = is_whole or is_doubted or self._hurried > 0
        # The stream may be silent about an order that rests.
        if is_whole or any(state.rests for state in self.orders.open.values()):
            asks = [self._query(Act.OPEN_ORDERS, leg) for leg in self.instruments]
        if is_whole:
            self._orders_ns = now + self._times.reconcile_ns
            if self._times.account_ns and not self.instruments[first].is_spot:
                asks.append(self._query(Act.MODE, first))
        if self._times.account_ns:
            asks.append(self._query(Act.TIME, first))
            if self._lists_transfers:
                since_ms = max(self._session_ms, now // MILLISECOND - _TRANSFERS_MS)
                ask = self._query(Act.TRANSFERS, first, since_ms=since_ms)
                for attempt in (
                    0,
                    1,
                ):  # the comparison does not wait for them: a key may not be allowed to ask
                    self._ask(ask._replace(attempt=attempt), None, now)
        asks.append(self._query(Act.BALANCES, first))
        if not self.instruments[first].is_spot:
            legs = [first] if self._lists_positions else list(self.instruments)
            asks += [self._query(Act.POSITION, leg) for leg in legs]
        self._comparison = Questions(asks, now, self._times.lookup_first_ns)

    def _compared(self, now: int) -> None:
        """All questions of a comparison are answered."""
        self._comparison = None
        if self._hurried or self.positions.is_in_doubt:
            self._compare_ns = now + (_HURRIED_NS if self._hurried else SECOND)
            self._hurried = max(0, self._hurried - 1)
            return
        self.is_compared = True
        times = self._times
        self._compare_ns = now + min(times.account_ns or times.reconcile_ns, times.reconcile_ns)

    def _take_positions(self, view: AccountView, now: int) -> None:
        """Positions that the venue said in a comparison."""
        for leg, instrument in self.instruments.items():
            quantity = view.positions.get(instrument.symbol)
            if quantity is None or self.inquiries.may_have_made_more(leg):
                continue
            lots = instrument.lot.count_of(str(quantity))
            if self.positions.compare(leg, lots):
                is_equal = leg not in self.positions.differs
                known = (
                    f"{instrument.symbol}: {lots} lots at the venue, {self.positions.lots(leg)} by executions"
                )
                self._note("position agrees" if is_equal else "position differs", known)

    def _ask_questions(self, now: int) -> None:
        for questions in self._question_sets:
            for request in questions.due(now):
                state = self.orders.by_client(request.client_id) if request.client_id else None
                wire = self._ask(request, state, now)
                if wire in self._asked:
                    questions.asked(request, wire)

    def _failed(self, wire: str, now: int) -> None:
        for questions in self._question_sets:
            questions.failed(wire, now)

    def _queried(
        self,
        asked: Asked,
        wire: str,
        decoded: VenueAnswer | AccountView | tuple[Decoded, ...],
        now: int,
    ) -> None:
        """The answer to a query."""
        act = asked.request.act
        parts: tuple[Decoded, ...]
        parts = (decoded,) if isinstance(decoded, VenueAnswer | AccountView) else decoded
        updates: list[OrderUpdate] = []
        executions: list[Execution] = []
        cursor = ""
        for one in parts:
            if isinstance(one, VenueAnswer):
                cursor = one.cursor
                updates += one.updates
                executions += one.executions
                if act is Act.TIME:
                    self._clock_ms = max(self._clock_ms, one.venue_ms)
                    self.facts.clock_offset_ms = one.venue_ms - now // MILLISECOND
                    self.facts.round_trip_ns, self.facts.clock_asked_ns = now - asked.asked_ns, 0
                    for inquiry in self.inquiries.overdue(self._clock_ms, now):
                        self._inquire(inquiry, now)
                elif act is Act.COMMISSION:
                    self.facts.commission[asked.request.leg] = one.text
            elif isinstance(one, OrderUpdate):
                updates.append(one)
            elif isinstance(one, Execution):
                executions.append(one)
            elif isinstance(one, AccountView):
                for name, value in one.settings.items():
                    self._set(Setting(name, value))
                # An answer may come when its comparison was dropped: then it is of neither the start nor the end.
                is_end = self._last_questions is not None and self._last_questions.has_asked(wire)
                if is_end or (self._questions is not None and self._questions.has_asked(wire)):
                    self.facts.view(one, now, is_end=is_end)
                else:
                    self.facts.view_again(one, now)
                if (
                    self._comparison is not None
                    and self._comparison.has_asked(wire)
                    and self._compares_positions
                ):
                    self._take_positions(one, now)
            elif isinstance(one, Transfer):
                self._transfer(one)
            elif isinstance(one, Notice) and act is Act.MODE:
                self._set_mode(one.text)
        for x in executions:
            self._execution(x, now)
        for u in updates:
            self._update(u, now, asked.changes if act is Act.LOOK_UP else -1)
        if act is Act.LOOK_UP and asked.state is not None:
            self._looked_up(asked, asked.state, bool(updates), now)
        elif act is Act.EXECUTIONS and asked.state is not None and cursor:
            page = self._asked.get(self._ask(asked.request._replace(cursor=cursor), asked.state, now))
            if page is not None:
                page.clock_ms = asked.clock_ms  # what happened since the first page may be on none
        elif act is Act.EXECUTIONS:
            self._has_executions(asked, now)
        for questions in self._question_sets:
            question = questions.answered(wire, cursor, now)
            if question is not None:
                if questions is self._last_questions:
                    self.facts.end(question, updates, executions)
                else:
                    self._question_answered(questions, question, updates, now)
        self._ask_questions(now)

    def _looked_up(self, asked: Asked, state: OrderState, is_found: bool, now: int) -> None:
        if asked.request.client_id:
            self.inquiries.looked_up(state, asked.request.client_id, is_found, asked.clock_ms, now)
        elif not is_found:
            self.inquiries.not_found(state, asked.request.venue_order_id, asked.clock_ms, now)
        self._judge(state, now)

    def _has_executions(self, asked: Asked, now: int) -> None:
        inquiry = self.inquiries.of(asked.state) if asked.state is not None else None
        if inquiry is not None and not asked.request.venue_order_id:
            inquiry.executions_ms = max(inquiry.executions_ms, asked.clock_ms)
            self._judge(inquiry.order, now)

    def _judge(self, state: OrderState, now: int) -> None:
        """Ends a request in doubt if it is proven by now that it was not done."""
        judgement, inquiry = self.inquiries.judgement(state), self.inquiries.of(state)
        doubt = inquiry.doubt if inquiry is not None else None
        if (
            doubt is not None
            and doubt.has_unknown_id(state)
            and (unknown := self._unknown_orders(state, doubt))
        ):
            venue_id = doubt.made(state, unknown)
            if judgement is Judgement.NEVER and venue_id and not self.inquiries.has_rival(state):
                self._note("found", f"{doubt.client_id}: by its executions, as order {venue_id} of the venue")
                self._apply(state, self.orders.identify(state, venue_id, now), now)
                self._judge(state, now)
                return
            judgement = Judgement.NOTHING
        if judgement is Judgement.NEVER:
            self._apply(state, self.orders.refuse(state, now, "never arrived"), now)
        elif judgement is Judgement.PRUNED:
            self._apply(state, self.orders.prune(state, now), now)
        else:
            self._apply(state, [], now)

    def _question_answered(
        self, questions: Questions, question: OrderRequest, updates: list[OrderUpdate], now: int
    ) -> None:
        """An answer of a catch-up; orders of ours that are not open any more are looked up one by one."""
        if question.act is Act.OPEN_ORDERS:
            listed = questions.listed
            listed.update(u.client_id for u in updates)
            if not self._has_account:
                self.facts.open_start += sorted(u.client_id for u in updates)
        if question.act is Act.OPEN_ORDERS and not questions.has_more(question):
            for state in list(self.orders.open.values()):
                if questions is self._comparison and (
                    state.pending is not None or state.phase is not Phase.OPEN
                ):
                    continue  # its answer is on its way
                if state.symbol == question.symbol and not state.is_over:
                    for client in state.asked_ids:
                        if client not in listed:
                            questions.add(self._query(Act.LOOK_UP, state.leg, client=client), now)
        if questions is self._comparison:
            if questions.is_done:
                self._compared(now)
        elif questions.is_done and self._stage is Stage.CATCHING_UP:
            self._caught_up(now)

    def _update(self, u: OrderUpdate, now: int, asked: int = -1) -> None:
        state = self.orders.by_ids(u.client_id, u.venue_order_id)
        effects = self.orders.update(u, now, asked)
        if effects or self.inquiries.has_any:
            self._apply(state, effects, now)

    def _execution(self, x: Execution, now: int, *, is_event: bool = False) -> None:
        """is_event: of a stream, where executions of our orders have their client id, unlike in some lists."""
        state = self.orders.by_ids(x.client_id, x.venue_order_id)
        if state is None and (is_event or x.kind is not ExecutionKind.TRADE):
            self._of_others(x, now, is_event=is_event)
        effects = self.orders.execution(x, now)
        if is_event:
            self._stream.reported(x)
        elif effects and state is not None and self._stage is Stage.UP:
            self._stream.found(x, self.facts.clock_offset_ms or 0, now)
        if effects or self.inquiries.has_any:
            self._apply(state, effects, now)

    def _of_others(self, x: Execution, now: int, *, is_event: bool) -> None:
        """An execution that no order of the session has: the position is compared at once."""
        leg = self._leg_of.get(x.symbol)
        if leg is None or self.instruments[leg].is_spot or not self._times.reconcile_ns:
            return
        if x.kind is not ExecutionKind.TRADE:
            self.forced[leg] = x.kind
            if is_event:
                self.forced_ns[leg] = now
        if self._stage is Stage.UP:
            self._compare_ns = min(self._compare_ns, now)
        self._hurried = _HURRIED

    def _set_mode(self, mode: str) -> None:
        self.facts.mode = mode
        self._set(Setting("position mode", mode))

    def _set(self, setting: Setting) -> None:
        """A setting of the account, which sessions prepare before anything else."""
        if self.facts.set(setting):
            self._note("setting", self.facts.changed[setting.name])

    def _transfer(self, transfer: Transfer) -> None:
        """A deposit or withdrawal; those before the session are known."""
        if transfer.venue_ms >= self._session_ms and self.facts.transferred(transfer):
            self._note("transfer", f"{transfer.amount:+f} {transfer.asset}")

    def _funding(self, payment: Funding, now: int) -> None:
        """A funding payment, once: two streams may report it."""
        key = (payment.symbol, payment.asset, payment.venue_ms, payment.amount)
        leg = self._leg_of.get(payment.symbol)
        if leg is None or key in self._fundings:
            return
        self._fundings[key] = None
        if len(self._fundings) > FUNDINGS_MAX:
            self._fundings.popitem(last=False)
        position = float("nan") if payment.position is None else float(payment.position)
        self._out.answers.append(
            FundingAnswer(
                leg, payment.amount, payment.rate, payment.mark, position, payment.venue_ms * MILLISECOND, now
            )
        )

    def _apply(self, state: OrderState | None, effects: list[Effect], now: int) -> None:
        for effect in effects:
            if isinstance(effect, BotAnswer):
                self._out.answers.append(effect)
                if effect.fill_lots and state is not None:
                    self.positions.executed(state.leg, state.side * effect.fill_lots)
            elif isinstance(effect, Owed) and state is not None:
                self.inquiries.owed(state, now)
            elif isinstance(effect, LookUp) and state is not None:
                self.inquiries.look_up(state, now)
                for inquiry in self.inquiries.due_of(state, now):
                    self._inquire(inquiry, now)
            elif isinstance(effect, Noted):
                self.facts.late_executions += effect.event == "late execution"
                self._note(effect.event, effect.text)
            elif isinstance(effect, Broken):
                self._note("broken", effect.text)
        if state is None:
            return
        ended = self.inquiries.settle(state) if self.inquiries.has_any else None
        if ended is not None:
            outcome = state.phase.name.lower()
            self.facts.ended(ended, state.leg, outcome, now)
            self._note("doubt ended", f"{ended.client_id} {ended.act.name.lower()}: {outcome}")
