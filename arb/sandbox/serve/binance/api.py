"""Operations of one Binance market that need an account, for REST and the websocket API alike. Pure.

An operation checks its parameters and gives an action; the action is done when the request arrives at the matching
engine, and its result is sent as the answer, each with the delays of the market.

The order of the checks is not documented; here: ban, weight, key, signature, time, unknown parameters, the operation's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.faults import FaultKind
from arb.sandbox.serve.binance import signatures
from arb.sandbox.serve.binance.errors import ApiError, Verb, error_by, error_of
from arb.sandbox.serve.binance.parameters import Parameters
from arb.sandbox.serve.binance.signatures import Proof, TimeWindow
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import Limits, Weights
from arb.sandbox.trading.order_faults import Request
from arb.sandbox.trading.requests import RefusalError
from connectors.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from arb.sandbox.serve.binance.ws_api import WsApi


#: Windows of orders by name, as limits list them.
INTERVALS = {"10S": ("SECOND", 10), "1M": ("MINUTE", 1), "1D": ("DAY", 1)}


class Security(Enum):
    """What a request must prove."""

    NONE = auto()
    #: A key, without signature.
    KEY = auto()
    READ = auto()
    TRADE = auto()


@dataclass
class Call:
    """One request. `account` and `key` of requests with a key only."""

    api: Api
    parameters: Parameters
    now_ns: int
    #: By the venue's clock.
    now_ms: int
    key: ApiKey | None = None
    account: str = ""
    #: The connection, of websocket requests.
    session: WsApi | None = None


#: What is done when a request arrives, at a time in ns; returns the answer as JSON. Raises ApiError or RefusalError.
Act = Callable[[int], Any]


@dataclass(frozen=True)
class Operation:
    """One kind of request."""

    #: Checks the parameters. Raises ApiError.
    run: Callable[[Call], Act]
    weight: int | Callable[[Parameters], int] = 1
    security: Security = Security.READ
    #: Names of its parameters, separated by spaces.
    takes: str = ""
    verb: int = Verb.QUERY
    #: Of an order request: only failures cost weight.
    is_order: bool = False
    #: Answers show the account's counts of orders.
    shows_counts: bool = False
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(self.takes.split()))


class Result(NamedTuple):
    """The answer to a request. `body` is JSON, or the error's."""

    status: int
    body: Any
    #: The account's counts of orders, by window, where they are shown.
    counts: Mapping[str, int] = MappingProxyType({})
    #: Of 429 and 418, with the venue's time.
    retry_after_s: int | None = None
    server_ms: int = 0

    @property
    def is_error(self) -> bool:
        return self.status != 200


