"""Bybit's unified account, spot and linear, through ccxt's raw endpoints.

Source: bybit-exchange/docs v5 `account/*.mdx`, `user/apikey-info.mdx`, `position/*.mdx`, `order/*.mdx` (read
2026-07-24).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from arb.accounts.ccxt_client import CcxtClient
from arb.accounts.facts import (
    AccountError,
    Balance,
    CheckedOrder,
    FeeRates,
    MarginMode,
    ModeChange,
    Modes,
    OpenOrder,
    OrderLimit,
    Payment,
    Position,
    Rights,
    SymbolModes,
)

_MARGIN_MODES: dict[str, MarginMode] = {
    "REGULAR_MARGIN": "cross",
    "ISOLATED_MARGIN": "isolated",
    "PORTFOLIO_MARGIN": "portfolio",
}
_MODE_NAMES: dict[str, str] = {mode: name for name, mode in _MARGIN_MODES.items()}
#: ccxt's name of the question about the key.
_KEY = "privateGetV5UserQueryApi"
#: "Not modified": position mode, margin mode, leverage.
_UNCHANGED = ("110025", "110026", "110043")
#: Rows of the account's log that are no trades.
_PAYMENTS = {"SETTLEMENT": "funding", "TRANSFER_IN": "transfer", "TRANSFER_OUT": "transfer"}
#: Linear perpetuals settle in it.
_SETTLE = "USDT"
#: Rows of a page, and most pages that are read.
_PAGE, _PAGES_MAX = {"orders": 50, "positions": 200}, 40
_NEVER = "1970-01-01T00:00:00Z"


class BybitAccount:
    """See `AccountClient`."""

    house = "bybit"

    def __init__(self, client: CcxtClient) -> None:
        self._client = client

    def set_clock(self, offset_ns: int) -> None:
        self._client.set_clock(offset_ns)

    async def account_id(self) -> str:
        """The user's number; where it cannot be asked, one that is made from the key."""
        try:
            return await self._client.ask(_KEY, lambda found: str(found["result"]["userID"]))
        except AccountError as error:
            if not error.is_unserved:
                raise
        return f"key{sha256(self._client.key_id.encode()).hexdigest()[:12]}"

    async def rights(self) -> Rights | None:
        return await self._client.ask(_KEY, rights_of)

    async def modes(self, symbols: Sequence[str]) -> Modes:
        def rows(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
            return list(answer["result"]["list"])

        name = "privateGetV5PositionList"
        margin, positions = await asyncio.gather(
            self._client.ask("privateGetV5AccountInfo", lambda found: str(found["result"]["marginMode"])),
            asyncio.gather(
                *(self._client.ask(name, rows, category="linear", symbol=symbol) for symbol in symbols)
            ),
        )
        return modes_of(margin, dict(zip(symbols, positions, strict=True)))

    async def change(self, change: ModeChange) -> None:
        name, params = _change_request(change)
        try:
            await self._client.ask(name, lambda _: None, **params)
        except AccountError as error:
            if error.code not in _UNCHANGED:
                raise

    async def fees(self, venue: str, symbols: Sequence[str]) -> dict[str, FeeRates]:
        """One question for all symbols: the venue answers five a second."""
        category = _category(venue)
        only = {"symbol": symbols[0]} if len(symbols) == 1 else {}
        return await self._client.ask(
            "privateGetV5AccountFeeRate",
            lambda found: fees_of(found, category, symbols),
            category=category,
            **only,
        )

    async def balances(self, venue: str) -> dict[str, Balance]:
        return await self._client.ask("privateGetV5AccountWalletBalance", balances_of, accountType="UNIFIED")

    async def positions(self) -> list[Position]:
        rows = await self._pages(
            "privateGetV5PositionList", "positions", category="linear", settleCoin=_SETTLE
        )
        return positions_of(rows)

    async def open_orders(self, venue: str) -> list[OpenOrder]:
        category = _category(venue)
        settled = {"settleCoin": _SETTLE} if category == "linear" else {}
        rows = await self._pages("privateGetV5OrderRealtime", "orders", category=category, **settled)
        return [_open_order(venue, row) for row in rows]

    async def order_limits(self, venue: str) -> list[OrderLimit]:
        return []

    async def payments(self, since_ms: int) -> list[Payment]:
        name, of_account = "privateGetV5AccountTransactionLog", {"accountType": "UNIFIED"}
        rows = await asyncio.gather(
            *(
                self._pages(name, "orders", type=kind, startTime=str(since_ms), **of_account)
                for kind in _PAYMENTS
            )
        )
        return [
            Payment(
                kind,
                row["currency"],
                Decimal(row["change"]),
                int(row["transactionTime"]),
                row.get("symbol") or "",
                row.get("id") or "",
            )
            for kind, found in zip(_PAYMENTS.values(), rows, strict=True)
            for row in found
        ]

    async def test(self, venue: str, order: CheckedOrder) -> bool:
        """The venue has no such request for spot."""
        if venue != "bybit_linear":
            return False
        side = "Buy" if order.is_buy else "Sell"
        await self._client.ask(
            "privatePostV5OrderPreCheck",
            lambda _: None,
            category="linear",
            symbol=order.symbol,
            side=side,
            orderType="Limit",
            timeInForce="IOC",
            qty=order.quantity,
            price=order.price,
        )
        return True

    async def close(self) -> None:
        await self._client.close()

    async def _pages(self, name: str, kind: str, **params: str) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        cursor: dict[str, str] = {}
        for _ in range(_PAGES_MAX):
            found = await self._client.ask(
                name, lambda answer: dict(answer["result"]), limit=str(_PAGE[kind]), **params, **cursor
            )
            rows += found["list"]
            if not found.get("nextPageCursor") or not found["list"]:
                return rows
            cursor = {"cursor": found["nextPageCursor"]}
        raise AccountError("bybit", name, "", f"more than {_PAGES_MAX} pages")


def rights_of(answer: Mapping[str, Any]) -> Rights:
    found = answer["result"]
    permissions = found["permissions"]
    wallet = permissions.get("Wallet") or []
    trades = {
        "spot": "SpotTrade" in (permissions.get("Spot") or []),
        # Keys of a unified account may have the one or the other; settings need "Position", too.
        "linear": {"Order", "Position"} <= set(permissions.get("ContractTrade") or [])
        or "DerivativesTrade" in (permissions.get("Derivatives") or []),
    }
    expires = "" if found.get("expiredAt", _NEVER) == _NEVER else str(found["expiredAt"])
    return Rights(
        frozenset(kind for kind, may in trades.items() if may and not int(found["readOnly"])),
        may_withdraw="Withdraw" in wallet,
        may_transfer=any(right != "Withdraw" for right in wallet),
        has_ip_list=any(address != "*" for address in found.get("ips") or []),
        expires=expires,
    )


def modes_of(margin: str, positions: Mapping[str, Sequence[Mapping[str, Any]]]) -> Modes:
    """positions: rows by symbol; in hedge mode there is one for each side."""
    mode = _MARGIN_MODES[margin]
    rows = {symbol: found[0] for symbol, found in positions.items()}
    return Modes(
        any(int(row["positionIdx"]) for found in positions.values() for row in found),
        False,
        # Empty under portfolio margin.
        {symbol: SymbolModes(mode, Decimal(row["leverage"] or "0")) for symbol, row in rows.items()},
        has_one_margin=True,
    )


def fees_of(answer: Mapping[str, Any], category: str, symbols: Sequence[str]) -> dict[str, FeeRates]:
    rows = {row["symbol"]: row for row in answer["result"]["list"]}
    paid_in = "received" if category == "spot" else "quote"
    return {
        symbol: FeeRates(
            (Decimal(rows[symbol]["makerFeeRate"]),), (Decimal(rows[symbol]["takerFeeRate"]),), paid_in
        )
        for symbol in symbols
    }


def balances_of(answer: Mapping[str, Any]) -> dict[str, Balance]:
    """Free: without what spot orders lock and what positions and orders of perpetuals hold as margin."""
    found = {}
    for row in answer["result"]["list"][0]["coin"]:
        total = Decimal(row["walletBalance"] or "0")
        held = sum(Decimal(row.get(name) or "0") for name in ("locked", "totalOrderIM", "totalPositionIM"))
        found[row["coin"]] = Balance(total, total - held)
    return found


def positions_of(rows: Sequence[Mapping[str, Any]]) -> list[Position]:
    found = []
    for row in rows:
        size = Decimal(row["size"] or "0")
        if size:
            entry = Decimal(row.get("avgPrice") or row.get("entryPrice") or "0")
            found.append(Position(row["symbol"], size if row["side"] == "Buy" else -size, entry))
    return found


def _open_order(venue: str, row: Mapping[str, Any]) -> OpenOrder:
    return OpenOrder(
        venue,
        row["symbol"],
        row["orderId"],
        row["orderLinkId"],
        row["side"] == "Buy",
        Decimal(row["price"] or "0"),
        Decimal(row["qty"]),
        Decimal(row["cumExecQty"] or "0"),
    )


def _category(venue: str) -> str:
    return venue.removeprefix("bybit_")


def _change_request(change: ModeChange) -> tuple[str, dict[str, Any]]:
    if change.key == "one_way":
        return "privatePostV5PositionSwitchMode", {"category": "linear", "coin": _SETTLE, "mode": 0}
    if change.key == "margin_mode":
        return "privatePostV5AccountSetMarginMode", {"setMarginMode": _MODE_NAMES[change.value]}
    if change.key == "leverage":
        both = {"buyLeverage": change.value, "sellLeverage": change.value}
        return "privatePostV5PositionSetLeverage", {"category": "linear", "symbol": change.symbol, **both}
    raise ValueError(f"Bybit has no setting {change.key}")
