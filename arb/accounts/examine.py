"""What a start would find at the accounts, without changing anything or stopping at the first refusal.

Beside the start's checks: limits of orders, open orders, positions, and an order of each leg that the venue checks and
does not place. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Literal

from arb.accounts.checks import (
    StartCheck,
    Step,
    balance_checks,
    change_text,
    clock_check,
    failed_check,
    fee_checks,
    filter_checks,
    key_checks,
    mode_changes,
    shown,
)
from arb.accounts.clock import sample_clock
from arb.accounts.facts import (
    AccountClient,
    AccountError,
    CheckedOrder,
    OpenOrder,
    OrderLimit,
    Payment,
    Position,
)
from arb.accounts.start import Questions, StartSetup, account_needs, answers_of
from arb.config.account_keys import house_of
from arb.leg import Leg
from connectors.model import Listing
from connectors.units import DAY, MILLISECOND

#: The order's price is this far below the touch, as nobody knows where the market is when it is checked.
_BELOW = Decimal("0.995")
#: Open orders and positions that a line names.
_NAMED_MAX = 5

#: What is examined, in the order of the report.
Topic = Step | Literal["limits", "orders", "positions", "payments", "order test"]
Finding = tuple[Topic, StartCheck]


async def examine_accounts(
    setup: StartSetup,
    clients: Mapping[str, AccountClient],
    listings: Mapping[str, Mapping[str, Listing] | str],
    mids: Mapping[str, float],
    now_ns: int,
) -> list[Finding]:
    """All findings. clients: by house; listings: by venue; mids: prices by the legs' names, NaN for none."""
    found: list[Finding] = []

    def add(topic: Topic, checks: Sequence[StartCheck]) -> None:
        found.extend((topic, check) for check in checks)

    asked = Questions(setup, clients)
    clocks, failures = await answers_of(
        {name: sample_clock(venue, setup.hosts) for name, venue in setup.venues.items()}, setup
    )
    add("clock", [*failures, *(clock_check(name, clock) for name, clock in clocks.items())])
    for name, clock in clocks.items():
        clients[house_of(name)].set_clock(clock.offset_ns)
    rights, failures = await answers_of(asked.rights, setup, is_optional=True)
    add("key", failures)
    for house, own in rights.items():
        add("key", key_checks(house, own, setup.kinds(house), setup.environment))
    for name, venue in setup.venues.items():
        add("filters", filter_checks(venue, setup.symbols(name), listings[name]))
    modes, failures = await answers_of(asked.modes, setup)
    add("settings", failures)
    for name, mode in modes.items():
        changes = mode_changes(mode, setup.wish(name), setup.symbols(name))
        text = ", ".join(change_text(change) for change in changes)
        line = f"arb live would set {text}" if changes else "as configured"
        add("settings", [StartCheck(name, "ok", line)])
    fees, failures = await answers_of(asked.fees, setup)
    add("fees", failures)
    for name, rates in fees.items():
        is_sandbox = setup.environment == "sandbox"
        add("fees", fee_checks(setup.venues[name], setup.wish(name), rates, is_sandbox=is_sandbox))
    balances, failures = await answers_of(asked.balances, setup)
    add("balances", failures)
    needs = account_needs(setup.legs)
    for wallet, amounts in balances.items():
        add("balances", balance_checks(wallet, needs[wallet], amounts))
    await asked.close()
    for topic, checks in await _left_open(setup, clients, now_ns):
        add(topic, checks)
    add("order test", await _tested(setup, clients, mids))
    return found


def smallest_order(leg: Leg, mid: float) -> CheckedOrder:
    """A purchase a little below `mid`, of the smallest quantity that the venue takes."""
    tick, lot = Decimal(leg.tick_size_text), Decimal(leg.lot_size_text)
    price = (Decimal(repr(mid)) * _BELOW / tick).to_integral_value(ROUND_DOWN) * tick
    least = max(
        Decimal(repr(leg.min_qty)), Decimal(repr(leg.min_notional)) / price / Decimal(repr(leg.contract_size))
    )
    quantity = max(Decimal(1), (least / lot).to_integral_value(ROUND_CEILING)) * lot
    return CheckedOrder(leg.symbol, shown(price), shown(quantity))


