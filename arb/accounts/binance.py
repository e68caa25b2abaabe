"""Binance's account, spot and USD-M, through ccxt's raw endpoints.

Sources: rest-api.md and faqs/commission_faq.md of binance-spot-api-docs (read 2026-07-21), the saved pages of USD-M's
"Account" and "Trade" (openxapi e2791e4, read 2025-11), the wallet client of binance-connector-python 29da329.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
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

_SPOT, _USDM = "binance_spot", "binance_usdm"
_MARGIN_TYPES: dict[str, str] = {"cross": "CROSSED", "isolated": "ISOLATED"}
_MARGIN_MODES: dict[str, MarginMode] = {"CROSSED": "cross", "ISOLATED": "isolated"}
#: "No need to change": position side, margin type, assets mode.
_UNCHANGED = ("-4059", "-4046", "-4171")
_PAYMENTS = {"FUNDING_FEE": "funding", "TRANSFER": "transfer"}
#: Incomes that belong to executions.
_OF_TRADES = frozenset(("COMMISSION", "REALIZED_PNL"))
#: Assumed of a fee on USD-M that is paid in BNB: 10 % off. The query does not say whether its rates have it.
_BURN_FACTOR = Decimal("0.9")


class BinanceAccount:
    """See `AccountClient`."""

    house: str = "binance"

    def __init__(self, client: CcxtClient) -> None:
        self._client = client
        self._has_spot = "private" in client.addresses

    def set_clock(self, offset_ns: int) -> None:
        self._client.set_clock(offset_ns)

    async def account_id(self) -> str:
        """The user's number, where the environment has the spot API; else the futures account's alias."""
        if self._has_spot:
            return await self._client.ask(
                "privateGetAccount", lambda found: str(found["uid"]), omitZeroBalances="true"
            )
        return await self._client.ask("fapiPrivateV3GetBalance", lambda found: str(found[0]["accountAlias"]))

    async def rights(self) -> Rights | None:
        if not self._has_spot:
            return None
        return await self._client.ask("sapiGetAccountApiRestrictions", rights_of)

    async def modes(self, symbols: Sequence[str]) -> Modes:
        only = {"symbol": symbols[0]} if len(symbols) == 1 else {}
        account, configured = await asyncio.gather(
            self._client.ask("fapiPrivateGetAccountConfig", dict),
            self._client.ask("fapiPrivateGetSymbolConfig", list, **only),
        )
        return modes_of(account, configured, symbols)

    async def change(self, change: ModeChange) -> None:
        name, params = _change_request(change)
        try:
            await self._client.ask(name, lambda _: None, **params)
        except AccountError as error:
            if error.code not in _UNCHANGED:
                raise

    async def fees(self, venue: str, symbols: Sequence[str]) -> dict[str, FeeRates]:
        if venue == _SPOT:
            asked = (
                self._client.ask("privateGetAccountCommission", spot_fees, symbol=symbol)
                for symbol in symbols
            )
            return dict(zip(symbols, await asyncio.gather(*asked), strict=True))
        burn = await self._client.ask("fapiPrivateGetFeeBurn", lambda found: bool(found["feeBurn"]))
        rates = (
            self._client.ask(
                "fapiPrivateGetCommissionRate", lambda found: usdm_fees(found, burn), symbol=symbol
            )
            for symbol in symbols
        )
        return dict(zip(symbols, await asyncio.gather(*rates), strict=True))

    async def balances(self, venue: str) -> dict[str, Balance]:
        if venue == _SPOT:
            return await self._client.ask("privateGetAccount", spot_balances, omitZeroBalances="true")
        return await self._client.ask("fapiPrivateV3GetBalance", usdm_balances)

    async def positions(self) -> list[Position]:
        return await self._client.ask("fapiPrivateV3GetPositionRisk", positions_of)

    async def open_orders(self, venue: str) -> list[OpenOrder]:
        name = "privateGetOpenOrders" if venue == _SPOT else "fapiPrivateGetOpenOrders"
        return await self._client.ask(name, lambda found: [_open_order(venue, one) for one in found])

    async def order_limits(self, venue: str) -> list[OrderLimit]:
        name = "privateGetRateLimitOrder" if venue == _SPOT else "fapiPrivateGetRateLimitOrder"
        return await self._client.ask(name, limits_of)

    async def payments(self, since_ms: int) -> list[Payment]:
        if "fapiPrivate" not in self._client.addresses:
            return []
        return await self._client.ask("fapiPrivateGetIncome", payments_of, startTime=since_ms, limit=1000)

    async def test(self, venue: str, order: CheckedOrder) -> bool:
        name = "privatePostOrderTest" if venue == _SPOT else "fapiPrivatePostOrderTest"
        side = "BUY" if order.is_buy else "SELL"
        await self._client.ask(
            name,
            lambda _: None,
            symbol=order.symbol,
            side=side,
            type="LIMIT",
            timeInForce="IOC",
            quantity=order.quantity,
            price=order.price,
        )
        return True

    async def close(self) -> None:
        await self._client.close()


def rights_of(found: Mapping[str, Any]) -> Rights:
    trades = {"spot": found["enableSpotAndMarginTrading"], "linear": found["enableFutures"]}
    return Rights(
        frozenset(kind for kind, may in trades.items() if may),
        may_withdraw=bool(found["enableWithdrawals"]),
        may_transfer=bool(found["enableInternalTransfer"] or found["permitsUniversalTransfer"]),
        has_ip_list=bool(found["ipRestrict"]),
    )


def modes_of(
    account: Mapping[str, Any], configured: Sequence[Mapping[str, Any]], symbols: Sequence[str]
) -> Modes:
    rows = {row["symbol"]: row for row in configured}
    return Modes(
        bool(account["dualSidePosition"]),
        bool(account["multiAssetsMargin"]),
        {
            one: SymbolModes(_MARGIN_MODES[rows[one]["marginType"]], Decimal(str(rows[one]["leverage"])))
            for one in symbols
        },
    )


def spot_fees(found: Mapping[str, Any]) -> FeeRates:
    """Standard, special and tax rates of the dearer side. A discount reduces the standard rate alone: to this factor by
    the formula of the FAQ, by it according to the reference."""
    discount = found["discount"]
    in_bnb = bool(discount["enabledForAccount"] and discount["enabledForSymbol"])
    share = Decimal(discount["discount"])
    factors = (share, 1 - share) if in_bnb else (Decimal(1),)

    def rate(kind: str, table: str) -> Decimal:
        rates = found[table]
        return Decimal(rates[kind]) + max(Decimal(rates["buyer"]), Decimal(rates["seller"]))

    def rates(kind: str) -> tuple[Decimal, ...]:
        more = sum(rate(kind, table) for table in ("specialCommission", "taxCommission"))
        return tuple(rate(kind, "standardCommission") * factor + more for factor in factors)

    return FeeRates(rates("maker"), rates("taker"), str(discount["discountAsset"]) if in_bnb else "received")


def usdm_fees(found: Mapping[str, Any], in_bnb: bool) -> FeeRates:
    def rates(kind: str) -> tuple[Decimal, ...]:
        rate = Decimal(found[f"{kind}CommissionRate"])
        return (rate, rate * _BURN_FACTOR) if in_bnb else (rate,)

    return FeeRates(rates("maker"), rates("taker"), "BNB" if in_bnb else "quote")


def spot_balances(found: Mapping[str, Any]) -> dict[str, Balance]:
    return {
        row["asset"]: Balance(Decimal(row["free"]) + Decimal(row["locked"]), Decimal(row["free"]))
        for row in found["balances"]
    }


def usdm_balances(found: Sequence[Mapping[str, Any]]) -> dict[str, Balance]:
    """Free is what new positions may use as margin."""
    return {row["asset"]: Balance(Decimal(row["balance"]), Decimal(row["availableBalance"])) for row in found}


def positions_of(found: Sequence[Mapping[str, Any]]) -> list[Position]:
    rows = [Position(row["symbol"], Decimal(row["positionAmt"]), Decimal(row["entryPrice"])) for row in found]
    return [row for row in rows if row.quantity]


def limits_of(found: Sequence[Mapping[str, Any]]) -> list[OrderLimit]:
    return [
        OrderLimit(
            _span(int(row["intervalNum"]), row["interval"].lower()), int(row["limit"]), row.get("count")
        )
        for row in found
        if row["rateLimitType"] == "ORDERS"
    ]


def payments_of(found: Sequence[Mapping[str, Any]]) -> list[Payment]:
    return [
        Payment(
            _PAYMENTS.get(row["incomeType"], row["incomeType"].lower()),
            row["asset"],
            Decimal(row["income"]),
            int(row["time"]),
            row.get("symbol") or "",
            str(row.get("tranId") or ""),
        )
        for row in found
        if row["incomeType"] not in _OF_TRADES
    ]


def _span(count: int, unit: str) -> str:
    return f"{count} {unit}s" if count > 1 else f"1 {unit}"


def _open_order(venue: str, row: Mapping[str, Any]) -> OpenOrder:
    return OpenOrder(
        venue,
        row["symbol"],
        str(row["orderId"]),
        row["clientOrderId"],
        row["side"] == "BUY",
        Decimal(row["price"]),
        Decimal(row["origQty"]),
        Decimal(row["executedQty"]),
    )


def _change_request(change: ModeChange) -> tuple[str, dict[str, str]]:
    if change.key == "one_way":
        return "fapiPrivatePostPositionSideDual", {"dualSidePosition": "false"}
    if change.key == "single_asset":
        return "fapiPrivatePostMultiAssetsMargin", {"multiAssetsMargin": "false"}
    if change.key == "margin_mode":
        return "fapiPrivatePostMarginType", {
            "symbol": change.symbol,
            "marginType": _MARGIN_TYPES[change.value],
        }
    return "fapiPrivatePostLeverage", {"symbol": change.symbol, "leverage": change.value}
