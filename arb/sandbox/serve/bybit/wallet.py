"""Balances and margin of a unified account in Bybit's words. Pure.

The margin is the model of `accounts.margin`, with other assets as collateral at their last price and without haircut.
Source: bybit-exchange/docs v5 `account/wallet-balance.mdx`, `websocket/private/wallet.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from arb.sandbox.accounts.amounts import ZERO, divided, plain, rounded
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.margin import Margin, order_margin
from arb.sandbox.accounts.wallet import AssetView
from arb.sandbox.serve.bybit.answers import Row
from arb.sandbox.trading.requests import Place

if TYPE_CHECKING:
    from arb.sandbox.serve.bybit.side import Side

VENUE = "bybit_linear"
SETTLE = "USDT"


def added_margin(side: Side, place: Place) -> Decimal:
    """What a new order adds to the order margin."""
    instrument = side.desk("linear").instruments[place.symbol]
    price = place.price or instrument.mark or ZERO
    quantity = ZERO if place.reduce_only else place.quantity or ZERO
    account = side.account(place.account)
    return order_margin(account, instrument.rules, place.side, place.position_side, quantity, price)


def wallet(
    side: Side, account: str, coins: Iterable[str] | None = None, known: Mapping[str, AssetView] | None = None
) -> Row:
    """The account with some coins; None: all that it holds. known: balances at the time of an event."""
    one = side.account(account)
    held = one.wallet(VENUE)
    margin = side.desk("linear").margin(account)
    is_cross = one.modes.margin != "ISOLATED_MARGIN"
    prices = {asset: side.price_of(asset) for asset in held.assets()}
    total = sum((held.total(asset) * (price or ZERO) for asset, price in prices.items()), ZERO)
    balance = total + margin.unrealized
    initial = margin.initial + margin.order_margin

    def of_account(value: Decimal, places: int = 8) -> str:
        """Figures of the whole account are not for isolated margin."""
        return plain(rounded(value, places)) if is_cross else ""

    def rate(value: Decimal) -> str:
        return of_account(divided(value, balance, 4) if balance > 0 else ZERO)

    names = [asset for asset in held.assets() if held.total(asset)] if coins is None else list(coins)
    row: Row = {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "totalEquity": of_account(balance),
        "totalWalletBalance": of_account(total),
        "totalMarginBalance": of_account(balance),
        "totalAvailableBalance": of_account(margin.available),
        "totalPerpUPL": of_account(margin.unrealized),
    }
    for suffix in ("", "ByMp"):
        row |= {
            f"accountIMRate{suffix}": rate(initial),
            f"accountMMRate{suffix}": rate(margin.maintenance),
            f"totalInitialMargin{suffix}": of_account(initial),
            f"totalMaintenanceMargin{suffix}": of_account(margin.maintenance),
        }
    collateral = {one.rules.base for one in side.desk("linear").instruments.values()} | {SETTLE}
    views = {asset: (known or {}).get(asset) or held.view(asset) for asset in names}
    return row | {
        "coin": [
            _coin(
                view,
                prices.get(asset),
                margin,
                _realized(side, account, asset),
                is_margin=asset in collateral,
            )
            for asset, view in views.items()
        ]
    }


def _coin(
    view: AssetView, price: Decimal | None, margin: Margin, realized: Decimal, *, is_margin: bool
) -> Row:
    is_settle = view.asset == SETTLE
    unrealized = margin.unrealized if is_settle else ZERO
    equity = view.total + unrealized
    return {
        "coin": view.asset,
        "equity": plain(equity),
        # No instrument here has a price of it: it is no collateral either, whose value is 0 by the document.
        "usdValue": "0" if price is None else plain(rounded(equity * price)),
        "walletBalance": plain(view.total),
        "locked": plain(view.locked),
        "spotHedgingQty": "0",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": plain(margin.order_margin) if is_settle else "0",
        "totalPositionIM": plain(margin.initial) if is_settle else "0",
        "totalPositionMM": plain(margin.maintenance) if is_settle else "0",
        "unrealisedPnl": plain(unrealized),
        "cumRealisedPnl": plain(realized),
        "bonus": "0",
        "collateralSwitch": is_margin,
        "marginCollateral": is_margin,
        "spotBorrow": "0",
        # Empty at the venue since 2025-01-09.
        "availableToWithdraw": "",
        "availableToBorrow": "",
    }


def _realized(side: Side, account: str, asset: str) -> Decimal:
    """Realized profit without fees."""
    one = side.account(account)
    return one.ledger.sums.get((one.wallet(VENUE).name, asset, EntryCause.REALIZED), ZERO)