class Api:
    """What the operations of one market have in common: authentication, weights, delays, errors."""

    def __init__(self, exchange: Exchange, limits: Limits, weights: Weights) -> None:
        if exchange.trading is None:
            raise ValueError("a market without trading has no operations")
        self.exchange = exchange
        self.venue = exchange.venue
        self.trading = exchange.trading
        self.desk = exchange.trading.desks[exchange.venue]
        self.limits = limits
        self.weights = weights
        #: What the venue's documents do not say.
        self.assumed = exchange.trading.undocumented[exchange.venue]
        self._ids_made = 0
        self._delivery = exchange.trading.delivery[exchange.venue]
        self._permission = "spot" if exchange.venue == "binance_spot" else "futures"

    def answer(
        self,
        operation: Operation,
        call: Call,
        proof: Proof,
        order_key: object,
        send: Callable[[Result], None],
        cut: Callable[[], None],
    ) -> None:
        """Does a request and sends its result, now or later; results with the same `order_key` in order.

        A fault may lose the request or its result; `cut` ends the connection then.

        call.key: of a websocket that logged on, whose requests need no signature.
        """
        try:
            self._spend(operation, call)
            window = self._authenticate(operation, call, proof)
            call.parameters.expect(operation.names)
            act = operation.run(call)
        except ApiError as error:
            result = self._failed(operation, error, call, call.now_ns)
            self._delivery.answer(call.now_ns, order_key, lambda _: send(result))
            return

        fault = self.trading.faults.meet(self._request(operation, call), call.now_ns)
        if fault is not None and fault.kind is FaultKind.LOST_REQUEST:
            if fault.then == "cut":
                cut()
            return

        def arrive(at_ns: int) -> None:
            if fault is not None and fault.kind is FaultKind.REJECT:
                result = self._failed(operation, error_by(fault, self.venue, self.assumed), call, at_ns)
            else:
                result = self._done(operation, call, window, act, at_ns)
            if fault is not None and fault.kind is FaultKind.ACCEPTED_NO_ANSWER:
                if fault.then == "cut":
                    self._delivery.answer(at_ns, order_key, lambda _: cut())
                return
            if fault is not None and fault.kind is FaultKind.ACCEPTED_5XX:
                error = error_by(fault, self.venue, self.assumed)
                result = Result(error.status, error.body, server_ms=call.now_ms)
            self._delivery.answer(at_ns, order_key, lambda _: send(result))

        self._delivery.arrive(call.now_ns, order_key, arrive)

    def _request(self, operation: Operation, call: Call) -> Request:
        """A request as faults see it."""
        values = call.parameters.values
        client_id = values.get("newClientOrderId") if operation.verb == Verb.PLACE else None
        return Request(
            self.venue,
            call.account,
            Verb.WORDS[operation.verb],
            values.get("symbol", ""),
            client_id or values.get("origClientOrderId", ""),
        )

    def rate_limits(self, counts: Mapping[str, int]) -> list[dict[str, Any]]:
        """What is used of the limits, as websocket answers show it; with counts of orders, if there are any."""
        weight = _limit("REQUEST_WEIGHT", ("MINUTE", 1), self.limits.weight_max, self.weights.used)
        return [*(self.order_limits(counts) if counts else ()), weight]

    def order_limits(self, counts: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """Limits of orders, with an account's counts."""
        return [
            _limit("ORDERS", INTERVALS[name], most, None if counts is None else counts.get(name, 0))
            for name, most in self.desk.policy.order_limits.items()
            if most
        ]

    def new_id(self, what: str) -> str:
        """A client id that the venue makes."""
        self._ids_made += 1
        return self.trading.uuid(what, self._ids_made).replace("-", "")[:22]

    def error(self, refusal: RefusalError, verb: int) -> ApiError:
        """The market's error for a refusal."""
        return error_of(self.venue, refusal, verb)

    def _spend(self, operation: Operation, call: Call) -> None:
        weight = operation.weight if isinstance(operation.weight, int) else operation.weight(call.parameters)
        status = self.weights.spend(0 if operation.is_order else weight, call.now_ns)
        if not status:
            return
        after_s = self.weights.retry_after_s(call.now_ns)
        raise ApiError(
            -1003,
            too_much_weight(status, self.limits.weight_max, call.now_ms + after_s * 1000),
            status,
            retry_after_s=after_s,
        )

    def _authenticate(self, operation: Operation, call: Call, proof: Proof) -> TimeWindow | None:
        if operation.security == Security.NONE:
            return None
        status = self.assumed.key_error_status
        permission = self._permission
        if operation.security == Security.READ and self.venue == "binance_spot":
            permission = "read"
        is_logged_on = call.key is not None and proof.key_id is None and proof.signature is None
        if call.key is None or not is_logged_on:
            call.key = signatures.known_key(proof, self.trading.keys, permission, status)
        call.account = call.key.account
        if operation.security == Security.KEY:
            return None
        if not is_logged_on:
            return signatures.check_signature(call.key, proof, call.parameters, call.now_ms)
        window = signatures.window_of(call.parameters)
        window.check(call.now_ms * 1000)
        return window

    def _done(
        self, operation: Operation, call: Call, window: TimeWindow | None, act: Act, at_ns: int
    ) -> Result:
        try:
            if window is not None:  # once more right before the engine
                window.check((call.now_ms * MILLISECOND + at_ns - call.now_ns) // 1000)
            return Result(200, act(at_ns), self._counts(operation, call, at_ns))
        except ApiError as error:
            return self._failed(operation, error, call, at_ns)
        except RefusalError as refusal:
            return self._failed(operation, self.error(refusal, operation.verb), call, at_ns)

    def _counts(self, operation: Operation, call: Call, at_ns: int) -> Mapping[str, int]:
        return self.desk.order_counts(call.account, at_ns) if operation.shows_counts and call.account else {}

    def _failed(self, operation: Operation, error: ApiError, call: Call, at_ns: int) -> Result:
        if operation.is_order and isinstance(operation.weight, int):
            self.weights.used += operation.weight
        after_s = error.retry_after_s
        if error.status == 429 and after_s is None:
            after_s = 10 - at_ns // SECOND % 10  # until the next window of orders
        return Result(error.status, error.body, self._counts(operation, call, at_ns), after_s, call.now_ms)


def too_much_weight(status: int, weight_max: int, until_ms: int) -> str:
    """The text of -1003; `until_ms` is the end of a ban."""
    if status == 418:
        return (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
    return (
        f"Too much request weight used; current limit is {weight_max} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )


def _limit(kind: str, interval: tuple[str, int], most: int, count: int | None) -> dict[str, Any]:
    limit = {"rateLimitType": kind, "interval": interval[0], "intervalNum": interval[1], "limit": most}
    return limit if count is None else limit | {"count": count}