async def _left_open(
    setup: StartSetup, clients: Mapping[str, AccountClient], now_ns: int
) -> list[tuple[Topic, list[StartCheck]]]:
    """Limits, open orders, positions, payments of the last day."""
    of = {name: clients[house_of(name)] for name in setup.venues}
    perpetuals = {name: of[name].positions() for name in setup.perpetuals}
    since_ms = (now_ns - DAY) // MILLISECOND
    by_house = {house: client.payments(since_ms) for house, client in clients.items()}
    (
        (limits, no_limits),
        (orders, no_orders),
        (positions, no_positions),
        (payments, no_payments),
    ) = await asyncio.gather(
        answers_of({name: client.order_limits(name) for name, client in of.items()}, setup),
        answers_of({name: client.open_orders(name) for name, client in of.items()}, setup),
        answers_of(perpetuals, setup),
        answers_of(by_house, setup),
    )
    return [
        ("limits", [*no_limits, *(_limits_check(name, own) for name, own in limits.items())]),
        ("orders", [*no_orders, *(_orders_check(name, own) for name, own in orders.items())]),
        ("positions", [*no_positions, *(_positions_check(name, own) for name, own in positions.items())]),
        ("payments", [*no_payments, *(_payments_check(name, own) for name, own in payments.items())]),
    ]


def _limits_check(venue: str, limits: Sequence[OrderLimit]) -> StartCheck:
    texts = [
        f"{one.limit:,} orders in {one.interval}" + (f" ({one.used:,} used)" if one.used is not None else "")
        for one in limits
    ]
    return StartCheck(venue, "ok", ", ".join(texts) or "reported with each answer to an order")


def _orders_check(venue: str, orders: Sequence[OpenOrder]) -> StartCheck:
    texts = [
        f"{'buy' if one.is_buy else 'sell'} {shown(one.quantity - one.filled)} {one.symbol} at {shown(one.price)}"
        for one in orders[:_NAMED_MAX]
    ]
    return StartCheck(venue, "ok", _counted(len(orders), "open order", texts))


def _positions_check(venue: str, positions: Sequence[Position]) -> StartCheck:
    texts = [
        f"{one.quantity:+f} {one.symbol} from {shown(one.entry_price)}" for one in positions[:_NAMED_MAX]
    ]
    return StartCheck(venue, "ok", _counted(len(positions), "position", texts))


def _payments_check(house: str, payments: Sequence[Payment]) -> StartCheck:
    sums: dict[tuple[str, str], Decimal] = {}
    for one in payments:
        sums[one.kind, one.asset] = sums.get((one.kind, one.asset), Decimal(0)) + one.amount
    texts = [
        f"{kind} {'+' if amount > 0 else ''}{shown(amount)} {asset}" for (kind, asset), amount in sums.items()
    ]
    return StartCheck(house, "ok", f"in the last 24 hours: {', '.join(texts) or 'no funding, no transfer'}")


def _counted(count: int, what: str, texts: Sequence[str]) -> str:
    if not count:
        return f"no {what}"
    more = f" and {count - len(texts)} more" if count > len(texts) else ""
    return f"{count} {what}{'s' if count > 1 else ''}: {', '.join(texts)}{more}"


async def _tested(
    setup: StartSetup, clients: Mapping[str, AccountClient], mids: Mapping[str, float]
) -> list[StartCheck]:
    async def one(leg: Leg) -> StartCheck:
        if not mids[leg.name] > 0 or math.isinf(mids[leg.name]):
            return StartCheck(leg.name, "warning", "no price, so no order was checked")
        order = smallest_order(leg, mids[leg.name])
        text = f"a purchase of {shown(order.quantity)} at {shown(order.price)}"
        try:
            is_tested = await clients[house_of(leg.venue)].test(leg.venue, order)
        except AccountError as error:
            if error.is_unserved and setup.environment in ("testnet", "demo"):
                return StartCheck(leg.name, "warning", "no order can be checked here")
            step = f"look at the account, and at [symbols.{leg.symbol}] of {setup.venues[leg.venue].file}"
            return failed_check(leg.name, setup.venues[leg.venue].file, error, step)
        if not is_tested:
            return StartCheck(leg.name, "ok", "the venue has no request that only checks an order")
        return StartCheck(leg.name, "ok", f"{text} would be taken; it was not placed")

    return list(await asyncio.gather(*(one(leg) for leg in setup.legs)))
