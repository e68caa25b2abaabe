"""Records what clients send to a running sandbox and what it answers, and replays that in a new one without sockets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.exchange import Exchange, Rest
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.sandbox import Sandbox, Source
from arb.sandbox.serve.session import Outcome, Session
from arb.sandbox.serve.trading import OpenTrading
from arb.sandbox.serve.urls import VENUES
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import MILLISECOND, SECOND

_STEP_NS = 5 * MILLISECOND
#: A connection of a venue; number 0: REST.
Who = tuple[str, int]


class Input(NamedTuple):
    """Something that a client did: "rest", "open", "text" or "closed"."""

    now_ns: int
    now_ms: int
    what: str
    who: Who
    given: Any


@dataclass
class OrderSession:
    """A recorded session. Outputs are texts by connection, in order; of REST, responses."""

    start_ns: int
    inputs: list[Input] = field(default_factory=list)
    outputs: dict[Who, list[Any]] = field(default_factory=lambda: defaultdict(list))


def record(sandbox: Sandbox) -> OrderSession:
    """Records everything that clients do at a sandbox from now on. Called on its thread, before any client."""
    session = OrderSession(sandbox._timeline.wall_start_ns)
    for venue, server in sandbox._servers.items():
        _tap_rest(session, venue, server._rest)
        server.exchange.family = _TappedFamily(session, server.exchange.family)  # type: ignore[assignment]
    return session


def replay(
    session: OrderSession, source: Source, open_trading: OpenTrading, facts: dict[tuple[str, str], Facts]
) -> OrderSession:
    """Does the same at the same times in a new sandbox without sockets; its outputs."""
    tape, timeline = source.open(session.start_ns, 1.0)
    trading = open_trading(tape, facts, session.start_ns, LIMITS)
    exchanges = {venue: Exchange(FAMILIES[venue], tape, trading=trading) for venue in VENUES}
    rests: dict[str, Rest] = {}
    for venue, exchange in exchanges.items():
        if exchange.instruments:
            exchange.venues = exchanges
            own = {symbol: facts[venue, symbol] for symbol in exchange.instruments}
            rests[venue] = exchange.family.rest(exchange, own, LIMITS[venue])
    again = OrderSession(session.start_ns)
    by_no = [exchanges[listing.venue] for listing in tape.listings]
    sessions: dict[Who, Session] = {}

    def advance_to(now_ns: int) -> None:
        # In steps as a sandbox: a book needs a frame after its snapshot, which is that of the end of a step.
        for step_ns in (*range(trading.now_ns + _STEP_NS, now_ns, _STEP_NS), now_ns):
            advance(step_ns)

    def advance(now_ns: int) -> None:
        for line in tape.advance(timeline.market_ns(now_ns)):
            at_ns = min(now_ns, timeline.wall_ns(line.send_ns))
            trading.advance(at_ns)
            trading.receive(line, at_ns)
            by_no[line.no].by_no[line.no].follow(line)
        trading.advance(now_ns)

    for one in session.inputs:
        advance_to(one.now_ns)
        venue, _ = one.who
        out = again.outputs[one.who]
        if one.what == "rest":
            # Each request has a reply of its own, by which the venue keeps answers of a connection in order.
            rests[venue].answer(one.given, one.now_ns, one.now_ms, partial(out.append))
        elif one.what == "open":
            exchange = exchanges[venue]
            opened = sessions[one.who] = exchange.family.session(
                exchange, rests[venue], one.given, LIMITS[venue]
            )
            opened.send = out.append
        elif one.what == "text":
            out.extend(sessions[one.who].receive(one.given, one.now_ns, one.now_ms).replies)
        else:
            sessions[one.who].closed()
    # The last answers may be late.
    advance_to(session.inputs[-1].now_ns + SECOND)
    return again


def _tap_rest(session: OrderSession, venue: str, rest: Rest) -> None:
    answer = rest.answer
    who = (venue, 0)

    def tapped(raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        session.inputs.append(Input(now_ns, now_ms, "rest", who, raw))

        def replied(response: Response | None) -> None:
            session.outputs[who].append(response)
            reply(response)

        answer(raw, now_ns, now_ms, replied)

    rest.answer = tapped  # type: ignore[method-assign]


class _TappedFamily:
    """A family whose sessions are recorded."""

    def __init__(self, session: OrderSession, family: Any) -> None:
        self._session = session
        self._family = family

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def session(self, exchange: Exchange, rest: Rest, opening: Any, limits: Any) -> Session:
        made: Session = self._family.session(exchange, rest, opening, limits)
        who = (self._family.venue, opening.no)
        log, out = self._session.inputs, self._session.outputs[who]
        # At its millisecond, but not before what was earlier.
        now_ns = max(log[-1].now_ns if log else 0, opening.at_ms * MILLISECOND)
        log.append(Input(now_ns, opening.at_ms, "open", who, opening))
        kind = type(made)

        class Tapped(kind):  # type: ignore[misc,valid-type]
            def __setattr__(self, name: str, value: Any) -> None:
                if name == "send":
                    plain = value

                    def value(text: str) -> None:
                        out.append(text)
                        plain(text)

                super().__setattr__(name, value)

            def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
                log.append(Input(now_ns, now_ms, "text", who, text))
                outcome = super().receive(text, now_ns, now_ms)
                out.extend(outcome.replies)
                return outcome

            def closed(self) -> None:
                log.append(Input(log[-1].now_ns, log[-1].now_ms, "closed", who, None))
                super().closed()

        made.__class__ = Tapped
        return made
