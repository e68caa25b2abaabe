"""Order entry of Bybit spot and linear: requests over the trade socket and over REST. Pure.

Prices and quantities are whole ticks and lots up to their texts. After the log-on of a socket its requests are not
signed. What is constant of a request is written once for each leg.

Source: bybit-exchange/docs v5 `order/{create,amend,cancel}-order.mdx`, `order/cancel-all.mdx`, `guide.mdx`,
`order/dcp.mdx`, `websocket/trade/guideline.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from connectors.bybit.order_answers import OPERATIONS, decode_answer, rest_answer
from connectors.bybit.order_queries import decode_query, protection_of, query_of
from connectors.bybit.order_words import FORCE_WORDS, SIDE_WORDS
from connectors.bybit.user_events import LIMITS, Category, log_on
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
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

_PATHS = {
    Act.PLACE: "/v5/order/create",
    Act.AMEND: "/v5/order/amend",
    Act.CANCEL: "/v5/order/cancel",
    Act.CANCEL_ALL: "/v5/order/cancel-all",
}
#: The protection after disconnects: the paths that set and query it, and its name of a category.
_DCP, _DCP_INFO = "/v5/order/disconnected-cancel-all", "/v5/account/query-dcp-info"
_PRODUCTS = {"spot": "SPOT", "linear": "DERIVATIVES"}
_PLACE, _SOCKET = Act.PLACE, Channel.SOCKET
_SWITCH = OrderRequest(Act.SWITCH, 0, "", 0, "")


class _Leg:
    """The parameters of one leg's requests, with places for what varies."""

    def __init__(self, category: Category, instrument: Instrument) -> None:
        self.price = instrument.tick.text_of
        self.quantity = instrument.lot.text_of
        own = f'"category":"{category}","symbol":"{instrument.symbol}"'
        self.places = {
            (side, force, is_market, reduces): _placement(own, instrument, side, force, is_market, reduces)
            for side in SIDE_WORDS
            for force in Force
            for is_market in (False, True)
            for reduces in ((False,) if instrument.is_spot else (False, True))
        }
        self.amend = f'{{{own},"orderLinkId":"%s","qty":"%s","price":"%s"}}'
        self.shrink = f'{{{own},"orderLinkId":"%s","qty":"%s"}}'
        self.cancel = f'{{{own},"orderLinkId":"%s"}}'
        self.cancel_all = f"{{{own}}}"


