"""Binance's user data: subscriptions, listen keys and events of spot and USD-M. Pure.

Spot sends events on a connection of the websocket API; a subscription by signature takes any kind of key and needs no
log-on. USD-M sends them on a connection of its own, whose path has the listen key.

Sources: user-data-stream.md and web-socket-api.md of binance-spot-api-docs (read 2026-07-21); USD-M: "User Data
Streams" (read 2026-11).
"""

from __future__ import annotations

import math
from typing import TypeAlias, get_args

import msgspec

from connectors.binance.forms import Credentials, SignedForm
from connectors.binance.order_answers import Answers, UnreadableError, fee_of, side_of, status_of
from connectors.binance.order_errors import spot_verdict
from connectors.binance.order_words import cause_of, kind_of, lots_of, tick_of, traded_tick_of
from connectors.errors import DecodeError, OffGridError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Decoded,
    Execution,
    Funding,
    Instrument,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderUpdate,
    Transfer,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import amount_of
from connectors.orders.protocol import SocketLimits
from connectors.orders.signing import Signer
from connectors.units import DAY

LIMITS = SocketLimits(DAY, 0)
#: Events need no limits, which every answer has without this; those of orders are read.
_SPOT_PATH = "/ws-api/v3?returnRateLimits=false"
#: Errors of a subscription for which another attempt is useless: the key, its format, its signature.
_KEY_ERRORS = (-2014, -2015)
_ALREADY_SUBSCRIBED = -2035


class _Report(msgspec.Struct, frozen=True, tag_field="e", tag="executionReport"):
    s: str
    #: Of a cancellation its own id; the order's is C.
    c: str
    C: str
    S: str
    f: str
    q: str
    p: str
    x: str
    X: str
    r: str
    i: int
    #: Of this execution: quantity, price, fee, asset, id.
    l: str  # noqa: E741
    L: str
    n: str | None
    N: str | None
    t: int
    z: str
    T: int
    m: bool
    expiry: str | None = msgspec.field(default=None, name="eR")


class _Balance(msgspec.Struct, frozen=True):
    a: str
    f: str
    l: str  # noqa: E741


class _Position(msgspec.Struct, frozen=True, tag_field="e", tag="outboundAccountPosition"):
    u: int
    B: tuple[_Balance, ...]


class _Balanced(msgspec.Struct, frozen=True, tag_field="e", tag="balanceUpdate"):
    a: str
    d: str
    T: int


class _Terminated(msgspec.Struct, frozen=True, tag_field="e", tag="eventStreamTerminated"):
    pass


class _Shutdown(msgspec.Struct, frozen=True, tag_field="e", tag="serverShutdown"):
    pass


class _SpotFrame(msgspec.Struct, frozen=True):
    event: _Report | _Position | _Balanced | _Terminated | _Shutdown


class _Trade(msgspec.Struct, frozen=True):
    s: str
    c: str
    S: str
    f: str
    q: str
    p: str
    x: str
    X: str
    i: int
    l: str  # noqa: E741
    L: str
    z: str
    T: int
    t: int
    m: bool
    n: str | None = None
    N: str | None = None
    er: str | int = "0"


