"""Events of an account at Bybit: topics `order`, `execution`, `position` and `wallet` of the private websocket. Pure.

The topics carry spot and linear together; events of the other category, and of symbols that are no leg, are ignored.
There is no snapshot after a subscription.

Source: bybit-exchange/docs v5 `websocket/wss-authentication.mdx`, `websocket/private/*.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from connectors.bybit.order_rows import ExecutionRow, OrderRow, execution_of, update_of
from connectors.bybit.order_words import UnreadableError, ms_of
from connectors.errors import DecodeError, OffGridError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Decoded,
    Instrument,
    Notice,
    NoticeKind,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import amount_of
from connectors.orders.protocol import SocketLimits
from connectors.orders.signing import Signer
from connectors.units import SECOND

Category = Literal["spot", "linear"]

#: Both account sockets: no documented life, a ping of the client every 20 s.
LIMITS = SocketLimits(0, 20 * SECOND)
#: How long the signature of a log-on is valid.
_EXPIRY_MS = 10_000
_TEXT_MAX = 200


class _Position(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    side: str
    size: str
    position_idx: int
    category: str = ""
    updated_time: str | int = 0


class _Coin(msgspec.Struct, frozen=True, rename="camel"):
    coin: str
    wallet_balance: str


class _Wallet(msgspec.Struct, frozen=True):
    coin: list[_Coin]


class _Orders(msgspec.Struct, frozen=True, tag_field="topic", tag="order"):
    data: list[OrderRow]


class _Executions(msgspec.Struct, frozen=True, tag_field="topic", tag="execution"):
    data: list[ExecutionRow]


class _Positions(msgspec.Struct, frozen=True, tag_field="topic", tag="position"):
    data: list[_Position]


class _Wallets(msgspec.Struct, frozen=True, rename="camel", tag_field="topic", tag="wallet"):
    creation_time: int
    data: list[_Wallet]


class _Control(msgspec.Struct, frozen=True):
    """A frame without a topic."""

    op: str = ""
    topic: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


_EVENT = msgspec.json.Decoder(_Orders | _Executions | _Positions | _Wallets)
_CONTROL = msgspec.json.Decoder(_Control)
_OWN = ("order", "execution", "position", "wallet")
#: Topics of the protection after disconnects.
_SWITCHES = {"spot": "dcp.spot", "linear": "dcp.future"}


def log_on(signer: Signer, now_ms: int, *, id_name: str) -> WireRequest:
    """The first request on both account sockets. id_name: what the socket calls the id of a request."""
    expires = now_ms + _EXPIRY_MS
    signature = signer.sign(f"GET/realtime{expires}")
    text = f'{{"{id_name}":"auth","op":"auth","args":["{signer.key_id}",{expires},"{signature}"]}}'
    return WireRequest(Channel.SOCKET, "auth", Act.LOG_ON, 0, 0, text)


class BybitUser:
    """The events of one category; see `UserProtocol`."""

    limits = LIMITS

    def __init__(
        self, category: Category, signer: Signer, recv_window_ms: int, *, has_switch: bool = False
    ) -> None:
        """recv_window_ms: not used by the websocket; as in the other venues' classes. has_switch: whether the venue
        cancels orders when this connection, and all others like it, are gone."""
        self._topics = (*_OWN, _SWITCHES[category]) if has_switch else _OWN
        self.venue = f"bybit_{category}"
        self._category = category
        self._signer = signer
        self._legs: dict[str, Instrument] = {}

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """See `UserProtocol`."""
        self._legs[instrument.symbol] = instrument

    def path(self, listen_key: str) -> str:
        """See `UserProtocol`."""
        return "/v5/private"

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `UserProtocol`."""
        topics = ",".join(f'"{topic}"' for topic in self._topics)
        text = f'{{"req_id":"subscribe","op":"subscribe","args":[{topics}]}}'
        subscribe = WireRequest(Channel.SOCKET, "subscribe", Act.SUBSCRIBE, 0, 0, text)
        return [log_on(self._signer, now_ms, id_name="req_id"), subscribe]

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `UserProtocol`."""
        return answer.verdict is Verdict.ACCEPTED

    def fallback(self) -> bool:
        """See `UserProtocol`."""
        return False

    def ping(self, number: int) -> str | None:
        """See `UserProtocol`."""
        return f'{{"req_id":"ping{number}","op":"ping"}}'

    def key_request(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return None

    def renewal(self, now_ms: int) -> WireRequest | None:
        """See `UserProtocol`."""
        return None

    def decode(self, frame: bytes) -> tuple[Decoded, ...]:
        """See `UserProtocol`."""
        try:
            try:
                message = _EVENT.decode(frame)
            except msgspec.ValidationError:
                control = _CONTROL.decode(frame)
                if control.topic in _OWN:
                    raise
                return (self._control(control),)
            return self._events(message)
        except (msgspec.DecodeError, OffGridError, UnicodeError, UnreadableError) as error:
            raise DecodeError(self.venue, str(error), frame) from None

    def _events(self, message: _Orders | _Executions | _Positions | _Wallets) -> tuple[Decoded, ...]:
        if isinstance(message, _Wallets):
            coins = (coin for wallet in message.data for coin in wallet.coin)
            balances = {coin.coin: amount_of(coin.wallet_balance) for coin in coins}
            return (AccountView(balances, {}, False, message.creation_time),)
        found: list[Decoded] = []
        for row in message.data:
            instrument = self._legs.get(row.symbol)
            if instrument is None or row.category != self._category:
                continue
            if isinstance(row, OrderRow):
                found.append(update_of(row, instrument))
            elif isinstance(row, ExecutionRow):
                execution = execution_of(row, instrument)
                if execution is not None:
                    found.append(execution)
            else:
                found.append(self._position(row))
        return tuple(found)

    def _position(self, row: _Position) -> AccountView | Notice:
        if row.position_idx:
            return Notice(NoticeKind.MODE_CHANGED, "hedge")
        positions = {row.symbol: signed_size(row.side, row.size)}
        return AccountView({}, positions, False, ms_of(row.updated_time))

    def _control(self, message: _Control) -> VenueAnswer | Notice:
        if message.topic:
            return Notice(NoticeKind.IGNORED, message.topic[:_TEXT_MAX])
        if message.op == "pong":
            return Notice(NoticeKind.PONG)
        if message.op not in ("auth", "subscribe") and message.success is None:
            raise UnreadableError("no known kind of frame")
        # The venue may leave out the id.
        wire_id = message.req_id or (message.op if message.op in ("auth", "subscribe") else "")
        verdict = Verdict.ACCEPTED if message.success else Verdict.REFUSED
        return VenueAnswer(wire_id, verdict, text=message.ret_msg[:_TEXT_MAX])


def signed_size(side: str, size: str) -> Decimal:
    """The size of a position, negative if it is short. Raises OffGridError, UnreadableError."""
    amount = amount_of(size)
    if amount and side not in ("Buy", "Sell"):
        raise UnreadableError(f"{side[:40]!r} is no side of a position")
    return -amount if side == "Sell" else amount
