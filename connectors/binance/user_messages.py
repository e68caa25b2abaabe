"""The messages of Binance's user data, spot and USD-M, with the fields that are read. Definitions only.

Sources: as of `connectors.binance.user_events`.
"""

from __future__ import annotations

from typing import TypeAlias, get_args

import msgspec


class Report(msgspec.Struct, frozen=True, tag_field="e", tag="executionReport"):
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


class Balance(msgspec.Struct, frozen=True):
    a: str
    f: str
    l: str  # noqa: E741


class Position(msgspec.Struct, frozen=True, tag_field="e", tag="outboundAccountPosition"):
    u: int
    B: tuple[Balance, ...]


class Balanced(msgspec.Struct, frozen=True, tag_field="e", tag="balanceUpdate"):
    a: str
    d: str
    T: int


class Terminated(msgspec.Struct, frozen=True, tag_field="e", tag="eventStreamTerminated"):
    pass


class Shutdown(msgspec.Struct, frozen=True, tag_field="e", tag="serverShutdown"):
    pass


class SpotFrame(msgspec.Struct, frozen=True):
    event: Report | Position | Balanced | Terminated | Shutdown


class Trade(msgspec.Struct, frozen=True):
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


class Order(msgspec.Struct, frozen=True, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    o: Trade


class Wallet(msgspec.Struct, frozen=True):
    a: str
    wb: str
    bc: str


class Held(msgspec.Struct, frozen=True):
    s: str
    pa: str


class Changes(msgspec.Struct, frozen=True):
    m: str
    B: tuple[Wallet, ...] = ()
    P: tuple[Held, ...] = ()
    S: str = ""


class Account(msgspec.Struct, frozen=True, tag_field="e", tag="ACCOUNT_UPDATE"):
    T: int
    a: Changes


class Expired(msgspec.Struct, frozen=True, tag_field="e", tag="listenKeyExpired"):
    pass


class MarginCall(msgspec.Struct, frozen=True, tag_field="e", tag="MARGIN_CALL"):
    pass


class Leverage(msgspec.Struct, frozen=True):
    s: str
    l: int  # noqa: E741


class MultiAssets(msgspec.Struct, frozen=True):
    j: bool


class Config(msgspec.Struct, frozen=True, tag_field="e", tag="ACCOUNT_CONFIG_UPDATE"):
    ac: Leverage | None = None
    ai: MultiAssets | None = None


class Named(msgspec.Struct, frozen=True):
    e: str


class NamedFrame(msgspec.Struct, frozen=True):
    event: Named


SpotEvent: TypeAlias = Report | Position | Balanced | Terminated | Shutdown
UsdmEvent: TypeAlias = Order | Account | Config | Expired | MarginCall
SPOT = msgspec.json.Decoder(SpotFrame)
SPOT_NAME = msgspec.json.Decoder(NamedFrame)
USDM: msgspec.json.Decoder[UsdmEvent] = msgspec.json.Decoder(UsdmEvent)
USDM_NAME = msgspec.json.Decoder(Named)
SPOT_NAMES = frozenset(one.__struct_config__.tag for one in get_args(SpotEvent))
USDM_NAMES = frozenset(one.__struct_config__.tag for one in get_args(UsdmEvent))