class _Order(msgspec.Struct, frozen=True, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    o: _Trade


class _Wallet(msgspec.Struct, frozen=True):
    a: str
    wb: str
    bc: str


class _Held(msgspec.Struct, frozen=True):
    s: str
    pa: str


class _Changes(msgspec.Struct, frozen=True):
    m: str
    B: tuple[_Wallet, ...] = ()
    P: tuple[_Held, ...] = ()
    S: str = ""


class _Account(msgspec.Struct, frozen=True, tag_field="e", tag="ACCOUNT_UPDATE"):
    T: int
    a: _Changes


class _Expired(msgspec.Struct, frozen=True, tag_field="e", tag="listenKeyExpired"):
    pass


class _MarginCall(msgspec.Struct, frozen=True, tag_field="e", tag="MARGIN_CALL"):
    pass


class _Named(msgspec.Struct, frozen=True):
    e: str


class _NamedFrame(msgspec.Struct, frozen=True):
    event: _Named


_SpotEvent: TypeAlias = _Report | _Position | _Balanced | _Terminated | _Shutdown
_UsdmEvent: TypeAlias = _Order | _Account | _Expired | _MarginCall
_SPOT = msgspec.json.Decoder(_SpotFrame)
_SPOT_NAME = msgspec.json.Decoder(_NamedFrame)
_USDM: msgspec.json.Decoder[_UsdmEvent] = msgspec.json.Decoder(_UsdmEvent)
_USDM_NAME = msgspec.json.Decoder(_Named)
_SPOT_NAMES = frozenset(one.__struct_config__.tag for one in get_args(_SpotEvent))
_USDM_NAMES = frozenset(one.__struct_config__.tag for one in get_args(_UsdmEvent))


#: Causes of USD-M's changes of balances that move money into the account or out of it.
_TRANSFERS = {"DEPOSIT", "WITHDRAW", "WITHDRAW_REJECT", "ADMIN_DEPOSIT", "ADMIN_WITHDRAW", "ASSET_TRANSFER"}
_TRANSFERS |= {"COIN_SWAP_DEPOSIT", "COIN_SWAP_WITHDRAW"}


def _transfer(asset: str, change: str, venue_ms: int) -> Transfer:
    """Two of the same amount in the same millisecond are one."""
    return Transfer(asset, amount_of(change), f"{venue_ms}-{asset}-{change}", venue_ms)


class SpotUser:
    """Events of a spot account; see `UserProtocol`."""

    venue = "binance_spot"
    limits = LIMITS

    def __init__(self, signer: Signer, recv_window_ms: int) -> None:
        credentials = Credentials(signer, recv_window_ms, is_logged_on=False)
        method = "userDataStream.subscribe.signature"
        self._subscription = SignedForm(credentials, Act.SUBSCRIBE, (), {}, method=method)
        self._answers = Answers(self.venue, spot_verdict)
        self._instruments: dict[str, Instrument] = {}

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """See `UserProtocol`."""
        self._instruments[instrument.symbol] = instrument

    def path(self, listen_key: str) -> str:
        """See `UserProtocol`."""
        return _SPOT_PATH

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `UserProtocol`."""
        return [self._subscription.socket(_NO_ORDER, "subscribe", (now_ms,))]

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `UserProtocol`."""
        return is_opened(answer)

    def fallback(self) -> bool:
        """See `UserProtocol`: every kind of key subscribes in the same way."""
        return False

    def ping(self, number: int) -> str | None:
        """See `UserProtocol`."""
        return None

    def key_request(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return None

    def renewal(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return None

    def decode(self, frame: bytes) -> tuple[Decoded, ...]:
        """See `UserProtocol`."""
        try:
            event = _SPOT.decode(frame).event
        except (msgspec.DecodeError, UnicodeError) as error:
            name = _name_of(_SPOT_NAME, frame)
            if name is None:
                return (self._answers.of_frame(frame),)
            if name in _SPOT_NAMES:
                raise DecodeError(self.venue, str(error), frame) from None
            return (Notice(NoticeKind.IGNORED, name),)
        try:
            return self._decoded(event)
        except (OffGridError, UnreadableError) as error:
            raise DecodeError(self.venue, str(error), frame) from None

    def _decoded(self, event: _SpotEvent) -> tuple[Decoded, ...]:
        match event:
            case _Report():
                return self._report(event)
            case _Position():
                balances = {one.a: amount_of(one.f) + amount_of(one.l) for one in event.B}
                return (AccountView(balances, {}, False, event.u),)
            case _Balanced():
                return (_transfer(event.a, event.d, event.T),)
            case _Terminated():
                return (Notice(NoticeKind.ENDED),)
            case _Shutdown():
                return (Notice(NoticeKind.SHUTDOWN, "serverShutdown"),)

    def _report(self, event: _Report) -> tuple[Decoded, ...]:
        instrument = self._instruments.get(event.s)
        if instrument is None:
            return (Notice(NoticeKind.IGNORED, f"order of {event.s}"),)
        client_id = event.C if event.x == "CANCELED" and event.C else event.c
        order_id = str(event.i)
        reason = event.expiry or (event.r if event.r != "NONE" else None)
        update = OrderUpdate(
            event.s,
            client_id,
            order_id,
            status_of(event.X),
            lots_of(instrument, event.z),
            lots_of(instrument, event.q),
            tick_of(instrument, event.p),
            cause_of(event.X, reason, event.f),
            event.T,
            event.x == "REPLACED",
        )
        if event.x != "TRADE":
            return (update,)
        execution = Execution(
            event.s,
            client_id,
            order_id,
            str(event.t),
            side_of(event.S),
            traded_tick_of(instrument, event.L),
            lots_of(instrument, event.l),
            event.m,
            *fee_of(event.n, event.N),
            event.T,
        )
        return execution, update


class UsdmUser:
    """Events of a USD-M account in one-way mode; see `UserProtocol`."""

    venue = "binance_usdm"
    limits = LIMITS

    def __init__(self, signer: Signer) -> None:
        self._headers = (("X-MBX-APIKEY", signer.key_id),)
        self._instruments: dict[str, Instrument] = {}

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """See `UserProtocol`."""
        self._instruments[instrument.symbol] = instrument

    def path(self, listen_key: str) -> str:
        """See `UserProtocol`."""
        return f"/private/ws/{listen_key}"

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `UserProtocol`: the listen key is all."""
        return []

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `UserProtocol`."""
        return is_opened(answer)

    def fallback(self) -> bool:
        """See `UserProtocol`."""
        return False

    def ping(self, number: int) -> str | None:
        """See `UserProtocol`."""
        return None

    def key_request(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return self._key_request("listen-key", Act.LISTEN_KEY, "POST")

    def renewal(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return self._key_request("renew-key", Act.RENEW_KEY, "PUT")

    def decode(self, frame: bytes) -> tuple[Decoded, ...]:
        """See `UserProtocol`. `TRADE_LITE` is ignored: the same execution comes with its fee."""
        try:
            event = _USDM.decode(frame)
        except (msgspec.DecodeError, UnicodeError) as error:
            name = _name_of(_USDM_NAME, frame)
            if name is None or name in _USDM_NAMES:
                raise DecodeError(self.venue, str(error), frame) from None
            return (Notice(NoticeKind.IGNORED, name),)
        try:
            return self._decoded(event)
        except (OffGridError, UnreadableError) as error:
            raise DecodeError(self.venue, str(error), frame) from None

    def _decoded(self, event: _UsdmEvent) -> tuple[Decoded, ...]:
        match event:
            case _Order():
                return self._order(event.o)
            case _Account():
                return self._account(event.a, event.T)
            case _Expired():
                return (Notice(NoticeKind.KEY_EXPIRED),)
            case _MarginCall():
                return (Notice(NoticeKind.MARGIN_CALL),)

    def _order(self, event: _Trade) -> tuple[Decoded, ...]:
        instrument = self._instruments.get(event.s)
        if instrument is None:
            return (Notice(NoticeKind.IGNORED, f"order of {event.s}"),)
        order_id = str(event.i)
        update = OrderUpdate(
            event.s,
            event.c,
            order_id,
            status_of(event.X),
            lots_of(instrument, event.z),
            lots_of(instrument, event.q),
            tick_of(instrument, event.p),
            cause_of(event.X, str(event.er), event.f),
            event.T,
            event.x == "AMENDMENT",
        )
        lots = lots_of(instrument, event.l)
        if event.x not in ("TRADE", "CALCULATED") or not lots:
            return (update,)
        execution = Execution(
            event.s,
            event.c,
            order_id,
            str(event.t),
            side_of(event.S),
            traded_tick_of(instrument, event.L),
            lots,
            event.m,
            *fee_of(event.n, event.N),
            event.T,
            kind_of(event.c),
        )
        return execution, update

    def _account(self, changes: _Changes, venue_ms: int) -> tuple[Decoded, ...]:
        """Balances and positions that changed, and a funding payment. In one-way mode a symbol has one position."""
        balances = {one.a: amount_of(one.wb) for one in changes.B}
        view = AccountView(balances, {one.s: amount_of(one.pa) for one in changes.P}, False, venue_ms)
        if changes.m in _TRANSFERS:
            return (view, *(_transfer(one.a, one.bc, venue_ms) for one in changes.B if amount_of(one.bc)))
        if changes.m != "FUNDING_FEE":
            return (view,)
        # The symbol is said since 2026; before, by the position of an isolated margin alone.
        symbol = changes.S or (changes.P[0].s if changes.P else "")
        payments = [(one.a, amount_of(one.bc)) for one in changes.B]
        return (
            view,
            *(
                Funding(symbol, asset, amount, math.nan, math.nan, view.positions.get(symbol), venue_ms)
                for asset, amount in payments
                if amount
            ),
        )

    def _key_request(self, wire_id: str, act: Act, verb: str) -> WireRequest:
        return WireRequest(
            Channel.REST, wire_id, act, 0, 0, method=verb, path="/fapi/v1/listenKey", headers=self._headers
        )


#: Requests of a connection belong to no order.
_NO_ORDER = OrderRequest(Act.SUBSCRIBE, 0, "", 0, "")


def is_opened(answer: VenueAnswer) -> bool | None:
    """Whether a log-on or subscription was accepted; False: the key is not; None: another attempt may help."""
    if answer.verdict is Verdict.ACCEPTED or answer.code == _ALREADY_SUBSCRIBED:
        return True
    return False if answer.code in _KEY_ERRORS else None


def _name_of(
    decoder: msgspec.json.Decoder[_Named] | msgspec.json.Decoder[_NamedFrame], frame: bytes
) -> str | None:
    """The name of an event; None if the frame is none."""
    try:
        found = decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found.event.e if isinstance(found, _NamedFrame) else found.e
