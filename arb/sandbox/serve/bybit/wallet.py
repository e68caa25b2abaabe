"""Balances and margin of a unified account in Bybit's words. Pure.

The margin is the model of `accounts.margin`, with other assets as collateral at their last price and without haircut.
Source: bybit-exchange/docs v5 `account/wallet-balance.mdx`, `websocket/private/wallet.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from arb.sandbox.accounts.amounts import ZERO, divided, plain, rounded
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.margin import order_margin
from arb.sandbox.accounts.wallet import AssetView
from arb.sandbox.serve.bybit.answers import Row
from arb.sandbox.trading.requests import Place

if TYPE_CHECKING:
    from arb.sandbox.serve.bybit.side import Side

VENUE = "bybit_linear"
SETTLE = "USDT"


class Figures(NamedTuple):
    """Margin of all positions and orders. Sums: computed once."""

    unrealized: Decimal
    orders: Decimal
    initial: Decimal
    maintenance: Decimal


#: Of assets in which no instrument settles.
_NOTHING = Figures(ZERO, ZERO, ZERO, ZERO)


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
    figures = Figures(margin.unrealized, margin.order_margin, margin.initial, margin.maintenance)
    balance = total + figures.unrealized
    initial = figures.initial + figures.orders

    def of_account(value: Decimal, places: int = 8) -> str:
        """Figures of the whole account are not for isolated margin."""
        return plain(rounded(value, places)) if is_cross else ""

    def rate(value: Decimal) -> str:
        return of_account(divided(value, balance, 4) if balance > 0 else ZERO)

    margins = {
        "accountIMRate": rate(initial),
        "accountMMRate": rate(figures.maintenance),
        "totalInitialMargin": of_account(initial),
        "totalMaintenanceMargin": of_account(figures.maintenance),
    }

    names = [asset for asset in held.assets() if held.total(asset)] if coins is None else list(coins)
    row: Row = {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "totalEquity": of_account(balance),
        "totalWalletBalance": of_account(total),
        "totalMarginBalance": of_account(balance),
        "totalAvailableBalance": of_account(margin.available),
        "totalPerpUPL": of_account(figures.unrealized),
        **margins,
        **{f"{name}ByMp": text for name, text in margins.items()},
    }
    collateral = {one.rules.base for one in side.desk("linear").instruments.values()} | {SETTLE}
    views = {asset: (known or {}).get(asset) or held.view(asset) for asset in names}
    return row | {
        "coin": [
            _coin(
                view,
                prices.get(asset),
                figures if asset == SETTLE else _NOTHING,
                _realized(side, account, asset),
                is_margin=asset in collateral,
            )
            for asset, view in views.items()
        ]
    }


def _coin(
    view: AssetView, price: Decimal | None, figures: Figures, realized: Decimal, *, is_margin: bool
) -> Row:
    equity = view.total + figures.unrealized
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
        "totalOrderIM": plain(figures.orders),
        "totalPositionIM": plain(figures.initial),
        "totalPositionMM": plain(figures.maintenance),
        "unrealisedPnl": plain(figures.unrealized),
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
