"""Order entry of Binance: requests of spot and USD-M over the websocket API, and over REST. Pure.

Prices and quantities are whole ticks and lots up to their texts. An answer is asked for with everything that the venue
gives: `FULL` on spot (the executions), `RESULT` on USD-M (the final state of orders that do not rest).

Sources: web-socket-api.md and rest-api.md of binance-spot-api-docs (read 2026-07-21); USD-M: saved pages of "Trade"
(read 2025-11).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from connectors.binance.forms import Credentials, SignedForm
from connectors.binance.order_answers import Answers
from connectors.binance.order_errors import Judge, spot_verdict, usdm_verdict
from connectors.binance.order_queries import (
    ACCOUNT_ACTS,
    SPOT_WORDS,
    USDM_WORDS,
    QueryForms,
    QueryWords,
    decode_account,
)
from connectors.binance.order_words import SIDE_WORDS
from connectors.binance.user_events import LIMITS, is_opened
from connectors.orders.model import (
    AccountView,
    Act,
    Decoded,
    Force,
    Instrument,
    Notice,
    OrderRequest,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.signing import Signer

#: Requests that change orders. All others are queries.
_CHANGES = frozenset((Act.PLACE, Act.CANCEL, Act.AMEND, Act.CANCEL_ALL))
_PLACE = Act.PLACE
_RESTING = (Force.GTC, Force.GTX)
_NO_ORDER = OrderRequest(Act.LOG_ON, 0, "", 0, "")
#: A form, with the values that it is to be filled with.
_Filled = tuple[SignedForm, tuple[str | int, ...]]


class _Leg:
    """The forms of one leg. Keys of placements: see `_place_key`; of amendments: side and time in force."""

    def __init__(self, instrument: Instrument, queries: QueryForms) -> None:
        self.price = instrument.tick.text_of
        self.quantity = instrument.lot.text_of
        self.queries = queries
        self.places: dict[int, SignedForm] = {}
        self.amends: dict[tuple[int, Force], SignedForm] = {}
        self.others: dict[str, SignedForm] = {}


class _BinanceOrders(ABC):
    """What spot and USD-M have in common; see `OrderProtocol`."""

    venue: str
    limits = LIMITS

    def __init__(self, signer: Signer, recv_window_ms: int, words: QueryWords, judge: Judge) -> None:
        self._words = words
        self._credentials = Credentials(signer, recv_window_ms, is_logged_on=signer.logs_on)
        self._answers = Answers(self.venue, judge)
        self._legs: dict[int, _Leg] = {}
        self._symbols: list[str] = []
        self._log_on = SignedForm(
            Credentials(signer, recv_window_ms, is_logged_on=False),
            Act.LOG_ON,
            (),
            {},
            method="session.logon",
        )

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """See `OrderProtocol`."""
        self._answers.add(instrument)
        self._symbols.append(instrument.symbol)
        forms = _Leg(instrument, QueryForms(self._words, self._credentials, instrument.symbol))
        self._legs[leg] = forms
        self._add_forms(forms, instrument.symbol)

    @abstractmethod
    def _add_forms(self, forms: _Leg, symbol: str) -> None:
        """Adds the market's own forms of requests for a leg."""

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `OrderProtocol`."""
        if not self._credentials.is_logged_on:
            return []
        return [self._log_on.socket(_NO_ORDER, "logon", (now_ms,))]

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `OrderProtocol`."""
        return is_opened(answer)

    def fallback(self) -> bool:
        """See `OrderProtocol`."""
        was_logged_on, self._credentials.is_logged_on = self._credentials.is_logged_on, False
        return was_logged_on

    def ping(self, number: int) -> str | None:
        """See `OrderProtocol`."""
        return None

    @property
    def switch_reach(self) -> str:
        """See `OrderProtocol`."""
        return ""

    def switch(self, window_ms: int, now_ms: int, *, is_renewal: bool) -> list[WireRequest]:
        """See `OrderProtocol`."""
        return []

    def encode(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """See `OrderProtocol`. Raises ValueError for a request that the venue does not have."""
        act = request.act
        if act is _PLACE:
            # A call less on the way of an order's bytes than by `_filled`.
            form, values = self._placement(request, now_ms)
            return form.socket(request, wire_id, values)
        if act not in _CHANGES:
            return self._legs[request.leg].queries.encode(request, wire_id, now_ms, over_rest=False)
        form, values = self._filled(request, now_ms)
        return form.socket(request, wire_id, values) if form.method else form.rest(request, wire_id, values)

    def encode_rest(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """See `OrderProtocol`. Raises ValueError for a request that the venue does not have."""
        if request.act not in _CHANGES:
            return self._legs[request.leg].queries.encode(request, wire_id, now_ms, over_rest=True)
        form, values = self._filled(request, now_ms)
        return form.rest(request, wire_id, values)

    def decode(self, frame: bytes) -> VenueAnswer | Notice:
        """See `OrderProtocol`."""
        return self._answers.of_frame(frame)

    def decode_rest(
        self, asked: WireRequest, status: int, body: bytes, retry_after_ns: int
    ) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """See `OrderProtocol`."""
        if status == 200:
            if asked.act is Act.SWITCH:
                return VenueAnswer(asked.wire_id, Verdict.ACCEPTED)
            if asked.act in ACCOUNT_ACTS:
                return decode_account(self.venue, asked, body, self._symbols)
            return self._answers.of_body(asked.wire_id, body)
        answer = self._answers.of_error_body(asked.wire_id, status, body, retry_after_ns)
        if answer.verdict is Verdict.NOT_FOUND and asked.act in _CHANGES:
            return answer._replace(verdict=Verdict.NOT_OPEN)
        return answer

    def _filled(self, request: OrderRequest, now_ms: int) -> _Filled:
        if request.act is _PLACE:
            return self._placement(request, now_ms)
        leg = self._legs[request.leg]
        if request.act is Act.AMEND:
            return self._amendment(leg, request, now_ms)
        if request.act is Act.CANCEL:
            return self._cancellation(leg, request, now_ms)
        return leg.others["cancel all"], (now_ms,)

    def _placement(self, request: OrderRequest, now_ms: int) -> _Filled:
        """Form and values of the request."""
        # Fields of a named tuple take longer one by one.
        _, leg_no, _, _, client_id, _, _, side, force, is_market, reduces, tick, lots, *_ = request
        leg = self._legs[leg_no]
        form = leg.places.get(force << 4 | is_market << 3 | reduces << 2 | (side + 1))  # see `_place_key`
        if form is None:
            raise ValueError(f"{self.venue} has no such order: {request}")
        if is_market:
            return form, (client_id, leg.quantity(lots), now_ms)
        return form, (client_id, leg.price(tick), leg.quantity(lots), now_ms)

    @abstractmethod
    def _amendment(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        """Form and values of the request."""

    @abstractmethod
    def _cancellation(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        """Form and values of the request."""


class SpotOrders(_BinanceOrders):
    """Order entry at Binance spot. An amendment cancels and places anew, unless it keeps its place."""

    venue = "binance_spot"

    def __init__(self, signer: Signer, recv_window_ms: int) -> None:
        super().__init__(signer, recv_window_ms, SPOT_WORDS, spot_verdict)

    def path(self) -> str:
        """See `OrderProtocol`."""
        return "/ws-api/v3"

    def _add_forms(self, forms: _Leg, symbol: str) -> None:
        credentials = self._credentials
        for side, word in SIDE_WORDS.items():
            own = {"symbol": symbol, "side": word, "newOrderRespType": "FULL"}
            for force in Force:
                limit = own | _spot_type(force)
                key = _place_key(side, force, False, False)
                forms.places[key] = self._order_form(
                    Act.PLACE, ("newClientOrderId", "price", "quantity"), limit
                )
                forms.places[_place_key(side, force, True, False)] = self._order_form(
                    Act.PLACE, ("newClientOrderId", "quantity"), own | {"type": "MARKET"}
                )
            for force in _RESTING:
                forms.amends[side, force] = SignedForm(
                    credentials,
                    Act.AMEND,
                    ("cancelOrigClientOrderId", "newClientOrderId", "price", "quantity"),
                    own | _spot_type(force) | {"cancelReplaceMode": "STOP_ON_FAILURE"},
                    method="order.cancelReplace",
                    verb="POST",
                    path="/api/v3/order/cancelReplace",
                )
        of_symbol = {"symbol": symbol}
        for name, ids in (
            ("cancel", ("newClientOrderId", "origClientOrderId")),
            ("cancel unnamed", ("origClientOrderId",)),
        ):
            forms.others[name] = SignedForm(
                credentials,
                Act.CANCEL,
                ids,
                of_symbol,
                method="order.cancel",
                verb="DELETE",
                path="/api/v3/order",
            )
        forms.others["keep place"] = SignedForm(
            credentials,
            Act.AMEND,
            ("newClientOrderId", "newQty", "origClientOrderId"),
            of_symbol,
            method="order.amend.keepPriority",
            verb="PUT",
            path="/api/v3/order/amend/keepPriority",
        )
        forms.others["cancel all"] = SignedForm(
            credentials,
            Act.CANCEL_ALL,
            (),
            of_symbol,
            method="openOrders.cancelAll",
            verb="DELETE",
            path="/api/v3/openOrders",
        )

    def _order_form(self, act: Act, names: tuple[str, ...], constants: dict[str, str]) -> SignedForm:
        return SignedForm(
            self._credentials, act, names, constants, method="order.place", verb="POST", path="/api/v3/order"
        )

    def _amendment(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        if request.keeps_place:
            quantity = leg.quantity(request.total_lots)
            return leg.others["keep place"], (request.new_client_id, quantity, request.client_id, now_ms)
        form = leg.amends.get((request.side, request.force))
        if form is None:
            raise ValueError(f"{self.venue} amends no such order: {request}")
        price, quantity = leg.price(request.tick), leg.quantity(request.lots)
        return form, (request.client_id, request.new_client_id, price, quantity, now_ms)

    def _cancellation(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        if request.new_client_id:
            return leg.others["cancel"], (request.new_client_id, request.client_id, now_ms)
        return leg.others["cancel unnamed"], (request.client_id, now_ms)


class UsdmOrders(_BinanceOrders):
    """Order entry at USD-M in one-way mode. An amendment loses its place, and takes the quantity in all."""

    venue = "binance_usdm"

    def __init__(self, signer: Signer, recv_window_ms: int) -> None:
        super().__init__(signer, recv_window_ms, USDM_WORDS, usdm_verdict)

    def path(self) -> str:
        """See `OrderProtocol`."""
        return "/ws-fapi/v1"

    def _add_forms(self, forms: _Leg, symbol: str) -> None:
        credentials = self._credentials
        for side, word in SIDE_WORDS.items():
            for force in Force:
                for is_market in (False, True):
                    for reduces in (False, True):
                        forms.places[_place_key(side, force, is_market, reduces)] = self._order_form(
                            symbol, word, force, is_market=is_market, reduces=reduces
                        )
            modify = SignedForm(
                credentials,
                Act.AMEND,
                ("origClientOrderId", "price", "quantity"),
                {"symbol": symbol, "side": word},
                method="order.modify",
                verb="PUT",
                path="/fapi/v1/order",
            )
            forms.amends |= {(side, force): modify for force in _RESTING}
        forms.others["cancel"] = SignedForm(
            credentials,
            Act.CANCEL,
            ("origClientOrderId",),
            {"symbol": symbol},
            method="order.cancel",
            verb="DELETE",
            path="/fapi/v1/order",
        )
        # Its websocket API has no such request.
        forms.others["cancel all"] = SignedForm(
            credentials, Act.CANCEL_ALL, (), {"symbol": symbol}, verb="DELETE", path="/fapi/v1/allOpenOrders"
        )
        forms.others["countdown"] = SignedForm(
            credentials,
            Act.SWITCH,
            ("countdownTime",),
            {"symbol": symbol},
            verb="POST",
            path="/fapi/v1/countdownCancelAll",
        )

    @property
    def switch_reach(self) -> str:
        """See `OrderProtocol`."""
        return f"all orders of {', '.join(self._symbols)}"

    def switch(self, window_ms: int, now_ms: int, *, is_renewal: bool) -> list[WireRequest]:
        """See `OrderProtocol`: a countdown for each symbol, which every request sets anew."""
        return [
            leg.others["countdown"].rest(_NO_ORDER, f"switch-{no}", (window_ms, now_ms))
            for no, leg in self._legs.items()
        ]

    def _order_form(
        self, symbol: str, side: str, force: Force, *, is_market: bool, reduces: bool
    ) -> SignedForm:
        constants = {"symbol": symbol, "side": side, "newOrderRespType": "RESULT"}
        constants |= {"type": "MARKET"} if is_market else {"type": "LIMIT", "timeInForce": force.name}
        if reduces:
            constants["reduceOnly"] = "true"
        names = ("newClientOrderId", "quantity") if is_market else ("newClientOrderId", "price", "quantity")
        return SignedForm(
            self._credentials,
            Act.PLACE,
            names,
            constants,
            method="order.place",
            verb="POST",
            path="/fapi/v1/order",
        )

    def _amendment(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        form = leg.amends.get((request.side, request.force))
        if form is None:
            raise ValueError(f"{self.venue} amends no such order: {request}")
        price, quantity = leg.price(request.tick), leg.quantity(request.total_lots)
        return form, (request.client_id, price, quantity, now_ms)

    def _cancellation(self, leg: _Leg, request: OrderRequest, now_ms: int) -> _Filled:
        return leg.others["cancel"], (request.client_id, now_ms)


def _place_key(side: int, force: Force, is_market: bool, reduces: bool) -> int:
    """Where the form of a placement is; side 0 has none."""
    return force << 4 | is_market << 3 | reduces << 2 | (side + 1)


def _spot_type(force: Force) -> dict[str, str]:
    """Type and time in force of a limit order; spot's post-only orders are a type of their own."""
    return {"type": "LIMIT_MAKER"} if force is Force.GTX else {"type": "LIMIT", "timeInForce": force.name}
