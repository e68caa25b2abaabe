"""Binance's user data: subscriptions, listen keys and events of spot and USD-M. Pure.

Spot sends events on a connection of the websocket API; a subscription by signature takes any kind of key and needs no
log-on. USD-M sends them on a connection of its own, whose path has the listen key.

Sources: user-data-stream.md and web-socket-api.md of binance-spot-api-docs (read 2026-07-21); USD-M: "User Data
Streams" (read 2026-11).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from connectors.binance.forms import Credentials, SignedForm
from connectors.binance.order_answers import Answers, UnreadableError, fee_of, side_of, status_of
from connectors.binance.order_errors import spot_verdict
from connectors.binance.order_words import cause_of, kind_of, lots_of, tick_of, traded_tick_of
from connectors.binance.user_messages import (
    SPOT,
    SPOT_NAME,
    SPOT_NAMES,
    USDM,
    USDM_NAME,
    USDM_NAMES,
    Account,
    Balanced,
    Changes,
    Config,
    Expired,
    MarginCall,
    Named,
    NamedFrame,
    Order,
    Position,
    Report,
    Shutdown,
    SpotEvent,
    Terminated,
    Trade,
    UsdmEvent,
)
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
    Setting,
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


#: Causes of USD-M's changes of balances that move money into the account or out of it.
_TRANSFERS = {"DEPOSIT", "WITHDRAW", "WITHDRAW_REJECT", "ADMIN_DEPOSIT", "ADMIN_WITHDRAW", "ASSET_TRANSFER"}
_TRANSFERS |= {"COIN_SWAP_DEPOSIT", "COIN_SWAP_WITHDRAW"}


def _transfer(asset: str, change: str, venue_ms: int) -> Transfer:
    """Two of the same amount in the same millisecond are one."""
    return Transfer(asset, amount_of(change), f"{venue_ms}-{asset}-{change}", venue_ms)


def _settings(event: Config) -> Iterator[Setting]:
    if event.ac is not None:
        yield Setting(f"leverage of {event.ac.s}", str(event.ac.l))
    if event.ai is not None:
        yield Setting("multi-assets mode", "on" if event.ai.j else "off")


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
            event = SPOT.decode(frame).event
        except (msgspec.DecodeError, UnicodeError) as error:
            name = _name_of(SPOT_NAME, frame)
            if name is None:
                return (self._answers.of_frame(frame),)
            if name in SPOT_NAMES:
                raise DecodeError(self.venue, str(error), frame) from None
            return (Notice(NoticeKind.IGNORED, name),)
        try:
            return self._decoded(event)
        except (OffGridError, UnreadableError) as error:
            raise DecodeError(self.venue, str(error), frame) from None

    def _decoded(self, event: SpotEvent) -> tuple[Decoded, ...]:
        match event:
            case Report():
                return self._report(event)
            case Position():
                balances = {one.a: amount_of(one.f) + amount_of(one.l) for one in event.B}
                return (AccountView(balances, {}, False, event.u),)
            case Balanced():
                return (_transfer(event.a, event.d, event.T),)
            case Terminated():
                return (Notice(NoticeKind.ENDED),)
            case Shutdown():
                return (Notice(NoticeKind.SHUTDOWN, "serverShutdown"),)

    def _report(self, event: Report) -> tuple[Decoded, ...]:
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
            event = USDM.decode(frame)
        except (msgspec.DecodeError, UnicodeError) as error:
            name = _name_of(USDM_NAME, frame)
            if name is None or name in USDM_NAMES:
                raise DecodeError(self.venue, str(error), frame) from None
            return (Notice(NoticeKind.IGNORED, name),)
        try:
            return self._decoded(event)
        except (OffGridError, UnreadableError) as error:
            raise DecodeError(self.venue, str(error), frame) from None

    def _decoded(self, event: UsdmEvent) -> tuple[Decoded, ...]:
        match event:
            case Order():
                return self._order(event.o)
            case Account():
                return self._account(event.a, event.T)
            case Config():
                return tuple(_settings(event))
            case Expired():
                return (Notice(NoticeKind.KEY_EXPIRED),)
            case MarginCall():
                return (Notice(NoticeKind.MARGIN_CALL),)

    def _order(self, event: Trade) -> tuple[Decoded, ...]:
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

    def _account(self, changes: Changes, venue_ms: int) -> tuple[Decoded, ...]:
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
    decoder: msgspec.json.Decoder[Named] | msgspec.json.Decoder[NamedFrame], frame: bytes
) -> str | None:
    """The name of an event; None if the frame is none."""
    try:
        found = decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found.event.e if isinstance(found, NamedFrame) else found.e
