"""What the sandbox itself knows of its accounts, for comparison with what clients say: the page /sandbox/ledger. Pure.

Amounts are decimal texts without exponent; sides are "buy" and "sell"; times are ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from arb.errors import InvariantError
from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact, plain
from arb.sandbox.accounts.ledger import Entry
from arb.sandbox.accounts.positions import Position
from arb.sandbox.events import BUY
from arb.sandbox.trading.order_state import Execution, VenueOrder
from arb.sandbox.trading.state import Trading


def ledger_view(trading: Trading, account: str | None = None, since: int = 0) -> dict[str, Any]:
    """All accounts, or one, by house and id. since: ledger entries with larger numbers only."""
    with exact():
        return {
            house: {
                id: _account(trading, house, one, since)
                for id, one in accounts.items()
                if account in (None, id)
            }
            for house, accounts in trading.accounts.items()
        }


def order_view(order: VenueOrder) -> dict[str, Any]:
    """An order as the desk knows it."""
    return {
        "no": order.no,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": _side(order.side),
        "kind": order.kind.name,
        "force": order.force.name,
        "price": None if order.price is None else plain(order.price),
        "quantity": plain(order.quantity),
        "status": order.status.name,
        "end_reason": None if order.end_reason is None else order.end_reason.name,
        "filled": plain(order.filled),
        "value": plain(order.value),
        "average": plain(order.average),
        "prevented": plain(order.prevented),
        "fees": _amounts(order.fees),
        "reduce_only": order.reduce_only,
        "position_side": order.position_side.name,
        "created_ns": order.created_ns,
        "updated_ns": order.updated_ns,
    }


def execution_view(one: Execution) -> dict[str, Any]:
    """An execution, or a funding payment."""
    return {
        "trade_id": one.trade_id,
        "order_id": one.order_id,
        "client_id": one.client_id,
        "symbol": one.symbol,
        "kind": one.kind.name,
        "side": _side(one.side),
        "price": plain(one.price),
        "quantity": plain(one.quantity),
        "is_maker": one.is_maker,
        "fee": plain(one.fee),
        "fee_asset": one.fee_asset,
        "realized": plain(one.realized),
        "at_ns": one.at_ns,
    }


def entry_view(entry: Entry) -> dict[str, Any]:
    """An entry of the ledger."""
    return entry._asdict() | {"amount": plain(entry.amount), "cause": entry.cause.name}


def _account(trading: Trading, house: str, account: Account, since: int) -> dict[str, Any]:
    problem = None
    try:
        account.ledger.check()
    except InvariantError as error:
        problem = str(error)
    desks = {venue: desk for venue, desk in trading.desks.items() if venue.startswith(house)}
    return {
        "uid": account.uid,
        "problem": problem,
        "wallets": {
            name: {
                asset: {"total": plain(wallet.total(asset)), "locked": plain(wallet.locked(asset))}
                for asset in wallet.assets()
            }
            for name, wallet in account.wallets.items()
        },
        "positions": [_position(one) for one in account.positions.open_positions()],
        "open_orders": {
            venue: [order_view(one) for one in desk.open_orders(account.id, all=True)]
            for venue, desk in desks.items()
        },
        "closed_orders": {
            venue: [order_view(one) for one in desk.closed_orders(account.id, all=True)]
            for venue, desk in desks.items()
        },
        "executions": {
            venue: [execution_view(one) for one in desk.executions(account.id)]
            for venue, desk in desks.items()
        },
        "entries": [entry_view(one) for one in account.ledger.entries if one.no > since],
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "symbol": position.symbol,
        "side": position.side.name,
        "quantity": plain(position.quantity),
        "entry": plain(position.entry),
        "realized": plain(position.realized),
        "isolated_margin": plain(position.isolated_margin),
    }


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: plain(amount) for asset, amount in amounts.items()}


def _side(side: int) -> str:
    return "buy" if side == BUY else "sell"
