"""Explains how the balances of a session's accounts have changed: by executions, fees, funding and transfers. Pure.

All figures are the venues' own: balances at the start and the end, the list of executions, also those of others in the
session's symbols, and payments. What remains is named and is no difference of the proof: interest, other symbols,
conversions. A perpetual's executions change a balance by the profit that they realise, so that quote is explained for
sessions that begin and end without a position there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from arb.config.account_keys import house_of
from arb.config.assets import assets_of
from arb.engine.account import FUNDING
from arb.leg import Leg
from arb.runtime.live_files import OrderRecords

#: Causes of a change, in the order in which they are shown.
CAUSES = ("executions", "fees", "funding", "transfers")
#: Venues round each amount to eight places, and the bot has funding as a float.
_ROUNDED, _SHARE = Decimal("0.000001"), Decimal("0.000000001")
#: By wallet, asset and cause.
_Changes: TypeAlias = dict[tuple[str, str], dict[str, Decimal]]


def wallet_of(venue: str) -> str:
    """Of which account's balances an order at a venue is paid: Bybit's are one."""
    return venue if venue.startswith("binance") else house_of(venue)


def balance_lines(orders: OrderRecords, legs: Sequence[Leg], session_ms: int) -> list[str]:
    """A line for each wallet and asset of the legs; none for what is not known. session_ms: the session's start."""
    changes: _Changes = {}
    open_quotes: set[tuple[str, str]] = set()
    by_name = {(leg.venue, leg.symbol): leg for leg in legs}
    for (venue, symbol), leg in by_name.items():
        assets = assets_of(symbol)
        if assets is None or not (leg.tick_size_text and leg.lot_size_text):
            continue
        wallet, facts = wallet_of(venue), orders.facts.get(venue, {})
        _add_executions(changes, wallet, leg, facts.get("executions", ()), session_ms)
        positions = facts.get("positions", {})
        ends = [Decimal(positions.get(part, {}).get(symbol, "0")) for part in ("start", "end")]
        if not leg.is_spot and any(ends):
            open_quotes.add((wallet, assets.quote))
    _add_payments(changes, orders, legs)
    lines = []
    for wallet, asset in sorted(changes):
        change = _change(orders.facts, wallet, asset)
        if change is None:
            continue
        if (wallet, asset) in open_quotes:
            lines.append(
                f"balance of {wallet} {asset}: {change:+f}; not explained: a perpetual position was open"
            )
            continue
        own = changes[wallet, asset]
        rest = change - sum(own.values(), Decimal(0))
        causes = ", ".join(f"{name} {own[name].normalize():+f}" for name in CAUSES if own.get(name))
        is_explained = abs(rest) <= _ROUNDED + _SHARE * abs(change)
        end = "all of it" if is_explained else f"{rest.normalize():+f} is not explained by them"
        lines.append(f"balance of {wallet} {asset}: {change.normalize():+f}: {causes or 'nothing'}; {end}")
    return lines


def _add_executions(
    changes: _Changes, wallet: str, leg: Leg, executions: Sequence[Mapping[str, Any]], session_ms: int
) -> None:
    assets = assets_of(leg.symbol)
    if assets is None:
        return
    tick, lot = Decimal(leg.tick_size_text), Decimal(leg.lot_size_text)
    for name in assets if leg.is_spot else assets[1:]:
        changes.setdefault((wallet, name), {})
    for one in executions:
        if one["symbol"] != leg.symbol or one["venue_ms"] < session_ms:
            continue
        qty = one["side"] * lot * one["lots"]
        _add(changes, wallet, assets.quote, "executions", -qty * tick * one["tick"])
        if leg.is_spot:
            _add(changes, wallet, assets.base, "executions", qty)
        fee_asset = one["fee_asset"] or assets.quote
        _add(changes, wallet, fee_asset, "fees", -Decimal(one["fee"]))


def _add_payments(changes: _Changes, orders: OrderRecords, legs: Sequence[Leg]) -> None:
    for response in orders.responses[orders.responses["row"]["req"] == FUNDING]:
        leg = legs[int(response["leg"])]
        assets = assets_of(leg.symbol)
        if assets is not None:
            paid = Decimal(repr(float(response["row"]["exec_qty"])))
            _add(changes, wallet_of(leg.venue), assets.quote, "funding", paid)
    seen: set[tuple[str, str]] = set()
    for venue, facts in orders.facts.items():
        for one in facts.get("transfers", ()):
            key = wallet_of(venue), one["id"]
            if key not in seen:  # venues of one wallet report the same ones
                seen.add(key)
                _add(changes, key[0], one["asset"], "transfers", Decimal(one["amount"]))


def _add(changes: _Changes, wallet: str, asset: str, cause: str, amount: Decimal) -> None:
    own = changes.setdefault((wallet, asset), {})
    own[cause] = own.get(cause, Decimal(0)) + amount


def _change(facts: Mapping[str, Any], wallet: str, asset: str) -> Decimal | None:
    """By how much a balance has changed, None if it is not known. An asset that is left out of a view is zero."""
    for venue, own in sorted(facts.items()):
        if wallet_of(venue) != wallet:
            continue
        start, end = own["balances"]["start"], own["balances"]["end"]
        if start and end:
            return Decimal(end.get(asset, "0")) - Decimal(start.get(asset, "0"))
    return None