class BybitOrders:
    """Order entry of one category; see `OrderProtocol`."""

    limits = LIMITS

    def __init__(self, category: Category, signer: Signer, recv_window_ms: int) -> None:
        self.venue = f"bybit_{category}"
        self._category = category
        self._signer = signer
        self._window = str(recv_window_ms)
        self._legs: dict[int, _Leg] = {}
        self._instruments: dict[str, Instrument] = {}
        self._frames = {
            act: f'{{"reqId":"%s","header":{{"X-BAPI-TIMESTAMP":"%d","X-BAPI-RECV-WINDOW":"{recv_window_ms}"}},'
            f'"op":"{operation}","args":[%s]}}'
            for act, operation in OPERATIONS.items()
        }

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """See `OrderProtocol`."""
        self._legs[leg] = _Leg(self._category, instrument)
        self._instruments[instrument.symbol] = instrument

    def path(self) -> str:
        """See `OrderProtocol`."""
        return "/v5/trade"

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `OrderProtocol`."""
        return [log_on(self._signer, now_ms, id_name="reqId")]

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `OrderProtocol`."""
        return answer.verdict is Verdict.ACCEPTED

    def fallback(self) -> bool:
        """See `OrderProtocol`."""
        return False

    def ping(self, number: int) -> str | None:
        """See `OrderProtocol`."""
        return '{"op":"ping"}'

    @property
    def switch_reach(self) -> str:
        """See `OrderProtocol`."""
        return f"all orders of {_PRODUCTS[self._category]}"

    def switch(self, window_ms: int, now_ms: int, *, is_renewal: bool) -> list[WireRequest]:
        """See `OrderProtocol`: the protection after disconnects (DCP), of all connections with its topic, which ends
        with the connection. Renewed is only the knowledge that it is on."""
        if not window_ms:
            return []
        if is_renewal:
            return [self._rest(_SWITCH, "switch", now_ms, "GET", _DCP_INFO, "")]
        body = f'{{"product":"{_PRODUCTS[self._category]}","timeWindow":{window_ms // 1_000}}}'
        return [self._rest(_SWITCH, "switch", now_ms, "POST", _DCP, body, body=body.encode())]

    def encode(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """See `OrderProtocol`. Raises ValueError for a request that the venue does not have."""
        act = request.act
        frame = self._frames.get(act)
        if frame is None:
            return self.encode_rest(request, wire_id, now_ms)
        text = frame % (wire_id, now_ms, self._arguments(request))
        # The class's own constructor is a function of Python, and this runs before an order's bytes leave.
        return tuple.__new__(
            WireRequest,
            (_SOCKET, wire_id, act, request.leg, request.request_no, text, "", "", "", (), b""),
        )

    def encode_rest(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """See `OrderProtocol`. Raises ValueError for a request that the venue does not have."""
        path = _PATHS.get(request.act)
        if path is not None:
            body = self._arguments(request)
            return self._rest(request, wire_id, now_ms, "POST", path, body, body=body.encode())
        path, query = query_of(request, self._category)
        return self._rest(request, wire_id, now_ms, "GET", path, query, query=query)

    def decode(self, frame: bytes) -> VenueAnswer | Notice:
        """See `OrderProtocol`."""
        return decode_answer(self.venue, frame)

    def decode_rest(
        self, asked: WireRequest, status: int, body: bytes, retry_after_ns: int
    ) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """See `OrderProtocol`."""
        if asked.act in _PATHS or asked.path == _DCP:
            return rest_answer(asked, status, body, retry_after_ns)
        if asked.path == _DCP_INFO:
            return protection_of(self.venue, _PRODUCTS[self._category], asked, status, body, retry_after_ns)
        return decode_query(self.venue, self._instruments, asked, status, body, retry_after_ns)

    def _arguments(self, request: OrderRequest) -> str:
        """The parameters of a request that changes orders, as JSON."""
        # Fields of a named tuple take longer one by one.
        act, leg_no, _, _, client_id, _, _, side, force, is_market, reduces, tick, lots, *_ = request
        leg = self._legs[leg_no]
        if act is _PLACE:
            form = leg.places.get((side, force, is_market, reduces))
            if form is None:
                raise ValueError(f"{self.venue} has no such order: {request}")
            if is_market:
                return form % (leg.quantity(lots), client_id)
            return form % (leg.quantity(lots), leg.price(tick), client_id)
        if request.act is Act.CANCEL:
            return leg.cancel % request.client_id
        if request.act is Act.CANCEL_ALL:
            return leg.cancel_all
        quantity = leg.quantity(request.total_lots)
        if request.keeps_place:
            return leg.shrink % (request.client_id, quantity)
        return leg.amend % (request.client_id, quantity, leg.price(request.tick))

    def _rest(
        self,
        request: OrderRequest,
        wire_id: str,
        now_ms: int,
        method: str,
        path: str,
        signed: str,
        *,
        query: str = "",
        body: bytes = b"",
    ) -> WireRequest:
        """signed: the query or the body."""
        key = self._signer.key_id
        headers = (
            ("X-BAPI-API-KEY", key),
            ("X-BAPI-TIMESTAMP", str(now_ms)),
            ("X-BAPI-RECV-WINDOW", self._window),
            ("X-BAPI-SIGN", self._signer.sign(f"{now_ms}{key}{self._window}{signed}")),
            ("Content-Type", "application/json"),
        )
        return WireRequest(
            Channel.REST,
            wire_id,
            request.act,
            request.leg,
            request.request_no,
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
        )


def _placement(
    own: str, instrument: Instrument, side: int, force: Force, is_market: bool, reduces: bool
) -> str:
    """An order's parameters, with places for quantity, price unless it is a market order, and client id."""
    words = [own, f'"side":"{SIDE_WORDS[side]}"']
    if is_market:
        words += ['"orderType":"Market"', '"qty":"%s"']
        if instrument.is_spot:
            # Otherwise the quantity of a purchase is in the quote asset.
            words.append('"marketUnit":"baseCoin"')
    else:
        words += ['"orderType":"Limit"', '"qty":"%s"', '"price":"%s"']
        words.append(f'"timeInForce":"{FORCE_WORDS[force]}"')
    words.append('"orderLinkId":"%s"')
    if not instrument.is_spot:
        words.append('"positionIdx":0')
        if reduces:
            words.append('"reduceOnly":true')
    return f"{{{','.join(words)}}}"
