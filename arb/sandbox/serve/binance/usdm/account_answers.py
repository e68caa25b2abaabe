"""USD-M's answers about balances, positions and the account, as objects that are encoded as JSON. Pure.

Fields are those of the saved pages (openxapi e2791e4, read 2025-11). Margin figures are those of the model in
`arb.sandbox.accounts.margin`; the break-even price is the entry price and one taker fee; the rank in the queue of ADL
is always 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO, plain, rounded
from arb.sandbox.accounts.liquidation import liquidation_price
from arb.sandbox.accounts.margin import Margin, PositionMargin
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.serve.binance.usdm.words import Clock, Formats, money, short_money

Row = dict[str, Any]

VENUE = "binance_usdm"


class State(NamedTuple):
    """An account with its margin and the instruments; `marks`: present mark prices by symbol."""

    account: Account
    margin: Margin
    rules: Mapping[str, InstrumentRules]
    marks: Callable[[str], Decimal]
    clock: Clock


def balances(state: State) -> list[Row]:
    """`balance` of v2 and v3, and `account.balance`."""
    rows = []
    for asset in state.account.wallet(VENUE).assets():
        margin = _margin(state, asset)
        rows.append(
            {
                "accountAlias": _alias(state.account),
                "asset": asset,
                "balance": money(margin.wallet),
                "crossWalletBalance": money(margin.cross_wallet),
                "crossUnPnl": money(margin.cross_unrealized),
                "availableBalance": money(margin.available),
                "maxWithdrawAmount": money(_withdrawable(margin)),
                "marginAvailable": _is_margin(state, asset),
                "updateTime": _balance_ms(state, asset),
            }
        )
    return rows


def positions_v3(state: State, symbol: str | None = None) -> list[Row]:
    """`positionRisk` of v3: positions that are open or have open orders."""
    return [_position_v3(state, one) for one in state.margin.positions if symbol in (None, one.symbol)]


def socket_positions_v3(state: State, symbol: str | None = None) -> list[Row]:
    """`v2/account.position`, which has another spelling of one field."""
    spelled = {"unRealizedProfit": "unrealizedProfit"}
    return [
        {spelled.get(name, name): value for name, value in row.items()} for row in positions_v3(state, symbol)
    ]


def positions_v2(state: State, symbol: str | None = None) -> list[Row]:
    """`positionRisk` of v2, and `account.position`: every symbol, with each side that its mode has."""
    return [_position_v2(state, one) for one in _all_positions(state) if symbol in (None, one.symbol)]


def account_v3(state: State) -> Row:
    """`account` of v3, and `v2/account.status`."""
    assets = [_asset(state, asset) for asset in state.account.wallet(VENUE).assets()]
    return {
        **_totals(state.margin),
        "assets": assets,
        "positions": [
            {
                "symbol": one.symbol,
                "positionSide": one.side.name,
                "positionAmt": Formats(state.rules[one.symbol]).quantity(one.quantity),
                "unrealizedProfit": money(one.unrealized),
                "isolatedMargin": money(_isolated_margin(one)),
                "notional": short_money(one.notional),
                "isolatedWallet": short_money(one.isolated_margin),
                "initialMargin": short_money(one.initial + one.order_margin),
                "maintMargin": short_money(one.maintenance),
                "updateTime": _updated_ms(state, one),
            }
            for one in state.margin.positions
        ],
    }


def account_v2(state: State) -> Row:
    """`account` of v2, and `account.status`: every symbol."""
    modes = state.account.modes
    return {
        "feeTier": 0,
        "feeBurn": modes.fee_burn,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": modes.is_multi_assets,
        "tradeGroupId": state.account.group,
        **_totals(state.margin),
        "assets": [_asset(state, asset, is_v2=True) for asset in state.account.wallet(VENUE).assets()],
        "positions": [_account_position_v2(state, one) for one in _all_positions(state)],
    }


def _position_v3(state: State, one: PositionMargin) -> Row:
    return {
        "symbol": one.symbol,
        "positionSide": one.side.name,
        "positionAmt": Formats(state.rules[one.symbol]).quantity(one.quantity),
        "entryPrice": plain(_entry(state, one)),
        "breakEvenPrice": plain(_break_even(state, one)),
        "markPrice": money(one.mark),
        "unRealizedProfit": money(one.unrealized),
        "liquidationPrice": _liquidation(state, one),
        "isolatedMargin": short_money(_isolated_margin(one)),
        "notional": short_money(one.notional),
        "marginAsset": state.margin.asset,
        "isolatedWallet": short_money(one.isolated_margin),
        "initialMargin": short_money(one.initial + one.order_margin),
        "maintMargin": short_money(one.maintenance),
        "positionInitialMargin": short_money(one.initial),
        "openOrderInitialMargin": short_money(one.order_margin),
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": _updated_ms(state, one),
    }


def _position_v2(state: State, one: PositionMargin) -> Row:
    leverage = state.account.modes.leverage(one.symbol)
    return {
        "symbol": one.symbol,
        "positionAmt": Formats(state.rules[one.symbol]).quantity(one.quantity),
        "entryPrice": plain(_entry(state, one)),
        "breakEvenPrice": plain(_break_even(state, one)),
        "markPrice": money(one.mark),
        "unRealizedProfit": money(one.unrealized),
        "liquidationPrice": _liquidation(state, one),
        "leverage": str(leverage),
        "maxNotionalValue": plain(state.rules[one.symbol].position_limit(leverage)),
        "marginType": "isolated" if one.is_isolated else "cross",
        "isolatedMargin": money(_isolated_margin(one)),
        "isAutoAddMargin": "false",
        "positionSide": one.side.name,
        "notional": short_money(one.notional),
        "isolatedWallet": short_money(one.isolated_margin),
        "updateTime": _updated_ms(state, one),
    }


def _account_position_v2(state: State, one: PositionMargin) -> Row:
    leverage = state.account.modes.leverage(one.symbol)
    return {
        "symbol": one.symbol,
        "initialMargin": short_money(one.initial + one.order_margin),
        "maintMargin": short_money(one.maintenance),
        "unrealizedProfit": money(one.unrealized),
        "positionInitialMargin": short_money(one.initial),
        "openOrderInitialMargin": short_money(one.order_margin),
        "leverage": str(leverage),
        "isolated": one.is_isolated,
        "entryPrice": plain(_entry(state, one)),
        "maxNotional": plain(state.rules[one.symbol].position_limit(leverage)),
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": one.side.name,
        "positionAmt": Formats(state.rules[one.symbol]).quantity(one.quantity),
        "updateTime": _updated_ms(state, one),
    }


def _totals(margin: Margin) -> Row:
    """Of the settlement asset; with the value of the other assets where they count as margin."""
    return {
        "totalInitialMargin": money(margin.initial + margin.order_margin),
        "totalMaintMargin": money(margin.maintenance),
        "totalWalletBalance": money(margin.wallet + margin.collateral),
        "totalUnrealizedProfit": money(margin.unrealized),
        "totalMarginBalance": money(margin.wallet + margin.collateral + margin.unrealized),
        "totalPositionInitialMargin": money(margin.initial),
        "totalOpenOrderInitialMargin": money(margin.order_margin),
        "totalCrossWalletBalance": money(margin.cross_wallet + margin.collateral),
        "totalCrossUnPnl": money(margin.cross_unrealized),
        "availableBalance": money(margin.available),
        "maxWithdrawAmount": money(_withdrawable(margin)),
    }


def _asset(state: State, asset: str, *, is_v2: bool = False) -> Row:
    margin = _margin(state, asset)
    row: Row = {
        "asset": asset,
        "walletBalance": money(margin.wallet),
        "unrealizedProfit": money(margin.unrealized),
        "marginBalance": money(margin.wallet + margin.unrealized),
        "maintMargin": money(margin.maintenance),
        "initialMargin": money(margin.initial + margin.order_margin),
        "positionInitialMargin": money(margin.initial),
        "openOrderInitialMargin": money(margin.order_margin),
        "crossWalletBalance": money(margin.cross_wallet),
        "crossUnPnl": money(margin.cross_unrealized),
        "availableBalance": money(margin.available),
        "maxWithdrawAmount": money(_withdrawable(margin)),
    }
    if is_v2 or state.account.modes.is_multi_assets:
        row["marginAvailable"] = _is_margin(state, asset)
    return row | {"updateTime": _balance_ms(state, asset)}


def _margin(state: State, asset: str) -> Margin:
    if asset == state.margin.asset:
        return state.margin
    return Margin(asset, state.account.wallet(VENUE).total(asset), ZERO, ZERO, ())


def _is_margin(state: State, asset: str) -> bool:
    return asset == state.margin.asset or state.account.modes.is_multi_assets


def _withdrawable(margin: Margin) -> Decimal:
    """Available without profits that are not realized, at most what the wallet has."""
    own = margin.available - margin.collateral - max(ZERO, margin.cross_unrealized)
    return max(ZERO, min(own, margin.cross_wallet))


def _all_positions(state: State) -> list[PositionMargin]:
    sides = (PositionSide.LONG, PositionSide.SHORT) if state.account.modes.is_hedge else (PositionSide.BOTH,)
    known = {(one.symbol, one.side): one for one in state.margin.positions}
    return [
        known.get((symbol, side)) or _empty(state, symbol, side) for symbol in state.rules for side in sides
    ]


def _empty(state: State, symbol: str, side: PositionSide) -> PositionMargin:
    is_isolated = state.account.modes.is_isolated(symbol)
    return PositionMargin(
        symbol, side, ZERO, state.marks(symbol), ZERO, ZERO, ZERO, ZERO, ZERO, is_isolated, ZERO
    )


def _entry(state: State, one: PositionMargin) -> Decimal:
    return state.account.positions.get(one.symbol, one.side).entry


def _break_even(state: State, one: PositionMargin) -> Decimal:
    rate = state.account.fee_rules[VENUE].taker
    return rounded(_entry(state, one) * (1 + rate if one.quantity > 0 else 1 - rate))


def _isolated_margin(one: PositionMargin) -> Decimal:
    return one.isolated_balance if one.is_isolated else ZERO


def _liquidation(state: State, one: PositionMargin) -> str:
    return short_money(liquidation_price(state.margin, one, state.rules[one.symbol]))


def _updated_ms(state: State, one: PositionMargin) -> int:
    updated_ns = state.account.positions.get(one.symbol, one.side).updated_ns
    return state.clock(updated_ns) if updated_ns else 0


def _balance_ms(state: State, asset: str) -> int:
    updated_ns = state.account.wallet(VENUE).updated_ns(asset)
    return state.clock(updated_ns) if updated_ns else 0


def _alias(account: Account) -> str:
    """The venue's short code of an account."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    number, alias = account.uid, ""
    for _ in range(4):
        number, index = divmod(number, len(letters))
        alias += letters[index]
    return alias
