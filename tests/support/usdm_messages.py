"""Orders, executions and accounts of USD-M for tests, and the documents' examples of its messages."""

from __future__ import annotations

from typing import Any

import msgspec
import tomli

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import SELL
from arb.sandbox.matching.orders import Force, Prevention
from arb.sandbox.trading.order_state import Execution, ExecutionKind, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind
from connectors.units import MILLISECOND
from support.paths import GOLDEN
from support.sandbox_accounts import D, account, rules
from support.venue_messages.binance_usdm import DECODERS

BOTH, LONG, SHORT = PositionSide
RULES = rules("binance_usdm")
AT_NS = 1_700_000_000_123_456_789
AT_MS = 1_700_000_000_123
MESSAGES = GOLDEN / "binance_usdm" / "messages"
#: Fields of orders that the sandbox does not take, and those that only some of the documents' examples have.
NOT_SERVED = {"activatePrice", "priceRate", "cumBase", "pair", "baseQty", "marginAsset", "notionalCoef"}


def clock(at_ns: int) -> int:
    """The venue's time in ms."""
    return at_ns // MILLISECOND


def order(**changes: Any) -> VenueOrder:
    fields: dict[str, Any] = {
        "account": "main", "venue": "binance_usdm", "symbol": "BTCUSDT", "no": 1, "order_id": "8886774",
        "client_id": "arb-1", "side": SELL, "kind": OrderKind.LIMIT, "force": Force.GTC, "price": D(42000),
        "quantity": D("0.01"), "quote_quantity": None, "reduce_only": False, "position_side": BOTH,
        "prevention": Prevention.EXPIRE_MAKER, "created_ns": AT_NS, "updated_ns": AT_NS, "extra": {},
    }  # fmt: skip
    return VenueOrder(**(fields | changes))


def partly_filled(**changes: Any) -> VenueOrder:
    fields = {"status": OrderStatus.PARTIALLY_FILLED, "filled": D("0.003"), "value": D("126.0003")}
    return order(**(fields | changes))


def execution(**changes: Any) -> Execution:
    fields: dict[str, Any] = {
        "account": "main", "venue": "binance_usdm", "symbol": "BTCUSDT", "trade_id": 7, "order_id": "8886774",
        "client_id": "arb-1", "kind": ExecutionKind.TRADE, "side": SELL, "position_side": BOTH,
        "price": D("42000.1"), "quantity": D("0.003"), "value": D("126.0003"), "is_maker": False, "at_ns": AT_NS,
        "fee": D("0.0504001"), "fee_asset": "USDT", "fee_rate": D("0.0004"), "realized": D("-1.5"),
        "left": D("0.007"),
    }  # fmt: skip
    return Execution(**(fields | changes))


def trader(*fills: tuple[PositionSide, str, str], **modes: Any) -> Account:
    """An account with 1,000 USDT and 0.5 BNB after fills: position side, signed quantity, price."""
    one = account("binance_usdm", {"USDT": "1000", "BNB": "0.5"}, taker="0.0004", modes=Modes(**modes))
    for side, quantity, price in fills:
        one.positions.apply("BTCUSDT", side, D(quantity), D(price), AT_NS)
    return one


def example(name: str, no: int = 0) -> Any:
    """An example of the documents, decoded."""
    content = tomli.loads((MESSAGES / f"{name}.toml").read_text(encoding="utf-8"))
    return msgspec.json.decode(content["message"][no]["text"])


def sent(name: str, message: Any) -> Any:
    """A message as a client decodes it; the strict decoder has to take it."""
    text = msgspec.json.encode(message)
    DECODERS[name].decode(text)
    return msgspec.json.decode(text)


def shape(value: Any) -> Any:
    """Names and JSON types of a message; of a list those of its first item."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items() if name not in NOT_SERVED}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
